"""The arms are made of the records that the acts are made of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from centerlm.center import ABSORB, DIRECT
from centerlm.errors import InputError
from centerlm.learning.arms import cot, fragmentation, read_pairs
from centerlm.learning.material import Composed, Records
from centerlm.learning.noting import NoteSet, Question
from centerlm.learning.records import Reading, Text
from centerlm.models.scripted import ScriptedModel
from centerlm.sources.base import Seek
from centerlm.sources.expert import Expert

PLAN = "1 [documents] Who made Salt?\n2 [documents] When was #1 born?"
PARTS = (("Who made Salt?", "Ada Holt"), ("When was Ada Holt born?", "1900"))
SALT = Text("t1", "Salt", "Salt was made by Ada Holt.")
ADA = Text("t2", "Ada Holt", "Ada Holt was born in 1900.")
BARE = Composed("q1", "made", "When was the maker of Salt born?", "1900", PLAN, PARTS)
NOTED = Composed("q2", "made", "When was the maker of Salt born?", "1900", PLAN, PARTS, (SALT, ADA))
READ = NoteSet((SALT,), (Question(Reading("r", "made", "Who made Salt?", "Ada Holt", ("t1",)),
                                  "Ada Holt", (1,)),))  # fmt: skip


def test_fragments_are_the_question_and_each_part() -> None:
    made = {e.id: e for e in fragmentation(Records(composed=(BARE,)))}
    assert {id_: e.target for id_, e in made.items()} == {
        "q1": "1900", "q1:1": "Ada Holt", "q1:2": "1900",
    }  # fmt: skip
    assert all(e.act == "answer" for e in made.values())
    assert all(e.prompt.messages[0].text == DIRECT for e in made.values())


def test_with_passages_they_are_read_as_absorbing_reads_them() -> None:
    whole, *rest = reversed(fragmentation(Records(note_sets=(READ,), composed=(NOTED,))))
    assert whole.prompt.messages[0].text == ABSORB
    assert "[2] Ada Holt: Ada Holt was born in 1900." in whole.prompt.messages[1].text
    assert whole.target == "1900 [2]"
    assert [e.target for e in rest] == ["Ada Holt [1]"]  # its parts are among the readings


def test_a_chain_has_plan_parts_and_answer_in_one_reply() -> None:
    bare, noted = cot(Records(composed=(BARE, NOTED)))
    assert bare.target == (
        "1 [documents] Who made Salt? = Ada Holt\n"
        "2 [documents] When was #1 born? = 1900\n"
        "Answer: 1900"
    )
    assert noted.target.endswith("\nAnswer: 1900 [2]")
    assert [e.act for e in (bare, noted)] == ["answer", "answer"]


def test_pairs_are_asked_as_an_expert_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "chess.jsonl"
    lines = [json.dumps({"question": "Mate in one?", "answer": "Qh7"}), "nonsense", '{"answer": 1}']
    lines += [json.dumps({"question": "Mate?", "answer": answer}) for answer in (" ", "\ud83d")]
    path.write_text("\n".join(lines), encoding="utf-8")
    (example,), skipped = read_pairs(path)
    expert = Expert("chess", ScriptedModel(["Qh7"]))
    assert example.prompt == expert._prompt(Seek("Mate in one?"))  # pyright: ignore[reportPrivateUsage]
    assert example.target == "Qh7"
    assert [one.kind for one in skipped] == ["not json", "not a pair", "not a pair", "not text"]
    path.write_text("{}\n")
    with pytest.raises(InputError, match="no line with a question and an answer"):
        read_pairs(path)
