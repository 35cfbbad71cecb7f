"""A library of paragraphs that two evaluations make at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from centerlm.evaluation.items import Paragraph
from centerlm.evaluation.pool import pool_library
from centerlm.library import Library

TEXTS = [Paragraph("Norburg", "Ada leads it."), Paragraph("Faro", "It has a harbour.")]


class Overtaken(list[Paragraph]):
    """While it is written, another process makes the same library."""

    def __init__(self, folder: Path) -> None:
        super().__init__(TEXTS)
        self._folder, self._read = folder, 0

    def __iter__(self) -> Iterator[Paragraph]:
        self._read += 1
        first, *rest = TEXTS
        yield first
        if self._read == 2:  # it was hashed before
            pool_library(TEXTS, self._folder, embedder=None)
        yield from rest


def test_a_library_that_two_make_at_once_is_whole(tmp_path: Path) -> None:
    folder = pool_library(Overtaken(tmp_path), tmp_path, embedder=None)
    with Library.open(folder, embedder=None) as library:
        assert library.stats().titles == ("Norburg", "Faro")
    assert [path.name for path in folder.parent.iterdir() if path.is_file()] == ["pool.jsonl"]
