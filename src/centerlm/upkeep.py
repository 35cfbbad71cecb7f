"""What the commands around solving do: libraries, lists of episodes, models, doctor."""

from __future__ import annotations

import shlex
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from centerlm import config as _config
from centerlm import places as _places
from centerlm.errors import InputError, JournalError
from centerlm.printing import complain, print_json
from centerlm.remembering import forget_removed, memory_of
from centerlm.screen import one_line
from centerlm.stored_journal import StoredJournal


def run_ingest(
    paths: tuple[Path, ...],
    *,
    library: Path,
    words: int | None,
    no_vectors: bool,
    as_json: bool,
) -> int:
    """Exit code 0, 1 where some files could not be read, 2 where none could."""
    from rich.console import Console
    from rich.progress import Progress

    from centerlm.library import Library
    from centerlm.library.walk import is_gone

    if all(is_gone(path) for path in paths):
        raise InputError(f"{paths[0]} does not exist; check the path")
    console = Console(stderr=True)
    with (
        Library.open(library, create=True, embedder=None if no_vectors else "installed") as opened,
        Progress(console=console, transient=True, disable=not console.is_terminal) as bar,
    ):
        tasks = {
            phase: bar.add_task(phase, total=None, visible=phase != "watching")
            for phase in ("reading", "watching", "embedding")
        }

        def progress(step: Any) -> None:
            bar.update(tasks[step.phase], completed=step.done, total=step.total, visible=True)

        report = opened.ingest(paths, progress=progress, max_words=words)
    if as_json:
        print_json(asdict(report))
    else:
        click.echo(
            f"{library}: {report.documents:,} documents, {report.passages:,} passages "
            f"({report.added} files added, {report.changed} changed, {report.unchanged} unchanged, "
            f"{report.removed} removed) in {report.seconds:.1f} s"
        )
        if report.note:
            click.echo(report.note)
        for remark in report.remarks:
            click.echo(remark)
    for problem in report.problems:
        complain(problem.reason)
    if not report.problems:
        return 0
    return 1 if report.added or report.changed or report.unchanged else 2


def open_journal(path: Path | str | None) -> StoredJournal | None:
    """The journal (a file, or the URL of a database) if there is one; looking at episodes makes
    none.
    """
    if path is None or isinstance(path, Path):
        path = _places.journal_at(_config.load_settings(None), path)
    return _places.existing_journal_at(path)


def existing_journal(path: Path | str | None, episode: str) -> tuple[StoredJournal, str]:
    """The journal that holds an episode, and the episode's whole name.

    Raises:
        InputError: there is no such journal or episode.
    """
    if not episode.strip():
        raise InputError('name an episode, or "last"; list them with: centerlm episodes')
    store = open_journal(path)
    if store is None:
        named = "no journal" if path is None else f"no journal {path}"
        raise InputError(
            f"there is no episode {episode!r}: {named} is there yet; make one with: "
            'centerlm solve "QUESTION"'
        )
    return store, store.find(episode)


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


def journal_option(journal: Path | None) -> str:
    """What a command needs to find this journal."""
    return f" --journal {shlex.quote(str(journal))}" if journal is not None else ""


def list_episodes(journal: Path | None, limit: int, as_json: bool) -> None:
    store = open_journal(journal)
    rows = store.summaries(limit) if store else []
    if store:
        store.close()
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    for row in rows:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(row.started))
        answer = f" -> {one_line(row.answer, 40)}" if row.answer else ""
        click.echo(f"{row.name}  {when}  {row.status:13}  {one_line(row.question, 60)}{answer}")
    if not rows:
        where = f" in {journal}" if journal else ""
        click.echo(f'no episodes yet{where}; make one with: centerlm solve "QUESTION"')


def remove_episodes(journal: Path | None, episode: str | None, before: str | None) -> int:
    """Exit code 1 where an episode is kept because it is being solved, or not forgotten."""
    if (episode is None) == (before is None):
        raise InputError("name one episode, or give --before DATE")
    own = _own_memory(journal)
    if episode is not None:
        store, name = existing_journal(journal, episode)
        taught = {name: memory_of(store, name)}
        store.remove(name)
        store.close()
        click.echo(f"removed {name}")
        return 0 if forget_removed(taught, own) else 1
    try:
        when = time.mktime(time.strptime(before or "", "%Y-%m-%d"))
    except (ValueError, OverflowError):
        raise InputError(f"--before {before!r} is not a day; write e.g. 2026-01-31") from None
    store, removed, kept = open_journal(journal), dict[str, Path | None](), 0
    for row in store.summaries(-1) if store else ():
        if row.started < when and store:
            try:
                taught_at = memory_of(store, row.name)
                store.remove(row.name)
                removed[row.name] = taught_at
            except JournalError as error:
                complain(str(error))
                kept += 1
    if store:
        store.close()
    click.echo(f"removed {len(removed)} episode{'' if len(removed) == 1 else 's'}")
    return 0 if forget_removed(removed, own) and not kept else 1


def _own_memory(journal: Path | None) -> Path | None:
    """The memory of this machine, where it learns from the episodes of others as well."""
    settings = _config.load_settings(None)
    shared = isinstance(_places.journal_at(settings, journal), str)
    return _places.memory_path(settings) if shared else None


def get_models(name: str, via: Any) -> None:
    from centerlm.models.weights import REGISTRY, get

    usual = [model.name for model in REGISTRY.values() if not model.extra]
    for each in usual if name == "all" else (name,):
        get(each, click.echo, via=via)


def list_models(as_json: bool) -> None:
    from centerlm.doctor import weights_report

    rows = weights_report()
    if as_json:
        print_json(rows)
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
        print_json(report)
        return 0 if report["ready"] else 1
    for check in report["checks"]:
        mark = "ok" if check["ok"] else "!!" if check["needed"] else "--"
        click.echo(f"{mark}  {check['what']}: {check['found']}")
        if not check["ok"]:
            click.echo(f"      {check['remedy']}")
    click.echo("ready" if report["ready"] else "not ready: mend what is marked !!")
    return 0 if report["ready"] else 1
