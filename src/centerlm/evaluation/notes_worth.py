"""What notes are worth at a place of a book: bits they save on what truly comes next, and choices.

The contexts that notes are held against have as many tokens: random earlier text, the most similar
earlier text, more of the last text, and notes made at another place of the same book.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from centerlm.books.checking import Known
from centerlm.books.entities import bare
from centerlm.books.likelihood import Ids, Query, Scorer, bits_of, context_of, gains
from centerlm.books.names import TITLES
from centerlm.books.prose import words_of
from centerlm.books.recurrence import nats_saved
from centerlm.books.style import renamed, renaming
from centerlm.books.words import NOT_NAMES, PLACE_HEADS

NOTES_TOKENS = 200
NEUTRAL_TOKENS = 64
RECURRENCE = 6.0
"""How much a nat that recurring words save counts beside one of the model's: fitted on novels to
train on, by what chose the true passage there.
"""


@dataclass(frozen=True, slots=True)
class Others:
    """What stands in the place of notes, what is worth most at the end; "" where there is none."""

    random: str
    similar: str
    elsewhere: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """The passages to choose from, and which of them truly follows."""

    passages: Sequence[str]
    right: int


def contexts_of(
    scorer: Scorer, before: str, notes: str, others: Others | None, last: int
) -> dict[str, Ids]:
    """Each context by name; all but "last" have the length that notes give it. Without `others`
    only "last" and "notes".
    """
    with_notes = context_of(scorer, notes, before, last, NOTES_TOKENS)
    tail = context_of(scorer, "", before, last, 0)
    size = len(with_notes) - len(tail)
    if others is None:
        return {"last": tail, "notes": with_notes}
    made = {
        "last": tail,
        "notes": with_notes,
        "random": context_of(scorer, others.random, before, last, size),
        "similar": context_of(scorer, others.similar, before, last, size),
        "longer": context_of(scorer, "", before, last + size, 0),
    }
    if others.elsewhere:
        made["elsewhere"] = context_of(scorer, others.elsewhere, before, last, size)
    return made


def gains_of(
    scorer: Scorer, before: str, passage: str, notes: str, others: Others | None, last: int
) -> dict[str, float | None]:
    """Bits per byte that notes save on the passage against the last tokens alone, and against each
    other context (None: there is none, or no `others` are given).
    """
    found = gains(scorer, contexts_of(scorer, before, notes, others, last), passage)
    measured: dict[str, float | None] = {"notes_gain": found.gain("notes", "last")}
    for name in ("random", "similar", "longer", "elsewhere"):
        measured[f"over_{name}"] = found.gain("notes", name) if name in found.bits else None
    return measured


def gains_by_distance(
    scorer: Scorer, before: str, passage: str, last: int, back: Sequence[int]
) -> dict[str, float | None]:
    """Bits per byte that earlier text saves on the passage, as long as notes may be, from each of
    so many words back (None: the book is not so long).
    """
    words = before.split()
    contexts = {"": context_of(scorer, "", before, last, 0)}
    for distance in back:
        if len(words) >= distance:
            # From there on, so many words that the last of them are more tokens than are kept.
            end = len(words) - distance + NOTES_TOKENS
            piece = " ".join(words[len(words) - distance : end])
            contexts[str(distance)] = (
                *scorer.encode(f"{piece}\n\n")[:NOTES_TOKENS],
                *contexts[""],
            )
    bits = bits_of(scorer, contexts, passage)
    return {
        f"back_{distance}": bits[""] - bits[str(distance)] if str(distance) in bits else None
        for distance in back
    }


def choices_of(
    scorer: Scorer, before: str, notes: str, choice: Choice, last: int
) -> dict[str, float | None]:
    """Whether the true passage is chosen, with the notes and without: the one that gains most over
    its likelihood after the beginning of the book (as Brown et al., 2020, score choices: what is
    likely anywhere does not win by that), and most by the words it takes up again. Both read the
    same context. Sums over the passage: the longer one says more of where it belongs.
    """
    neutral = scorer.encode(before[: 8 * NEUTRAL_TOKENS])[:NEUTRAL_TOKENS]
    with_notes = context_of(scorer, notes, before, last, NOTES_TOKENS)
    tail = context_of(scorer, "", before, last, 0)
    usual = Counter(words_of(before))
    targets = [scorer.encode(passage) for passage in choice.passages]
    words = [words_of(passage) for passage in choice.passages]
    anywhere = scorer.nats([Query(neutral, target) for target in targets])
    found: dict[str, float | None] = {}
    for name, context in (("choice", with_notes), ("choice_bare", tail)):
        seen = words_of(scorer.decode(context))
        here = scorer.nats([Query(context, target) for target in targets])
        worth = [
            usually - now + RECURRENCE * nats_saved(each, seen, usual)
            for usually, now, each in zip(anywhere, here, words, strict=True)
        ]
        found[name] = float(worth.index(max(worth)) == choice.right)
    return found


def other_names(known: Known, seed: int) -> Mapping[str, str]:
    """Another word for each word of the names of a book's people and places; titles and head
    nouns ("Mr.", "Hall") stay.
    """
    words = {
        word
        for many in (*known.people.values(), *known.places.values())
        for name in many
        for word in bare(name)
        if word[:1].isupper() and word.lower() not in TITLES | PLACE_HEADS | NOT_NAMES
    }
    return renaming(words, seed)


def renamed_gains(
    scorer: Scorer,
    before: str,
    passage: str,
    notes: str,
    others: Others,
    last: int,
    names: Mapping[str, str],
) -> dict[str, float | None]:
    """`gains_of` with people and places renamed everywhere: what the model may remember of a well
    known book helps it less then.
    """
    # So many characters hold the last tokens with certainty; the rest of the book is not needed.
    near = renamed(before[-16 * (last + NOTES_TOKENS) :], names)
    passage, notes = renamed(passage, names), renamed(notes, names)
    replaced = Others(
        renamed(others.random, names),
        renamed(others.similar, names),
        renamed(others.elsewhere, names),
    )
    found = gains_of(scorer, near, passage, notes, replaced, last)
    return {f"{name}_renamed": value for name, value in found.items()}
