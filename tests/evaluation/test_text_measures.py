from __future__ import annotations

from centerlm.books.checking import Known
from centerlm.books.prose import Voice, words_of
from centerlm.books.style import grams
from centerlm.evaluation.text_measures import Author, pieces_of, text_measures

PLAIN = "She went down to the quay and looked at the water until the lamp was lit. "
FLORID = "Whereupon, O gentle reader, of the manifold splendours thereof let none presume to ask! "
BOOK = " ".join(f"On day {n} Edith Hollis said to Brandt that {PLAIN}" for n in range(40))


def author(words: int = 60) -> Author:
    known = Known(
        {"Edith Hollis": ("Edith Hollis", "Edith"), "Brandt": ("Brandt",), "Crane": ("Crane",)},
        {},
        {"Crane"},
        Voice("third", "past"),
        grams(words_of(BOOK), 13),
    )
    return Author("one", known, pieces_of(BOOK, words), {"two": pieces_of(FLORID * 40, words)})


def test_a_text_like_its_author_is_told_from_one_that_is_not() -> None:
    text = f"Edith stood by the door, and Brandt looked at Edith till it was lit. {PLAIN}"
    like = text_measures(text, author(), 30)
    assert like["delta_closest"] == 1.0 and like["contradictions"] == 0.0
    assert like["consistency"] == 1.0 and like["names_enough"] == 1.0
    other = text_measures(FLORID * 3, author(), 30)
    assert other["delta_closest"] == 0.0 and other["names_enough"] == 0.0
    assert (other["delta"] or 0) > (like["delta"] or 9)
    assert (other["repetition"] or 0) > 0.5 and other["consistency"] is None


def test_contradictions_copies_and_length() -> None:
    risen = text_measures(f"Crane said that it was late. {PLAIN * 2}", author(), 76)
    assert risen["contradictions"] == 1.0 and risen["copies_nothing"] == 0.0
    assert risen["length_error"] == 0.5


def test_without_pieces_of_the_author_there_is_no_range() -> None:
    alone = Author("one", author().known, (), {})
    found = text_measures(PLAIN, alone, 16)
    assert found["delta"] is None and found["distinct_in_range"] is None
