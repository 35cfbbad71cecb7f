"""Sources never seen in training: whether their cards, and 20 tasks of experience, suffice.

Worlds are trained on without two kinds of sources: no card names one, no question needs one. Then
questions that need them are asked, with the cards alone, with a source asked by lot where those of
the plan find nothing, with what the seeking memory has of 20 other tasks, and with the best single
known source. In those tasks steps that found nothing explore (`Options.explores`), and the memory
is told of each before the next. A source is used rightly where it is the one that the right plan
names, and it answered.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from centerlm.center import CenterLM
from centerlm.comparison.asking import DEPTH, Trained, open_model
from centerlm.comparison.estimate import CALL, CHOOSING, PACE
from centerlm.comparison.figures import Figure, interval_of
from centerlm.comparison.items import Asked
from centerlm.comparison.material import shaped
from centerlm.comparison.running import Study, base_of, begin, config_of, counting
from centerlm.comparison.settings import HOLISTIC, SOLVER, Comparison
from centerlm.errors import InputError
from centerlm.evaluation.harness import How, Outcome, run_systems
from centerlm.evaluation.items import Item
from centerlm.evaluation.memories import Memories
from centerlm.evaluation.pages import config_lines, percent, table, write
from centerlm.evaluation.scenarios.base import Scores
from centerlm.evaluation.scenarios.ood_qa import world_items
from centerlm.evaluation.scoring import Solved
from centerlm.evaluation.systems import Centers, named_systems
from centerlm.evaluation.worlds import worlds_to_test
from centerlm.events import SeekStarted
from centerlm.journal import SqliteJournal
from centerlm.learning.job import Listener
from centerlm.learning.watching import Stop
from centerlm.learning.worlds import BEYOND
from centerlm.memory import SeekingMemory
from centerlm.models.base import LanguageModel
from centerlm.objective import Budget
from centerlm.run import Options

TASKS = 20
HOPS = (1, 2)
TASK_SEED, TEST_SEED, CONTROL_SEED = 3_500_000, 3_600_000, 3_650_000
"""Worlds of experience, of the test, and of questions that need no held-out source."""
KNOWN = ("documents", "calculator")
CONDITIONS: Mapping[str, str] = {
    "card": "only its card",
    "card, by lot": "its card, and where the sources of a step find nothing, another by lot",
    "card and experience": f"its card, and what {TASKS} other tasks left in the seeking memory",
    "both, exploring": "the same, and where nobody is known to answer, another drawn by the memory",
    "best known source": "one source of training alone, the better on those tasks",
}
CALLS_A_QUESTION = 6.0
EXPERIENCE = "experience"


@dataclass(slots=True)
class Needing(Asked):
    """Items that need sources of held-out `kinds`, or none of them (controls)."""

    kinds: tuple[str, ...] = ()

    def score(self, item: Item, episodes: Sequence[Solved]) -> Scores:
        solved = episodes[0]
        needed = needed_of(item, self.kinds)
        asked = {event.source for event in solved.events if isinstance(event, SeekStarted)}
        held = {name for name in asked if _kind(name) in self.kinds}
        answered = {n for n in held if any(f.found for f in solved.findings(n))}
        scores = dict(Asked.score(self, item, episodes))
        scores["used"] = float(bool(needed) and needed <= answered and held <= needed)
        scores["needless"] = float(not held <= needed)
        return scores


def needed_of(item: Item, kinds: Sequence[str]) -> frozenset[str]:
    """The sources of these kinds that the item's right plans name."""
    steps = (step for plan in item.plans.values() for step in plan.steps)
    return frozenset(n for step in steps for n in step.sources if _kind(n) in kinds)


def _kind(source: str) -> str:
    return source.partition(":")[0]


@dataclass(frozen=True, slots=True)
class Sizes:
    """`questions` of each number of hops need a held-out source, as many need none."""

    comparison: Comparison
    kinds: tuple[str, ...] = ("expert", "person")
    tasks: int = TASKS
    questions: int = 15


