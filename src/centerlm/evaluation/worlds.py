"""Accuracy by hops on fresh generated worlds, through the real solver and libraries.

Worlds are of the test split, if not told otherwise: relations, wordings and sources that no
training world has are among them. Episodes go into a journal, so an evaluation that was stopped
goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from itertools import count, islice
from pathlib import Path

from centerlm.evaluation.metrics import exact_match
from centerlm.evaluation.statistics import Interval, share_interval
from centerlm.journal import SqliteJournal
from centerlm.learning.material import embedder
from centerlm.learning.rollouts import Rollout, RolloutSettings, rollouts
from centerlm.learning.world_questions import WorldSources, question_of
from centerlm.learning.worlds import (
    KINDS,
    Offered,
    Split,
    World,
    WorldQuestion,
    make_world,
    questions_of,
)
from centerlm.protocols import Center
from centerlm.run import Options

FIRST_SEED = 2_000_000
"""Seeds of training worlds are below; test worlds of other measurements begin at 1,000,000."""
_PER_WORLD = 2
_MOST_WORLDS = 40


@dataclass(frozen=True, slots=True)
class HopAccuracy:
    """How many questions of so many hops are right (EM over all accepted answers)."""

    hops: int
    n: int
    right: int
    share: Interval


def worlds_to_test(
    hops: Sequence[int],
    questions: int,
    *,
    seed: int = FIRST_SEED,
    kinds: Sequence[str] = KINDS,
    split: Split = "test",
    cards: Offered = "varied",
) -> list[tuple[World, WorldQuestion]]:
    """`questions` of each number of hops (fewer where worlds have no more), few of each world, from
    the world of `seed` on; more questions extend fewer. Worlds of the split "train" have the
    relations and wordings of training: their seeds must be none that is trained on. `cards` says
    how sources are shown.
    """
    left = dict.fromkeys(hops, questions)
    asked: list[tuple[World, WorldQuestion]] = []
    for number in islice(count(seed), _MOST_WORLDS * max(1, questions // _PER_WORLD)):
        if not any(left.values()):
            break
        world = make_world(number, split=split, max_hops=max(hops), cards=cards)
        for each in hops:
            wanted = min(_PER_WORLD, left[each])
            if wanted:
                made = questions_of(world, hops=(each,), count=wanted, seed=each, kinds=kinds)
                asked += [(world, question) for question in made]
                left[each] -= len(made)
    return asked


async def accuracy_by_hops(
    center: Center,
    asked: Sequence[tuple[World, WorldQuestion]],
    folder: Path,
    *,
    on_rollout: Callable[[Rollout], None] | None = None,
) -> list[HopAccuracy]:
    """Solve every question once, greedily. `folder` keeps libraries and episodes.

    Raises:
        JournalError, LibraryError: something cannot be written.
        ModelError: the model cannot be run.
    """
    journal = journal_in(folder)
    settings = RolloutSettings(k=1, options=Options(seek_seconds=None))
    try:
        with WorldSources(asked_worlds(asked), folder / "worlds", embedder=embedder()) as sources:
            groups = await rollouts(
                [question_of(world, question) for world, question in asked],
                center,
                sources.sources_of,
                settings,
                journal=journal,
                on_rollout=on_rollout,
            )
    finally:
        journal.close()
    return by_hops(
        [question.hops for _, question in asked],
        [
            exact_match(group[0].tree.answer, (question.answer, *question.aliases)) > 0
            for group, (_, question) in zip(groups, asked, strict=True)
        ],
    )


def journal_in(folder: Path) -> SqliteJournal:
    """The journal of a folder, made where there is none.

    Raises:
        JournalError, OSError: it cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return SqliteJournal(folder / "journal.sqlite")


def by_hops(hops: Sequence[int], right: Sequence[bool]) -> list[HopAccuracy]:
    """Right answers by hops, with Wilson intervals of 95 %."""
    made: list[HopAccuracy] = []
    for each in sorted(set(hops)):
        mine = [ok for h, ok in zip(hops, right, strict=True) if h == each]
        made.append(HopAccuracy(each, len(mine), sum(mine), share_interval(sum(mine), len(mine))))
    return made


def asked_worlds(asked: Collection[tuple[World, WorldQuestion]]) -> list[World]:
    """The worlds of these questions, with these questions alone."""
    worlds: dict[str, World] = {}
    questions: dict[str, list[WorldQuestion]] = {}
    for world, question in asked:
        worlds[world.id] = world
        questions.setdefault(world.id, []).append(question)
    return [replace(world, questions=tuple(questions[id_])) for id_, world in worlds.items()]
