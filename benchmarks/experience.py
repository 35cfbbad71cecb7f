"""Whether a center's choice follows what its memory recalls, with its weights as they are.

    python benchmarks/experience.py --center ADAPTER.gguf [--questions 100] [--cache DIR]
        [--out DIR]

Decisions of worlds never trained on, with two sources of one card (twins): nothing but recalled
lines tells them apart. Each is planned without lines, with lines that praise the first twin and
blame the second, and with their records exchanged. Choice follows experience where the praised twin
is chosen. Then, without a twin, with praise of a source whose card does not know such questions:
choice stays where the plan names the sources it names without lines. Lines have the one form of
`centerlm.experience`. Every answer is kept in the cache: the same command goes on where it stopped.
Writes experience.json and experience.md.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import count, islice
from pathlib import Path
from random import Random
from typing import Any

from platformdirs import user_cache_dir

from centerlm.acts import Experience, PlanView
from centerlm.center import CenterLM
from centerlm.errors import InputError, ModelError, PlanError
from centerlm.evaluation.statistics import mcnemar
from centerlm.experience import experience_line
from centerlm.learning.records import Decision
from centerlm.learning.sample_cards import ALIASES, DISTRACTORS
from centerlm.learning.worlds import make_world, questions_of
from centerlm.many import each_of
from centerlm.plan import Plan, references
from centerlm.sources.base import Card
from centers import CenterSpec, center_specs, open_center
from reporting import (
    command_line,
    config_lines,
    percent,
    run_benchmark,
    share_of,
    table,
    versions,
    write,
)

FIRST_SEED = 2_000_000
PER_WORLD = 4
DOCUMENTS = "documents"


@dataclass(frozen=True, slots=True)
class Case:
    """A decision as it is shown under one condition; `praised` is the source that lines praise."""

    decision: str
    condition: str
    view: PlanView
    praised: str | None


@dataclass(frozen=True, slots=True)
class Chosen:
    """The sources that the plan named, in order, each once; none where there was no plan."""

    case: Case
    sources: tuple[str, ...]


def decisions(number: int) -> list[Decision]:
    """Root decisions of one or two hops whose plans ask the documents."""

    def all_of() -> Iterator[Decision]:
        for seed in count(FIRST_SEED):
            world = make_world(seed, split="test")
            for question in questions_of(world, hops=(1, 2), count=PER_WORLD, seed=seed):
                decision = question.decisions["flat"][0]
                if DOCUMENTS in _named(decision.plan):
                    yield decision

    return list(islice(all_of(), number))


def cases(chosen: Sequence[Decision]) -> list[Case]:
    """Every decision under all conditions: the same cards in the same order, other lines."""
    likes = [
        step.text
        for decision in chosen
        for step in decision.plan.steps
        if step.sources[0] == DOCUMENTS and not references(step.text)
    ]
    if not likes:
        raise InputError("too few questions: give more of them with --questions")
    made: list[Case] = []
    for decision in chosen:
        rng = Random(decision.id)
        like = rng.choice(likes)
        made += _twin_cases(decision, like, rng)
        made += _misleading_cases(decision, like, rng)
    return made


def _twin_cases(decision: Decision, like: str, rng: Random) -> Iterator[Case]:
    first, second = rng.sample(ALIASES[DOCUMENTS], 2)
    cards = [card for card in decision.cards if card.name != DOCUMENTS]
    card = next((card for card in decision.cards if card.name == DOCUMENTS), None)
    if card is None:
        return
    cards += [replace(card, name=first), replace(card, name=second)]
    rng.shuffle(cards)
    asked = rng.randint(5, 30)
    good, bad = round(0.9 * asked), round(0.1 * asked)
    yield _case(decision, "twins, no lines", cards, (), None)
    for praised, blamed in ((first, second), (second, first)):
        lines = [
            experience_line(praised, good, asked, like),
            experience_line(blamed, bad, asked, like),
        ]
        name = "twins, first praised" if praised == first else "twins, second praised"
        yield _case(decision, name, cards, tuple(lines), praised)


def _misleading_cases(decision: Decision, like: str, rng: Random) -> Iterator[Case]:
    wrong = rng.choice(DISTRACTORS)
    cards = [card for card in decision.cards if card.name != wrong.name]
    cards.append(wrong)
    rng.shuffle(cards)
    asked = rng.randint(5, 30)
    line = experience_line(wrong.name, asked, asked, like)
    yield _case(decision, "one card, no lines", cards, (), None)
    yield _case(decision, "one card, misled", cards, (line,), wrong.name)


def _case(
    decision: Decision,
    condition: str,
    cards: Sequence[Card],
    lines: tuple[str, ...],
    praised: str | None,
) -> Case:
    view = PlanView(
        decision.objective,
        tuple(cards),
        recursion=False,
        root=decision.root,
        experience=Experience(lines),
    )
    return Case(decision.id, condition, view, praised)


def _named(plan: Plan) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for step in plan.steps for name in step.sources))


async def choose(center: CenterLM, case: Case) -> Chosen:
    """The sources that the center's plan names."""
    request = center.decompose(case.view)
    try:
        reply = await center.model.complete(request.prompt, request.sampling)
        plan = center.read_plan(reply.text, case.view, cut=reply.cut)
    except (ModelError, PlanError):
        return Chosen(case, ())
    return Chosen(case, _named(plan))


