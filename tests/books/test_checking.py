from __future__ import annotations

import pytest

from centerlm.books.checking import (
    Known,
    check,
    count_by,
    forecast_f1,
    mentioned,
    named_per_thousand,
    naming,
)
from centerlm.books.prose import Voice, words_of
from centerlm.books.style import grams

pytest.importorskip("sentencex", reason="names need sentencex, from the books extra")

PEOPLE = {
    "Edith Hollis": ("Edith Hollis", "Edith", "Miss Hollis"),
    "Captain Brandt": ("Captain Brandt", "Brandt"),
    "Tobias Crane": ("Tobias Crane", "Tobias"),
}
PLACES = {"Marsh End": ("Marsh End",)}
KNOWN = Known(PEOPLE, PLACES, {"Tobias Crane"}, Voice("third", "past"))
GOOD = (
    "Edith stood at the window of Marsh End, and she did not turn round. He was behind her. "
    '"You will not go," said Brandt. She looked at the water. It had risen in the night, and his '
    "boat had gone. He thought of the old man. She went to the door and took her coat. "
)


def checks(text: str, known: Known = KNOWN, wanted: int | None = None) -> list[str]:
    return [problem.check for problem in check(text, known, wanted=wanted)]


def test_a_piece_that_agrees_has_no_problems() -> None:
    assert checks(GOOD) == []
    assert naming(GOOD, KNOWN).consistency == 1.0


def test_strangers_are_told_and_the_introduced_are_not() -> None:
    text = GOOD + "Then Ferdinand said nothing. At last Ferdinand sat down."
    assert checks(text) == ["names"]
    assert "Ferdinand" in check(text, KNOWN)[0].sentence
    assert naming(text, KNOWN).consistency == pytest.approx(3 / 5)
    new = GOOD + "A man named Ferdinand said nothing. At last Ferdinand sat down."
    assert checks(new) == [] and naming(new, KNOWN).introduced == ("Ferdinand", "Ferdinand")
    assert naming("Nobody was there at all.", KNOWN).consistency is None


@pytest.mark.parametrize("act", ["Tobias smiled at her.", '"Come," said Tobias Crane.'])
def test_the_dead_stay_dead(act: str) -> None:
    assert checks(GOOD + act) == ["dead"]
    assert checks(GOOD + "She thought of Tobias in his boat.") == []


def test_person_and_tense() -> None:
    first = (
        "I took my coat and I went out, and my hands were cold. I saw the boat. It was mine. " * 4
    )
    assert checks(first) == ["person", "repeated"]
    now = (
        "She is cold. She sees him and takes her coat. He stands and looks; it is his boat. He has "
        "her hand. She turns, and she is at the door. He comes and asks her. She feels that it is "
        "late, and she makes a sign. He can see it. She knows him, and he is glad. It begins: she "
        "goes out, and he leaves."
    )
    assert checks(now) == ["tense"]


def test_copying_repeating_and_too_little() -> None:
    known = Known(PEOPLE, PLACES, (), Voice("third", "past"), grams(words_of(GOOD), 13))
    assert "copied" in checks(GOOD, known)
    assert "copied" not in checks(GOOD)
    assert "repeated" in checks("She went to the door and she went to the door and " * 8)
    assert checks(GOOD, wanted=400) == ["length"]
    assert checks("") == ["empty"]


def test_the_longest_name_counts_once() -> None:
    text = "Edith Hollis met Captain Brandt at Marsh End. Edith smiled."
    assert mentioned(text, PEOPLE) == ["Edith Hollis", "Captain Brandt", "Edith Hollis"]
    assert mentioned(text, {}) == []
    assert named_per_thousand("Edith sat. " * 50, PEOPLE) == 500.0


def test_forecast_f1() -> None:
    assert forecast_f1({"a", "b"}, {"b", "c"}) == 0.5
    assert forecast_f1(set(), set()) == 1.0
    assert forecast_f1({"a"}, set()) == 0.0


def test_problems_are_counted_by_check() -> None:
    assert count_by(check("", KNOWN)) == {"empty": 1}
