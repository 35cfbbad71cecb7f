"""A continuation held against the notes of its book: names, the dead, person and tense, copying.

Pure functions; each problem is one sentence that a writer can act on.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from centerlm.books.entities import bare
from centerlm.books.names import TITLES, find_names
from centerlm.books.prose import Voice, sentences, speech, voice, words_of
from centerlm.books.style import Grams, copied_runs, repetition

Check = Literal["names", "dead", "person", "tense", "copied", "repeated", "empty", "length"]
MAX_COPIED = 12
"""Words running that a continuation may have in common with its book."""
MAX_REPEATED = 0.25
_WORD = re.compile(r"[^\W\d_][\w’'-]*")
_ACTS = (
    "said|says|cried|replied|asked|answered|looked|smiled|laughed|nodded|rose|stood|sat|went|came"
    "|took|walked|turned|ran|spoke|whispered|entered"
)


@dataclass(frozen=True, slots=True)
class Known:
    """What a continuation has to agree with: names by entity, the dead, the narrator, the text's
    runs of `MAX_COPIED` + 1 words.
    """

    people: Mapping[str, tuple[str, ...]]
    places: Mapping[str, tuple[str, ...]]
    dead: Collection[str]
    voice: Voice
    runs: Grams = frozenset()


@dataclass(frozen=True, slots=True)
class Problem:
    check: Check
    sentence: str


@dataclass(frozen=True, slots=True)
class Naming:
    """Names in a text: entities of the book, names introduced here, and names from nowhere."""

    known: tuple[str, ...]
    introduced: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def consistency(self) -> float | None:
        """The share of uses that are known or introduced; None where nobody is named."""
        uses = len(self.known) + len(self.introduced) + len(self.unknown)
        return (len(self.known) + len(self.introduced)) / uses if uses else None


def mentioned(text: str, names: Mapping[str, tuple[str, ...]]) -> list[str]:
    """The entities that a text names, once for each use, in order; the longest name counts."""
    return [entity for _, entity in uses(text, names)]


def uses(text: str, names: Mapping[str, tuple[str, ...]]) -> list[tuple[int, str]]:
    """`mentioned`, each with the character at which it is named."""
    forms = {form: entity for entity, many in names.items() for form in many}
    if not forms:
        return []
    each = "|".join(_pattern(form) for form in sorted(forms, key=len, reverse=True))
    plain = {_plain(form): entity for form, entity in forms.items()}
    found = re.finditer(rf"(?<![\w])(?:{each})(?![\w])", text)
    return [(m.start(), plain[_plain(m[0])]) for m in found]


def _pattern(form: str) -> str:
    return r"\.?\s+".join(re.escape(word) for word in form.split())


def _plain(form: str) -> str:
    return " ".join(form.replace(".", "").split())


def naming(text: str, known: Known) -> Naming:
    """The names of people and places in a text, use by use, against those of the book.

    A name is introduced where its first use is a full or titled name, or comes with "named",
    "called" or an apposition ("a man, Tom Reed").
    """
    forms = {**known.people, **known.places}
    words = {word for many in forms.values() for form in many for word in bare(form)}
    spans = list(sentences(text))
    found = find_names(text, spans, speech(text))
    inside, introduced, unknown = list[str](), list[str](), list[str]()
    met: set[str] = set()
    for use in found.uses:
        parts = bare(use.name)
        if set(parts) & words:
            inside.append(use.name)
        elif set(parts) & met or _introduces(text, use.start, use.name):
            met |= set(parts)
            introduced.append(use.name)
        elif found.evidence[use.name].person + found.evidence[use.name].place > 0:
            unknown.append(use.name)
    # Names that stand once and begin a sentence are told from other words only by the book.
    seen = mentioned(text, forms)
    inside += seen[len(inside) :]
    return Naming(tuple(inside), tuple(introduced), tuple(unknown))


def _introduces(text: str, start: int, name: str) -> bool:
    words = name.split()
    if len(words) > 1:
        return True
    before = text[max(0, start - 40) : start].lower()
    return bool(re.search(r"\b(?:named|called|name (?:was|is)|known as)\s+$|,\s*$", before)) and (
        words[0].lower() not in TITLES
    )


def check(text: str, known: Known, *, wanted: int | None = None) -> list[Problem]:
    """What is wrong with a piece of a continuation; [] where nothing is."""
    words = words_of(text)
    if len(words) < 5:
        return [Problem("empty", "the piece has no text; write it")]
    problems: list[Problem] = []
    if strangers := naming(text, known).unknown:
        told = ", ".join(dict.fromkeys(strangers))
        problems.append(
            Problem(
                "names", f"{told}: nobody in the book has this name; leave it out or introduce it"
            )
        )
    problems += _risen(text, known)
    problems += _out_of_voice(text, known.voice)
    if runs := copied_runs(text, known.runs, MAX_COPIED):
        problems.append(
            Problem("copied", f"{max(runs)} words running are copied from the book; use others")
        )
    if len(words) >= 40 and repetition(text) > MAX_REPEATED:
        problems.append(Problem("repeated", "the piece says the same again and again; go on"))
    if wanted and len(words) < 0.4 * wanted:
        problems.append(Problem("length", f"{len(words)} words are too few; write about {wanted}"))
    return problems


def _risen(text: str, known: Known) -> list[Problem]:
    """The dead who act."""
    found: list[Problem] = []
    told = _outside(text)
    for name in known.dead:
        forms = known.people.get(name, (name,))
        each = "|".join(_pattern(form) for form in sorted(forms, key=len, reverse=True))
        if re.search(rf"(?<![\w])(?:{each}),?\s+(?:{_ACTS})\b", told) or re.search(
            rf"\b(?:{_ACTS})\s+(?:{each})(?![\w])", told
        ):
            found.append(Problem("dead", f"{name} is dead and cannot act; leave them out"))
    return found


def _outside(text: str) -> str:
    """The text with speech blanked out, so that places stay apart."""
    out, at = list[str](), 0
    for span in speech(text):
        out.append(text[at : span.start])
        out.append(" ")
        at = span.end
    return "".join([*out, text[at:]])


def _out_of_voice(text: str, wanted: Voice) -> list[Problem]:
    """Person and tense, where both the book and the piece are clear about them."""
    is_ = voice(text)
    found: list[Problem] = []
    if "unclear" not in (is_.person, wanted.person) and is_.person != wanted.person:
        found.append(
            Problem("person", f"the narrator of the book speaks in the {wanted.person} person")
        )
    if "unclear" not in (is_.tense, wanted.tense) and is_.tense != wanted.tense:
        found.append(Problem("tense", f"the book is told in the {wanted.tense} tense"))
    return found


def named_per_thousand(text: str, names: Mapping[str, tuple[str, ...]]) -> float:
    """Uses of known names per 1,000 words."""
    words = len(text.split())
    return 1000 * len(mentioned(text, names)) / words if words else 0.0


def forecast_f1(predicted: Collection[str], true: Collection[str]) -> float:
    """F1 between two sets of entities; 1.0 where both are empty."""
    one, other = set(predicted), set(true)
    if not one or not other:
        return float(one == other)
    return 2 * len(one & other) / (len(one) + len(other))


def count_by(problems: Sequence[Problem]) -> dict[str, int]:
    """Problems by check."""
    counts: dict[str, int] = {}
    for problem in problems:
        counts[problem.check] = counts.get(problem.check, 0) + 1
    return counts
