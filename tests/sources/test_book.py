from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from books_data import novel
from centerlm.errors import InputError
from centerlm.finding import Finding
from centerlm.library import Library
from centerlm.sources.base import Seek
from centerlm.sources.book import Book, view_of

pytest.importorskip("sentencex", reason="notes need sentencex, from the books extra")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    folder = tmp_path_factory.mktemp("book")
    (folder / "salt.txt").write_text(novel())
    with Library.open(folder / "library", create=True, embedder=None) as opened:
        opened.ingest([folder / "salt.txt"])
        yield opened


def ask(library: Library, question: str, before: int | None = None) -> Finding:
    book = Book(view_of(library, before=before), file="salt.txt")
    return asyncio.run(book.seek(Seek(question)))


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("Who is present?", "Captain Brandt"),
        ("Who may come up next?", "Captain Brandt"),
        ("Where was Edith last?", "Edith Hollis: Marsh End"),
        ("Where is everybody?", "Marsh End"),
        ("Who is dead?", "Tobias Crane is dead"),
        ("What happened lately?", "key to Marsh End"),
        ("Which promises are open?", "promise: "),
        ("Who narrates, and in which tense?", "third person, past tense"),
        ("Who is Brandt?", "Captain Brandt (also Brandt), named"),
    ],
)
def test_questions_are_answered_from_the_notes(library: Library, question: str, words: str) -> None:
    finding = ask(library, question)
    assert finding.found and finding.typed and words in str(finding.value)
    for citation in finding.citations:
        stands = library.text(library.books()[0].document, int(citation.start), int(citation.end))
        assert citation.quote == " ".join(stands.split())
    assert finding.citations or "narrates" in question


def test_a_reader_of_the_first_chapter_knows_of_no_death(library: Library) -> None:
    before = novel().index("CHAPTER II. The Ferry\n\nIn")
    assert not ask(library, "Who is dead?", before).found
    assert "Tobias" not in str(ask(library, "Who is present?", before).value)


def test_other_questions_find_nothing(library: Library) -> None:
    finding = ask(library, "How high is the tower of Borg?")
    assert not finding.found and "say nothing" in finding.reason


def test_a_library_without_a_book_is_refused(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("No book.")
    with Library.open(tmp_path / "library", create=True, embedder=None) as opened:
        opened.ingest([tmp_path / "note.txt"])
        with pytest.raises(InputError, match="holds no book"):
            view_of(opened)
