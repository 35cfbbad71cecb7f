"""What `centerlm study` does around a study: its parts, progress, the table at the end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from centerlm import assembly as _assembly
from centerlm import config as _config
from centerlm import opening as _opening
from centerlm import places as _places
from centerlm.errors import InputError
from centerlm.objective import Budget
from centerlm.printing import complain, print_json, wide_console
from centerlm.remembering import opened_memory, remembered_by
from centerlm.screen import one_line
from centerlm.stopping import stoppable
from centerlm.upkeep import opened_journal

if TYPE_CHECKING:
    from centerlm.library import Library
    from centerlm.study import Study, Visit

CALLS = 100
"""Calls of a study where neither the command nor the settings say."""
MAX_TITLES = 1000


def run_study(
    subject: str,
    *,
    library: Path | None,
    model: str | None,
    base_url: str | None,
    config: Path | None,
    budget: str | None,
    journal: Path | None,
    as_json: bool,
) -> int:
    """Exit code 1 where nothing was found out."""
    from centerlm.library import Library

    config = config or _config.default_file()
    settings = _config.load_settings(config, model, base_url)
    folder, topic = _subject(subject, library or _places.library_path(settings))
    limits = _assembly.budget_of(settings, budget)
    if limits == Budget(depth=limits.depth):
        limits = Budget(calls=CALLS)
    remembering = remembered_by(settings, config, use_web=True)
    assert remembering is not None  # it was asked to be used
    with Library.open(folder) as opened:
        path = _places.journal_at(settings, journal)
        return _study(settings, opened, topic, limits, remembering, path, as_json)


def _subject(subject: str, library: Path | None) -> tuple[Path, str]:
    """The library and the topic, "" for all of the library.

    Raises:
        InputError: a topic without a library to read.
    """
    if not subject.strip():
        raise InputError("name what to study: the folder of a library, or a topic")
    if library is None and Path(subject).is_dir():
        return Path(subject), ""
    if library is None:
        raise InputError(
            f"{one_line(subject)} is no folder of a library; for a topic name the library to read "
            "with --library DIR (make one with: centerlm ingest FILES --library DIR)"
        )
    return library, " ".join(subject.split())


def _study(
    settings: _config.Settings,
    library: Library,
    topic: str,
    limits: Budget,
    remembering: Mapping[str, str],
    journal: Path | str,
    as_json: bool,
) -> int:
    from centerlm.sources.documents import Documents
    from centerlm.study import study

    endpoints = _opening.Endpoints()
    center = _opening.open_center(settings, endpoints)
    signals: list[int] = []
    with (
        opened_journal(journal, settings.journal.synchronous) as store,
        opened_memory(remembering, store) as memory,
        _progress(limits, quiet=as_json) as tell,
    ):
        assert memory is not None

        async def run() -> Study:
            try:
                return await study(
                    topic,
                    titles=library.stats(titles=MAX_TITLES).titles,
                    center=center,
                    library=library,
                    source=Documents(library, k=settings.library.passages),
                    memory=memory,
                    journal=store,
                    budget=limits,
                    options=_assembly.options_of(settings),
                    scope=str(library.folder.resolve()),
                    on_visit=tell,
                )
            finally:
                await endpoints.close()

        try:
            done = asyncio.run(stoppable(run(), signals))
        except (KeyboardInterrupt, asyncio.CancelledError):
            complain("interrupted; the same command goes on")
            return 128 + (signals[0] if signals else signal.SIGINT)
    _print(done, as_json=as_json)
    return 0 if done.notes else 1


@contextmanager
def _progress(limits: Budget, *, quiet: bool) -> Generator[Callable[[Visit], None]]:
    """A bar of what the budget covers and a line for each visit; on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True, soft_wrap=True)
    drawn = console.is_terminal and not console.is_dumb_terminal and not quiet
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=not drawn) as bar:
        calls = bar.add_task("calls", total=limits.calls)

        def tell(visit: Visit) -> None:
            bar.advance(calls, visit.usage.calls)
            if quiet or visit.kept:
                return
            console.print(f"{visit.number}. {one_line(visit.subject, 60)}", markup=False)
            for note in visit.notes:
                text = f"   {one_line(note.question, 80)} {one_line(note.claim, 60)}"
                console.print(text, markup=False, highlight=False)
            if not visit.notes:
                console.print(f"   {len(visit.questions)} questions, nothing found", markup=False)

        yield tell


def _print(done: Study, *, as_json: bool) -> None:
    cited = [note for note in done.notes if note.trust == "cited"]
    if as_json:
        print_json(
            {
                "study": done.name,
                "ended": done.why,
                "visits": [
                    {
                        "subject": visit.subject,
                        "questions": list(visit.questions),
                        "found": [{"question": n.question, "claim": n.claim} for n in visit.notes],
                        "usage": asdict(visit.usage),
                    }
                    for visit in done.visits
                ],
                "notes": len(cited),
                "passages": len(done.passages),
                "open": done.open,
                "usage": asdict(done.usage),
            }
        )
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for heading in ("subject", "visits", "questions", "found"):
        table.add_column(heading, justify="left" if heading == "subject" else "right")
    for name in dict.fromkeys(visit.subject for visit in done.visits):
        mine = [visit for visit in done.visits if visit.subject == name]
        asked = sum(len(visit.questions) for visit in mine)
        found = len({note.ref for visit in mine for note in visit.notes})
        table.add_row(Text(one_line(name, 60)), str(len(mine)), str(asked), str(found))
    wide_console().print(table)
    spent = f"{len(done.passages)} passages read, {done.usage.calls} calls"
    left = f"{done.why}, {done.open} subjects not visited"
    click.echo(f"{len(cited)} findings kept, {spent}; {left}")
    if cited:
        click.echo('see them with: centerlm memory web; use them with: centerlm solve "..." --web')
