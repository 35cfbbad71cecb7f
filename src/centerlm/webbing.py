"""`centerlm memory web`: a table of notes, or one note with all that it hangs together with."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from centerlm import config as _config
from centerlm import places as _places
from centerlm.errors import InputError
from centerlm.printing import print_json, wide_console
from centerlm.remembering import nothing_remembered, opened_at
from centerlm.screen import one_line

if TYPE_CHECKING:
    from centerlm.memory.web_views import NoteSummary
    from centerlm.sources.base import Source


def run_web(
    about: str,
    *,
    library: Path | None,
    limit: int,
    path: Path | None,
    project: str | None,
    config: Path | None,
    as_json: bool,
) -> int:
    from centerlm.memory.store import number_of
    from centerlm.memory.web_views import list_notes, show_note

    settings = _config.load_settings(config or _config.default_file())
    folder = library or _places.library_path(settings)
    with opened_at(path, project, config) as memory, _documents_of(folder) as sources:
        if (number := number_of(about)) is not None:
            if memory is None:
                raise InputError(nothing_remembered(memory))
            shown = show_note(memory, number, sources=sources)
            print_json(asdict(shown)) if as_json else print_note(shown)
            return 0
        notes = list_notes(memory, about, limit=limit, sources=sources) if memory else []
    if as_json:
        print_json([asdict(note) for note in notes])
    elif notes:
        print_notes(notes, checked=bool(sources))
    elif about:
        click.echo("nothing of what this names is known; see all with: centerlm memory web")
    else:
        click.echo('no findings are kept yet; make some with: centerlm solve "QUESTION"')
    return 0


@contextmanager
def _documents_of(folder: Path | None) -> Generator[tuple[Source, ...]]:
    """The library against which notes are checked; none where none is named."""
    if folder is None:
        yield ()
        return
    from centerlm.library import Library
    from centerlm.sources.documents import Documents

    with Library.open(folder, embedder=None) as library:
        yield (Documents(library),)


def print_notes(notes: Sequence[NoteSummary], *, checked: bool) -> None:
    """The notes as a table; `checked` says that their state is that of a library now."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for heading in ("", "question", "claim", "from", "now" if checked else "state", "found"):
        table.add_column(heading, justify="right" if not heading else "left")
    for note in notes:
        table.add_row(
            str(note.id),
            Text(one_line(note.question, 60)),
            Text(one_line(note.claim, 40)),
            Text(one_line(_place(note), 30)),
            note.state,
            time.strftime("%Y-%m-%d", time.localtime(note.at)),
        )
    wide_console().print(table)


def print_note(note: NoteSummary) -> None:
    """One note: where it stands, which episodes found it, what it hangs together with."""
    click.echo(f"{note.id}  {one_line(note.question, 200)}")
    click.echo(f"    {one_line(note.claim, 200)}")
    why = f": {one_line(note.why, 200)}" if note.why else ""
    click.echo(f"    {note.trust}, {note.state}{why}")
    for citation in note.citations:
        at = f"{citation.start:g}-{citation.end:g} {citation.unit}"
        click.echo(f"    {one_line(citation.file, 120)} ({at})")
        click.echo(f'      "{one_line(citation.quote, 300)}"')
    for origin in note.origins[:8]:
        name = origin.episode or "an episode that is no longer listed"
        click.echo(f"    found by {name}, for: {one_line(origin.served, 120)}")
    for link in note.links:
        text = f"{one_line(link.question, 80)} {one_line(link.claim, 60)}"
        click.echo(f"    {link.kind} {link.note}: {text}")


def _place(note: NoteSummary) -> str:
    if not note.citations:
        return note.source
    return Path(note.citations[0].file).name
