"""Ablations: holistic training with one thing changed, at the same processed tokens.

Each variant is trained and asked as an arm of the comparison is, in a folder of its own. Variants
of a group differ in one thing, and are compared with the first of their group, paired by item and
seed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from centerlm.comparison.asking import Scored
from centerlm.comparison.estimate import CALL, PACE, seconds_of
from centerlm.comparison.figures import Keep, Results, as_trained, beyond, everything, interval_of
from centerlm.comparison.items import Shelf
from centerlm.comparison.material import shaped
from centerlm.comparison.running import Study, begin, config_of
from centerlm.comparison.settings import HOLISTIC, SETS, SOLVER, WORLDS, Comparison, cells_of
from centerlm.errors import InputError
from centerlm.evaluation.pages import config_lines, percent, table, write
from centerlm.evaluation.resampling import differences
from centerlm.learning.job import Listener
from centerlm.learning.recipe import Recipe, RoundsSection
from centerlm.learning.watching import Stop

FIRST_SHARE = 0.6
"""Of the tokens of a variant with a round of experience, the share of its supervised round."""
QUESTIONS, K = 16, 2
POLICY_QUESTIONS, POLICY_K = 12, 4
CALLS_A_ROLLOUT = 6.0


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to train. `change` makes its recipe of the usual one, `sized` its comparison."""

    name: str
    about: str
    part: str = WORLDS
    change: Callable[[Recipe], Recipe] = field(default=lambda recipe: recipe)
    sized: Callable[[Comparison], Comparison] = field(default=lambda comparison: comparison)


def _train(**settings: Any) -> Callable[[Recipe], Recipe]:
    def change(recipe: Recipe) -> Recipe:
        return msgspec.structs.replace(
            recipe, train=msgspec.structs.replace(recipe.train, **settings)
        )

    return change


def _data(**settings: Any) -> Callable[[Recipe], Recipe]:
    def change(recipe: Recipe) -> Recipe:
        return msgspec.structs.replace(
            recipe, data=msgspec.structs.replace(recipe.data, **settings)
        )

    return change


def _rounds(**settings: Any) -> Callable[[Recipe], Recipe]:
    def change(recipe: Recipe) -> Recipe:
        return msgspec.structs.replace(
            recipe,
            rounds=RoundsSection(count=1, tolerance=1.0, **settings),
            dpo=msgspec.structs.replace(recipe.dpo, pairs=0),
        )

    return change


def _experience(dagger: int) -> Callable[[Recipe], Recipe]:
    return _rounds(questions=QUESTIONS, k=K, max_hops=2, dagger=dagger)


def _policy(**terms: float) -> Callable[[Recipe], Recipe]:
    return _rounds(
        method="policy",
        questions=POLICY_QUESTIONS,
        k=POLICY_K,
        max_hops=2,
        temperature=1.0,
        learning_rate=1e-4,
        **terms,
    )


def _flat(comparison: Comparison) -> Comparison:
    return replace(comparison, form="flat")


def _first_part(comparison: Comparison) -> Comparison:
    """A round of experience or policy takes the rest of the tokens."""
    return replace(comparison, tokens=round(comparison.tokens * FIRST_SHARE))


def _worlds_only(comparison: Comparison) -> Comparison:
    return replace(comparison, material="worlds")


def _real(comparison: Comparison) -> Comparison:
    return replace(comparison, material="real")


def _mixed(comparison: Comparison) -> Comparison:
    return replace(comparison, material="mixed")


USUAL = Variant("usual", "one adapter, peel, aliases", sized=_worlds_only)

