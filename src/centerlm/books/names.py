"""Names in a book, and what tells people from places: honorifics, speech, prepositions, head nouns.

Rules and counting, for English: no model, so it works anywhere, and the same way for names that no
list has (Thornfield, Pip). A word is a name where it is written with a capital in the middle of
sentences and hardly ever without. Pure functions over text.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from centerlm.books.prose import Span
from centerlm.books.words import FEMALE, JOINERS, MALE, NEUTRAL, NOT_NAMES, PLACE_HEADS, SOFT

TITLES = MALE | FEMALE | NEUTRAL

_CAPITAL = r"[A-ZÀ-ÖØ-Þ]"
_SHORT = "Mr|Mrs|Ms|Dr|St|Capt|Col|Gen|Lt|Rev|Prof|Hon|Mme|Mlle"
# A full stop inside a name follows an abbreviation or an initial; any other ends a sentence.
_PIECE = (
    rf"(?:(?:{_SHORT}|{_SHORT.upper()}|{_CAPITAL})\.(?=[ \n]{_CAPITAL})"
    rf"|{_CAPITAL}[\w’'-]*)"
)
_NAME = re.compile(
    rf"\b{_PIECE}(?:(?:[ \n](?:of|de|von|van|du|la|le|di|the)(?:[ \n]the)?)?[ \n]{_PIECE})*"
)
_TOKEN = re.compile(r"[\w’'-]+")
_LOWER = re.compile(r"\b[a-zß-öø-ÿ][\w’'-]*")
_OPENERS = "\"“‘'([—–-*_:;"
_SAY = (
    "said|says|cried|replied|asked|answered|exclaimed|returned|murmured|whispered|continued|added"
    "|observed|remarked|muttered|inquired|enquired|demanded|repeated|interrupted|shouted|began"
    "|suggested|declared|rejoined|responded|retorted|called"
)
_ACT = (
    "looked|smiled|laughed|nodded|shook|stood|sat|rose|turned|thought|knew|felt|sighed|had|was"
    "|came|went|took|gave|told|saw|did|would|could|seemed|walked|ran|held|put|made|spoke|wept"
    "|blushed|paused|hesitated|looks|smiles|has|is|does|lives|lived|died|loved|married"
)
_SAID_BY = re.compile(rf"\b(?:{_SAY})\s+$")
_SAYS = re.compile(rf"(?:,)?\s+(?:{_SAY})\b")
_ACTS = re.compile(rf"\s+(?:{_ACT})\b")
_PEOPLE_BEFORE = re.compile(
    r"\b(?:told|asked|married|loved|with|by|called|named|thank|dear|marry|kissed|and)\s+$"
)
_PLACE_BEFORE = re.compile(
    r"(?<!\w)(?:in|at|into|near|towards?|from|reached|leaving|left|through|outside|visit(?:ed)?|"
    r"(?:road|way|journey|coach|train|drove|rode|went|go|going|came|come|returned?|back|home) to|"
    r"(?:town|village|city|parish|county|streets|coast|port|isle|neighbourhood) of)\s+(?:the\s+)?$",
    re.IGNORECASE,
)
_LOOKING = re.compile(
    r"\b(?:look|gaz|star|glanc|smil|laugh|glar|peer|frown|shout|wink)\w*\s+at\s+$"
    r"|\b(?:confidence|faith|trust|believ\w+|interest\w*|change) in\s+$"
)
_VOCATIVE = re.compile(r"[,!?.]")
_WINDOW = 40


@dataclass(slots=True)
class Evidence:
    """What the uses of a name say: weights for a person and for a place, pronouns after it."""

    count: int = 0
    person: float = 0.0
    place: float = 0.0
    male: int = 0
    female: int = 0
    spoke: int = 0
    honorifics: Counter[str] = field(default_factory=Counter[str])


@dataclass(frozen=True, slots=True)
class Use:
    """A name where it stands: its words with titles ("Mr. Rochester"), without possessive."""

    name: str
    start: int
    end: int
    said: bool


@dataclass(frozen=True, slots=True)
class Names:
    """All uses of names in order, and the evidence for each name."""

    uses: tuple[Use, ...]
    evidence: dict[str, Evidence]


def find_names(text: str, spans: Sequence[Span], said: Sequence[Span]) -> Names:
    """Names in the sentences `spans` of a text; `said` is what is spoken aloud."""
    runs = list(_runs(text, spans))
    names = _name_words(text, runs, spans)
    inside = _Inside(said)
    uses: list[Use] = []
    evidence: dict[str, Evidence] = {}
    for start, end, first in runs:
        for a, b, name in _trimmed(text, start, end, first, names):
            aloud = inside(a) is not None
            uses.append(Use(name, a, b, aloud))
            _weigh(evidence.setdefault(name, Evidence()), text, name, a, b, inside)
    return Names(tuple(uses), evidence)


class _Inside:
    """Which of sorted spans a position is inside of, if any."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._starts = [span.start for span in spans]
        self._ends = [span.end for span in spans]

    def __call__(self, at: int) -> int | None:
        index = bisect_right(self._starts, at) - 1
        return index if index >= 0 and at < self._ends[index] else None


