"""The benchmark that makes questions: what it takes for one, and that training can read them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from centerlm.learning.reading import Material, read_own_squad
from centerlm.learning.records import Reading, Text

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
HARBOUR = Text("p1", "The Grey Harbour", "The Grey Harbour was painted by Ada Brandt in 1912.")


@pytest.fixture(autouse=True)
def path() -> Iterator[None]:
    """Benchmarks are programs, not a package: their folder is on the path while they run."""
    sys.path.insert(0, str(BENCHMARKS))
    yield
    sys.path.remove(str(BENCHMARKS))


@pytest.mark.parametrize(
    "reply",
    [
        "Ada Brandt",
        "Ada Brandt\nWho painted the picture The Grey Harbour",
        "Ada Brandt\nWho was it?",
        "Ada Brandt\nWhat did Ada Brandt paint in 1912?",
        "Tom Lund\nWho painted the picture The Grey Harbour?",
        "\nWho painted the picture The Grey Harbour?",
        "Ada Brandt\nWho painted The Grey Harbour?\nAnd who else painted it?",
    ],
)
def test_what_is_no_question_on_the_passage_is_not_taken(reply: str) -> None:
    from made_questions import asked_of

    assert asked_of(HARBOUR, reply) is None


def test_an_answer_is_spelled_as_in_the_passage() -> None:
    from made_questions import Asked, asked_of

    reply = "  ada brandt \n\nWho painted the picture The Grey Harbour?\n"
    asked = "Who painted the picture The Grey Harbour?"
    assert asked_of(HARBOUR, reply) == Asked(HARBOUR, asked, "Ada Brandt")


def test_favourite_questions_of_an_asker_are_bounded() -> None:
    from made_questions import OF_A_PATTERN, Asked, not_too_alike

    passages = [Text(f"p{n}", f"Ada {n}", "Born in 1912.") for n in range(OF_A_PATTERN + 5)]
    asked = [Asked(p, f"When was Ada {n} born?", "1912") for n, p in enumerate(passages)]
    other = Asked(HARBOUR, "Who painted The Grey Harbour?", "Ada Brandt")
    again = Asked(HARBOUR, "who painted The Grey Harbour?", "Ada Brandt")
    assert not_too_alike([*asked, other, again]) == [*asked[:OF_A_PATTERN], other]


def test_training_reads_what_was_made(tmp_path: Path) -> None:
    from made_questions import Asked, squad_of

    questions = {"Who painted the picture?": "Ada Brandt", "When was it painted?": "1912"}
    file = tmp_path / "asked.json"
    made = [Asked(HARBOUR, question, answer) for question, answer in questions.items()]
    file.write_text(json.dumps(squad_of(made)))
    material = read_own_squad(file)
    assert {one.question: one.answer for one in material.readings} == questions
    assert [text.text for text in material.texts] == [HARBOUR.text] and not material.skipped


def test_an_asker_learns_each_answer_of_a_passage_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import made_questions
    from made_questions import asker_examples

    def reading(number: int, origin: str, answer: str | None) -> Reading:
        return Reading(f"r{number}", origin, f"Who painted it in {number}?", answer, ("p1",))

    readings = [reading(1, "qed", "Ada Brandt"), reading(2, "qed", "Ada Brandt")]
    readings += [
        reading(3, "qed", None),
        reading(4, "2wiki", "1912"),
        reading(5, "2wiki", "Brandt"),
    ]
    monkeypatch.setattr(made_questions, "MOST_OF_2WIKI", 1)
    examples = asker_examples(Material((HARBOUR,), tuple(readings)), Random(0))
    assert sorted(one.origin for one in examples) == ["2wiki", "qed"]
    for one in examples:
        answer, question = one.target.split("\n")
        assert question.startswith("Who painted it") and answer in HARBOUR.text
        assert HARBOUR.text in one.prompt.messages[-1].text
