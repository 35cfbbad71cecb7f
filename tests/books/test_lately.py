"""What was lately told: short clauses with words that come again, none of what is seen anyway."""

from __future__ import annotations

import pytest

from books_data import novel
from centerlm.books.lately import MAX_CLAUSE, SEEN, lately
from centerlm.books.view import view_of_text

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
    assert lately(novel(), 0) == []


def test_the_same_text_gives_the_same_clauses() -> None:
    assert lately(novel(), 300) == lately(novel(), 300) != []


def test_a_text_that_is_no_whole_book_yet_has_a_view() -> None:
    pytest.importorskip("sentencex", reason="notes need sentencex, from the books extra")
    text = novel()[: novel().index("CHAPTER II. The Ferry\n\nIn")]
    view = view_of_text(text, "Salt")
    assert view.end == len(text) and "Edith Hollis" in view.names("person")
    assert view.lately(200) and view_of_text("").present() == []
