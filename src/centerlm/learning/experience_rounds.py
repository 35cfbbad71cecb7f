"""What a round of experience learns from: episodes of the center so far, on fresh worlds.

Expert iteration (`expert`) keeps the acts that worked, hindsight (`hindsight`) the plans that were
right for another question, and in the first rounds DAgger (`dagger`) the readings that the center's
own answers led to. Everything runs on llama.cpp; the round's journal keeps what is finished.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from centerlm.center import CenterLM
from centerlm.errors import InputError
from centerlm.evaluation.metrics import token_f1
from centerlm.evaluation.worlds import journal_in
from centerlm.events import PlanFinished
from centerlm.journal import SqliteJournal
from centerlm.learning.dagger import dagger_round
from centerlm.learning.example import TrainingExample
from centerlm.learning.expert import Round, expert_round
from centerlm.learning.hindsight import decision_example, hindsight
from centerlm.learning.material import embedder
from centerlm.learning.problems import run_async
from centerlm.learning.recipe import Recipe
from centerlm.learning.rollouts import Question, Rollout, RolloutSettings
from centerlm.learning.run_folder import write_json
from centerlm.learning.world_questions import WorldSources, trained_ids
from centerlm.learning.worlds import World, make_world
from centerlm.run import Options

if TYPE_CHECKING:
    from centerlm.learning.running import Listener

FIRST_SEED = 100_000
"""Worlds of rounds begin here, each round `_APART` later: none was trained on."""
_APART = 10_000
_QUESTIONS = 24
SLOTS = 4


def gather(
    number: int,
    folder: Path,
    recipe: Recipe,
    center: CenterLM,
    trained: Sequence[TrainingExample],
    listener: Listener,
) -> list[TrainingExample]:
    """The examples of round `number` (from 1); what it saw is written to `experience.json`.

    `center` is the policy, closed at the end; `trained` are all examples behind it.

    Raises:
        ModelError: the policy cannot be run.
    """
    rounds = recipe.rounds
    if recipe.worlds.seed + recipe.worlds.count > FIRST_SEED:
        raise InputError(f"[worlds] seed + count is above {FIRST_SEED:,}, where fresh ones begin")
    listener.phase(f"round {number}: making worlds", 0, 0)
    first = FIRST_SEED + number * _APART
    worlds = [
        make_world(first + n, max_hops=rounds.max_hops, people=recipe.worlds.people)
        for n in range(-(-rounds.questions // _QUESTIONS))
    ]
    return run_async(_gathered(number, folder, recipe, center, worlds, trained, listener))


async def _gathered(
    number: int,
    folder: Path,
    recipe: Recipe,
    center: CenterLM,
    worlds: Sequence[World],
    trained: Sequence[TrainingExample],
    listener: Listener,
) -> list[TrainingExample]:
    rounds = recipe.rounds
    settings = RolloutSettings(
        k=rounds.k,
        seed=recipe.train.seed + number,
        concurrency=SLOTS,
        temperature=rounds.temperature,
        options=Options(seek_seconds=None),
    )
    used = trained_ids(trained)
    journal = journal_in(folder)
    examples: list[TrainingExample] = []
    figures: dict[str, float] = {}
    try:
        with WorldSources(worlds, folder / "worlds", embedder=embedder()) as sources:
            questions = sources.questions[: rounds.questions]
            if number <= rounds.dagger:
                told = _counting(listener, f"round {number}: reading", len(questions))
                seen = await dagger_round(
                    questions,
                    center,
                    sources.sources_of,
                    sources.known,
                    settings,
                    journal=journal,
                    used_ids=used,
                    on_rollout=told,
                )
                examples += seen.examples
                report = seen.report
                figures["false_nothing"] = report.false_nothing_rate
                figures["false_answers"] = report.false_answer_rate
            total = len(questions) * rounds.k
            done = await expert_round(
                questions,
                center,
                sources.sources_of,
                settings,
                journal=journal,
                used_ids=used,
                on_rollout=_counting(listener, f"round {number}: trying", total),
            )
            examples += done.harvest.examples
            examples += _in_hindsight(done, questions, sources, journal)
            figures |= _figures(done)
    finally:
        journal.close()
        await center.model.close()
    write_json(folder / "experience.json", {**figures, "kinds": dict(done.harvest.kinds)})
    listener.line(_told(number, figures, len(examples)))
    return list({(e.act, e.prompt): e for e in examples}.values())


def _counting(listener: Listener, what: str, of: int) -> Callable[[Rollout], None]:
    done = 0

    def count(rollout: Rollout) -> None:
        nonlocal done
        del rollout
        done += 1
        listener.phase(what, done, of)

    listener.phase(what, 0, of)
    return count


def _in_hindsight(
    done: Round, questions: Sequence[Question], sources: WorldSources, journal: SqliteJournal
) -> list[TrainingExample]:
    """Plans that were right for another question of the same world."""
    by_world: dict[str, list[Question]] = {}
    for question in questions:
        by_world.setdefault(question.world, []).append(question)
    examples: list[TrainingExample] = []
    for group in done.groups:
        question = group[0].question
        decisions = hindsight(
            [group],
            journal,
            known=sources.known(question),
            others=by_world[question.world],
        )
        examples += map(decision_example, decisions)
    return examples


def _figures(done: Round) -> dict[str, float]:
    """What a round is watched by; all 0 to 1."""
    trees = [rollout for group in done.groups for rollout in group]
    plans = [
        event.problem == "" and event.steps > 0
        for rollout in trees
        for event in rollout.events
        if isinstance(event, PlanFinished)
    ]
    f1 = [token_f1(r.tree.answer, r.question.gold.answers) for r in trees]
    harvest = done.harvest
    return {
        "reward": harvest.success,
        "no_signal": harvest.silent / max(harvest.groups, 1),
        "plan_validity": sum(plans) / max(len(plans), 1),
        "answer_f1": sum(f1) / max(len(f1), 1),
    }


def _told(number: int, figures: Mapping[str, float], examples: int) -> str:
    shown = ", ".join(f"{name.replace('_', ' ')} {value:.1%}" for name, value in figures.items())
    return f"round {number}: {shown}; {examples:,} examples"
