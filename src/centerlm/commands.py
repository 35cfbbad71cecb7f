"""What `centerlm plan`, `show` and `replay` do, once their input is read; problems are raised."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from centerlm import assembly as _assembly
from centerlm import config as _config
from centerlm import opening as _opening
from centerlm.center import CenterLM
from centerlm.episode import episode_to_json, fold
from centerlm.errors import InputError, ModelError, PlanError
from centerlm.objective import Objective
from centerlm.plan import Plan, format_plan, plan_to_json
from centerlm.plan_alone import plan_alone
from centerlm.printing import complain, print_json, print_solution, print_tree
from centerlm.protocols import Memory
from centerlm.remembering import opened_memory, remembered_by
from centerlm.sources.base import Card
from centerlm.upkeep import existing_journal, journal_option


def run_plan(
    question: str,
    *,
    library: Path | None,
    sources: tuple[str, ...],
    model: str | None,
    base_url: str | None,
    config: Path | None,
    budget: str | None,
    no_memory: bool,
    use_web: bool,
    as_json: bool,
) -> int:
    config = config or _config.default_file()
    settings = _config.load_settings(config, model, base_url)
    objective = Objective(question, budget=_assembly.budget_of(settings, budget))
    opened = _assembly.open_sources(settings, library=library, names=sources)
    center = _opening.open_center(settings)
    cards: tuple[Card, ...] = tuple(source.card for source in opened)
    remembering = None if no_memory else remembered_by(settings, config, use_web=use_web)
    if remembering is not None and not Path(remembering["path"]).exists():
        remembering = None  # planning alone makes no memory
    try:
        with opened_memory(remembering) as memory:
            if memory is not None and remembering and remembering["web"] == "use":
                cards += (memory.open_web(opened, center.model.identity).card,)
            plan = asyncio.run(_plan(center, objective, cards, memory))
    except PlanError as error:
        raise ModelError(
            f"the model wrote no plan ({error}); solving would ask the sources directly"
        ) from None
    if as_json:
        print_json({"objective": question, "plan": format_plan(plan), **plan_to_json(plan)})
    else:
        click.echo(format_plan(plan))
    return 0


async def _plan(
    center: CenterLM, objective: Objective, cards: tuple[Card, ...], memory: Memory | None
) -> Plan:
    try:
        return await plan_alone(center, objective, cards, memory)
    finally:
        await center.model.close()


def run_show(episode: str, journal: Path | None, as_json: bool) -> int:
    store, name = existing_journal(journal, episode)
    state = fold(store.events(name))
    if not as_json:
        print_tree(state)
    data = episode_to_json(state, name, store.blob)
    store.close()
    return print_solution(data, as_json=as_json, journal=journal_option(journal))


def run_replay(episode: str, journal: Path | None, as_json: bool) -> int:
    """Replay; exit code 1 also where the outcome differs from what is recorded."""
    from centerlm.replay import replay_episode

    store, name = existing_journal(journal, episode)
    option = journal_option(journal)
    try:
        replayed = asyncio.run(replay_episode(store, name))
    except InputError as error:  # it ends with the command that finishes the episode
        raise InputError(f"{error}{option}") from None
    store.close()
    if not as_json:
        print_tree(replayed.solution.tree)
    code = print_solution(replayed.data, as_json=as_json, journal=option)
    if not replayed.same:
        complain(f"the replay of {name} differs from what was recorded")
        return 1
    return code
