"""What was lately told: short clauses with words that come again, none of what is seen anyway."""

from __future__ import annotations

from books_data import long_novel
from centerlm.books.lately import MAX_CLAUSE, SEEN, lately

FILLER = "And so it was that they had been there and were not to go on with it at all. " * 40
TELLING = (
    "The lighthouse keeper hid the silver compass under the chapel floor, and the compass was not "
    "found. A silver compass is worth a schooner, said the lighthouse keeper."
)


def test_rare_words_that_were_used_again_are_told() -> None:
    text = f"{FILLER * 3}\n\n{TELLING}\n\n{FILLER}"
    told = lately(text, 120)
    assert any("compass" in clause.text for clause in told)
    assert [c.start for c in told] == sorted(c.start for c in told)
    for clause in told:
        assert len(clause.text.split()) <= MAX_CLAUSE
        assert " ".join(text[clause.start : clause.end].split()) == clause.text
    assert sum(len(clause.text) + 2 for clause in told) <= 120


def test_what_is_seen_anyway_is_left_out() -> None:
    text = f"{FILLER * 3}\n\n{TELLING}"
    assert len(TELLING.split()) < SEEN
    assert not any("compass" in clause.text for clause in lately(text, 200))


def test_short_texts_told_nothing_lately() -> None:
    assert lately("", 100) == [] and lately("Two lines.\nNo more.", 100) == []
    assert lately(long_novel(), 0) == []


def test_the_same_text_gives_the_same_clauses() -> None:
    text = long_novel(20)
    assert lately(text, 300) == lately(text, 300) != []
