"""What the commands do, once their input is read. They print; problems are raised."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click
import msgspec

from centerlm import config as _config
from centerlm.acts import PlanView, ShownBudget
from centerlm.center import CenterLM
from centerlm.episode import Episode, episode_to_json, fold
from centerlm.errors import InputError, PlanError
from centerlm.events import Event
from centerlm.journal import Overlay, SqliteJournal
from centerlm.objective import Objective
from centerlm.plan import Plan, format_plan, parse_plan, plan_to_json
from centerlm.screen import live_tree, one_line, plain_lines, plain_tree
from centerlm.solver import Solution, solve, stored_objective
from centerlm.sources.base import Source

Listener = Callable[[Event], None]


def run_solve(
    question: str,
    *,
    library: Path | None,
    sources: tuple[str, ...],
    model: str | None,
    base_url: str | None,
    config: Path | None,
    budget: str | None,
    attachments: tuple[Path, ...],
    review: bool,
    answer_type: Any,
    seed: int | None,
    journal: Path | None,
    as_json: bool,
) -> int:
    settings = _settings(config, model, base_url)
    objective = Objective(
        question, answer_type=answer_type, budget=_config.budget_of(settings, budget)
    )
    setup = {
        "library": str(library.resolve()) if library else None,
        "sources": list(sources),
        "attachments": [str(path.resolve()) for path in attachments],
        "model": model,
        "base_url": base_url,
        "config": str(config.resolve()) if config else None,
    }
    return _solve(
        settings,
        objective,
        setup,
        journal=journal,
        as_json=as_json,
        seed=seed,
        review=_edit_plan if review else None,
    )


def run_resume(
    episode: str,
    *,
    library: Path | None,
    sources: tuple[str, ...],
    model: str | None,
    base_url: str | None,
    config: Path | None,
    budget: str | None,
    journal: Path | None,
    as_json: bool,
) -> int:
    """Go on with an episode; what the command line gives replaces what the episode began with."""
    path = _config.journal_path(_settings(config, model, base_url), journal)
    store = SqliteJournal(path)
    name = store.find(episode)
    state = fold(store.events(name))
    stored = store.blob(state.settings)
    store.close()
    if state.status not in ("running", "cancelled", "out_of_budget"):
        raise InputError(
            f"episode {name} has ended ({state.status}); see it with: centerlm show {name}"
        )
    setup: dict[str, Any] = msgspec.json.decode(stored).get("setup") or {}
    given = {
        "library": str(library.resolve()) if library else None,
        "sources": list(sources),
        "model": model,
        "base_url": base_url,
        "config": str(config.resolve()) if config else None,
    }
    setup |= {key: value for key, value in given.items() if value}
    at = Path(setup["config"]) if setup.get("config") else None
    settings = _settings(at, setup.get("model"), setup.get("base_url"))
    objective = stored_objective(stored)
    if budget:
        kept = {k: v for k, v in asdict(objective.budget).items() if v is not None}
        limits = msgspec.structs.replace(settings, budget=_config.BudgetSettings(**kept))
        objective = replace(objective, budget=_config.budget_of(limits, budget))
    return _solve(settings, objective, setup, journal=path, as_json=as_json, episode=name)


def _settings(path: Path | None, model: str | None, base_url: str | None) -> _config.Settings:
    settings = _config.load_settings(path)
    center = settings.center
    if model is not None:
        center = msgspec.structs.replace(center, model=model)
    if base_url is not None:
        center = msgspec.structs.replace(center, base_url=base_url)
    return msgspec.structs.replace(settings, center=center)


def _solve(
    settings: _config.Settings,
    objective: Objective,
    setup: Mapping[str, Any],
    *,
    journal: Path | None,
    as_json: bool,
    episode: str | None = None,
    seed: int | None = None,
    review: Any = None,
) -> int:
    library = setup.get("library")
    sources = _config.open_sources(
        settings,
        library=Path(library) if library else None,
        names=tuple(setup.get("sources") or ()),
        attachments=tuple(Path(path) for path in setup.get("attachments") or ()),
    )
    center = _config.open_center(settings)
    store = SqliteJournal(
        _config.journal_path(settings, journal), synchronous=settings.journal.synchronous
    )
    started: list[str] = [episode] if episode else []

    async def run(listen: Listener) -> Solution:
        try:
            return await solve(
                objective,
                center=center,
                sources=sources,
                journal=store,
                options=_config.options_of(settings, seed),
                episode=episode,
                review=review,
                setup=setup,
                on_event=listen,
                on_start=started.append,
            )
        finally:
            await center.model.close()

    try:
        with screen(as_json or review is not None) as listen:
            solution = asyncio.run(run(listen))
        return _print_solution(solution, store, as_json)
    except KeyboardInterrupt:
        name = started[0] if started else "last"
        click.echo(f"centerlm: interrupted; go on with: centerlm resume {name}", err=True)
        return 130
    finally:
        store.close()


def screen(quiet: bool) -> AbstractContextManager[Listener]:
    """A live tree on a terminal, plain lines on standard error elsewhere, nothing for JSON."""
    if sys.stdout.isatty() and not quiet:
        from rich.console import Console

        return live_tree(Console())
    return nullcontext(_ignore) if quiet else plain_lines()


def _ignore(event: Event) -> None:
    del event


def _print_solution(solution: Solution, store: SqliteJournal, as_json: bool) -> int:
    data = episode_to_json(solution.tree, solution.episode, store.blob)
    if as_json:
        _print_json(data)
    else:
        print_answer(data)
    return 0 if solution.status == "answered" else 1


def print_answer(data: Mapping[str, Any]) -> None:
    answer, status = data["answer"], str(data["status"]).replace("_", " ")
    click.echo(f"\n{answer}" if answer else f"\nno answer ({status})")
    if answer and status != "answered":
        click.echo(f"({status}: {data['reason']})" if data["reason"] else f"({status})")
    elif data["reason"]:
        click.echo(f"  {data['reason']}")
    for number, cite in enumerate(data["citations"], start=1):
        where = cite["file"] or cite["title"]
        span = f" {cite['start']:g}-{cite['end']:g}" if cite["end"] else ""
        click.echo(f"  [{number}] {one_line(cite['title'], 60)}: {one_line(cite['quote'], 120)}")
        click.echo(f"      {where}{span}")
    usage = data["usage"]
    cost = f", cost {usage['cost']:.4g}" if usage["cost"] else ""
    click.echo(
        f"episode {data['episode']}: {usage['calls']} calls, "
        f"{usage['prompt_tokens'] + usage['completion_tokens']:,} tokens, "
        f"{usage['seconds']:.1f} s{cost}"
    )


def _print_json(data: Any) -> None:
    click.echo(json.dumps(data, ensure_ascii=False, indent=2))


async def _edit_plan(plan: Plan) -> Plan:
    """Let a person edit the plan in $EDITOR until it is valid; unchanged, it runs as it is."""
    text, note = format_plan(plan), ""
    while True:
        edited = await asyncio.to_thread(click.edit, note + text + "\n", extension=".plan")
        if edited is None:
            return plan
        text = "\n".join(line for line in edited.split("\n") if not line.startswith("!"))
        try:
            return parse_plan(text)
        except PlanError as error:
            note = f"! {error}\n"
            click.echo(f"centerlm: {error}", err=True)
            if edited == note + text:
                raise


def run_plan(
    question: str,
    *,
    library: Path | None,
    sources: tuple[str, ...],
    model: str | None,
    base_url: str | None,
    config: Path | None,
    budget: str | None,
    as_json: bool,
) -> int:
    settings = _settings(config, model, base_url)
    objective = Objective(question, budget=_config.budget_of(settings, budget))
    opened = _config.open_sources(settings, library=library, names=sources)
    plan = asyncio.run(_plan(_config.open_center(settings), objective, opened))
    if as_json:
        _print_json({"objective": question, "plan": format_plan(plan), **plan_to_json(plan)})
    else:
        click.echo(format_plan(plan))
    return 0


async def _plan(center: CenterLM, objective: Objective, sources: list[Source]) -> Plan:
    limits = objective.budget
    view = PlanView(
        objective=objective.text,
        cards=tuple(source.card for source in sources),
        recursion=limits.depth > 1,
        budget=ShownBudget(limits.calls, limits.tokens, limits.seconds, limits.money, limits.depth),
    )
    request = center.decompose(view)
    try:
        reply = await center.model.complete(request.prompt, request.sampling)
        try:
            return center.read_plan(reply.text, view, cut=reply.cut)
        except PlanError as error:
            request = center.repair(view, reply.text, error)
        reply = await center.model.complete(request.prompt, request.sampling)
        return center.read_plan(reply.text, view, cut=reply.cut)
    finally:
        await center.model.close()


def run_ingest(
    paths: tuple[Path, ...],
    *,
    library: Path,
    words: int | None,
    no_vectors: bool,
    as_json: bool,
) -> int:
    from rich.console import Console
    from rich.progress import Progress

    from centerlm.library import Library

    console = Console(stderr=True)
    with (
        Library.open(library, create=True, embedder=None if no_vectors else "installed") as opened,
        Progress(console=console, transient=True, disable=not console.is_terminal) as bar,
    ):
        tasks = {phase: bar.add_task(phase, total=None) for phase in ("reading", "embedding")}

        def progress(step: Any) -> None:
            bar.update(tasks[step.phase], completed=step.done, total=step.total)

        report = opened.ingest(paths, progress=progress, max_words=words)
    if as_json:
        _print_json(asdict(report))
    else:
        click.echo(
            f"{library}: {report.documents:,} documents, {report.passages:,} passages "
            f"({report.added} files added, {report.changed} changed, {report.unchanged} unchanged, "
            f"{report.removed} removed) in {report.seconds:.1f} s"
        )
        if report.note:
            click.echo(report.note)
    for problem in report.problems:
        click.echo(f"centerlm: {problem.reason}", err=True)
    return 1 if report.problems else 0


def list_episodes(journal: Path | None, limit: int, as_json: bool) -> None:
    store = _open_journal(journal)
    rows = store.summaries(limit)
    store.close()
    if as_json:
        _print_json([asdict(row) for row in rows])
        return
    for row in rows:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(row.started))
        answer = f" -> {one_line(row.answer, 40)}" if row.answer else ""
        click.echo(f"{row.name}  {when}  {row.status:13}  {one_line(row.question, 60)}{answer}")
    if not rows:
        click.echo('no episodes yet; make one with: centerlm solve "QUESTION"')


def remove_episodes(journal: Path | None, episode: str | None, before: str | None) -> None:
    if (episode is None) == (before is None):
        raise InputError("name one episode, or give --before DATE")
    store = _open_journal(journal)
    if episode is not None:
        names = [store.find(episode)]
        store.remove(names[0])
    else:
        try:
            when = time.mktime(time.strptime(before or "", "%Y-%m-%d"))
        except ValueError:
            raise InputError(f"--before {before!r} is not a day; write e.g. 2026-01-31") from None
        names = store.remove_before(when)
    store.close()
    click.echo(f"removed {len(names)} episodes" if len(names) != 1 else f"removed {names[0]}")


def show_episode(episode: str, journal: Path | None, as_json: bool) -> int:
    store = _open_journal(journal)
    name = store.find(episode)
    state = fold(store.events(name))
    return _show(state, name, store, as_json)


def _show(state: Episode, name: str, store: SqliteJournal | Overlay, as_json: bool) -> int:
    data = episode_to_json(state, name, store.blob)
    if as_json:
        _print_json(data)
    else:
        _print_tree(state)
        print_answer(data)
    return 0 if state.status == "answered" else 1


def _print_tree(state: Episode) -> None:
    if sys.stdout.isatty():
        from rich.console import Console

        from centerlm.screen import draw

        Console().print(draw(state))
    else:
        click.echo(plain_tree(state))


def run_replay(episode: str, journal: Path | None, as_json: bool) -> int:
    """Replay, and say so if the outcome differs from what is recorded."""
    from centerlm.replay import replay_episode

    store = _open_journal(journal)
    name = store.find(episode)
    replayed = asyncio.run(replay_episode(store, name))
    code = _show(replayed.solution.tree, name, replayed.journal, as_json)
    if not replayed.same:
        click.echo(f"centerlm: the replay of {name} differs from what was recorded", err=True)
        return 1
    return code


def _open_journal(path: Path | None) -> SqliteJournal:
    return SqliteJournal(_config.journal_path(_config.load_settings(None), path))


def get_models(name: str, via: Any) -> None:
    from centerlm.models.weights import REGISTRY, get

    for each in REGISTRY if name == "all" else (name,):
        get(each, click.echo, via=via)


def list_models(as_json: bool) -> None:
    from centerlm.doctor import weights_report

    rows = weights_report()
    if as_json:
        _print_json(rows)
        return
    for row in rows:
        click.echo(
            f"{row['name']:12} {row['megabytes']:6.1f} MB  {row['licence']:11} {row['about']}"
        )
        click.echo(f"{'':12} {row['state']}")


def run_doctor(as_json: bool) -> int:
    from centerlm.doctor import examine

    report = examine()
    if as_json:
        _print_json(report)
    else:
        for check in report["checks"]:
            mark = "ok" if check["ok"] else "--"
            click.echo(f"{mark}  {check['what']}: {check['found']}")
            if not check["ok"]:
                click.echo(f"      {check['remedy']}")
    return 0 if report["ready"] else 1
