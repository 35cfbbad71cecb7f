"""What experts.py makes of the experts' answers: the matrix, the choices between them, the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from random import Random
from typing import Any

from centerlm.acts import Experience, PlanView
from centerlm.center import CenterLM
from centerlm.errors import ModelError, PlanError
from centerlm.evaluation.statistics import mean_interval, paired_difference, share_interval
from centerlm.memory import SeekingMemory
from centerlm.memory.outcomes import Outcome
from knowledge_world import CARDS
from reporting import config_lines, percent, table

COLD = 60
"""Questions after which a memory is no longer cold: choices are also told from there on."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of the field whose expert is `home`, and which experts answer it right."""

    id: str
    question: str
    home: str
    right: Mapping[str, bool]


def matrix_of(asked: Sequence[Asked]) -> dict[str, dict[str, Any]]:
    """Expert x field: the share right with its Wilson interval; off the diagonal also `behind`, by
    how much the field's own expert is better on the same questions (paired, bootstrap).
    """
    experts = sorted({name for one in asked for name in one.right})
    matrix: dict[str, dict[str, Any]] = {}
    for expert in experts:
        matrix[expert] = {}
        for field in experts:
            mine = [one for one in asked if one.home == field]
            if not mine:
                continue
            got = [float(one.right[expert]) for one in mine]
            cell: dict[str, Any] = {
                "n": len(mine),
                **asdict(share_interval(round(sum(got)), len(mine))),
            }
            if expert != field:
                own = [float(one.right[field]) for one in mine]
                cell["behind"] = asdict(paired_difference(own, got))
            matrix[expert][field] = cell
    return matrix


