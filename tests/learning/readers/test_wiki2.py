"""2WikiMultihopQA: plans from triples, which have to give the gold answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from centerlm.learning.guidance import Read
from centerlm.learning.readers import read_2wiki

Triple = tuple[str, str, str]


def read(folder: Path, kind: str, question: str, answer: str, *triples: Triple) -> Read:
    record = {
        "_id": "a1", "type": kind, "question": question, "evidences": triples, "answer": answer,
        "context": "[]", "supporting_facts": [["X", 0]],
    }  # fmt: skip
    path = folder / "train.jsonl"
    path.write_text(json.dumps(record))
    return read_2wiki(path)


def plan(read: Read) -> list[str]:
    (guidance,) = read.guidance
    return str(guidance.plan).splitlines()


def test_a_chain_refers_to_the_value_before(tmp_path: Path) -> None:
    got = read(
        tmp_path, "compositional", "Where was the director of film Norburg (Film) born?", "Vell",
        ("Norburg", "director", "Ada Brandt"), ("Ada Brandt (director)", "place of birth", "Vell"),
    )  # fmt: skip
    assert plan(got) == [
        "1 [documents] Who directed Norburg (Film)?",
        "2 [documents] Where was #1 born?",
    ]
    assert dict(got.guidance[0].answers) == {1: "Ada Brandt", 2: "Vell"}


def test_a_chain_holds_though_a_name_is_written_in_two_ways(tmp_path: Path) -> None:
    got = read(
        tmp_path, "inference", "Who is Ada's maternal grandmother?", "Cy",
        ("Ada Brandt", "mother", "Bo Holm"), ("Bo Lee Holm of Vell", "mother", "Cy"),
    )  # fmt: skip
    assert plan(got)[1] == "2 [documents] Who is the mother of #1?"


def test_a_comparison_keeps_the_order_and_the_names_of_the_question(tmp_path: Path) -> None:
    got = read(
        tmp_path, "comparison", "Which film came out first, Red Ink Or Blue Ink?", "Blue Ink",
        ("Blue ink", "publication date", "1979"), ("Red ink", "publication date", "May 1982"),
    )  # fmt: skip
    assert plan(got) == [
        "1 [documents] When was Red Ink released?",
        "2 [documents] When was Blue Ink released?",
        "3 [calculator] earlier(Red Ink: #1, Blue Ink: #2)",
    ]
    assert got.guidance[0].answers[3] == "Blue Ink"


def test_a_bridge_comparison_labels_with_what_is_asked_for(tmp_path: Path) -> None:
    got = read(
        tmp_path, "bridge_comparison",
        "Which film has the director who is younger, Red Ink or Blue Ink?", "Red Ink",
        ("Red Ink", "director", "Ada"), ("Blue Ink", "director", "Bo"),
        ("Bo", "date of birth", "1 May 1900"), ("Ada", "date of birth", "2 May 1901"),
    )  # fmt: skip
    assert plan(got)[2:] == [
        "3 [documents] When was #1 born?",
        "4 [documents] When was #2 born?",
        "5 [calculator] later(Red Ink: #3, Blue Ink: #4)",
    ]


def test_yes_or_no_asks_whether_values_are_the_same(tmp_path: Path) -> None:
    got = read(
        tmp_path, "comparison", "Are Norburg and Vell located in the same country?", "no",
        ("Norburg", "country", "Istria"), ("Vell", "country", "Moravia"),
    )  # fmt: skip
    assert plan(got)[2] == "3 [calculator] same(#1, #2)"
    assert got.guidance[0].answer == "no"


def test_lifetimes_are_computed(tmp_path: Path) -> None:
    got = read(
        tmp_path, "comparison", "Who lived longer, Ada or Bo?", "Bo",
        ("Ada", "date of birth", "1 May 1900"), ("Ada", "date of death", "1 May 1950"),
        ("Bo", "date of birth", "1 May 1900"), ("Bo", "date of death", "1 May 1951"),
    )  # fmt: skip
    assert plan(got)[4:] == [
        "5 [calculator] #2 - #1",
        "6 [calculator] #4 - #3",
        "7 [calculator] argmax(Ada: #5, Bo: #6)",
    ]


@pytest.mark.parametrize(
    ("kind", "question", "answer", "why"),
    [
        ("comparison", "Who was born earlier, Ada or Bo?", "Bo", "not reproduced"),
        ("comparison", "Who was born where, Ada or Bo?", "Bo", "other comparison"),
        ("compositional", "Who is Ada?", "Vell", "not reproduced"),
        ("bridge", "Who is Ada?", "Vell", "not a record"),
    ],
)
def test_what_does_not_give_the_answer_is_listed(
    tmp_path: Path, kind: str, question: str, answer: str, why: str
) -> None:
    triples = ("Ada", "date of birth", "1900"), ("Bo", "date of birth", "1901")
    got = read(tmp_path, kind, question, answer, *triples)
    assert ([s.kind for s in got.skipped], got.guidance) == ([why], ())
