"""Rounds of learning, as the pages find and start them."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from centerlm.errors import InputError
from centerlm.journal_file import lock_file
from centerlm.learning.guide import Edit
from centerlm.learning.run_folder import write_json
from centerlm.studio import learn, rounds

WHEN = "2026-01-01T00:00:00+00:00"
EDITS = [
    Edit("Who was born in Norburg?", "1 [documents] Who was born in Norburg?\n", WHEN),
    Edit("How long is the Ister?", "1 [documents] How long is the Ister?\n", WHEN),
]


def _new(root: Path) -> rounds.Round:
    return rounds.new_round(root, EDITS, length="short", model="local:default", start=None)


def test_a_round_that_was_killed_before_it_had_a_record_hides_no_other(tmp_path: Path) -> None:
    first = _new(tmp_path)
    (tmp_path / "2").mkdir()
    assert [one.number for one in rounds.all_rounds(tmp_path)] == [first.number] == [1]
    assert _new(tmp_path).number == 3


def _pages(root: Path, monkeypatch: pytest.MonkeyPatch) -> learn.LearnPages:
    parts = SimpleNamespace(
        apart=False, settings=SimpleNamespace(center=SimpleNamespace(model="local:default"))
    )

    async def begun(request: Any, kind: Any) -> learn.Begun:
        del request, kind
        return learn.Begun()

    async def edits() -> list[Edit]:
        return EDITS

    monkeypatch.setenv("CENTERLM_HOME", str(root))
    monkeypatch.setattr(learn, "form_of", begun)
    monkeypatch.setattr(learn, "_needs_training", lambda: None)
    monkeypatch.setattr(learn.adapters, "is_local", lambda parts: True)
    monkeypatch.setattr(learn.adapters, "in_use", lambda parts: None)
    site: Any = SimpleNamespace(service=SimpleNamespace(parts=parts))
    return learn.LearnPages(site, SimpleNamespace(all=edits))  # pyright: ignore[reportArgumentType]


def test_two_rounds_are_never_under_way_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages, held = _pages(tmp_path, monkeypatch), list[int]()

    def work_on(one: rounds.Round) -> None:
        held.append(lock_file(one.folder / "lock"))

    monkeypatch.setattr(rounds, "work_on", work_on)

    async def clicked_twice() -> list[Any]:
        clicks = [pages.start(SimpleNamespace()) for _ in range(2)]  # pyright: ignore[reportArgumentType]
        return await asyncio.gather(*clicks, return_exceptions=True)

    stopped = _new(pages.root)
    write_json(stopped.folder / "round.json", stopped.record | {"state": "stopped"})
    first, second = asyncio.run(clicked_twice())
    assert first.status_code == 204
    assert isinstance(second, InputError) and "round 2 is under way" in str(second)
    request: Any = SimpleNamespace(path_params={"number": stopped.number})
    with pytest.raises(InputError, match="round 2 is under way"):
        asyncio.run(pages.resume(request))
    for handle in held:
        os.close(handle)
