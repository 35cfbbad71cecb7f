from __future__ import annotations

import asyncio
import json

import pytest

from books_data import novel
from centerlm.books.view import view_of_text
from centerlm.models.scripted import ScriptedModel
from centerlm.sources.base import Seek
from centerlm.sources.writer import Desk, Writer

pytest.importorskip("sentencex", reason="books need sentencex, from the books extra")

FLAWED = (
    "Tobias Crane smiled at her. She knew Zorn too, and said so, and Zorn laughed at it. "
    "Then they went along the bank."
)


@pytest.mark.parametrize("later", ["No.", ""])
def test_a_draft_with_problems_is_kept_over_one_without_text(later: str) -> None:
    drafts = iter([FLAWED, later, later])
    view = view_of_text(novel())
    model = ScriptedModel(lambda prompt, sampling: next(drafts))
    writer = Writer(Desk(view, view.known(), model, 100))
    found = asyncio.run(writer.seek(Seek("Write beat 1 of #1", "Write beat 1 of #1")))
    assert found.value == FLAWED
    about = json.loads(found.text)
    assert about["drafts"] == 3 and len(about["problems"]) >= 2
