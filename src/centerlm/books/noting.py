"""Notes on a book: who is in it and where, what is open, who narrates, as timed observations.

Takes text and its structure; knows nothing of files or libraries. About a second for 200,000 words;
memory grows with the mentions of names, not with the text. Needs the extra `books`.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from centerlm.books.entities import Entity, Mention, gather
from centerlm.books.names import find_names, is_locative
from centerlm.books.observations import Observation
from centerlm.books.prose import (
    Form,
    Person,
    Span,
    Tense,
    Voice,
    form_of,
    is_english,
    sentences,
    speech,
    voice,
)
from centerlm.books.structure import Structure
from centerlm.books.threads import Thread, find_threads

MAX_BOOK_WORDS = 2_000_000
"""Longer texts are no single book: they are cut into passages, and not noted."""
MIN_BOOK_WORDS = 1_000

_DEAD = re.compile(
    r"[ \n](?:(?:is|was|lay|had been|has been|were|being)[ \n](?:(?!no\b)\w+[ \n])?"
    r"(?:killed|murdered|drowned|slain|buried|hanged|shot dead|no more(?![ \n]\w)"
    r"|dead(?![ \n-](?:tired|drunk|asleep|beat|set|against|sure|certain|silent|weary|to)\b))\b"
    r"|(?:had |has )?(?:died|expired|perished|drowned)\b|breathed (?:his|her) last)"
)
_DEATH_OF = re.compile(
    r"\b(?:death|funeral|grave|corpse|murder|burial) of (?:the )?(?:poor |late )?$"
)
_NOT_DEAD = re.compile(
    # "When Mrs. Reed died, the house was sold" tells of a death; "if", said anywhere, does not.
    r"\b(?:(?i:if|were|thought|supposed|nearly|almost|not|wish\w*|should|suppose)|when|until)\b"
)
_ALIVE_AFTER = 2
_BETWEEN = 120


@dataclass(frozen=True, slots=True)
class Death:
    """Where a person is said to be dead."""

    person: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where a person is said to be at a place."""

    person: str
    place: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Notes:
    """What is noted of a text, in order of position; `voices` by chapter number."""

    form: Form
    english: bool
    entities: tuple[Entity, ...]
    whereabouts: tuple[Whereabouts, ...]
    deaths: tuple[Death, ...]
    threads: tuple[Thread, ...]
    voices: Mapping[int, Voice]

    def of(self, kind: str) -> tuple[Entity, ...]:
        """People, or places, the most mentioned first."""
        return tuple(entity for entity in self.entities if entity.kind == kind)


def take_notes(text: str, structure: Structure) -> Notes:
    """Read a book; text in another language than English gets its form and nothing else.

    Raises:
        MissingExtraError: sentencex is not installed.
    """
    told = structure.told
    sample = "\n".join(text[c.start : c.start + 20_000] for c in told[:10])
    form, english = form_of(sample), is_english(sample)
    if not english:
        return Notes(form, False, (), (), (), (), {})
    spans = [s for chapter in told for s in sentences(text, chapter.start, chapter.end)]
    said = speech(text)
    entities = gather(find_names(text, spans, said))
    people = _people_by_sentence(spans, entities)
    return Notes(
        form,
        True,
        entities,
        tuple(_whereabouts(text, spans, entities)),
        tuple(_deaths(text, entities)),
        find_threads(text, spans, people) if form != "verse" else (),
        {c.number: voice(text[c.start : c.end]) for c in told} if form == "prose" else {},
    )


def overall_voice(notes: Notes) -> Voice:
    """The narrator's usual person and tense, over all chapters."""
    people = Counter[Person](v.person for v in notes.voices.values() if v.person != "unclear")
    tenses = Counter[Tense](v.tense for v in notes.voices.values() if v.tense != "unclear")
    return Voice(
        people.most_common(1)[0][0] if people else "unclear",
        tenses.most_common(1)[0][0] if tenses else "unclear",
    )


def observe(text: str, structure: Structure, notes: Notes) -> Iterator[Observation]:
    """The notes as observations, kind by kind."""
    words = len(text.split())
    yield Observation(
        "book", "", 0, len(text), {"form": notes.form, "english": notes.english, "words": words}
    )
    for c in structure.chapters:
        data = {"number": c.number, "kind": c.kind, "part": c.part, "scenes": len(c.scenes)}
        yield Observation("chapter", c.heading, c.start, c.end, data)
    for e in notes.entities:
        data = {
            "aliases": list(e.aliases),
            "gender": e.gender,
            "mentions": len(e.mentions),
            "spoke": e.spoke,
        }
        yield Observation(e.kind, e.name, e.first.start, e.last.end, data)
    yield from _presences(structure, notes.of("person"))
    for w in notes.whereabouts:
        yield Observation("whereabouts", w.person, w.start, w.end, {"place": w.place})
    for d in notes.deaths:
        yield Observation("death", d.person, d.start, d.end)
    for t in notes.threads:
        data = {"sort": t.sort, "people": list(t.people), "closed": t.closed, "weight": t.weight}
        yield Observation("thread", t.people[0] if t.people else "", t.start, t.end, data)
    for c in structure.told:
        if v := notes.voices.get(c.number):
            data = {"person": v.person, "tense": v.tense}
            yield Observation("voice", c.heading, c.start, c.end, data)