def _runs(text: str, spans: Sequence[Span]) -> Iterator[tuple[int, int, bool]]:
    """Runs of capitalised words, and whether each begins a sentence or a speech."""
    for span in spans:
        for match in _NAME.finditer(text, span.start, span.end):
            at = match.start()
            before = text[max(span.start, at - 3) : at].rstrip(" \n")
            first = at == span.start or not before or before[-1] in _OPENERS or before[-1] in ".!?"
            yield at, match.end(), first


def _name_words(text: str, runs: list[tuple[int, int, bool]], spans: Sequence[Span]) -> set[str]:
    """Words that are names: capital inside sentences, and hardly ever written small."""
    middle: Counter[str] = Counter()
    begins: Counter[str] = Counter()
    for start, end, first in runs:
        for index, match in enumerate(_TOKEN.finditer(text, start, end)):
            word = _bare(match[0])
            (begins if first and index == 0 else middle)[word] += 1
    del spans
    small = Counter(m.replace("’", "'") for m in _LOWER.findall(text))
    names: set[str] = set()
    for word, count in middle.items():
        low = word.lower()
        if len(word) < 2 or low in NOT_NAMES or not word[0].isupper():
            continue
        if word.isupper() and len(word) > 1 and middle.get(word.capitalize(), 0) == 0:
            continue  # shouted, or a heading
        if small[low] <= 0.5 * count:
            names.add(word)
    # A name that only ever begins sentences, many times, and is never written small.
    names |= {
        word
        for word, count in begins.items()
        if count >= 5 and word not in names and len(word) > 2 and not word.isupper()
        and word.lower() not in NOT_NAMES and not small[word.lower()]
    }  # fmt: skip
    return names


def _bare(word: str) -> str:
    """A word without possessive and closing marks."""
    word = word.replace("’", "'").strip("'-")
    return word[:-2] if word.endswith("'s") else word


def _trimmed(
    text: str, start: int, end: int, first: bool, names: set[str]
) -> Iterator[tuple[int, int, str]]:
    """The names in a run: cut where a possessive ends one ("Adèle's Mrs. Fairfax")."""
    held: list[re.Match[str]] = []
    tokens = list(_TOKEN.finditer(text, start, end))
    del first
    for index, token in enumerate(tokens):
        raw = token[0].replace("’", "'")
        word = _bare(raw)
        low = word.lower()
        before_name = low in TITLES or low in _SAINTS
        titled = before_name and index + 1 < len(tokens) and word[:1].isupper()
        joined = held and low in JOINERS and index + 1 < len(tokens)
        head = held and low in PLACE_HEADS and word[:1].isupper()
        opens = titled and len(low) > 1 and low not in SOFT
        if opens and any(_bare(piece[0]).lower() not in TITLES for piece in held):
            yield from _named(text, held, names)  # "to Lady Albury Colonel Stubbs was" names two
            held = []
        if word in names or titled or joined or head or (held and _REGNAL.fullmatch(word)):
            held.append(token)
            if raw.endswith("'s") or (raw.endswith("s'") and word in names):
                yield from _named(text, held, names)
                held = []
            continue
        yield from _named(text, held, names)
        held = []
    yield from _named(text, held, names)


