"""What the commands around episodes do, once their input is read: solve, resume, plan, show,
replay. They put the parts together and print; problems are raised.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import sys
from collections.abc import Callable, Coroutine, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, TypeVar

import click
import msgspec

from centerlm import assembly as _assembly
from centerlm import config as _config
from centerlm import opening as _opening
from centerlm import places as _places
from centerlm.center import CenterLM
from centerlm.continuing import continuation_of, continuing, length_of, print_continuation
from centerlm.episode import episode_to_json, fold
from centerlm.errors import InputError, JournalError, ModelError, PlanError
from centerlm.events import Event
from centerlm.objective import Objective
from centerlm.plan import Plan, format_plan, plan_to_json
from centerlm.plan_alone import plan_alone
from centerlm.printing import complain, now_and_then, print_json, print_solution, print_tree
from centerlm.protocols import Memory
from centerlm.remembering import opened_memory, remembered_by
from centerlm.review import editor_review
from centerlm.screen import live_tree, plain_lines
from centerlm.solver import Solution, solve, stored_objective
from centerlm.sources.base import Card
from centerlm.stored_journal import StoredJournal
from centerlm.upkeep import existing_journal

Listener = Callable[[Event], None]
T = TypeVar("T")

RESUMABLE = ("running", "cancelled", "out_of_budget", "failed")
STOPPING = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


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
    length: int | None,
    frames: Path | None,
    review: bool,
    answer_type: Any,
    seed: int | None,
    journal: Path | None,
    no_memory: bool,
    use_web: bool,
    as_json: bool,
) -> int:
    config = config or _config.default_file()
    settings = _settings(config, model, base_url)
    objective = Objective(
        question, answer_type=answer_type, budget=_assembly.budget_of(settings, budget)
    )
    library = library or _places.library_path(settings)
    words = length_of(question, length)
    if words is not None and library is None and not attachments:
        raise InputError("there is no book to continue; give it with --attach novel.txt")
    setup = {
        "library": str(library.resolve()) if library else None,
        "sources": list(sources),
        "attachments": [str(path.resolve()) for path in attachments],
        "model": model,
        "base_url": base_url,
        "config": str(config.resolve()) if config else None,
        "review": review,
        "length": words,
        "memory": None
        if no_memory or words is not None
        else remembered_by(settings, config, use_web=use_web),
    }
    return _solve(
        settings, objective, setup, journal=journal, as_json=as_json, seed=seed, frames=frames
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
    no_memory: bool,
    use_web: bool,
    as_json: bool,
) -> int:
    """Go on with an episode; what the command line gives replaces what the episode began with."""
    at = _places.journal_at(_settings(config, model, base_url), journal)
    store, name = existing_journal(at, episode)
    state = fold(store.events(name))
    stored = store.blob(state.settings) if state.settings else b""
    store.close()
    if not stored:
        raise InputError(f"episode {name} was stopped before it began; solve its question again")
    if state.status not in RESUMABLE:
        raise InputError(
            f"episode {name} has ended ({state.status}); see it with: centerlm show {name}"
        )
    setup: dict[str, Any] = msgspec.json.decode(stored).get("setup") or {}
    if "study" in setup:
        raise InputError(
            f"episode {name} is a visit of a study; run the same centerlm study command to go on"
        )
    given = {
        "library": str(library.resolve()) if library else None,
        "sources": list(sources),
        "model": model,
        "base_url": base_url,
        "config": str(config.resolve()) if config else None,
    }
    if model and not model.startswith("openai:"):
        setup["base_url"] = None  # it was that of another model
    setup |= {key: value for key, value in given.items() if value}
    if no_memory:
        setup["memory"] = None
    elif use_web and (its := setup.get("memory")):
        its["web"] = "use"
    file = Path(setup["config"]) if setup.get("config") else None
    settings = _settings(file, setup.get("model"), setup.get("base_url"))
    objective = stored_objective(stored)
    if budget:
        kept = {k: v for k, v in asdict(objective.budget).items() if v is not None}
        limits = msgspec.structs.replace(settings, budget=_config.BudgetSettings(**kept))
        objective = replace(objective, budget=_assembly.budget_of(limits, budget))
    return _solve(settings, objective, setup, journal=journal, as_json=as_json, episode=name, at=at)


def _settings(path: Path | None, model: str | None, base_url: str | None) -> _config.Settings:
    return _config.with_model(_config.load_settings(path), model, base_url)


@dataclass(slots=True)
class _Running:
    """What is known of an episode while it runs: its name, and the signals that stop it.

    `journal` is the option that resuming needs.
    """

    name: str = ""
    journal: str = ""
    signals: list[int] = field(default_factory=list[int])

    def interrupted(self) -> str:
        return f"interrupted; go on with: centerlm resume {self.name or 'last'}{self.journal}"

    def leave(self) -> None:
        complain(self.interrupted())


def _solve(
    settings: _config.Settings,
    objective: Objective,
    setup: Mapping[str, Any],
    *,
    journal: Path | None,
    as_json: bool,
    episode: str | None = None,
    seed: int | None = None,
    at: Path | str | None = None,
    frames: Path | None = None,
) -> int:
    """Solve or go on with `episode`, in the journal `at` (default: given or configured). Cited
    frames are written to the folder `frames`.
    """
    library, endpoints = setup.get("library"), _opening.Endpoints()
    attached = tuple(Path(path) for path in setup.get("attachments") or ())
    center = _opening.open_center(settings, endpoints)
    length, solving = setup.get("length"), center
    if length is not None:
        folder = (
            _assembly.attached_library(attached, vectors=False) if attached else Path(str(library))
        )
        writing = _opening.open_writer(settings, endpoints)
        made = continuing(objective.text, folder, length, center, writing)
        solving, sources = made.center, [*made.sources]
    else:
        sources = _assembly.open_sources(
            settings,
            library=Path(library) if library else None,
            names=tuple(setup.get("sources") or ()),
            attachments=attached,
            endpoints=endpoints,
            watching=_silent if as_json else now_and_then(complain),
        )
    names = [source.card.name for source in sources]
    review = editor_review(names) if setup.get("review") else None
    running = _Running(episode or "", _journal_option(journal))

    async def run(listen: Listener) -> Solution:
        try:
            return await solve(
                objective,
                center=solving,
                sources=sources,
                memory=memory,
                journal=store,
                options=_assembly.options_of(settings, seed),
                episode=episode,
                review=review,
                setup=setup,
                on_event=listen,
                on_start=lambda name: setattr(running, "name", name),
            )
        finally:
            await endpoints.close()

    path = at or _places.journal_at(settings, journal)
    with (
        opened_journal(path, settings.journal.synchronous) as store,
        opened_memory(setup.get("memory"), store) as memory,
    ):
        if memory is not None and setup["memory"].get("web") == "use":
            sources = [*sources, memory.open_web(sources, center.model.identity)]
        try:
            with screen(as_json, asks=review is not None or "person" in names) as listen:
                solution = asyncio.run(stoppable(run(listen), running.signals, running.leave))
        except (KeyboardInterrupt, asyncio.CancelledError):
            complain(running.interrupted())
            return 128 + (running.signals[0] if running.signals else signal.SIGINT)
        except JournalError as error:
            raise JournalError(_with_name(str(error), f"{running.name}{running.journal}")) from None
        except InputError as error:
            if review is None or not running.name:
                raise
            again = (
                f"{error}; take it up again with: centerlm resume {running.name}{running.journal}"
            )
            raise InputError(again) from None
        data = episode_to_json(solution.tree, solution.episode, store.blob)
        if frames is not None:
            from centerlm.media.thumbnails import write_thumbnails

            written = write_thumbnails(solution.finding.citations, frames)
            data["frames"] = [str(path) for path in written]
            if not as_json:
                for path in written:
                    complain(f"frame: {path}")
        if length is not None:
            data["continuation"] = continuation_of(solution.tree, store.blob)
            if not as_json:
                print_continuation(data["continuation"])
        return print_solution(data, as_json=as_json, journal=running.journal)


async def stoppable(
    work: Coroutine[Any, Any, T],
    signals: list[int],
    leave: Callable[[], None] = lambda: None,
) -> T:
    """Let signals end the work recorded and resumable; a second one does not wait for that, but
    tells how to go on (`leave`) and ends the process. `signals` gets those that came.
    """
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None

    def stop(number: int, frame: FrameType | None) -> None:
        del frame
        signals.append(number)
        if len(signals) > 1:
            leave()
            _leave_at_once(signals[0])
        task.cancel()
        loop.call_soon_threadsafe(lambda: None)  # wakes the loop, so that it sees this

    before = {number: signal.signal(number, stop) for number in STOPPING}
    try:
        return await work
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave_at_once(number: int) -> NoReturn:
    """End the process though something does not let itself be cancelled; the journal bears it."""
    if sys.stdout and sys.stdout.isatty():
        click.echo("\x1b[?25h", nl=False)  # the drawing may have hidden the cursor
    os._exit(128 + number)


@contextmanager
def opened_journal(path: Path | str, synchronous: Any) -> Generator[StoredJournal]:
    """The journal, closed at the end. After an error, one of closing says nothing new."""
    store = _places.open_journal_at(path, synchronous)
    try:
        yield store
    except BaseException:
        with suppress(JournalError):
            store.close()
        raise
    store.close()


def _journal_option(journal: Path | None) -> str:
    """What a command needs to find this journal."""
    return f" --journal {shlex.quote(str(journal))}" if journal is not None else ""


def _with_name(sentence: str, name: str) -> str:
    """A sentence that ends with the command to resume, with the episode's name."""
    return f"{sentence} {name}" if name and sentence.endswith("centerlm resume") else sentence


def screen(quiet: bool, *, asks: bool = False) -> AbstractContextManager[Listener]:
    """A live tree on a terminal, plain lines on standard error elsewhere, nothing for JSON.

    Also plain lines where somebody is asked (`asks`): a drawing would run over question and editor.
    """
    if quiet:
        return nullcontext(_ignore)
    if sys.stdout and sys.stdout.isatty() and not asks:
        from rich.console import Console

        console = Console()
        if not console.is_dumb_terminal:
            return live_tree(console)
    return plain_lines()


def _ignore(event: Event) -> None:
    del event


def _silent(line: str) -> None:
    del line


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
    settings = _settings(config, model, base_url)
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
    return print_solution(data, as_json=as_json, journal=_journal_option(journal))


def run_replay(episode: str, journal: Path | None, as_json: bool) -> int:
    """Replay; exit code 1 also where the outcome differs from what is recorded."""
    from centerlm.replay import replay_episode

    store, name = existing_journal(journal, episode)
    option = _journal_option(journal)
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
