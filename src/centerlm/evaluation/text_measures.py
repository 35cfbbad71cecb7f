"""Measures of the text of a continuation: against what the book says, and how its author writes.

No model judges. What an author's own passages are like is measured on as long pieces of the book.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from centerlm.books.checking import Known, check, named_per_thousand, naming
from centerlm.books.style import (
    burrows_delta,
    copied_runs,
    distinct_n,
    length_error,
    quantile_of,
    range_of,
    repetition,
    windows,
)

PIECES = 40
"""At most so many pieces of an author are measured, spread evenly over the book."""
_CONTRADICTIONS = ("dead", "person", "tense")


@dataclass(frozen=True, slots=True)
class Author:
    """A book up to a place: what has to be agreed with, and pieces of it as long as a continuation.

    `others` are such pieces of other authors, by author.
    """

    name: str
    known: Known
    pieces: Sequence[str]
    others: Mapping[str, Sequence[str]]


def pieces_of(text: str, words: int) -> list[str]:
    """Pieces of so many words, at most `PIECES`, spread evenly over the text."""
    every = windows(text, words)
    step = max(1, len(every) // PIECES)
    return every[::step][:PIECES]


def text_measures(text: str, author: Author, wanted: int) -> dict[str, float | None]:
    """All measures of a continuation of about `wanted` words (None: not to be had).

    - `consistency`: share of uses of names that the book knows or that are introduced; None where
      nobody is named.
    - `names_enough`: names at least as often as a tenth of the author's own pieces do less.
    - `copies_nothing`: no run of more than 12 words of the book.
    - `contradictions`: the dead who act, another person, another tense: how many.
    - `distinct_in_range`, `repetition_in_range`: within the author's middle 90 %.
    - `delta`: Burrows' Delta to the author; `delta_closest`: to no other author is it smaller.
    - `length_error`: relative to what was wanted.
    """
    names = {**author.known.people, **author.known.places}
    problems = [problem.check for problem in check(text, author.known)]
    measured: dict[str, float | None] = {
        "words": float(len(text.split())),
        "consistency": naming(text, author.known).consistency,
        "copies_nothing": float(not copied_runs(text, author.known.runs, _copied(author.known))),
        "contradictions": float(sum(problem in _CONTRADICTIONS for problem in problems)),
        "distinct_2": distinct_n(text, 2),
        "repetition": repetition(text),
        "length_error": length_error(text, wanted),
    }
    measured |= dict.fromkeys(
        ("names_enough", "distinct_in_range", "repetition_in_range", "delta", "delta_closest")
    )
    if len(author.pieces) > 1:
        rates = [named_per_thousand(piece, names) for piece in author.pieces]
        enough = quantile_of(rates, 0.1)
        measured["names_enough"] = float(named_per_thousand(text, names) >= enough)
        distinct = range_of([distinct_n(piece, 2) for piece in author.pieces])
        repeated = range_of([repetition(piece) for piece in author.pieces])
        measured["distinct_in_range"] = float(distinct.holds(measured["distinct_2"] or 0.0))
        measured["repetition_in_range"] = float(repeated.holds(measured["repetition"] or 0.0))
        deltas = burrows_delta(text, {author.name: author.pieces, **author.others})
        measured["delta"] = deltas[author.name]
        if len(deltas) > 1:
            measured["delta_closest"] = float(min(deltas, key=deltas.__getitem__) == author.name)
    return measured


def _copied(known: Known) -> int:
    """The longest run that is no copy: the known runs are one word longer."""
    return len(next(iter(known.runs), (None,) * 13)) - 1
