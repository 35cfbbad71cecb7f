"""The main job on real text, end to end: `python -m centerlm.demo` (what `make demo` runs).

Builds a library of articles, solves six questions of two to four steps with the local center, shows
the tree of each, and says how many are right. `--given-plans` runs the known good plans instead of
the center's own: what is wrong then is in seeking and absorbing.
"""

from __future__ import annotations

import asyncio
import sys
import time

import click

from centerlm import assembly, config, opening
from centerlm.demo.articles import build_demo_library
from centerlm.demo.questions import DemoQuestion, demo_questions, is_right
from centerlm.episode import episode_to_json
from centerlm.errors import CenterError
from centerlm.journal import SqliteJournal
from centerlm.library import Library
from centerlm.models.weights import home
from centerlm.objective import Budget, Objective
from centerlm.plan import Plan, parse_plan
from centerlm.printing import print_answer
from centerlm.protocols import Center
from centerlm.screen import screen
from centerlm.solver import solve
from centerlm.sources.base import Source

BUDGET = Budget(calls=24, seconds=60, depth=3)


@click.command()
@click.option("--given-plans", is_flag=True, help="Run known good plans, not the center's own.")
@click.option("--limit", type=click.IntRange(1, 6), default=6, help="Questions to solve.")
def demo(given_plans: bool, limit: int) -> None:
    """Solve six questions over real articles and say how many are right."""
    folder = home() / "demo"
    click.echo("Articles about countries and chemical elements ...")
    files = build_demo_library(folder / "articles")
    with Library.open(folder / "library", create=True) as library:
        report = library.ingest([folder / "articles"])
    click.echo(f"{len(files)} articles, {report.passages} passages, {report.seconds:.1f} s")
    if report.note:
        click.echo(report.note)
    settings = config.load_settings(None)
    sources = assembly.open_sources(settings, library=folder / "library")
    center = opening.open_center(settings)
    right = asyncio.run(_all(demo_questions()[:limit], center, sources, given_plans))
    click.echo(f"\n{right} of {limit} right.")


async def _all(
    questions: tuple[DemoQuestion, ...],
    center: Center,
    sources: list[Source],
    given_plans: bool,
) -> int:
    store = SqliteJournal(home() / "journal.sqlite")
    right = 0
    try:
        for number, question in enumerate(questions, start=1):
            click.echo(f"\n({number}/{len(questions)})")
            right += await _one(question, center, sources, store, given_plans)
    finally:
        await center.model.close()
        store.close()
    return right


async def _one(
    question: DemoQuestion,
    center: Center,
    sources: list[Source],
    store: SqliteJournal,
    given_plans: bool,
) -> bool:
    async def give(plan: Plan) -> Plan:
        del plan
        return parse_plan(question.gold_plan)

    started = time.monotonic()
    with screen(quiet=False) as listen:
        solution = await solve(
            Objective(question.text, budget=BUDGET),
            center=center,
            sources=sources,
            journal=store,
            review=give if given_plans else None,
            on_event=listen,
        )
    print_answer(episode_to_json(solution.tree, solution.episode, store.blob))
    good = solution.answer is not None and is_right(solution.answer, question)
    verdict = "right" if good else f"wrong; right is {question.answer}"
    click.echo(f"{verdict} ({time.monotonic() - started:.1f} s)")
    return good


if __name__ == "__main__":
    try:
        demo()
    except CenterError as error:
        click.echo(f"centerlm: {error}", err=True)
        sys.exit(error.exit_code)
