from __future__ import annotations

import pytest

from centerlm.books.prose import words_of
from centerlm.books.style import (
    burrows_delta,
    copied_runs,
    distinct_n,
    grams,
    length_error,
    quantile_of,
    range_of,
    renamed,
    renaming,
    repetition,
    windows,
    without_quotes,
)

BOOK = "the old man went down to the quay and sat in the boat until the rain had stopped at last"


def test_copied_runs_are_told_by_their_length() -> None:
    known = grams(words_of(BOOK), 5)
    text = "She said the old man went down to the road; until the rain had stopped, she sat."
    assert copied_runs(text, known, 4) == [7, 5]
    assert copied_runs("Nothing of this stands in there.", known, 4) == []
    assert copied_runs(BOOK, known, 4) == [len(BOOK.split())]


def test_quotes_are_broken_before_they_are_too_long() -> None:
    known = grams(words_of(BOOK), 4)
    text = f"Note: {BOOK}. He was wet."
    cut = without_quotes(text, known, 3)
    assert copied_runs(cut.replace("…", "*"), known, 3) == [] and "…" in cut
    assert cut.startswith("Note: the old man … ") and cut.endswith("He was wet.")
    assert without_quotes("Edith is at Marsh End.", known, 3) == "Edith is at Marsh End."


def test_variety_and_repetition() -> None:
    assert distinct_n("a b c d", 2) == 1.0
    assert distinct_n("a b a b a", 2) == 0.5
    assert repetition("he went in and he went in and he went in and", 4) == pytest.approx(5 / 9)
    assert repetition("too short") == 0.0


def test_ranges_are_those_of_the_middle() -> None:
    found = range_of([float(n) for n in range(101)])
    assert (found.low, found.high) == (5.0, 95.0)
    assert quantile_of([float(n) for n in range(101)], 0.1) == 10.0
    assert found.holds(50) and not found.holds(4.9)
    with pytest.raises(ValueError, match="two values"):
        range_of([1.0])


def test_length_control() -> None:
    assert length_error("one two three", 3) == 0.0
    assert length_error("one two three", 6) == 0.5
    with pytest.raises(ValueError, match="one word"):
        length_error("one", 0)


def test_windows_leave_out_the_rest() -> None:
    assert windows("a b c d e", 2) == ["a b", "c d"]


def test_delta_is_least_for_the_author() -> None:
    long = "it was the wish of the house that the men of the town should be of the best of them "
    short = "he ran and he hid and he cried and she saw him and he fell and she ran to him "
    authors = {"long": [long * 5, long * 6 + "yes"], "short": [short * 5, short * 6 + "no"]}
    distance = burrows_delta(short * 2 + "and then they slept", authors)
    assert distance["short"] < distance["long"]
    distance = burrows_delta(long * 2 + "and then they slept", authors)
    assert distance["long"] < distance["short"]
    with pytest.raises(ValueError, match="two samples"):
        burrows_delta("x", {"a": ["one"]})


def test_renaming_changes_names_everywhere_and_nothing_else() -> None:
    names = renaming({"Edith", "Hollis", "Thornby"}, seed=1)
    assert len(set(names.values())) == 3 and not set(names) & set(names.values())
    assert names == renaming({"Thornby", "Edith", "Hollis"}, seed=1)
    text = "Edith's father, Mr. Hollis, left Thornby Hall; the Hollises stayed."
    new = renamed(text, names)
    assert "Edith" not in new and f"{names['Edith']}'s father, Mr. {names['Hollis']}," in new
    assert new.endswith(f"{names['Thornby']} Hall; the Hollises stayed.")
    assert renamed(text, {}) == text
