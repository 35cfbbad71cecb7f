"""What there is to ask of passages on a subject: the plans of a study, from questions of people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from random import Random

from centerlm.acts import Note
from centerlm.experience import known_line
from centerlm.learning.example import TrainingExample
from centerlm.learning.records import Reading, Studied, Text
from centerlm.memory.noting import entities
from centerlm.study.asking import MAX_QUESTIONS, ask_prompt, is_line

LEAST = 3
"""Questions that are asked of passages at least: of fewer it is learned to ask little."""
MOST_PASSAGES = 3
MOST_KNOWN = 2


def studied(
    readings: Iterable[Reading], texts: Mapping[str, Text], *, n: int, seed: int
) -> Iterator[Studied]:
    """Up to `n` groups of passages of one title, with what people asked of them.

    Only questions that name what they ask about are taken: a study asks each alone, with no passage
    beside it. Up to `MOST_KNOWN` of a group are known already, so that the rest is asked.
    """
    if not n:
        return
    asked: dict[str, list[Reading]] = {}
    titles: dict[str, list[str]] = {}
    for reading in readings:
        if reading.answer is None or not _is_asked(reading.question):
            continue
        passage = reading.passages[0]
        if passage not in asked:
            titles.setdefault(texts[passage].title, []).append(passage)
        asked.setdefault(passage, []).append(reading)
    rng = Random(seed)
    groups = list(_groups(titles, rng))
    rng.shuffle(groups)
    made = 0
    for group in groups:
        mine = [reading for passage in group for reading in _new(asked[passage])]
        if len(mine) < LEAST:
            continue
        yield _studied(mine[: MAX_QUESTIONS + MOST_KNOWN], [texts[id_] for id_ in group], rng)
        made += 1
        if made == n:
            return


def studied_examples(records: Iterable[Studied]) -> Iterator[TrainingExample]:
    """Decompose examples of a study: its plan is the questions, one a line."""
    for record in records:
        notes = [Note(text.title, text.text) for text in record.notes]
        known = [known_line(question, answer) for question, answer in record.known]
        prompt = ask_prompt(record.subject, notes, known)
        target = "".join(f"{question}\n" for question in record.questions)
        yield TrainingExample("decompose", prompt, target, record.id, record.origin)


def _is_asked(question: str) -> bool:
    """Whether a study would write a question so: on a line of its own, with a name in it."""
    return is_line(question) and ">>" not in question and bool(entities(question))


def _groups(titles: Mapping[str, Sequence[str]], rng: Random) -> Iterator[list[str]]:
    for passages in titles.values():
        left = list(passages)
        while left:
            size = rng.randint(1, MOST_PASSAGES)
            yield left[:size]
            del left[:size]


def _new(readings: Iterable[Reading]) -> list[Reading]:
    """One question for each answer of a passage."""
    by_answer: dict[str, Reading] = {}
    for reading in readings:
        by_answer.setdefault(str(reading.answer), reading)
    return list(by_answer.values())


def _studied(readings: Sequence[Reading], notes: Sequence[Text], rng: Random) -> Studied:
    left = list(readings)
    spare = min(len(left) - 2, MOST_KNOWN)
    known = [left.pop(rng.randrange(len(left))) for _ in range(rng.randint(0, spare))]
    return Studied(
        f"{readings[0].id}:studied",
        readings[0].origin,
        notes[0].title,
        tuple(notes),
        tuple((reading.question, str(reading.answer)) for reading in known),
        tuple(reading.question for reading in left[:MAX_QUESTIONS]),
    )
