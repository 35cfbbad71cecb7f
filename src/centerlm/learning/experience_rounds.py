"""What a round of experience learns from: episodes of the center so far, on fresh worlds.

Expert iteration (`expert`) keeps the acts that worked, hindsight (`hindsight`) the plans that were
right for another question, and in the first rounds DAgger (`dagger`) the readings that the center's
own answers led to. Part of the questions are begun near their end (`curriculum`); of episodes of
one question the best and worst plans are preferences. Everything runs on llama.cpp; the round's
journal keeps what is finished.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, replace
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING

from centerlm.center import CenterLM
from centerlm.errors import InputError
from centerlm.evaluation.metrics import token_f1
from centerlm.evaluation.worlds import journal_in
from centerlm.events import PlanFinished
from centerlm.journal import SqliteJournal
from centerlm.learning.curriculum import FIRST, WHOLE, Climbed, climb
from centerlm.learning.dagger import dagger_round
from centerlm.learning.example import TrainingExample
from centerlm.learning.expert import harvest, weights_of
from centerlm.learning.hindsight import decision_example, hindsight
from centerlm.learning.material import embedder
from centerlm.learning.preferences import Preference, tried_pairs
from centerlm.learning.problems import run_async
from centerlm.learning.recipe import Recipe
from centerlm.learning.rollout_worker import Remote, rolling
from centerlm.learning.rollouts import Question, Rollout, RolloutSettings
from centerlm.learning.run_folder import read_json, write_json
from centerlm.learning.world_questions import WorldSources, trained_ids
from centerlm.learning.worlds import World, make_world
from centerlm.run import Options

if TYPE_CHECKING:
    from centerlm.learning.job import Listener

FIRST_SEED = 100_000
"""Worlds of rounds begin here, each round `_APART` later: none was trained on."""
_APART = 10_000
_QUESTIONS = 24
SLOTS = 4
# A split hides that a plan left too much in a step, and takes most of an episode's calls.
OPTIONS = Options(seek_seconds=None, splits=False)
EXPERIENCE = "experience.json"


@dataclass(frozen=True, slots=True)
class Gathered:
    """What a round of experience adds: examples, and pairs of plans of which one is better."""

    examples: tuple[TrainingExample, ...]
    pairs: tuple[Preference, ...]


def gather(
    number: int,
    folder: Path,
    recipe: Recipe,
    center: CenterLM,
    trained: Sequence[TrainingExample],
    listener: Listener,
    *,
    left: int | None = FIRST,
    remote: Remote | None = None,
) -> Gathered:
    """What round `number` (from 1) learns from; what it saw is written to `experience.json`.

    `center` is the policy, closed at the end; `trained` are all examples behind it, of whose worlds
    none is asked about. The curriculum begins with `left` findings left to the center. Episodes are
    solved at `remote`, where one is given.

    Raises:
        ModelError: the policy cannot be run.
        InputError, WorkerError: the cluster cannot be used.
    """
    listener.phase(f"round {number}: making worlds", 0, 0)
    used = trained_ids(trained)
    worlds = fresh_worlds(number, recipe, used)
    return run_async(
        _gathered(number, folder, recipe, center, worlds, used, listener, left, remote)
    )


def left_after(folder: Path) -> int | None:
    """Where the curriculum stands after the round in `folder`: how many findings are left to the
    center next, None for whole questions. A round that left no word of it: at its beginning.
    """
    seen = read_json(folder / EXPERIENCE) or {}
    left = seen.get("left", FIRST)
    return left if left is None else int(left)


def fresh_worlds(number: int, recipe: Recipe, used: Collection[str]) -> list[World]:
    """Worlds for a round's questions; those that were trained on are passed over.

    Raises:
        InputError: the recipe trains on worlds of which fresh ones are made.
    """
    if recipe.worlds.seed + recipe.worlds.count > FIRST_SEED:
        raise InputError(f"[worlds] seed + count is above {FIRST_SEED:,}, where fresh ones begin")
    rounds = recipe.rounds
    made = (
        make_world(
            seed,
            max_hops=rounds.max_hops,
            people=recipe.worlds.people,
            without=recipe.worlds.without,
            kinds=recipe.worlds.kinds,
            cards=recipe.worlds.cards,
            joined=recipe.worlds.joined,
            wide=recipe.worlds.wide,
        )
        for seed in count(FIRST_SEED + number * _APART)
    )
    return list(islice((w for w in made if w.id not in used), -(-rounds.questions // _QUESTIONS)))


async def _gathered(
    number: int,
    folder: Path,
    recipe: Recipe,
    center: CenterLM,
    worlds: Sequence[World],
    used: Collection[str],
    listener: Listener,
    left: int | None,
    remote: Remote | None,
) -> Gathered:
    rounds = recipe.rounds
    settings = RolloutSettings(
        k=rounds.k,
        seed=recipe.train.seed + number,
        concurrency=SLOTS,
        temperature=rounds.temperature,
        options=replace(OPTIONS, explores=True),
    )
    journal = journal_in(folder)
    examples: list[TrainingExample] = []
    figures: dict[str, float] = {}
    try:
        async with AsyncExitStack() as held:
            sources = held.enter_context(
                WorldSources(worlds, folder / "worlds", embedder=embedder())
            )
            settings, elsewhere = await held.enter_async_context(
                rolling(remote, sources, settings, journal, listener.line)
            )
            questions = sources.questions[: rounds.questions]
            if number <= rounds.dagger:
                told = counting(listener, f"round {number}: reading", len(questions))
                seen = await dagger_round(
                    questions,
                    center,
                    sources.sources_of,
                    sources.known,
                    settings,
                    journal=journal,
                    used_ids=used,
                    on_rollout=told,
                    elsewhere=elsewhere,
                )
                examples += seen.examples
                report = seen.report
                figures["false_nothing"] = report.false_nothing_rate
                figures["false_answers"] = report.false_answer_rate
            total = len(questions) * rounds.k
            done = await climb(
                questions,
                center,
                sources.sources_of,
                settings,
                journal=journal,
                used_ids=used,
                share=rounds.curriculum,
                left=left,
                on_rollout=counting(listener, f"round {number}: trying", total),
                elsewhere=elsewhere,
            )
            reaped = harvest(done.groups, center, journal, weights=weights_of(rounds))
            examples += reaped.examples
            examples += _in_hindsight(done, questions, sources, journal)
            pairs = tried_pairs(done.whole, journal)
            figures |= _figures(done)
    finally:
        journal.close()
        await center.model.close()
    by_left = {
        name: asdict(tally) | {"success": tally.success} for name, tally in done.by_left.items()
    }
    write_json(
        folder / EXPERIENCE,
        {**figures, "kinds": dict(reaped.kinds), "by_left": by_left, "left": done.left},
    )
    listener.line(_told(number, figures, len(examples), len(pairs)))
    for name, tally in done.by_left.items():
        what = "whole questions" if name == WHOLE else f"{name} of their findings left to find"
        listener.line(f"  {what}: {tally.right} of {tally.episodes} episodes right")
    return Gathered(tuple({(e.act, e.prompt): e for e in examples}.values()), pairs)


def counting(listener: Listener, what: str, of: int) -> Callable[[Rollout], None]:
    """A callback that tells how many of the rollouts are done."""
    done = 0

    def count(rollout: Rollout) -> None:
        nonlocal done
        del rollout
        done += 1
        listener.phase(what, done, of)

    listener.phase(what, 0, of)
    return count


def _in_hindsight(
    done: Climbed, questions: Sequence[Question], sources: WorldSources, journal: SqliteJournal
) -> list[TrainingExample]:
    """Plans of the center that were right for another question of the same world."""
    by_world: dict[str, list[Question]] = {}
    for question in questions:
        by_world.setdefault(question.world, []).append(question)
    examples: list[TrainingExample] = []
    for group in done.whole:
        question = group[0].question
        decisions = hindsight(
            [group],
            journal,
            known=sources.known(question),
            others=by_world[question.world],
        )
        examples += map(decision_example, decisions)
    return examples


def _figures(done: Climbed) -> dict[str, float]:
    """What a round is watched by, of whole questions (none: nothing); all 0 to 1."""
    if not done.whole:
        return {}
    trees = [rollout for group in done.whole for rollout in group]
    plans = [
        event.problem == "" and event.steps > 0
        for rollout in trees
        for event in rollout.events
        if isinstance(event, PlanFinished)
    ]
    f1 = [token_f1(r.tree.answer, r.question.gold.answers) for r in trees]
    tally = done.by_left[WHOLE]
    return {
        "reward": tally.success,
        "no_signal": tally.silent / tally.questions,
        "plan_validity": sum(plans) / max(len(plans), 1),
        "answer_f1": sum(f1) / max(len(f1), 1),
    }


def _told(number: int, figures: Mapping[str, float], examples: int, pairs: int) -> str:
    shown = "".join(f"{name.replace('_', ' ')} {value:.1%}, " for name, value in figures.items())
    return f"round {number}: {shown}{examples:,} examples, {pairs:,} preferences"