def unseen(
    sizes: Sizes, work: Path, out: Path, name: str, command: str, *, told: Listener, stop: Stop
) -> Path:
    """Train and ask what is not done, and write NAME.json and NAME.md into `out`; the Markdown.

    Raises:
        InputError: what was given cannot be used, or `work` was begun with other sizes.
        StoppedError: it was stopped while training; the same call goes on.
        ModelError, LibraryError, JournalError, MemoryFileError: a part cannot be run.
    """
    started = time.monotonic()
    comparison = sizes.comparison
    if len(set(sizes.kinds)) != 2 or not set(sizes.kinds) <= set(BEYOND):
        raise InputError(f"hold two kinds of sources out of {', '.join(BEYOND)}")
    base = base_of(comparison)
    begin(comparison, work, kinds=list(sizes.kinds), tasks=sizes.tasks)
    told.line(estimate(sizes))
    recipe = shaped(comparison, kinds=())
    worlds = msgspec.structs.replace(recipe.worlds, without=sizes.kinds)
    study = Study(
        comparison,
        work,
        told,
        stop,
        msgspec.structs.replace(recipe, worlds=worlds),
    )
    found: dict[str, dict[int, list[Outcome]]] = {}
    best: dict[int, str] = {}
    with ExitStack() as held:
        tasks = _items(sizes, sizes.tasks // len(HOPS), TASK_SEED, sizes.kinds, work, held)
        tested = _items(sizes, sizes.questions, TEST_SEED, sizes.kinds, work, held)
        controls = _items(sizes, sizes.questions, CONTROL_SEED, ("chain",), work, held)
        both = replace(
            tested,
            items=[*tested.items, *controls.items],
            sources={**tested.sources, **controls.sources},
        )
        for seed in range(comparison.seeds):
            trained = Trained(base, study.taught(HOLISTIC, seed).gguf)
            place = study.folder(HOLISTIC, seed) / "unseen"
            (place / "experience").mkdir(parents=True, exist_ok=True)
            done = asyncio.run(_seed(sizes, trained, tasks, both, place, told, seed))
            best[seed] = done.best
            for condition, rows in done.outcomes.items():
                found.setdefault(condition, {})[seed] = rows
    needing = {item.id for item in tested.items}
    report = {
        "scenario": "unseen_source",
        "kinds": list(sizes.kinds),
        "conditions": {
            condition: _figures(rows, needing, sizes.kinds) for condition, rows in found.items()
        },
        "best_known_source": {str(seed): name for seed, name in best.items()},
        "training": study.training(),
        "config": config_of(
            comparison,
            command,
            started,
            kinds_held_out=list(sizes.kinds),
            tasks_of_experience=len(tasks.items),
            questions_that_need_them=len(tested.items),
            questions_that_need_none=len(controls.items),
            first_worlds=[TASK_SEED, TEST_SEED, CONTROL_SEED],
        ),
    }
    return write(out, name, report, as_markdown(report))


def _items(
    sizes: Sizes,
    questions: int,
    seed: int,
    kinds: Sequence[str],
    work: Path,
    held: ExitStack,
) -> Needing:
    asked = worlds_to_test(HOPS, max(questions, 1), seed=seed, kinds=kinds)
    items, sources = world_items(
        asked,
        work / "worlds",
        held,
        embedder="installed" if sizes.comparison.vectors else None,
        form=sizes.comparison.form,
        passages=SOLVER.passages,
    )
    return Needing(items, sources, kinds=sizes.kinds)


@dataclass(frozen=True, slots=True)
class _Seed:
    outcomes: Mapping[str, list[Outcome]]
    best: str


async def _seed(
    sizes: Sizes,
    trained: Trained,
    tasks: Needing,
    tested: Needing,
    place: Path,
    told: Listener,
    seed: int,
) -> _Seed:
    """All conditions of one seed."""
    comparison = sizes.comparison
    model = open_model(trained, comparison)
    how = How(
        Budget(depth=DEPTH if comparison.form == "peel" else 1),
        Options(seek_seconds=None, splits=False),
        comparison.slots,
        comparison.calls * max(HOPS),
    )
    memories = Memories(place / "experience", "installed" if comparison.vectors else None)
    try:
        with (
            closing(SqliteJournal(place / "journal.sqlite")) as journal,
            closing(memories),
        ):
            run = _Runner(model, journal, how, told, seed)
            # The tasks one after the other, each with what those before it taught.
            await run(EXPERIENCE, tasks, memories=memories, explores=True)
            alone = {name: await run(f"{name} alone", tasks, only=name) for name in KNOWN}
            best = max(KNOWN, key=lambda name: sum(o.scores["em"] or 0.0 for o in alone[name]))
            async with memories.turn(EXPERIENCE, model.identity) as memory:
                memory.learns = False  # what was lived is asked; no question teaches another
                return _Seed(
                    {
                        "card": await run("card", tested),
                        "card, by lot": await run("lot", tested, explores=True),
                        "card and experience": await run("recalled", tested, memory=memory),
                        "both, exploring": await run(
                            "exploring", tested, memory=memory, explores=True
                        ),
                        "best known source": await run(f"{best} alone", tested, only=best),
                    },
                    best,
                )
    finally:
        await model.close()


@dataclass(frozen=True, slots=True)
class _Runner:
    model: LanguageModel
    journal: SqliteJournal
    how: How
    told: Listener
    seed: int

    async def __call__(
        self,
        name: str,
        asked: Needing,
        *,
        only: str = "",
        memory: SeekingMemory | None = None,
        memories: Memories | None = None,
        explores: bool = False,
    ) -> list[Outcome]:
        (system,) = named_systems(["single-source" if only else SOLVER.system])
        named = replace(system, name=name.replace(" ", "-"))
        if memories is not None:
            named = replace(named, remembers="experience")
        how = replace(
            self.how,
            options=replace(self.how.options, explores=explores),
            memory=memory,
            remembers="experience" if memory else "",
            memories=memories or Memories(),
        )
        advance = counting(self.told, f"{name}, seed {self.seed}", len(asked.items))
        return await run_systems(
            _Only(asked.items, asked.sources, kinds=asked.kinds, only=only) if only else asked,
            (named,),
            Centers(CenterLM(self.model, examples=())),
            self.journal,
            how,
            on_outcome=lambda outcome: advance(len(outcome.episodes)),
        )


@dataclass(slots=True)
class _Only(Needing):
    only: str = ""

    def main_source(self, item: Item) -> str:
        del item
        return self.only


def _figures(
    rows: Mapping[int, Sequence[Outcome]], needing: set[str], kinds: Sequence[str]
) -> dict[str, Figure | None]:
    """The measures of a condition, over items and seeds."""

    def measured(metric: str, ids: set[str]) -> Figure | None:
        scores = [
            {o.item.id: float(o.scores[metric] or 0.0) for o in outcomes_ if o.item.id in ids}
            for outcomes_ in rows.values()
        ]
        return interval_of(scores)

    some = next(iter(rows.values()))
    found = {
        "used rightly": measured("used", needing),
        "answers right": measured("em", needing),
    }
    for kind in kinds:
        ids = {
            o.item.id
            for o in some
            if o.item.id in needing and {_kind(n) for n in needed_of(o.item, kinds)} == {kind}
        }
        found[f"{kind} used rightly"] = measured("used", ids)
    controls = {o.item.id for o in some} - needing
    found["asked needlessly"] = measured("needless", controls)
    return found


def estimate(sizes: Sizes) -> str:
    """What it takes on two free cores, in words."""
    comparison = sizes.comparison
    training = comparison.tokens / PACE + CHOOSING
    runs = len(comparison.rates) + comparison.seeds - 1
    questions = 3 * sizes.tasks + 5 * 2 * len(HOPS) * sizes.questions
    asking = comparison.seeds * questions * CALLS_A_QUESTION * CALL / 2
    return f"about {(runs * training + asking) / 60:.0f} minutes of two free cores"


def as_markdown(report: Mapping[str, Any]) -> str:
    """The page."""
    conditions = report["conditions"]
    measures = list(dict.fromkeys(name for each in conditions.values() for name in each))
    best = ", ".join(sorted(set(report["best_known_source"].values())))
    lines = [
        "# Sources never seen in training",
        "",
        f"Two kinds of sources, {' and '.join(report['kinds'])}, are held out of all training: no "
        "card names one and no question needs one. Then questions of fresh worlds are asked that "
        "need them, and as many that do not. Used rightly: the sources of these kinds that were "
        "asked are those that the right plan names, and they answered. Needlessly: one was asked "
        "where none is needed. Aim: 80 used rightly. Per cent with 95 % intervals from resampling "
        "items and seeds together.",
        "",
        *table(
            ["with", *measures],
            [
                [
                    f"{name}: {about}" + (f" ({best})" if name == "best known source" else ""),
                    *(percent(conditions[name].get(m)) or "not run" for m in measures),
                ]
                for name, about in CONDITIONS.items()
                if name in conditions
            ],
        ),
    ]
    return "\n".join([*lines, *config_lines(report["config"])]) + "\n"