_REGNAL = re.compile(r"II|III|IV|VI{0,3}|IX|XI{0,3}|XIV|XVI{0,3}")
_SAINTS = frozenset({"st", "saint"})


def _named(text: str, held: list[re.Match[str]], names: set[str]) -> Iterator[tuple[int, int, str]]:
    while held and not (_bare(held[-1][0]) in names or _is_head(held) or _is_regnal(held)):
        held = held[:-1]
    while held and _bare(held[0][0]).lower() in SOFT:
        held = held[1:]
    if not held or not any(_bare(token[0]) in names for token in held):
        return
    words = [_as_name(_bare(token[0]), names) for token in held]
    # "Duke of York" and "Hall of Thornfield" are one name; "Mrs. Reed of Gateshead" names two.
    if "of" in words[1:]:
        cut = words.index("of")
        last = words[cut - 1].lower()
    else:
        cut, last = 0, ""
    if cut and last not in TITLES and last not in PLACE_HEADS:
        yield from _named(text, held[:cut], names)
        yield from _named(text, held[cut + 1 :], names)
        return
    yield held[0].start(), held[-1].start() + len(words[-1]), " ".join(words)


def _as_name(word: str, names: set[str]) -> str:
    """The word as it is written elsewhere, where it stands in capitals: in headings, plays."""
    small = word.capitalize()
    shouted = len(word) > 1 and word.isupper()
    return small if shouted and (small in names or word.lower() in TITLES) else word


def _is_head(held: list[re.Match[str]]) -> bool:
    """Whether the last word is the "Hall" of "Thornfield Hall"."""
    return len(held) > 1 and _bare(held[-1][0]).lower() in PLACE_HEADS


def _is_regnal(held: list[re.Match[str]]) -> bool:
    """Whether the last word is the "IV" of "George IV", who is no other George."""
    return (
        len(held) > 1
        and _REGNAL.fullmatch(held[-1][0]) is not None
        and held[-1].start() == held[-2].end() + 1
    )


def _weigh(found: Evidence, text: str, name: str, start: int, end: int, inside: _Inside) -> None:
    """Add what one use of a name says to its evidence."""
    found.count += 1
    speech = inside(start)
    said = speech is not None
    before = text[max(0, start - _WINDOW) : start].replace("\n", " ")
    after = text[end : end + _WINDOW].replace("\n", " ")
    words = name.split()
    title = words[0].lower()
    if title in TITLES - SOFT and len(words) > 1:
        found.person += 4
        found.honorifics[title] += 1
        found.male += 3 * (title in MALE)
        found.female += 3 * (title in FEMALE)
    if words[-1].lower() in PLACE_HEADS and len(words) > 1:
        found.place += 4
    if _SAYS.match(after) or _SAID_BY.search(before):
        found.person += 2
        found.spoke += not said
    elif _ACTS.match(after):
        found.person += 0.6
    elif _PEOPLE_BEFORE.search(before):
        found.person += 0.4
    if _PLACE_BEFORE.search(before) and not _LOOKING.search(before):
        possessive = after.startswith(("'s", "’s"))
        found.place += 0 if possessive else 1.2
    if said and before.rstrip()[-1:] in (",", "“", '"') and _VOCATIVE.match(after):
        found.person += 0.8
    pronoun = _PRONOUN.search(text, end, end + 120)
    # '"Jane," he said': a pronoun outside of the speech is whoever speaks.
    if pronoun and inside(pronoun.start()) == speech:
        low = pronoun[0].lower()
        found.male += low in ("he", "his", "him", "himself")
        found.female += low in ("she", "her", "hers", "herself")


def is_locative(text: str, start: int) -> bool:
    """Whether a preposition before a name puts something at, in, or on the way to it; not from."""
    before = text[max(0, start - _WINDOW) : start].replace("\n", " ")
    if _FROM.search(before) or _LOOKING.search(before):
        return False
    return bool(_PLACE_BEFORE.search(before))


_FROM = re.compile(r"\b(?:from|left|leaving|of)\s+(?:the\s+)?$", re.IGNORECASE)
_PRONOUN = re.compile(r"\b(?:[Hh]e|[Hh]is|[Hh]im|[Hh]imself|[Ss]he|[Hh]er|[Hh]ers|[Hh]erself)\b")
