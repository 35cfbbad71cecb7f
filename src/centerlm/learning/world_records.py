"""Generated worlds as records to learn from: every world is on one side, trained on or held out.

Passages are those that a library of the world's own documents finds, since other worlds may use
the same names for other people.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random

from centerlm.learning.material import Composed, Say, Shelf, is_held
from centerlm.learning.noting import NoteSet, Question, pool
from centerlm.learning.recipe import WorldsSection
from centerlm.learning.records import Text
from centerlm.learning.worlds import World, WorldQuestion, make_world, templates
from centerlm.plan import format_plan

SHOWN = 5
"""Passages beside a composed question, where its own are not more."""


def add_worlds(shelf: Shelf, data: Path | None, say: Say) -> None:
    """Put the worlds of the recipe on the shelf; with `data`, part of their documents are written
    from train passages of its sets.
    """
    section, share = shelf.recipe.worlds, shelf.recipe.data
    passages = templates(data) if data is not None and section.templates else ()
    for number in range(section.count):
        say("making worlds", number, section.count)
        world = make_world(
            section.seed + number,
            max_hops=section.max_hops,
            people=section.people,
            passages=passages,
            without=section.without,
            kinds=section.kinds,
            cards=section.cards,
            joined=section.joined,
            wide=section.wide,
        )
        held = is_held(world.id, share.held, share.seed)
        _add(shelf, world, section, held=held)


def _add(shelf: Shelf, world: World, section: WorldsSection, *, held: bool) -> None:
    side = shelf.held if held else shelf.train
    rng = Random(f"{world.id} notes")
    texts = {text.id: text for text in world.documents}
    for question in world.questions:
        for form in section.forms:
            side.decisions += question.decisions[form]
            side.folds += question.folds[form]
            if form == "peel":
                side.decisions += question.parts
        side.composed.append(_composed(question, texts, rng))
        side.note_sets += _heard(world, question)
    readings = {r.question: r for question in world.questions for r in question.readings}
    with (
        tempfile.TemporaryDirectory(prefix="centerlm-world-") as folder,
        pool(world.documents, Path(folder), embedder=None) as search,
    ):
        asked, absent = tuple(readings.values()), shelf.recipe.data.absent
        side.add_readings(asked, world.documents, search, world.seed, absent=absent)


def _heard(world: World, question: WorldQuestion) -> Iterator[NoteSet]:
    """What experts say, one reply a note set, as it is read in use."""
    replies = {text.id: text for text in world.replies}
    by_reply: dict[str, list[Question]] = {}
    for reading in question.hearings:
        for id_ in reading.passages:
            by_reply.setdefault(id_, []).append(Question(reading, reading.answer, (1,)))
    for id_, questions in by_reply.items():
        yield NoteSet((replies[id_],), tuple(questions))


def _composed(question: WorldQuestion, texts: dict[str, Text], rng: Random) -> Composed:
    """A question with its passages, and others of the world among them."""
    ids = list(dict.fromkeys(id_ for r in question.readings for id_ in r.passages[:1]))
    others = [id_ for id_ in texts if id_ not in ids]
    ids += rng.sample(others, min(max(SHOWN - len(ids), 0), len(others)))
    rng.shuffle(ids)
    known = [fold for fold in question.folds["flat"] if fold.answer is not None]
    return Composed(
        question.id,
        "worlds",
        question.text,
        question.answer,
        format_plan(question.plan("flat")),
        known[0].steps if known else (),
        tuple(texts[id_] for id_ in ids),
    )