def _presences(structure: Structure, people: Sequence[Entity]) -> Iterator[Observation]:
    """Each person named in each scene."""
    scenes = [(c.number, n, s) for c in structure.told for n, s in enumerate(c.scenes, start=1)]
    starts = [scene.start for _, _, scene in scenes]
    for person in people:
        within: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        for mention in person.mentions:
            index = bisect_right(starts, mention.start) - 1
            if index >= 0 and mention.start < scenes[index][2].end:
                within[index].append((mention.start, mention.end))
        for index, places in within.items():
            chapter, number, _ = scenes[index]
            data = {"chapter": chapter, "scene": number, "mentions": len(places)}
            yield Observation("present", person.name, places[0][0], places[-1][1], data)


def _index_of(spans: Sequence[Span], starts: Sequence[int], at: int) -> int | None:
    index = bisect_right(starts, at) - 1
    return index if index >= 0 and at < spans[index].end else None


def _people_by_sentence(
    spans: Sequence[Span], entities: Sequence[Entity]
) -> dict[int, tuple[str, ...]]:
    starts = [span.start for span in spans]
    found: defaultdict[int, dict[str, None]] = defaultdict(dict)
    for entity in entities:
        if entity.kind == "person":
            for mention in entity.mentions:
                index = _index_of(spans, starts, mention.start)
                if index is not None:
                    found[index][entity.name] = None
    return {index: tuple(names) for index, names in found.items()}


def _whereabouts(
    text: str, spans: Sequence[Span], entities: Sequence[Entity]
) -> Iterator[Whereabouts]:
    """People named close before (else after) a place that a preposition puts something at."""
    starts = [span.start for span in spans]
    people: defaultdict[int, list[tuple[int, str]]] = defaultdict(list)
    for entity in entities:
        if entity.kind == "person":
            for mention in entity.mentions:
                index = _index_of(spans, starts, mention.start)
                if index is not None:
                    people[index].append((mention.start, entity.name))
    found: list[tuple[int, Whereabouts]] = []
    for entity in entities:
        if entity.kind != "place":
            continue
        for mention in entity.mentions:
            index = _index_of(spans, starts, mention.start)
            if index is None or not people.get(index) or not is_locative(text, mention.start):
                continue
            near = min(
                people[index], key=lambda p: (p[0] > mention.start, abs(p[0] - mention.start))
            )
            if abs(near[0] - mention.start) <= _BETWEEN:
                span = spans[index]
                seen = Whereabouts(near[1], entity.name, span.start, span.end)
                found.append((mention.start, seen))
    yield from (seen for _, seen in sorted(found, key=lambda f: f[0]))


def _deaths(text: str, entities: Sequence[Entity]) -> Iterator[Death]:
    """People that the narrator says are dead, and whom nothing shows alive afterwards."""
    found: list[Death] = []
    for entity in entities:
        if entity.kind != "person":
            continue
        for number, mention in enumerate(entity.mentions):
            after = text[mention.end : mention.end + 60]
            before = text[max(0, mention.start - 40) : mention.start].replace("\n", " ")
            told = _DEAD.match(after)
            if mention.said or not (told or _DEATH_OF.search(before)):
                continue
            if told and (_NOT_DEAD.search(before) or re.search(r"\bnot\b|\bnearly\b", told[0])):
                continue
            later = entity.mentions[number + 1 :]
            alive = sum(_acts(text, m) for m in later)
            if alive < _ALIVE_AFTER:
                end = mention.end + (told.end() if told else 0)
                found.append(Death(entity.name, mention.start, end))
                break
    yield from sorted(found, key=lambda d: d.start)


_ACTING = re.compile(
    r",?[ \n](?:said|says|cried|replied|asked|answered|looked|smiled|laughed|nodded|rose|stood|sat"
    r"|went|came|took|walked|turned)\b"
)


_SPOKEN_BY = re.compile(r"\b(?:said|says|cried|replied|asked|answered)[ \n]$")


def _acts(text: str, named: Mention) -> bool:
    before = text[max(0, named.start - 12) : named.start]
    return bool(_ACTING.match(text, named.end) or _SPOKEN_BY.search(before))