def summary(chosen: Sequence[Chosen]) -> dict[str, Any]:
    """Shares with 95 % intervals (Wilson), and an exact test of twins against no lines."""
    by: dict[str, dict[str, Chosen]] = {}
    for one in chosen:
        by.setdefault(one.case.condition, {})[one.case.decision] = one
    follows: list[float] = []
    without: list[float] = []
    conditions: dict[str, Any] = {}
    for condition in ("twins, first praised", "twins, second praised"):
        runs = by.get(condition, {})
        plain = by.get("twins, no lines", {})
        followed = [float(_follows(one, one.case.praised)) for one in runs.values()]
        before = [float(_follows(plain[id_], one.case.praised)) for id_, one in runs.items()]
        follows += followed
        without += before
        conditions[condition] = {
            "follows": _share(followed),
            "same choice without lines": _share(before),
            "names any twin": _share([float(bool(_twins(one))) for one in runs.values()]),
        }
    plain, misled = by.get("one card, no lines", {}), by.get("one card, misled", {})
    stays = [float(one.sources == plain[id_].sources) for id_, one in misled.items()]
    caught = [float(one.case.praised in one.sources) for one in misled.values()]
    conditions["one card, misled"] = {"stays": _share(stays), "names the praised": _share(caught)}
    test = asdict(mcnemar(follows, without)) if follows else None
    return {"conditions": conditions, "followed against no lines": test}


def _follows(one: Chosen, praised: str | None) -> bool:
    """Whether of the twins only the praised one was named."""
    return _twins(one) == {praised}


def _twins(one: Chosen) -> set[str]:
    """The twins that the plan named."""
    known = [card.knows for card in one.case.view.cards]
    twins = {card.name for card in one.case.view.cards if known.count(card.knows) > 1}
    return twins & set(one.sources)


def _share(values: Sequence[float]) -> dict[str, float] | None:
    return share_of(values) if values else None


def as_markdown(report: Mapping[str, Any]) -> str:
    lines = [
        "# Experience is used, not only kept",
        "",
        "Weights fixed; only the recalled lines differ. Twins are two sources of one card: choice "
        "follows where the plan names the praised one and not the other. Misled: a source whose "
        "card does not know the question is praised for its like; choice stays where the plan "
        "names the same sources as without the line. Per cent with 95 % intervals (Wilson).",
        "",
    ]
    heads = ["center", "condition", "measure", "%"]
    rows = [
        [name, condition, measure, percent(share)]
        for name, system in report["systems"].items()
        for condition, measures in system["conditions"].items()
        for measure, share in measures.items()
    ]
    lines += table(heads, rows)
    for name, system in report["systems"].items():
        if test := system["followed against no lines"]:
            lines += [
                "",
                f"- {name}: the praised twin only with the lines {test['only_first']}, only "
                f"without {test['only_second']} (exact McNemar p = {test['p']:.2g})",
            ]
    return "\n".join([*lines, *config_lines(report["config"])]) + "\n"


async def _measured(spec: CenterSpec, cache: Path, made: Sequence[Case]) -> dict[str, Any]:
    center = open_center(spec, cache)

    def advance(done: int) -> None:
        nonlocal finished
        finished += done
        if finished % 20 == 0:
            print(f"{spec.name}: {finished} of {len(made)} plans", file=sys.stderr, flush=True)

    finished = 0
    try:
        chosen = await each_of(made, lambda case: choose(center, case), advance=advance)
    finally:
        await center.model.close()
    return {**summary(chosen), "adapter_sha256": spec.sha256}


def run(arguments: argparse.Namespace) -> Path:
    specs = center_specs(arguments.center)
    made = cases(decisions(arguments.questions))
    systems = {spec.name: asyncio.run(_measured(spec, arguments.cache, made)) for spec in specs}
    config = {
        "command": command_line(),
        "date": time.strftime("%Y-%m-%d"),
        "questions": arguments.questions,
        "first_seed": FIRST_SEED,
        "versions": versions(),
    }
    report = {"scenario": "experience", "systems": systems, "config": config}
    return write(arguments.out, "experience", report, as_markdown(report))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--center", action="append", required=True, help="adapter, or untrained")
    parser.add_argument("--questions", type=int, default=100, help="decisions")
    parser.add_argument(
        "--cache", type=Path, default=Path(user_cache_dir("centerlm")) / "experience"
    )
    parser.add_argument("--out", type=Path, default=Path("docs/results"), help="folder to write to")
    arguments = parser.parse_args()
    return run_benchmark(lambda: run(arguments), interrupted="the same command goes on")


if __name__ == "__main__":
    sys.exit(main())
