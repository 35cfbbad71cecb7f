"""Passages and readings: cut as the library cuts, answers as they stand, what is left out named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from centerlm.errors import InputError
from centerlm.learning.reading import (
    joined,
    mentions,
    read_qed,
    read_squad,
    spelled,
    untokenised,
    windowed,
    windows,
)
from centerlm.learning.records import Reading, Text
from centerlm.library.passages import count_words

LONG = " ".join(
    f"Sentence number {n} tells what stood in drawer {n} of the chest." for n in range(40)
)


def squad(path: Path, context: str, *questions: tuple[str, str, int]) -> Path:
    qas = [
        {"id": f"q{n}", "question": q, "answers": [{"text": a, "answer_start": at}]}
        for n, (q, a, at) in enumerate(questions)
    ]
    article = {"title": "The_Chest", "paragraphs": [{"context": context, "qas": qas}]}
    path.write_text(json.dumps({"data": [article]}), "utf-8")
    return path


def test_a_squad_paragraph_becomes_passages_and_readings(tmp_path: Path) -> None:
    at = LONG.index("drawer 31")
    read = read_squad(squad(tmp_path / "s.json", LONG, ("Where?", "drawer 31", at)))
    assert len(read.texts) == 4
    assert all(count_words(text.text) <= 120 for text in read.texts)
    assert all(text.text.endswith("chest.") for text in read.texts)
    assert {text.title for text in read.texts} == {"The Chest"}
    (reading,) = read.readings
    (gold,) = [text for text in read.texts if text.id in reading.passages]
    assert "drawer 31" in gold.text
    assert (reading.id, reading.origin, reading.answer) == ("xquad:q0:0", "xquad", "drawer 31")


def test_the_span_says_which_piece_holds_an_answer_that_stands_twice(tmp_path: Path) -> None:
    text = LONG + " The chest was red."
    at = text.rindex("chest")
    read = read_squad(squad(tmp_path / "s.json", text, ("What was red?", "chest", at)))
    (gold,) = [text for text in read.texts if text.id in read.readings[0].passages]
    assert gold.text.endswith("was red.")


def test_long_and_missing_answers_are_counted_and_left_out(tmp_path: Path) -> None:
    long = " ".join(LONG.split()[:13])
    file = squad(
        tmp_path / "s.json", LONG, ("Long?", long, 0), ("Gone?", "the moon", 5), ("Part?", "raw", 0)
    )
    read = read_squad(file)
    assert not read.readings
    assert [skip.kind for skip in read.skipped] == [
        "long answer",
        "not in passage",
        "not in passage",
    ]
    assert all("s.json: question q" in skip.where for skip in read.skipped)


@pytest.mark.parametrize("content", ["[]", "{", "", '"x"'])
def test_a_file_that_is_no_json_object_is_refused_in_one_sentence(
    tmp_path: Path, content: str
) -> None:
    (tmp_path / "s.json").write_text(content)
    with pytest.raises(InputError, match=r"s\.json is no JSON object"):
        read_squad(tmp_path / "s.json")


def test_a_squad_file_without_articles_is_refused_and_odd_ones_are_named(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text('{"x": 1}')
    with pytest.raises(InputError, match='has no list "data"'):
        read_squad(tmp_path / "s.json")
    (tmp_path / "s.json").write_text('{"data": [3, {"paragraphs": [{"context": "x"}]}]}')
    kinds = [skip.kind for skip in read_squad(tmp_path / "s.json").skipped]
    assert kinds == ["malformed", "malformed"]


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_qed(tmp_path / "missing.jsonl")
    (tmp_path / "latin.jsonl").write_bytes('{"a": "é"}'.encode("latin-1"))
    with pytest.raises(InputError, match="is not UTF-8"):
        read_qed(tmp_path / "latin.jsonl")


def qed(id_: int, question: str, paragraph: str, answer: Any, raters: Any = ()) -> str:
    record = {
        "example_id": id_,
        "question_text": question,
        "title_text": "Grey Harbour",
        "paragraph_text": paragraph,
        "original_nq_answers": list(raters),
        "annotation": {"answer": answer},
    }
    return json.dumps(record)


def span(text: str) -> dict[str, Any]:
    return {"paragraph_reference": {"start": 0, "end": 1, "string": text}}


def test_qed_text_is_written_as_people_write_it(tmp_path: Path) -> None:
    paragraph = (
        "Mira Holt ( born 1901 ) , of Old - Selwick , did n't paint `` Dawn '' ; Tarn 's son did ."
    )
    lines = [
        qed(3, "who was born in 1901", paragraph, [span("Mira Holt ( born 1901 )")]),
        qed(4, "who painted dawn", paragraph, [], [[{"string": "Tarn 's son"}]]),
        qed(6, "both of them", paragraph, [span("Mira"), span("Tarn")]),
        "no json",
        json.dumps({"example_id": 1}),
    ]
    (tmp_path / "q.jsonl").write_text("\n".join(lines))
    read = read_qed(tmp_path / "q.jsonl")
    (text,) = read.texts
    assert text.text == (
        "Mira Holt (born 1901), of Old-Selwick, didn't paint \"Dawn\"; Tarn's son did."
    )
    assert [(r.question, r.answer) for r in read.readings] == [
        ("Who was born in 1901?", "Mira Holt (born 1901)"),
        ("who painted dawn", "Tarn's son"),
    ]
    assert {(s.kind, s.where.rpartition("line ")[2]) for s in read.skipped} == {
        ("no single answer", "3"),
        ("not json", "4"),
        ("malformed", "5"),
    }


def test_untokenised_leaves_plain_text_alone() -> None:
    for text in (
        "A plain sentence, with (brackets) and 'quotes'.",
        "3 - 2 is 1",
        "it's 5% - or so",
    ):
        assert untokenised(text) == text


def test_the_answer_is_spelled_as_the_passage_does() -> None:
    assert spelled("new  york", "He left New York early.") == "New York"
    assert spelled("York", "yorkers left York") == "York"
    assert spelled("ork", "He left York.") is None
    assert spelled("C++", "He wrote C++ code.") == "C++"
    assert spelled(" ", "x") is None


def test_mentions_is_wary() -> None:
    assert mentions("The Grey River, Ohio", "grey river")
    assert not mentions("The Greyish River", "grey")
    assert mentions("it costs ? a day", "?")


def test_equal_paragraphs_of_two_files_are_one_passage() -> None:
    assert windows("A", "one  two") == windows(" A ", "one two")
    assert windows("A", "one two")[0].id != windows("B", "one two")[0].id


def test_documents_are_cut_and_readings_follow_their_answers() -> None:
    texts = (Text("long", "Chest", LONG), Text("short", "Note", "Drawer 3 is empty."))
    readings = (
        Reading("a", "made", "Which?", "drawer 22", ("long",)),
        Reading("b", "made", "Which?", "empty", ("short",)),
        Reading("c", "made", "Which?", "drawer 99", ("long",)),
        Reading("d", "made", "Which?", None, ()),
    )
    made = windowed(texts, readings)
    held = {text.id: text for text in made.texts}
    assert held["short"] == texts[1]
    assert "long" not in held
    found = {reading.id: reading.passages for reading in made.readings}
    assert set(found) == {"a", "b", "d"}
    assert ["drawer 22" in held[id_].text for id_ in found["a"]] == [True]
    assert [skip.where for skip in made.skipped] == ["c"]


def test_joining_keeps_every_id_once(tmp_path: Path) -> None:
    one = read_squad(squad(tmp_path / "s.json", LONG, ("Where?", "drawer 1", 10)))
    both = joined((one, one))
    assert (both.texts, both.readings) == (one.texts, one.readings)
