"""People and places of a book: names that mean the same, put together under one.

"Mr. Rochester", "Edward Rochester" and "Rochester" are one person; "Mrs. Reed" and "John Reed" are
two. A short name goes to the full name that has it, where there is one of fitting gender, or one
that is far more frequent than the others; else it stays on its own. Pure functions.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from centerlm.books.names import TITLES, Evidence, Names
from centerlm.books.words import FEMALE, MALE, NEUTRAL

Kind = Literal["person", "place"]
Gender = Literal["female", "male", "unknown"]

MIN_USES = 2
"""Names used less often are left out, unless an honorific or a head noun says what they are."""
_DOMINANT = 4.0
_OFFICES = NEUTRAL - frozenset({"cousin", "nurse"})
_SURE = 3.0


@dataclass(frozen=True, slots=True)
class Mention:
    """Where an entity is named; `said` in speech."""

    start: int
    end: int
    name: str
    said: bool


@dataclass(frozen=True, slots=True)
class Entity:
    """A person or place: its fullest name, all names it goes by, and where they stand, in order.

    `spoke` counts how often the narrator says that it speaks.
    """

    kind: Kind
    name: str
    aliases: tuple[str, ...]
    gender: Gender
    mentions: tuple[Mention, ...]
    spoke: int

    @property
    def first(self) -> Mention:
        return self.mentions[0]

    @property
    def last(self) -> Mention:
        return self.mentions[-1]

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name, *self.aliases)


@dataclass(slots=True)
class _Group:
    """Names of one kind that mean the same."""

    kind: Kind
    names: Counter[str] = field(default_factory=Counter[str])
    male: int = 0
    female: int = 0
    spoke: int = 0

    def take(self, name: str, evidence: Evidence) -> None:
        self.names[name] += evidence.count
        self.male += evidence.male
        self.female += evidence.female
        self.spoke += evidence.spoke

    @property
    def gender(self) -> Gender:
        return _gender(self.names, self.male, self.female)


def gather(names: Names) -> tuple[Entity, ...]:
    """People and places, the most mentioned first."""
    kinds = {name: kind for name, e in names.evidence.items() if (kind := _kind(name, e))}
    for name in names.evidence.keys() - kinds.keys():
        # "Edith Hollis" may stand once only, where "Edith" is known well.
        words = bare(name)
        if len(words) > 1 and kinds.get(words[0]) == "person":
            kinds[name] = "person"
    groups: list[_Group] = []
    of: dict[str, _Group] = {}
    for kind in ("person", "place"):
        mine = [name for name, k in kinds.items() if k == kind]
        for group in _merged(kind, mine, names.evidence):
            groups.append(group)
            of |= dict.fromkeys(group.names, group)
    mentions: defaultdict[int, list[Mention]] = defaultdict(list)
    for use in names.uses:
        if use.name in of:
            mentions[id(of[use.name])].append(Mention(use.start, use.end, use.name, use.said))
    made = [_entity(group, mentions[id(group)]) for group in groups]
    return tuple(sorted(made, key=lambda e: (-len(e.mentions), e.first.start)))


def _kind(name: str, evidence: Evidence) -> Kind | None:
    """Person or place; None where too little is known."""
    strong = max(evidence.person, evidence.place) >= _SURE
    if evidence.count < MIN_USES and not strong:
        return None
    if evidence.place > evidence.person:
        return "place"
    if evidence.person > 0 or evidence.male + evidence.female >= 2:
        return "person"
    return None


def bare(name: str) -> tuple[str, ...]:
    """The words of a name without titles."""
    words = name.split()
    while len(words) > 1 and words[0].lower().rstrip(".") in TITLES:
        words = words[1:]
    return tuple(words)


def _titles(name: str) -> list[str]:
    words = [word.lower() for word in name.split()]
    return words[: len(words) - len(bare(name))]


def _merged(kind: Kind, names: Iterable[str], evidence: Mapping[str, Evidence]) -> list[_Group]:
    """Groups of names, the fullest names first."""
    ordered = sorted(names, key=lambda n: (-len(bare(n)), not _titles(n), -evidence[n].count, n))
    groups: list[_Group] = []
    by_word: defaultdict[str, list[_Group]] = defaultdict(list)
    given = _given(evidence)
    for name in ordered:
        group = _home(name, _told(name, evidence[name], given), by_word, kind)
        if group is None:
            group = _Group(kind)
            groups.append(group)
        group.take(name, _told(name, evidence[name], given))
        for word in bare(name):
            if group not in by_word[word]:
                by_word[word].append(group)
    return groups


def _given(evidence: Mapping[str, Evidence]) -> dict[str, tuple[int, int]]:
    """Pronouns after each first name, male and female, over all names that begin with it."""
    found: dict[str, tuple[int, int]] = {}
    for name, e in evidence.items():
        if not _titles(name):
            male, female = found.get(name.split()[0], (0, 0))
            found[name.split()[0]] = (male + e.male, female + e.female)
    return found


def _told(name: str, e: Evidence, given: Mapping[str, tuple[int, int]]) -> Evidence:
    """The evidence of a full name with the gender of its first name."""
    words = name.split()
    if len(words) < 2 or _titles(name):
        return e
    male, female = given.get(words[0], (0, 0))
    return replace(e, male=max(male, e.male), female=max(female, e.female))


def _home(
    name: str, evidence: Evidence, by_word: Mapping[str, Sequence[_Group]], kind: Kind
) -> _Group | None:
    """The group a name belongs to, if it is clear."""
    words = bare(name)
    candidates = [group for group in by_word.get(words[-1], ()) if _fits(name, words, group, kind)]
    if words[0] != words[-1]:
        candidates += [
            group
            for group in by_word.get(words[0], ())
            if group not in candidates and _fits(name, words, group, kind)
        ]
    gender = _gender(Counter([name]), evidence.male, evidence.female)
    fitting = [g for g in candidates if "unknown" in (gender, g.gender) or g.gender == gender]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        return None
    exact = [
        g for g in fitting if any(bare(n) == words and _titles(n) == _titles(name) for n in g.names)
    ]
    if len(exact) == 1:
        return exact[0]
    ordered = sorted(fitting, key=lambda g: -g.names.total())
    if ordered[0].names.total() >= _DOMINANT * ordered[1].names.total():
        return ordered[0]
    return None


def _fits(name: str, words: tuple[str, ...], group: _Group, kind: Kind) -> bool:
    """Whether a name may be a shorter or other form of a group's names."""
    titles = set(_titles(name))
    for known in group.names:
        other = bare(known)
        theirs = set(_titles(known))
        nested = set(words) <= set(other) or set(other) <= set(words)
        ends = len(words) > 1 and words[0] == other[0] and words[-1] == other[-1]
        if not (nested or ends):
            continue
        if kind == "place":
            # "Thornfield" is Thornfield Hall; "Hall" alone is any.
            if words[:1] == other[:1]:
                return True
            continue
        if titles and theirs and not _same_standing(titles, theirs):
            return False
        if titles and len(words) == 1 < len(other) and not theirs and not _sexed(titles, group):
            continue  # Mrs. Reed is not Eliza Reed; Mr. Harding not Eleanor Harding
        return True
    return False


