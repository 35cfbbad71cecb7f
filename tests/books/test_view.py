from __future__ import annotations

from centerlm.books.observations import Observation
from centerlm.books.view import BookView

WORDS = "and the rain went on over the hills all that day. "


def view(text: str, *names: str) -> BookView:
    seen = [
        Observation("place" if name == "Marsh End" else "person", name, 0, 1,
                    {"aliases": [], "mentions": 1})
        for name in names
    ]  # fmt: skip
    return BookView(seen, lambda start, end: text[start:end], len(text))


def test_who_was_named_often_and_lately_may_come_up_next() -> None:
    long_ago = "Tobias Crane spoke. " * 5 + WORDS * 3_000
    before = long_ago + "Edith met Brandt. " * 3 + WORDS + "Edith went to Marsh End. " * 2
    made = view(before, "Tobias Crane", "Brandt", "Edith", "Marsh End", "Nobody")
    assert [seen.subject for seen in made.expected()] == ["Edith", "Brandt", "Marsh End"]
    assert [seen.subject for seen in made.expected(1)] == ["Edith"]
    once = view(WORDS + "Edith came.", "Edith")
    assert once.expected() == []
    assert view("", "Edith").expected() == []
