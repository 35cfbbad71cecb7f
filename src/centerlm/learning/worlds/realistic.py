"""Real passages as templates: the names, dates and places of a passage become slots.

`templates` reads the train files of 2WikiMultihopQA (`evidences`: subject, relation, object, and
the passage titled as the subject) and MuSiQue (sub-questions "subject >> relation" with their
supporting paragraph). A world fills the slots with its own names, so that its documents read as
real ones do and say nothing of the real world. Sentences that state more than can be replaced
consistently are left out. Evaluation files are never read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, cast

from centerlm.errors import InputError
from centerlm.learning.worlds.graph import Fact, Graph, Thing
from centerlm.learning.worlds.names import words
from centerlm.learning.worlds.relations import Relation, relations

FILES = ("2wikimultihopqa/train.jsonl", "musique/train.jsonl")
MAX_WORDS = 70

_MONTH = "(?:January|February|March|April|May|June|July|August|September|October|November|December)"
_DATE = rf"(?:\d{{1,2}} {_MONTH} \d{{4}}|{_MONTH} \d{{1,2}}, \d{{4}})"
_YEAR = r"\b(?:1[0-9]\d\d|20[012]\d)\b"
_SENTENCE = re.compile(r"(?<=[a-z0-9)\"'][.!?])\s+(?=[A-Z\"'])")
_LIFE = re.compile(r"\s*\([^()]*\d{3,4}[^()]*\)")
_DEMONYM = re.compile(
    r"\b((?:[A-Z][a-z]+-)?(?:[A-Z][a-z]+(?:ian|ean|can|man|ish|ese|ese)|French|Dutch|Greek|Irish|"
    r"Welsh|Czech|Thai|Swiss|Iraqi|Israeli|Tamil|Telugu|Malayalam|Hindi|Bollywood|Hollywood))"
    r"(?=[ -][a-z])[ -]"
)
_NAME = re.compile(
    r"(?:[A-Z][\w'’.]*[a-z](?:[ -](?:(?:of|de|von|van|der|la|the|and) )?(?=[A-Z]))?)+"
    r"(?:[A-Z][\w'’]*)?"
)
# What other facts may be stated with: sentences with these are left out, unless it is the fact's.
_STATES = re.compile(
    r"\b(?:born|birth|died|dies|death|dead|killed|father|mother|son|daughter|brother|sister|"
    r"child|children|parents?|wife|husband|married|widow|directed|director|written|wrote|writer|"
    r"author|novel by|produced|producer|composed|composer|music by|performed|sung|singer|"
    r"released|published|founded|founder|established|located|capital|educated|studied|graduated|"
    r"university|college|award|prize|citizen|lives?|lived|resides|employed|starring|stars)\b",
    re.IGNORECASE,
)
_KINDS: Mapping[str, re.Pattern[str]] = {
    "film": re.compile(r"\b(?:film|movie|drama|comedy|western)\b", re.IGNORECASE),
    "song": re.compile(r"\b(?:song|single|track|ballad)\b", re.IGNORECASE),
    "book": re.compile(r"\b(?:novel|book|memoir)\b", re.IGNORECASE),
}
_HE, _SHE = re.compile(r"\b(?:he|his|him)\b", re.I), re.compile(r"\b(?:she|her|hers)\b", re.I)
_SLOT = re.compile(r"⟦([A-Z]+)(\d*)⟧")


@dataclass(frozen=True, slots=True)
class Template:
    """A passage with slots. `kind` is the subject's; `woman` its sex where the text tells.

    Slots: ⟦SUBJECT⟧, ⟦SHORT⟧ (its last word), ⟦OBJECT⟧, ⟦LIFE⟧ (dates of birth and death in
    brackets), ⟦BORN⟧ and the like are facts of the subject; ⟦NAMEk⟧, ⟦PLACEk⟧, ⟦TITLEk⟧ are other
    names, the same k the same name; ⟦YEARk⟧ other years.
    """

    relation: str
    kind: str
    text: str
    woman: bool | None = None


def templates(data: Path) -> tuple[Template, ...]:
    """The templates of the train files below `data`, in the order of the files, each text once.

    Raises:
        InputError: none of the files is there, or a line is not a record of its set.
    """
    found: dict[str, Template] = {}
    there = [data / name for name in FILES if (data / name).is_file()]
    if not there:
        raise InputError(f"no passages at {data}: give the folder that holds {' or '.join(FILES)}")
    for path in there:
        for relation, subject, object_, text in _hops(path):
            template = make_template(relation, subject, object_, text)
            if template is not None:
                found.setdefault(template.text, template)
    return tuple(found.values())


def make_template(relation: str, subject: str, object_: str, text: str) -> Template | None:
    """A template of a passage that states one fact; None where it cannot be made safely."""
    known = relations().get(relation)
    if known is None or known.held_out or not _usable(known, object_):
        return None
    text = " ".join(text.split())
    sentences = _SENTENCE.split(text)
    key = next((s for s in sentences if subject in s and object_ in s), None)
    if key is None:
        return None
    kind = _kind(known, text)
    if kind is None:
        return None
    slotted = _key_sentence(key, known, kind, subject, object_)
    if slotted is None:
        return None
    kept = [slotted]
    names: dict[str, str] = {}
    for sentence in sentences:
        if sentence == key or _STATES.search(sentence) or object_ in sentence:
            continue
        if len(" ".join([*kept, sentence]).split()) > MAX_WORDS:
            break
        kept.append(_subject_slots(sentence, subject))
    filled = _other_names(" ".join(kept), names)
    if re.search(r"\bfrom ⟦|\bbased in ⟦|\bnative ", filled):
        return None  # it tells of a home
    woman = None
    if kind == "person" and bool(_HE.search(filled)) != bool(_SHE.search(filled)):
        woman = bool(_SHE.search(filled))
    elif kind == "person" and _HE.search(filled):
        return None
    return Template(relation, kind, filled, woman)


def fill_template(
    template: Template, graph: Graph, thing: Thing, fact: Fact, rng: Random
) -> tuple[str, tuple[Fact, ...]]:
    """The template told of a thing and its fact, and all facts of the thing that it states."""
    stated = [fact]
    chosen: dict[str, str] = {}

    def put(match: re.Match[str]) -> str:
        slot, number = match[1], match[2]
        match slot:
            case "SUBJECT":
                return thing.name
            case "SHORT":
                return thing.short
            case "OBJECT":
                return fact.answer
            case "LIFE":
                born = graph.get(thing.id, "date of birth")
                died = graph.get(thing.id, "date of death")
                stated.extend(f for f in (born, died) if f and f not in stated)
                return _life(born, died)
            case "NAME":
                return chosen.get(slot + number) or chosen.setdefault(
                    slot + number, graph.names.person(woman=rng.random() < 0.5)
                )
            case "TITLE":
                return chosen.get(slot + number) or chosen.setdefault(
                    slot + number, graph.names.title()
                )
            case "PLACE":
                return chosen.get(slot + number) or chosen.setdefault(
                    slot + number, graph.names.city()
                )
            case _:
                return chosen.get(slot + number) or chosen.setdefault(
                    slot + number, str(rng.randint(1700, 1999))
                )

    text = _SLOT.sub(put, template.text)
    return " ".join(text.split()), tuple(stated)


def _life(born: Fact | None, died: Fact | None) -> str:
    if born and died:
        return f" ({born.answer} – {died.answer})"
    if born:
        return f" (born {born.answer})"
    return f" (died {died.answer})" if died else ""


def _usable(relation: Relation, object_: str) -> bool:
    """Whether an object of this kind can be put in the place of the real one."""
    if relation.object == "date":
        return re.fullmatch(_DATE, object_) is not None
    return relation.object in {"person", "city", "company", "school", "award"}


def _kind(relation: Relation, text: str) -> str | None:
    """The kind of the subject, where the passage tells it; a person needs no telling."""
    kinds = [kind for kind in relation.subjects if kind not in _KINDS or _KINDS[kind].search(text)]
    return kinds[0] if len(kinds) == 1 else None


def _key_sentence(
    text: str, relation: Relation, kind: str, subject: str, object_: str
) -> str | None:
    """The sentence of the fact with its slots; None if it states another fact beside it."""
    life = kind == "person" and relation.object == "date"
    if life and (bracket := _LIFE.search(text)) and object_ in bracket[0]:
        text = text.replace(bracket[0], "⟦LIFE⟧", 1)
    else:
        text = _LIFE.sub("", text)
        text = text.replace(object_, "⟦OBJECT⟧")
    text = _subject_slots(text, subject)
    text = re.sub(rf"{_YEAR} (?=[a-zA-Z])", "", text) if kind in _KINDS else text
    if "⟦SUBJECT⟧" not in text or not ("⟦OBJECT⟧" in text or "⟦LIFE⟧" in text):
        return None
    if re.search(rf"{_DATE}|{_YEAR}", text):
        return None
    states = {word.lower() for word in _STATES.findall(text)} - _OWN.get(relation.name, set())
    return text if not states else None


_WORKS_OWN = {"starring", "stars", "director", "writer", "producer", "singer", "composer", "author"}
_OWN: Mapping[str, set[str]] = {
    "director": {"directed", *_WORKS_OWN},
    "composer": {"composed", "music by", *_WORKS_OWN},
    "performer": {"performed", "sung", *_WORKS_OWN},
    "author": {"written", "wrote", "novel by", *_WORKS_OWN},
    "publisher": {"published", *_WORKS_OWN},
    "publication date": {"released", "published", *_WORKS_OWN},
    "father": {"father", "son", "daughter", "child", *_WORKS_OWN},
    "mother": {"mother", "son", "daughter", "child", *_WORKS_OWN},
    "spouse": {"wife", "husband", "married", "widow", *_WORKS_OWN},
    "place of birth": {"born", "birth", *_WORKS_OWN},
    "place of death": {"died", "death", *_WORKS_OWN},
    "date of birth": {"born", "birth", *_WORKS_OWN},
    "date of death": {"died", "death", *_WORKS_OWN},
    "educated at": {"educated", "studied", "graduated", "university", "college", *_WORKS_OWN},
    "employer": {"employed", "university", *_WORKS_OWN},
    "award received": {"award", "prize", *_WORKS_OWN},
    "founded by": {"founded", "founder", "established"},
}


def _subject_slots(text: str, subject: str) -> str:
    text = text.replace(subject, "⟦SUBJECT⟧")
    last = subject.split()[-1]
    if len(subject.split()) > 1 and len(last) > 2:
        text = re.sub(rf"\b{re.escape(last)}\b", "⟦SHORT⟧", text)
    return text


def _other_names(text: str, names: dict[str, str]) -> str:
    """Other names, titles and years as slots; adjectives of countries are left out."""
    text = _DEMONYM.sub("", re.sub(r"[A-Z][a-z]+-born ", "", text))
    text = re.sub(r"\ban (?=[^aeiou⟦A-Z])", "a ", text)
    text = re.sub(r"\ba (?=[aeio])", "an ", text)

    def slot(kind: str, said: str) -> str:
        return names.setdefault(said, f"⟦{kind}{len(names) + 1}⟧")

    text = re.sub(r"\"\s*([^\"]{2,60}?)\s*\"", lambda m: f'"{slot("TITLE", m[1])}"', text)
    text = re.sub(_YEAR, lambda m: slot("YEAR", m[0]), text)

    def name(match: re.Match[str]) -> str:
        said, at = match[0], match.start()
        before = text[:at].rstrip()
        starts = not before or before[-1] in ".!?"
        if (first := said.split()[0]) in _PLAIN:
            rest = said.removeprefix(first).strip()
            return f"{first} {slot('NAME' if ' ' in rest else 'PLACE', rest)}" if rest else said
        if starts and " " not in said:
            return said
        return slot("NAME" if " " in said else "PLACE", said)

    parts = re.split(r"(⟦[A-Z]+\d*⟧)", text)
    done: list[str] = []
    for part in parts:
        if part.startswith("⟦"):
            done.append(part)
            continue
        whole, text = text, part
        starts_sentence = not done or done[-1].rstrip().endswith((".", "!", "?"))
        text = part if starts_sentence else f"~{part}"
        done.append(_NAME.sub(name, text).removeprefix("~"))
        text = whole
    return "".join(done)


_PLAIN = frozenset(
    words(
        "The A An It He She They His Her Its Their This That These In On At By For From With After "
        "Before During Although While When As But And Or If Since Until Between Under Over Most "
        "Many Some All Both Other There Later I II III IV"
    )
)


def _hops(path: Path) -> Iterator[tuple[str, str, str, str]]:
    """(relation, subject, object, passage) of a train file of either set.

    Raises:
        InputError: a line that is no record of these sets.
    """
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                record = cast("dict[str, Any]", json.loads(line))
                yield from _wiki(record) if "evidences" in record else _musique(record)
            except (ValueError, KeyError, TypeError, IndexError, AttributeError):
                raise InputError(
                    f"{path}, line {number} is not a record of 2WikiMultihopQA or MuSiQue; "
                    "give the official train files"
                ) from None


def _wiki(record: dict[str, Any]) -> Iterable[tuple[str, str, str, str]]:
    for subject, relation, object_ in record["evidences"]:
        for title, sentences in record["context"]:
            if title == subject or title.startswith(f"{subject} ("):
                yield relation, subject, object_, " ".join(sentences)


def _musique(record: dict[str, Any]) -> Iterable[tuple[str, str, str, str]]:
    for step in record["question_decomposition"]:
        subject, arrow, relation = step["question"].partition(" >> ")
        at = step["paragraph_support_idx"]
        if arrow and "#" not in subject and at is not None:
            yield relation, subject, step["answer"], record["paragraphs"][at]["paragraph_text"]
