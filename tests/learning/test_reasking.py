"""Re-asks: only where the library really failed, only words that really found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from centerlm.learning.noting import pool
from centerlm.learning.reading import windows
from centerlm.learning.reasking import reasks, rewritings
from centerlm.learning.records import Reading
from centerlm.sources.base import Card

CARD = Card("documents", "made-up people")
GOLD = windows("Mira Holt", "Mira Holt was born in Old Selwick.")[0]
OTHERS = [
    windows(f"Birthplace {n}", f"The birthplace of painter number {n} is a birthplace.")[0]
    for n in range(6)
]


def reading(form: int, question: str, id_: str = "a:1") -> Reading:
    return Reading(f"{id_}:{form}", "made", question, "Old Selwick", (GOLD.id,))


def test_the_words_that_found_the_passage_are_the_query(tmp_path: Path) -> None:
    failing = reading(0, "What is the birthplace of the painter, her birthplace?")
    working = reading(1, "Where was Mira Holt born?")
    with pool([GOLD, *OTHERS], tmp_path, embedder=None) as search:
        assert search(failing.question, 1) != [GOLD.id]
        again = replace(failing, id="b:1:0"), replace(working, id="b:1:1")
        (made,) = reasks([failing, working, *again], search, [CARD], seed=1)
        assert made.query != failing.question
        assert search(made.query, 1) == [GOLD.id]
        assert (made.objective, made.asked) == (failing.question, (failing.question,))
        assert (made.card, made.origin) == (CARD, "made")
        assert not list(reasks([working], search, [CARD], seed=1))


def test_equal_answers_of_one_passage_are_no_wordings_of_one_question(tmp_path: Path) -> None:
    failing = reading(0, "What is the birthplace of the painter, her birthplace?")
    other = reading(0, "Where was Mira Holt born?", "a:2")
    with pool([GOLD, *OTHERS], tmp_path, embedder=None) as search:
        assert not list(reasks([failing, other], search, [CARD], seed=1))


def test_rewritings_are_keywords_and_names() -> None:
    group = (reading(0, "Mira Holt >> place of birth"), reading(1, "Where was Mira Holt born?"))
    assert rewritings(group, group[1]) == [
        "Mira Holt place of birth",
        "Mira Holt born",
        "Mira Holt",
    ]
