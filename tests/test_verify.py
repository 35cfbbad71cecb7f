"""Mechanical checks: what the words carry, and nothing else."""

from __future__ import annotations

import pytest

from centerlm.finding import Citation, Finding, Passage, Status, found
from centerlm.verify import as_written, cite, contains, quote, why_unsupported, why_wrong_type


@pytest.mark.parametrize(
    ("text", "answer", "held"),
    [
        ("The seat is Bergen.", "bergen", True),
        ("The seat is Bergen.", "the SEAT", True),
        ("A café, in Orléans", "Cafe in Orleans", True),
        ("Bergenhus", "Bergen", False),
        ("seat of Bergen", "Bergen seat", False),
        ("1,998 people", "1 998", True),
        ("anything", "", False),
        ("anything", "...", False),
        ("", "x", False),
    ],
)
def test_words_stand_side_by_side_without_case_and_accents(
    text: str, answer: str, held: bool
) -> None:
    assert contains(text, answer) is held


TOLD = (
    "Ulesh is led by Maribert Alaetti (born 1903). Its money is the vitemark.",
    "Maribel Alaetti, a painter, lived in Zürich with Herbert Selpin; 692 people work there.",
)


@pytest.mark.parametrize(
    ("answer", "written"),
    [
        ("Maribet Alaetti", "Maribert Alaetti"),
        ("the viteemark", "the vitemark"),
        ("Robert Alaetti", "Robert Alaetti"),
        ("Huber Selpin", "Herbert Selpin"),
        ("Albert Selpin", "Albert Selpin"),
        ("Maribert Olsen", "Maribert Olsen"),
        ("Mabet the Alaetti", "Mabet the Alaetti"),
        ("Maribel Alaetti", "Maribel Alaetti"),
        ("maribert alaetti", "maribert alaetti"),
        ("Zurich", "Zurich"),
        ("born 1904", "born 1904"),
        ("693 people work", "693 people work"),
        ("a sculptor", "a sculptor"),
        ("yes", "yes"),
        ("...", "..."),
        ("", ""),
        ("word " * 60, "word " * 60),
    ],
)
def test_a_slip_in_copying_is_mended_by_the_text(answer: str, written: str) -> None:
    assert as_written(answer, TOLD) == written


def test_a_quote_is_the_first_sentence_that_holds_the_answer() -> None:
    text = "First one. The seat is Bergen! It rains.\nBergen again"
    assert quote(text, "Bergen") == "The seat is Bergen!"
    assert quote(text, "Oslo") == ""
    assert len(quote("word " * 200 + "Bergen", "Bergen")) <= 300


PASSAGES = (Passage("a", "about Oslo"), Passage("b", "about Bergen"), Passage("c", "Bergen too"))


@pytest.mark.parametrize(
    ("cited", "answer", "passages"),
    [
        ((2,), "Bergen", ["b"]),
        ((3, 2, 3), "Bergen", ["c", "b"]),
        ((1,), "Bergen", ["b"]),
        ((), "Bergen", ["b"]),
        ((9, 0, -1), "Bergen", ["b"]),
        ((1,), "Rome", ["a"]),
        ((), "Rome", []),
    ],
)
def test_the_words_decide_which_passage_is_cited(
    cited: tuple[int, ...], answer: str, passages: list[str]
) -> None:
    assert [c.passage for c in cite(PASSAGES, cited, answer)] == passages


def test_what_is_supported() -> None:
    text = Finding(Status.FOUND, answer="Oslo", text="It is Oslo.")
    quoted = Finding(Status.FOUND, answer="Oslo", citations=(Citation("p", quote="Oslo"),))
    bare = Finding(Status.FOUND, answer="Oslo", citations=(Citation("p"),))
    assert why_unsupported(text) is why_unsupported(quoted) is why_unsupported(found(5)) is None
    assert why_unsupported(Finding(Status.FOUND, answer="Yes.")) is None
    assert why_unsupported(Finding(Status.NOTHING)) is None
    assert why_unsupported(bare) == "no cited passage contains 'Oslo'"


@pytest.mark.parametrize(
    ("answer", "kind", "wrong"),
    [
        ("42 km", "number", False),
        ("many", "number", True),
        ("1998", "date", False),
        ("3.5.98", "date", False),
        ("soon", "date", True),
        ("no", "boolean", False),
        ("maybe", "boolean", True),
        ("", "boolean", True),
        ("anything", "any", False),
        ("anything", "text", False),
    ],
)
def test_answer_types(answer: str, kind: str, wrong: bool) -> None:
    assert (why_wrong_type(answer, kind) is not None) is wrong