def proven(matrix: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether in every field its expert beats every other one, the interval clear of 0."""
    behind = [
        cell["behind"]["low"]
        for row in matrix.values()
        for cell in row.values()
        if "behind" in cell
    ]
    return bool(behind) and min(behind) > 0


async def choices(
    asked: Sequence[Asked], center: CenterLM | None, *, seeds: int, told_seeds: int = 2
) -> dict[str, dict[str, Any]]:
    """By chooser: how often the expert of the field was asked, from the beginning and once the
    memory is no longer cold, and how often the answer was right. Means over streams; in the first
    `told_seeds` of them the center is told what the memory recalls, at a call a question.
    """
    names = [card.name for card in CARDS]
    totals = {name: sum(one.right[name] for one in asked) for name in names}
    best = max(names, key=lambda name: totals[name])
    by_card: dict[str, str] = {}
    if center is not None:
        by_card = {one.id: await planned(center, one.question, Experience()) for one in asked}
    rows: dict[str, list[tuple[float, float, float]]] = {}
    for seed in range(seeds):
        stream = list(asked)
        Random(f"stream {seed}").shuffle(stream)
        chance = Random(f"chance {seed}")
        chosen: dict[str, list[str]] = {
            "chance": [chance.choice(names) for _ in stream],
            "best single": [best] * len(stream),
            "oracle": [one.home for one in stream],
            "memory": await remembered(stream, names, seed),
        }
        if center is not None:
            chosen["center"] = [by_card[one.id] for one in stream]
        if center is not None and seed < told_seeds:
            chosen["center + memory"] = await told(stream, center, names)
        for who, whom in chosen.items():
            rows.setdefault(who, []).append(_scored(stream, whom))
    return {
        who: {
            "right expert": asdict(mean_interval([row[0] for row in runs])),
            "right expert later": asdict(mean_interval([row[1] for row in runs])),
            "right answer": asdict(mean_interval([row[2] for row in runs])),
        }
        for who, runs in rows.items()
    }


def _scored(stream: Sequence[Asked], chosen: Sequence[str]) -> tuple[float, float, float]:
    home = [float(whom == one.home) for one, whom in zip(stream, chosen, strict=True)]
    answered = [float(one.right.get(w, False)) for one, w in zip(stream, chosen, strict=True)]
    later = home[COLD:] or home
    return sum(home) / len(home), sum(later) / len(later), sum(answered) / len(answered)


async def remembered(stream: Sequence[Asked], names: Sequence[str], seed: int) -> list[str]:
    """Whom the seeking memory has asked first, from nothing, told each time how that went."""
    memory = SeekingMemory(":memory:")
    chosen: list[str] = []
    try:
        for number, one in enumerate(stream):
            order = await memory.order(one.question, tuple(names), seed * 100_003 + number)
            if number == 0:
                order = tuple(Random(seed).sample(list(names), len(names)))
            chosen.append(order[0])
            _learn(memory, number, one, order[0])
    finally:
        memory.close()
    return chosen


async def told(stream: Sequence[Asked], center: CenterLM, names: Sequence[str]) -> list[str]:
    """Whom the center names, shown by the memory how earlier choices went."""
    memory = SeekingMemory(":memory:")
    chosen: list[str] = []
    try:
        for number, one in enumerate(stream):
            lines = await memory.recall(one.question, CARDS)
            chosen.append(await planned(center, one.question, lines))
            if chosen[-1] in names:
                _learn(memory, number, one, chosen[-1])
    finally:
        memory.close()
    return chosen


def _learn(memory: SeekingMemory, number: int, one: Asked, source: str) -> None:
    success = float(one.right[source])
    outcome = Outcome(
        entry="1/0",
        source=source,
        text=one.question,
        success=success,
        at=memory.now(),
        plain=True,
    )
    memory.remember(f"question-{number}", [outcome])


async def planned(center: CenterLM, question: str, experience: Experience) -> str:
    """The source that the center's plan names first; "" where there is no plan."""
    view = PlanView(question, CARDS, recursion=False, experience=experience)
    request = center.decompose(view)
    try:
        reply = await center.model.complete(request.prompt, request.sampling)
        return center.read_plan(reply.text, view, cut=reply.cut).steps[0].sources[0]
    except (ModelError, PlanError):
        return ""


def page_of(report: Mapping[str, Any]) -> str:
    matrix: Mapping[str, Any] = report["matrix"]
    lines = [
        "# Experts of fields",
        "",
        "Facts of one fictional world, in wordings that were not trained. Rows are experts, "
        "columns fields: per cent right with 95 % intervals (Wilson); off the diagonal also by how "
        "many points the field's own expert is better (paired, bootstrap).",
        "",
    ]
    rows = [[expert, *(_cell(row[field]) for field in row)] for expert, row in matrix.items()]
    lines += table(["expert", *next(iter(matrix.values()))], rows)
    if report["proven"]:
        lines += ["", "In every field its expert beats every other, intervals clear of 0.", ""]
        heads = ["who chooses", "right expert, %", f"after {COLD} questions, %", "right answer, %"]
        lines += table(
            heads,
            [
                [
                    who,
                    *(
                        percent(row[name])
                        for name in ("right expert", "right expert later", "right answer")
                    ),
                ]
                for who, row in report["choices"].items()
            ],
        )
    else:
        lines += [
            "",
            "Not in every field does its expert beat every other with the interval clear of 0, so "
            "choosing between them would show nothing and was not measured.",
        ]
    lines.append("")
    for field, made in report["training"].items():
        rounds = ", ".join(f"{100 * share:.0f} %" for share in made["recall_by_round"])
        lines.append(
            f"- {field}: {made['facts']} facts, {made['tokens']:,} tokens computed; recalled in "
            f"trained wordings, by round: {rounds}"
        )
    resident = ", ".join(f"{name} {value:.0f} MB" for name, value in report["resident"].items())
    lines += ["", f"Resident memory, adapters swapped on one base: {resident}."]
    return "\n".join([*lines, *config_lines(report["config"])]) + "\n"


def _cell(cell: Mapping[str, Any]) -> str:
    behind = f"; {percent(cell['behind'], sign='+')} behind" if "behind" in cell else ""
    return f"{percent(cell)}{behind}"
