"""What learned.py asks: human plans of dev sets, single hops with real passages, and sums.

Read from --data in the sets' official formats. Nothing here is trained on.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol, TypeVar

from centerlm.evaluation.metrics import normalise_answer
from centerlm.evaluation.scoring import number_in
from centerlm.finding import Passage
from centerlm.learning.guidance import Read
from centerlm.learning.readers import read_guidance
from centerlm.learning.records import Decision, Reading, Text
from centerlm.learning.relations import relation_to_question
from centerlm.library import Library, Stats
from centerlm.plan import fill
from centerlm.sources.base import Card
from centerlm.sources.calculator import Calculator
from centerlm.sources.documents import describe
from human_plans import read_plans
from pool import read_lines
from pool_library import PassageKey, passage_key

PASSAGES = 5
PLAN_SETS = ("musique", "strategyqa")
HOP_SETS = ("musique", "2wikimultihopqa")
FILES = (*PLAN_SETS, "2wikimultihopqa", "gsm8k")


@dataclass(frozen=True, slots=True)
class Hop:
    """A single-hop question of a multi-hop set, true earlier answers filled in."""

    id: str
    reading: Reading
    support: PassageKey


@dataclass(frozen=True, slots=True)
class Found:
    """What the real library found for a hop: a note set of one question. `sure` False: the answer
    stands in a note that is not the supporting one, so neither answering nor silence is wrong.
    """

    notes: tuple[Text, ...]
    reading: Reading
    answer: str | None
    cited: tuple[int, ...]
    sure: bool

    @property
    def questions(self) -> tuple[Found, ...]:
        return (self,)


@dataclass(frozen=True, slots=True)
class Sum:
    """A word problem of GSM8K and its number."""

    id: str
    question: str
    answer: Fraction


class _Named(Protocol):
    @property
    def id(self) -> str: ...


Item = TypeVar("Item", bound=_Named)


def shuffled(items: Sequence[Item], limit: int | None) -> list[Item]:
    """All or the first `limit` of them, in an order that is random but fixed."""
    items = sorted(items, key=lambda item: item.id)
    random.Random(0).shuffle(items)
    return items[:limit]


def plan_cards(pool: Sequence[tuple[str, str]]) -> tuple[Card, ...]:
    """The cards a library of the pooled passages and the calculator have in use."""
    titles = tuple(title for title, _ in pool[:20])
    stats = Stats(1, len(pool), len(pool), len(pool), 0, titles)
    limits = f"gives up to {PASSAGES} passages of its documents; knows nothing else"
    return Card("documents", describe(stats), limits=limits), Calculator.card


def human_decisions(data: Path, name: str) -> tuple[list[Decision], Read]:
    """The human plans of a dev set, with all steps in one plan: recursion is not offered."""
    read = read_guidance(data, [name], split="dev")
    decisions = [Decision(g.id, name, g.objective, g.plan, recursion=False) for g in read.guidance]
    return decisions, read


def hops(data: Path, name: str) -> list[Hop]:
    """The single hops of a dev set."""
    return list(_musique(data) if name == "musique" else _wiki2(data))


def _musique(data: Path) -> Iterator[Hop]:
    paragraphs = {r["id"]: r for r in read_lines(data / "musique" / "dev.jsonl")}
    for human in read_plans(data, "sentences").plans:
        record = paragraphs[human.id]
        answers = dict(enumerate(human.answers, start=1))
        for step, written in zip(human.plan.steps, record["question_decomposition"], strict=True):
            paragraph = record["paragraphs"][written["paragraph_support_idx"]]
            question = fill(step.text, {k: answers[k] for k in step.needs})
            reading = Reading(f"{human.id}/{step.id}", "musique", question, answers[step.id], ())
            yield Hop(
                reading.id, reading, passage_key(paragraph["title"], paragraph["paragraph_text"])
            )


def _wiki2(data: Path) -> Iterator[Hop]:
    """Evidence triples whose object stands, as written, in the paragraph titled as the subject."""
    for record in read_lines(data / "2wikimultihopqa" / "dev.jsonl"):
        texts = {title: " ".join(s.strip() for s in lines) for title, lines in record["context"]}
        for number, (subject, relation, answer) in enumerate(record["evidences"], start=1):
            text = texts.get(subject, "")
            if normalise_answer(answer) not in normalise_answer(text):
                continue
            question = relation_to_question(f"{subject} >> {relation}")
            reading = Reading(f"{record['_id']}/{number}", "2wiki", question, answer, ())
            yield Hop(reading.id, reading, passage_key(subject, text))


def found_for(hop: Hop, library: Library, k: int = PASSAGES) -> Found:
    """The real library's first `k` passages for a hop."""
    passages: list[Passage] = library.search(hop.reading.question, k)
    notes = tuple(Text(p.id, p.title, p.text) for p in passages)
    cited = tuple(
        n for n, p in enumerate(passages, start=1) if passage_key(p.title, p.text) == hop.support
    )
    answer = normalise_answer(hop.reading.answer or "")
    elsewhere = any(answer in normalise_answer(f"{p.title} {p.text}") for p in passages)
    known = hop.reading.answer if cited else None
    return Found(notes, hop.reading, known, cited, sure=bool(cited) or not elsewhere)


def sums(data: Path) -> list[Sum]:
    found: list[Sum] = []
    for record in read_lines(data / "gsm8k" / "dev.jsonl"):
        answer = number_in(record["answer"].rpartition("####")[2])
        digest = hashlib.sha1(record["question"].encode()).hexdigest()
        if answer is not None:
            found.append(Sum(f"gsm8k-{digest[:16]}", " ".join(record["question"].split()), answer))
    return found


def data_hash(data: Path) -> str:
    """SHA-256 of the dev files used, in order."""
    digest = hashlib.sha256()
    for name in FILES:
        digest.update((data / name / "dev.jsonl").read_bytes())
    return digest.hexdigest()
