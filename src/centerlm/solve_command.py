"""What `centerlm solve` and `centerlm resume` do, once their input is read: they put the parts
together, run the episode and print; problems are raised.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from centerlm import assembly as _assembly
from centerlm import config as _config
from centerlm import opening as _opening
from centerlm import places as _places
from centerlm.center import CenterLM
from centerlm.continuing import continuation_of, continuing, length_of, print_continuation
from centerlm.episode import episode_to_json, fold
from centerlm.errors import InputError, JournalError
from centerlm.objective import Objective
from centerlm.printing import complain, now_and_then, print_solution
from centerlm.protocols import Center
from centerlm.remembering import opened_memory, remembered_by
from centerlm.review import editor_review
from centerlm.screen import Listener, screen
from centerlm.solver import Solution, solve, stored_objective
from centerlm.sources.base import Source
from centerlm.stopping import stoppable
from centerlm.stored_journal import StoredJournal
from centerlm.upkeep import existing_journal, journal_option, opened_journal

RESUMABLE = ("running", "cancelled", "out_of_budget", "failed")


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
    settings = _config.load_settings(config, model, base_url)
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
    at = _places.journal_at(_config.load_settings(config, model, base_url), journal)
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
    settings = _config.load_settings(file, setup.get("model"), setup.get("base_url"))
    objective = stored_objective(stored)
    if budget:
        kept = {k: v for k, v in asdict(objective.budget).items() if v is not None}
        limits = msgspec.structs.replace(settings, budget=_config.BudgetSettings(**kept))
        objective = replace(objective, budget=_assembly.budget_of(limits, budget))
    return _solve(settings, objective, setup, journal=journal, as_json=as_json, episode=name, at=at)


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
    endpoints = _opening.Endpoints()
    center = _opening.open_center(settings, endpoints)
    solving, sources = _opened(settings, objective, setup, center, endpoints, quiet=as_json)
    names = [source.card.name for source in sources]
    review = editor_review(names) if setup.get("review") else None
    running = _Running(episode or "", journal_option(journal))

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
        data = _told(solution, setup, store, frames, quiet=as_json)
        return print_solution(data, as_json=as_json, journal=running.journal)


def _opened(
    settings: _config.Settings,
    objective: Objective,
    setup: Mapping[str, Any],
    center: CenterLM,
    endpoints: _opening.Endpoints,
    *,
    quiet: bool,
) -> tuple[Center, list[Source]]:
    """The center that solves the objective, and whom it may ask: those of a continuation where
    `setup` has a length. Unless `quiet`, what is read of attachments is told.
    """
    library, length = setup.get("library"), setup.get("length")
    attached = tuple(Path(path) for path in setup.get("attachments") or ())
    if length is None:
        return center, _assembly.open_sources(
            settings,
            library=Path(library) if library else None,
            names=tuple(setup.get("sources") or ()),
            attachments=attached,
            endpoints=endpoints,
            watching=_silent if quiet else now_and_then(complain),
        )
    folder = _assembly.attached_library(attached, vectors=False) if attached else Path(str(library))
    writing = _opening.open_writer(settings, endpoints)
    made = continuing(objective.text, folder, length, center, writing)
    return made.center, [*made.sources]


def _told(
    solution: Solution,
    setup: Mapping[str, Any],
    store: StoredJournal,
    frames: Path | None,
    *,
    quiet: bool,
) -> dict[str, Any]:
    """The solved episode as JSON, with the frames and the continuation that it was asked for;
    unless `quiet`, these are printed.
    """
    data = episode_to_json(solution.tree, solution.episode, store.blob)
    if frames is not None:
        from centerlm.media.thumbnails import write_thumbnails

        written = write_thumbnails(solution.finding.citations, frames)
        data["frames"] = [str(path) for path in written]
        if not quiet:
            for path in written:
                complain(f"frame: {path}")
    if setup.get("length") is not None:
        data["continuation"] = continuation_of(solution.tree, store.blob)
        if not quiet:
            print_continuation(data["continuation"])
    return data


def _with_name(sentence: str, name: str) -> str:
    """A sentence that ends with the command to resume, with the episode's name."""
    return f"{sentence} {name}" if name and sentence.endswith("centerlm resume") else sentence


def _silent(line: str) -> None:
    del line