def _sexed(titles: set[str], group: _Group) -> bool:
    """Whether an honorific and a surname may be of this full name: its gender has to be known."""
    if titles & {"mrs", "lady", "mme", "madame"}:
        return False
    if titles & _OFFICES:
        return group.gender != "female"
    return group.gender == ("female" if titles & FEMALE else "male")


def _same_standing(one: set[str], other: set[str]) -> bool:
    """Whether two honorifics may be of one person."""
    apart = ({"mrs", "mme", "madame"}, {"miss", "mlle", "mademoiselle"})
    if any(one & a and other & b for a, b in (apart, apart[::-1])):
        return False
    men, women = MALE | _OFFICES, FEMALE
    return not ((one & men and other & women) or (one & women and other & men))


def _gender(names: Iterable[str], male: int, female: int) -> Gender:
    titles = {title for name in names for title in _titles(name)}
    if titles & FEMALE and not titles & MALE:
        return "female"
    if titles & MALE and not titles & FEMALE:
        return "male"
    if male + female >= 4:
        if male >= 2 * female:
            return "male"
        if female >= 2 * male:
            return "female"
    return "unknown"


def _entity(group: _Group, mentions: list[Mention]) -> Entity:
    """Named by its fullest name that is used at least one time in twenty."""
    total = group.names.total()
    usual = [name for name, count in group.names.items() if count >= 0.05 * total]
    best = max(usual, key=lambda n: (len(bare(n)) > 1, group.names[n]))
    others = sorted((n for n in group.names if n != best), key=lambda n: (-group.names[n], n))
    return Entity(group.kind, best, tuple(others), group.gender, tuple(mentions), group.spoke)