GROUPS: Mapping[str, tuple[Variant, ...]] = {
    "adapters": (
        USUAL,
        Variant(
            "two adapters",
            "planning and absorbing, half the rank each",
            change=_train(split=True),
            sized=_worlds_only,
        ),
    ),
    "form": (
        USUAL,
        Variant("flat", "one plan of all steps, recursion off", sized=_flat),
    ),
    "aliases": (
        USUAL,
        Variant("no aliases", "sources under their own names", change=_data(aliases=False)),
    ),
    "dagger": (
        Variant(
            "no DAgger",
            "a round of expert iteration",
            change=_experience(0),
            sized=_first_part,
        ),
        Variant(
            "DAgger",
            "the same, and the readings that the center's own answers led to",
            change=_experience(1),
            sized=_first_part,
        ),
    ),
    "material": (
        Variant("mixed", "worlds and data sets", SETS, sized=_mixed),
        Variant("worlds only", "no data set", SETS, sized=_worlds_only),
        Variant("real only", "no worlds", SETS, sized=_real),
    ),
    "reward": (
        Variant("all terms", "a round of policy gradient", change=_policy(), sized=_first_part),
        Variant(
            "no children",
            "without the parts' success",
            change=_policy(children=0.0),
            sized=_first_part,
        ),
        Variant("no cost", "without cost", change=_policy(cost=0.0), sized=_first_part),
        Variant(
            "no diversity",
            "without the term against one source",
            change=_policy(diversity=0.0),
            sized=_first_part,
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class Ablated:
    """What a variant gave: scores by seed, and what training took by seed."""

    variant: Variant
    scores: Mapping[int, Sequence[Scored]]
    training: Mapping[str, Mapping[str, Any]]


def ablate(
    comparison: Comparison,
    groups: Sequence[str],
    work: Path,
    out: Path,
    name: str,
    command: str,
    *,
    told: Listener,
    stop: Stop,
) -> Path:
    """Train and ask what is not done, and write NAME.json and NAME.md into `out`; the Markdown.

    `comparison` gives the sizes; all variants train at the first of its rates.

    Raises:
        InputError: what was given cannot be used, or `work` was begun with other sizes.
        StoppedError: it was stopped while training; the same call goes on.
        ModelError, LibraryError, JournalError: a part cannot be run.
    """
    started = time.monotonic()
    if "material" in groups and comparison.data is None:
        raise InputError("the group material needs the data folder; give --data, or leave it out")
    comparison = replace(comparison, rates=comparison.rates[:1])
    begin(comparison, work)
    told.line(estimate(comparison, groups, work))
    chosen = {group: GROUPS[group] for group in groups}
    variants = {variant.name: variant for group in chosen.values() for variant in group}
    done: dict[str, Ablated] = {}

    def written() -> Path:
        report = {
            "scenario": "ablations",
            "groups": {group: _group(of, done) for group, of in chosen.items()},
            "config": config_of(
                comparison,
                command,
                started,
                hops=list(comparison.hops),
                questions_of_each_hops=comparison.questions,
            ),
        }
        return write(out, name, report, as_markdown(report))

    for number, variant in enumerate(variants.values(), start=1):
        if comparison.minutes and time.monotonic() - started > 60 * comparison.minutes:
            told.line(f"{comparison.minutes:g} minutes are over; the rest stays empty")
            break
        told.line(f"{number} of {len(variants)}: {variant.name}")
        done[variant.name] = _run(comparison, variant, work, told, stop)
        written()
    return written()


def _sized(comparison: Comparison, variant: Variant) -> Comparison:
    return replace(
        variant.sized(comparison),
        weights=(HOLISTIC,),
        ways=(SOLVER.name,),
        parts=(variant.part,),
    )


def _run(
    comparison: Comparison, variant: Variant, work: Path, told: Listener, stop: Stop
) -> Ablated:
    sized = _sized(comparison, variant)
    recipe = variant.change(shaped(sized))
    if recipe.rounds.count:
        rest = max(comparison.tokens - sized.tokens, 4 * sized.row_tokens)
        rounds = msgspec.structs.replace(recipe.rounds, max_tokens=rest)
        recipe = msgspec.structs.replace(recipe, rounds=rounds)
    study = Study(sized, _place(work, variant), told, stop, recipe)
    scores: dict[int, Sequence[Scored]] = {}
    # Libraries of test questions are the same for all variants.
    with closing(Shelf(sized, work / "asked")) as shelf:
        for cell in cells_of(sized):
            scores[cell.seed] = study.scores(cell, shelf)
    return Ablated(variant, scores, study.training())


def _group(variants: Sequence[Variant], done: Mapping[str, Ablated]) -> list[dict[str, Any]]:
    first = done.get(variants[0].name)
    lines: list[dict[str, Any]] = []
    for variant in variants:
        made = done.get(variant.name)
        line: dict[str, Any] = {"variant": variant.name, "about": variant.about}
        for name, keep in _measures(variant).items():
            line.setdefault("measures", {})[name] = {
                "value": None if made is None else _mean(made, variant, keep),
                "difference": None
                if made is None or first is None or made is first
                else _difference(made, first, variant, keep),
            }
        if made is not None:
            line["training"] = {seed: dict(arms) for seed, arms in made.training.items()}
        lines.append(line)
    return lines


def _measures(variant: Variant) -> dict[str, Keep]:
    if variant.part == SETS:
        return {"MuSiQue F1": lambda one: one.splits["set"] == "musique", "all F1": everything}
    return {"hops as trained": as_trained, "more hops": beyond}


def _scores(made: Ablated, variant: Variant, keep: Keep) -> Mapping[int, Mapping[str, float]]:
    metric = "f1" if variant.part == SETS else "em"
    cells = {(variant.part, HOLISTIC, SOLVER.name): made.scores}
    return Results(cells).scores(variant.part, HOLISTIC, SOLVER.name, metric, keep)


def _mean(made: Ablated, variant: Variant, keep: Keep) -> dict[str, float] | None:
    return interval_of(_scores(made, variant, keep).values())


def _difference(
    made: Ablated, first: Ablated, variant: Variant, keep: Keep
) -> dict[str, float] | None:
    ours, theirs = _scores(made, variant, keep), _scores(first, variant, keep)
    return interval_of([differences(ours[seed], theirs[seed]) for seed in ours if seed in theirs])


def estimate(comparison: Comparison, groups: Sequence[str], work: Path) -> str:
    """What the variants take on two free cores, in words; what is done is not counted again."""
    minutes: dict[str, float] = {}
    for variant in {v.name: v for group in groups for v in GROUPS[group]}.values():
        sized = _sized(comparison, variant)
        seconds = sum(seconds_of(sized, _place(work, variant)))
        rounds = variant.change(shaped(sized)).rounds
        if rounds.count and seconds:
            rolled = rounds.questions * rounds.k * CALLS_A_ROLLOUT * CALL / 2
            rest = (comparison.tokens - sized.tokens) / PACE
            seconds += comparison.seeds * (rolled + rest)
        minutes[variant.name] = seconds / 60
    told = ", ".join(f"{name} {value:.0f}" for name, value in minutes.items())
    return f"about {sum(minutes.values()):.0f} minutes of two free cores: {told}"


def _place(work: Path, variant: Variant) -> Path:
    return work / variant.name.replace(" ", "-")


def as_markdown(report: Mapping[str, Any]) -> str:
    """The page."""
    lines = [
        "# Ablations of holistic training",
        "",
        "One thing changed at a time, the same processed tokens; each variant against the first of "
        "its group, on the same questions in the recursive solver. Worlds: exact match on chains "
        "of as many hops as were trained, and of more. Per cent, and points of difference, with 95 "
        "% intervals from resampling items and seeds together.",
    ]
    for group, variants in report["groups"].items():
        names = list(variants[0]["measures"])
        heads = ["variant", "what", *(h for n in names for h in (n, "difference")), "tokens"]
        rows: list[list[str]] = []
        for line in variants:
            row = [line["variant"], line["about"]]
            for name in names:
                measure = line["measures"][name]
                first = line is variants[0]
                row.append(percent(measure["value"]) or "not run")
                row.append(percent(measure["difference"], sign="+") or ("" if first else "not run"))
            tokens = [
                arm["tokens"] for arms in line.get("training", {}).values() for arm in arms.values()
            ]
            rows.append([*row, f"{sum(tokens) / len(tokens):,.0f}" if tokens else ""])
        lines += ["", f"## {group}", "", *table(heads, rows)]
    return "\n".join([*lines, *config_lines(report["config"])]) + "\n"
