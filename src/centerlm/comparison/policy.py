"""Policy gradient against expert iteration: from one adapter, at equal rollouts, on fresh worlds.

Both go on from the same supervised round with the same questions, episodes a question and rounds.
Before and after, the same test questions are tried greedily: reward (the mean credit of roots),
answers right, and how the choice of sources spreads. Perverse policies are the right plans bent:
they answer as right as those, and must be worth less.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from centerlm.center import CenterLM
from centerlm.comparison.asking import Trained, open_model
from centerlm.comparison.estimate import CALL, CHOOSING, PACE
from centerlm.comparison.figures import Figure, interval_of
from centerlm.comparison.material import shaped
from centerlm.comparison.running import Study, base_of, begin, config_of, counting
from centerlm.comparison.settings import HOLISTIC, SOLVER, TRAINED_HOPS, Comparison
from centerlm.comparison.teaching import Lesson, recipe_of, unscored
from centerlm.evaluation.oracle import OracleCenter
from centerlm.evaluation.pages import (
    config_lines,
    number,
    percent,
    table,
    write,
)
from centerlm.evaluation.worlds import asked_worlds, journal_in, worlds_to_test
from centerlm.learning.credit import source_choices
from centerlm.learning.expert import credits_of, weights_of
from centerlm.learning.job import Job, Listener
from centerlm.learning.policy_rounds import FIGURES, entropy
from centerlm.learning.recipe import Recipe, RoundsSection
from centerlm.learning.rollouts import Question, Rollout, RolloutSettings, rollouts
from centerlm.learning.run_folder import RunFolder, read_json
from centerlm.learning.run_material import place_lessons
from centerlm.learning.running import learn
from centerlm.learning.watching import Stop
from centerlm.learning.world_questions import WorldSources
from centerlm.learning.worlds import BEYOND, KINDS
from centerlm.models import ScriptedModel
from centerlm.plan import CENTER, Plan, Step, normalise
from centerlm.protocols import Center
from centerlm.run import Options

TEST_SEED = 3_700_000
METHODS = ("policy", "experience")
BEFORE = "before"
SAID = {
    BEFORE: "the supervised round both go on from",
    "policy": "policy gradient",
    "experience": "expert iteration",
}
SEARCHES = 6
PREFIX = "Find out: "
CALLS_A_ROLLOUT = 6.0
_REFERENCE = re.compile(r"##|#(\d+)")


@dataclass(frozen=True, slots=True)
class Sizes:
    """`questions` of each hops are asked; a round rolls out `tried` questions `k` times."""

    comparison: Comparison
    rounds: int = 2
    tried: int = 16
    k: int = 4
    questions: int = 15


@dataclass(frozen=True, slots=True)
class Tried:
    """Of one seed: reward and right or wrong by question, and the entropy of source choices."""

    reward: Mapping[str, float]
    right: Mapping[str, float]
    entropy: float


def before_and_after(
    sizes: Sizes, work: Path, out: Path, name: str, command: str, *, told: Listener, stop: Stop
) -> Path:
    """Train and ask what is not done, and write NAME.json and NAME.md into `out`; the Markdown.

    Raises:
        InputError: what was given cannot be used, or `work` was begun with other sizes.
        StoppedError: it was stopped while training; the same call goes on.
        ModelError, LibraryError, JournalError: a part cannot be run.
    """
    started = time.monotonic()
    comparison = sizes.comparison
    base = base_of(comparison)
    begin(comparison, work, rounds=sizes.rounds, tried=sizes.tried, k=sizes.k)
    told.line(estimate(sizes))
    study = Study(comparison, work, told, stop, shaped(comparison, kinds=()))
    found: dict[str, dict[int, Tried]] = {}
    rounds: dict[str, dict[str, Any]] = {}
    perverse: dict[str, Tried] = {}
    kinds = [kind for kind in KINDS if kind not in BEYOND]
    asked = worlds_to_test(comparison.hops, sizes.questions, seed=TEST_SEED, kinds=kinds)
    with WorldSources(
        asked_worlds(asked),
        work / "worlds",
        embedder="installed" if comparison.vectors else None,
        passages=SOLVER.passages,
    ) as sources:
        for seed in range(comparison.seeds):
            adapters = {BEFORE: begun_from(study, seed)}
            for method in METHODS:
                place = work / f"seed-{seed}" / method
                adapters[method] = _gone_on(study, sizes, seed, method, place)
                rounds.setdefault(method, {})[str(seed)] = _told_rounds(place, sizes.rounds)
            for which, gguf in adapters.items():
                place = work / f"seed-{seed}" / f"tried-{which}"
                trained = Trained(base, gguf)
                tried = asyncio.run(_try(trained, sources, comparison, place, told, which, seed))
                found.setdefault(which, {})[seed] = tried
        for policy, bend in PERVERSE.items():
            place = work / "perverse" / policy.replace(" ", "-")
            perverse[policy] = asyncio.run(_try_bent(bend, sources, place, told, policy))
    hops = {f"{q.id}-peel": q.hops for _, q in asked}
    report = {
        "scenario": "policy",
        "systems": {which: _figures(rows, hops) for which, rows in found.items()},
        "perverse": {which: _figures({0: row}, hops) for which, row in perverse.items()},
        "rounds": rounds,
        "training": study.training(),
        "config": config_of(
            comparison,
            command,
            started,
            rounds=sizes.rounds,
            questions_of_a_round=sizes.tried,
            episodes_a_question=sizes.k,
            test_questions=len(asked),
            first_test_world=TEST_SEED,
        ),
    }
    return write(out, name, report, as_markdown(report))


def begun_from(study: Study, seed: int) -> Mapping[str, Path]:
    """The adapter at the end of the supervised round, which both methods go on from: the check
    split may have chosen an earlier checkpoint.
    """
    return {"all": _supervised(study, seed) / "adapter.gguf"}


def _supervised(study: Study, seed: int) -> Path:
    """The run of the supervised round."""
    return study.folder(HOLISTIC, seed) / f"rate-{_rate(study, seed):g}"


def _rate(study: Study, seed: int) -> float:
    """The learning rate of the supervised round."""
    return float(study.taught(HOLISTIC, seed).record["rate"])


def _gone_on(study: Study, sizes: Sizes, seed: int, method: str, place: Path) -> Mapping[str, Path]:
    """The adapter of a method after its rounds, from the supervised round of the seed."""
    rate = _rate(study, seed)
    lessons = study.arms(seed).lessons[HOLISTIC]
    lesson = Lesson(
        study.comparison, study.recipe, HOLISTIC, seed, lessons, study.folder(HOLISTIC, seed)
    )
    recipe = _with_rounds(recipe_of(lesson, rate), sizes, method)
    done = read_json(RunFolder(place).record) or {}
    if not done.get("finished"):
        study.told.line(f"{SAID[method]}, seed {seed}")
        place_lessons(place, unscored(lessons))
        source = _supervised(study, seed) / "rounds" / "0"
        if not (place / "rounds" / "0").exists():
            keep = shutil.ignore_patterns("checkpoints")
            half = place / "rounds" / ".0"
            shutil.rmtree(half, ignore_errors=True)
            shutil.copytree(source, half, ignore=keep)
            half.rename(place / "rounds" / "0")
        job = Job("all", recipe, place, start=study.comparison.start, resume=True)
        learn(job, listener=study.told, stop=study.stop)
    return {"all": place / "adapter.gguf"}


def _with_rounds(recipe: Recipe, sizes: Sizes, method: str) -> Recipe:
    policy = method == "policy"
    rounds = RoundsSection(
        count=sizes.rounds,
        method="policy" if policy else "experience",
        questions=sizes.tried,
        k=sizes.k,
        dagger=0,
        curriculum=0.0,
        tolerance=1.0,
        max_hops=TRAINED_HOPS,
        temperature=1.0,
        learning_rate=1e-4 if policy else 3e-4,
        max_tokens=None if policy else 8 * sizes.comparison.row_tokens,
    )
    dpo = msgspec.structs.replace(recipe.dpo, pairs=0)
    return msgspec.structs.replace(recipe, rounds=rounds, dpo=dpo)


def _told_rounds(place: Path, rounds: int) -> list[dict[str, Any]]:
    """Of each round: reward as success, groups without signal, entropy; and why not trained."""
    made: list[dict[str, Any]] = []
    for each in range(1, rounds + 1):
        folder = RunFolder(place).round(each)
        if policy := read_json(folder / FIGURES):
            scores = read_json(folder / "scores.json") or {}
            names = ("success", "no_signal", "routing_entropy", "reward")
            line = {name: policy["figures"][name] for name in names}
            made.append({**line, "problem": scores.get("problem", "")})
        elif seen := read_json(folder / "experience.json"):
            problem = "" if (folder / "scores.json").is_file() else "no episode taught anything"
            made.append(
                {
                    "success": seen.get("reward"),
                    "no_signal": seen.get("no_signal"),
                    "problem": problem,
                }
            )
    return made


async def _try(
    trained: Trained,
    sources: WorldSources,
    comparison: Comparison,
    place: Path,
    told: Listener,
    which: str,
    seed: int,
) -> Tried:
    """One greedy episode a question."""
    model = open_model(trained, comparison)
    try:
        center = CenterLM(model, examples=())
        return await _episodes(
            sources, lambda question: center, place, told, f"{which}, seed {seed}", comparison.slots
        )
    finally:
        await model.close()


async def _episodes(
    sources: WorldSources,
    center_of: Callable[[Question], Center],
    place: Path,
    told: Listener,
    name: str,
    slots: int,
) -> Tried:
    questions = sources.questions
    advance = counting(told, name, len(questions))
    settings = RolloutSettings(
        k=1, concurrency=slots, options=Options(seek_seconds=None, splits=False, reopens=0)
    )
    groups: list[tuple[Rollout, ...]] = []
    with closing(journal_in(place)) as journal:
        centers = {question.id: center_of(question) for question in questions}
        if len({id(center) for center in centers.values()}) == 1:
            groups += await rollouts(
                questions,
                centers[questions[0].id],
                sources.sources_of,
                settings,
                journal=journal,
                on_rollout=lambda rollout: advance(1),
            )
        else:
            for question in questions:
                groups += await rollouts(
                    [question],
                    centers[question.id],
                    sources.sources_of,
                    settings,
                    journal=journal,
                    on_rollout=lambda rollout: advance(1),
                )
    credited = credits_of(groups, weights_of(RoundsSection()))
    roots = {
        group[0].question.id: credits_[0][0]
        for group, credits_ in zip(groups, credited, strict=True)
    }
    return Tried(
        {id_: root.total for id_, root in roots.items()},
        {id_: float(root.right) for id_, root in roots.items()},
        entropy(source_choices(rollout.tree for group in groups for rollout in group)),
    )


Bend = Callable[[str, Plan], tuple[Plan, Mapping[str, Plan]]]
"""From an objective and its right plan: another plan, and those of objectives that it names."""


def _sensible(objective: str, plan: Plan) -> tuple[Plan, Mapping[str, Plan]]:
    del objective
    return plan, {}


def _searching(objective: str, plan: Plan) -> tuple[Plan, Mapping[str, Plan]]:
    """Searches before, that nothing needs."""
    more = [
        Step(n, ("documents",), f"{PREFIX}{n}: {_short(objective)}") for n in range(1, SEARCHES + 1)
    ]
    return _after(more, plan), {}


def _handing_on(objective: str, plan: Plan) -> tuple[Plan, Mapping[str, Plan]]:
    """A level that only hands the objective on."""
    asked = f"{PREFIX}{_short(objective)}"
    return Plan((Step(1, (CENTER,), asked.replace("#", "##")),)), {asked: plan}


def _one_source(objective: str, plan: Plan) -> tuple[Plan, Mapping[str, Plan]]:
    """Everything is asked of the documents, sums too."""
    del objective
    steps = tuple(
        s if CENTER in s.sources else replace(s, sources=("documents",)) for s in plan.steps
    )
    return Plan(steps), {}


PERVERSE: Mapping[str, Bend] = {
    "the right plans": _sensible,
    "always searching": _searching,
    "handing on": _handing_on,
    "one source only": _one_source,
}


def _short(text: str) -> str:
    return text[: 200 - len(PREFIX) - 4].replace("#", "##")


def _after(more: Sequence[Step], plan: Plan) -> Plan:
    """The plan behind other steps, its references moved."""
    shift = len(more)

    def moved(step: Step) -> Step:
        text = _REFERENCE.sub(lambda m: f"#{int(m[1]) + shift}" if m[1] else m[0], step.text)
        each = None if step.each is None else step.each + shift
        return replace(step, id=step.id + shift, text=text, each=each)

    return Plan((*more, *map(moved, plan.steps)))


async def _try_bent(
    bend: Bend, sources: WorldSources, place: Path, told: Listener, name: str
) -> Tried:
    """The right plans bent, with right readings: no model is asked."""

    def center_of(question: Question) -> Center:
        plans: dict[str, Plan] = {}
        for objective, plan in question.plans.items():
            of_root = objective == question.objective.text
            bent, more = (bend if of_root else _sensible)(objective, plan)
            plans |= {objective: bent, **more}
        answers = {normalise(asked): answer for asked, answer in question.findings}
        right = question.gold.answers[0]
        answers[normalise(question.objective.text)] = right
        answers |= {normalise(asked): right for asked in plans if asked.startswith(PREFIX)}
        silent = CenterLM(ScriptedModel(lambda prompt, sampling: "nothing"), examples=())
        return OracleCenter(silent, plans, answers)

    return await _episodes(sources, center_of, place, told, name, 1)


def _figures(rows: Mapping[int, Tried], hops: Mapping[str, int]) -> dict[str, Any]:
    by_hops: dict[str, Figure | None] = {}
    for h in sorted(set(hops.values())):
        mine = [{i: v for i, v in t.right.items() if hops[i] == h} for t in rows.values()]
        by_hops[str(h)] = interval_of(mine)
    return {
        "reward": interval_of([t.reward for t in rows.values()]),
        "right": interval_of([t.right for t in rows.values()]),
        "hops": by_hops,
        "routing_entropy": sum(t.entropy for t in rows.values()) / len(rows),
    }


def estimate(sizes: Sizes) -> str:
    """What it takes on two free cores, in words."""
    comparison = sizes.comparison
    runs = len(comparison.rates) + comparison.seeds - 1
    training = runs * (comparison.tokens / PACE + CHOOSING)
    rolled = 2 * sizes.rounds * sizes.tried * sizes.k
    asked = 3 * len(comparison.hops) * sizes.questions
    calls = comparison.seeds * (rolled + asked) * CALLS_A_ROLLOUT
    rows = comparison.seeds * sizes.rounds * (sizes.tried * sizes.k * CALLS_A_ROLLOUT * 400 / PACE)
    return f"about {(training + calls * CALL / 2 + rows) / 60:.0f} minutes of two free cores"


def as_markdown(report: Mapping[str, Any]) -> str:
    """The page."""
    config = report["config"]
    hops = list(next(iter(report["systems"].values()))["hops"])

    def row(name: str, entry: Mapping[str, Any]) -> list[str]:
        return [
            name,
            number(entry["reward"]),
            percent(entry["right"]),
            *(percent(entry["hops"][h]) for h in hops),
            f"{entry['routing_entropy']:.2f}",
        ]

    heads = ["", "reward", "right, %", *(f"{h} hops" for h in hops), "entropy, bits"]
    lines = [
        "# Policy gradient against expert iteration",
        "",
        f"Both go on from one supervised round, {config['rounds']} rounds of "
        f"{config['questions_of_a_round']} fresh questions with {config['episodes_a_question']} "
        "episodes each. Reward: the mean credit of the root over test questions, tried greedily "
        "(0 to 1.5). Entropy: of the sources that plans name first. 95 % intervals from resampling "
        "items and seeds together.",
        "",
        *table(heads, [row(SAID[which], entry) for which, entry in report["systems"].items()]),
        "",
        "## Rounds",
        "",
        *table(
            ["method", "seed", "round", "right, %", "groups without signal, %", "entropy", "note"],
            [
                [
                    SAID[method],
                    seed,
                    str(number_),
                    _share(line.get("success")),
                    _share(line.get("no_signal")),
                    f"{line['routing_entropy']:.2f}" if "routing_entropy" in line else "",
                    line["problem"],
                ]
                for method, seeds in report["rounds"].items()
                for seed, made in seeds.items()
                for number_, line in enumerate(made, start=1)
            ],
        ),
        "",
        "## Perverse policies do not win",
        "",
        "The right plans, and these bent; readings are told, so that only the plans differ.",
        "",
        *table(heads, [row(which, entry) for which, entry in report["perverse"].items()]),
    ]
    return "\n".join([*lines, *config_lines(config)]) + "\n"


def _share(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"
