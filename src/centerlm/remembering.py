"""What the commands do with the seeking memory: open it for a solve, list, show, carry, forget."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from centerlm import config as _config
from centerlm import places as _places
from centerlm.catching_up import catch_up
from centerlm.errors import InputError, JournalError, MemoryFileError
from centerlm.events import EpisodeStarted
from centerlm.printing import complain, print_json, wide_console
from centerlm.screen import one_line
from centerlm.shared_forgetting import forget_everywhere, shared_journal
from centerlm.stored_journal import StoredJournal

if TYPE_CHECKING:
    from centerlm.memory import SeekingMemory
    from centerlm.memory.forgetting import Wanted
    from centerlm.memory.views import KindSummary


def remembered_by(
    settings: _config.Settings, config: Path | None, *, use_web: bool = False
) -> dict[str, str] | None:
    """Which memory an episode recalls from and tells: file, project, and what it does with its
    knowledge web; None for none.

    Raises:
        InputError: the web is to be used, and the settings turn the memory off.
    """
    if not settings.memory.enabled:
        if use_web:
            raise InputError(
                "what is found cannot be kept and used: [memory] enabled = false turns it off"
            )
        return None
    return {
        "web": "use" if use_web else settings.memory.web,
        "path": str(_places.memory_path(settings).resolve()),
        "project": _places.project_of(settings, config),
    }


@contextmanager
def opened_memory(
    setup: Mapping[str, str] | None, journal: StoredJournal | None = None
) -> Generator[SeekingMemory | None]:
    """The memory of an episode, as its setup names it; what went wrong with it, and which source
    it misses, is said at the end.

    Raises:
        MemoryFileError: the file is no memory, is damaged, too new, or not accessible.
    """
    if setup is None:
        yield None
        return
    memory = _open(Path(setup["path"]), setup["project"], keeps=setup.get("web") != "off")
    try:
        try:
            if journal is not None:
                catch_up(memory, setup, journal)
        except (sqlite3.Error, JournalError) as error:
            memory.problems.append(f"what earlier episodes told could not be learned: {error}")
        yield memory
    finally:
        memory.close()
        for told in (*memory.problems, *memory.missed):
            complain(told)


def _open(path: Path, project: str, *, keeps: bool = True) -> SeekingMemory:
    from centerlm.memory import SeekingMemory

    return SeekingMemory(path, project=project, keeps=keeps)


def memory_of(journal: StoredJournal, episode: str) -> Path | None:
    """The file that an episode taught; None where it taught none.

    Raises:
        JournalError: the journal cannot be read.
    """
    started = next((e for e in journal.events(episode) if isinstance(e, EpisodeStarted)), None)
    if started is None:
        return None
    stored: Any = msgspec.json.decode(journal.blob(started.settings))
    setup: Any = stored.get("setup") or {}
    its: Any = setup.get("memory")
    return Path(its["path"]) if its else None


def forget_removed(taught: Mapping[str, Path | None], own: Path | None = None) -> bool:
    """Forget what removed episodes told, in the memories they taught and in one's own, where that
    learned from them too; whether that went well.
    """
    from centerlm.memory.forgetting import forget_episodes

    done = True
    for path in dict.fromkeys((*taught.values(), own)):
        if path is None or not path.exists():
            continue
        names = [name for name, at in taught.items() if at and path in (at, own)]
        try:
            memory = _open(path, "default")
            try:
                with _readable(memory):
                    forget_episodes(memory, names, everywhere=True)
            finally:
                memory.close()
        except MemoryFileError as error:
            complain(f"the episodes are removed, but what they taught is not forgotten: {error}")
            done = False
    return done


@contextmanager
def _readable(memory: SeekingMemory) -> Generator[None]:
    from centerlm.memory.store import unusable

    try:
        yield
    except sqlite3.Error as error:
        raise unusable(memory.path, error) from error


@contextmanager
def opened_at(
    path: Path | None, project: str | None, config: Path | None, *, make: bool = False
) -> Generator[SeekingMemory | None]:
    """The memory that the options name; None where there is none yet (unless `make`)."""
    config = config or _config.default_file()
    settings = _config.load_settings(config)
    at = _places.memory_path(settings, path)
    if not at.exists() and not make:
        if path is not None:
            raise InputError(f"there is no memory {path}; check the path")
        yield None
        return
    memory = _open(at, project or _places.project_of(settings, config))
    try:
        with _readable(memory):
            yield memory
    finally:
        memory.close()


def run_list(
    *, path: Path | None, project: str | None, config: Path | None, limit: int, as_json: bool
) -> int:
    from centerlm.memory.views import list_kinds

    with opened_at(path, project, config) as memory:
        kinds = list_kinds(memory, limit) if memory else []
        if as_json:
            print_json([asdict(kind) for kind in kinds])
        elif kinds:
            _print_kinds(kinds)
        else:
            click.echo(nothing_remembered(memory))
    return 0


def nothing_remembered(memory: SeekingMemory | None) -> str:
    from centerlm.memory.views import projects

    others = projects(memory.connection) if memory else []
    if not others:
        return 'nothing is remembered yet; make experience with: centerlm solve "QUESTION"'
    assert memory is not None
    named = ", ".join(one_line(name, 60) for name in others[:5])
    return (
        f"nothing is remembered for the project {memory.project}; there is experience of {named} "
        "(see it with --project NAME)"
    )


def _print_kinds(kinds: Sequence[KindSummary]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for heading in ("", "questions like", "source", "answered", "success", "last"):
        table.add_column(heading, justify="right" if heading in ("", "answered") else "left")
    for kind in kinds:
        when = time.strftime("%Y-%m-%d", time.localtime(kind.last))
        for number, source in enumerate(kind.sources):
            first = number == 0
            table.add_row(
                str(kind.id) if first else "",
                Text(one_line(kind.like, 50) if first else ""),
                Text(source.source),
                f"{source.found} of {source.asked}",
                f"{source.success:.0%} ({source.low:.0%}-{source.high:.0%})",
                when if first else "",
            )
    wide_console().print(table)


def run_show(
    kind: str, *, path: Path | None, project: str | None, config: Path | None, as_json: bool
) -> int:
    from centerlm.memory.views import show_kind

    with opened_at(path, project, config) as memory:
        if memory is None:
            raise InputError(nothing_remembered(memory))
        shown = show_kind(memory, kind)
    if as_json:
        print_json(asdict(shown))
        return 0
    _print_kinds([shown])
    for source in shown.sources:
        spent = f", cost {source.cost:.4g}" if source.cost else ""
        click.echo(f"\n{source.source}: {source.seconds:.1f} s{spent} a request")
        names = ", ".join(source.episodes[-8:])
        more = f" and {len(source.episodes) - 8} more" if len(source.episodes) > 8 else ""
        click.echo(f"  from {names}{more}")
    click.echo("")
    for one in shown.exemplars[:10]:
        mark = "+" if one.success >= 0.5 else "-"
        asked = f" (asked: {one_line(one.query, 80)})" if one.query else ""
        click.echo(f"{mark} {one.source}: {one_line(one.text, 100)}{asked}")
    return 0


def run_plans(
    *, path: Path | None, project: str | None, config: Path | None, limit: int, as_json: bool
) -> int:
    from centerlm.memory.guided import list_plans

    with opened_at(path, project, config) as memory:
        rows = list_plans(memory.connection, memory.project_id, limit) if memory else ()
    if as_json:
        names = ("objective", "plan", "episode", "at")
        print_json([dict(zip(names, row, strict=True)) for row in rows])
        return 0
    for objective, plan, episode, at in rows:
        when = time.strftime("%Y-%m-%d", time.localtime(at))
        click.echo(f"{one_line(objective, 200)}  ({episode}, {when})\n{plan}\n")
    if not rows:
        click.echo('no edited plans yet; edit one with: centerlm solve "QUESTION" --review')
    return 0


def run_export(
    out: Path,
    *,
    examples: bool,
    journal: Path | None,
    path: Path | None,
    project: str | None,
    config: Path | None,
    as_json: bool,
) -> int:
    from centerlm.memory.exchange import export_memory

    if journal is not None and not examples:
        raise InputError("--journal goes with --examples")
    with opened_at(path, project, config) as memory:
        if memory is None:
            raise InputError(nothing_remembered(memory))
        try:
            if examples:
                return _export_examples(memory, journal, config, out, as_json)
            count = export_memory(memory, out)
        except OSError as error:
            raise InputError(
                f"{out} cannot be written ({error.strerror}); choose another path"
            ) from None
    if as_json:
        print_json({"file": str(out), "outcomes": count})
    else:
        click.echo(f"{out}: {count:,} outcomes")
    return 0


def _export_examples(
    memory: SeekingMemory, journal: Path | None, config: Path | None, out: Path, as_json: bool
) -> int:
    """Exit code 1 where no episode was good."""
    from centerlm.learning.consolidating import consolidate
    from centerlm.learning.stored import write_examples

    at = _places.journal_at(_config.load_settings(config), journal)
    store = _places.existing_journal_at(at)
    if store is None:
        raise InputError(f"there is no journal {at}; examples are made of its episodes")
    try:
        done = consolidate(memory, store)
    finally:
        store.close()
    write_examples(out, done.examples)
    good = done.episodes - sum(done.left_out.values())
    if as_json:
        shown = {"examples": len(done.examples), "episodes": done.episodes, "good": good}
        print_json({"file": str(out), **shown, "left_out": dict(done.left_out)})
    else:
        click.echo(
            f"{out}: {len(done.examples):,} examples of {good} of {done.episodes} episodes; train "
            f"on them with: [data] remembered = [{str(out)!r}]"
        )
        for why, number in done.left_out.items():
            click.echo(f"  {number} left out: {why}")
    return 0 if done.examples else 1


def run_import(
    source: Path,
    *,
    path: Path | None,
    project: str | None,
    config: Path | None,
    any_project: bool,
    as_json: bool,
) -> int:
    """Exit code 1 where some outcomes were left out because they contradict."""
    from centerlm.memory.exchange import import_memory

    with opened_at(path, project, config, make=True) as memory:
        assert memory is not None
        done = import_memory(memory, source, any_project=any_project)
    if as_json:
        print_json({"file": str(source), **asdict(done)})
    else:
        gone = f", {done.forgotten} forgotten here" if done.forgotten else ""
        click.echo(f"{source}: {done.new} new, {done.there} there already{gone}")
    if done.contradicting:
        complain(
            f"{source}: {done.contradicting} outcome{'' if done.contradicting == 1 else 's'} left "
            f"out: {done.first}; the memory stays as it was"
        )
        return 1
    return 0


def run_forget(
    kinds: tuple[int, ...],
    *,
    source: str | None,
    episode: str | None,
    everything: bool,
    notes: tuple[int, ...],
    path: Path | None,
    project: str | None,
    config: Path | None,
    as_json: bool,
) -> int:
    from centerlm.memory.forgetting import Wanted

    given = [bool(kinds), source is not None, episode is not None, bool(notes), everything]
    if sum(given) != 1:
        raise InputError("say what to forget: kinds, --source, --episode, --note or --all")
    wanted = Wanted(kinds, source, episode, notes, everything)
    settings = _config.load_settings(config or _config.default_file())
    with opened_at(path, project, config) as memory:
        if memory is None:
            raise InputError(nothing_remembered(memory))
        with shared_journal(settings) as journal:
            if not forget_everywhere(memory, wanted, journal):
                raise InputError(
                    f"nothing is remembered of an episode {episode!r}; give its whole name, as "
                    "centerlm episodes lists it"
                )
        what = _named(wanted, memory.project)
    if as_json:
        print_json({"forgotten": what})
    else:
        click.echo(f"forgot {what}")
    return 0


def _named(wanted: Wanted, project: str) -> str:
    if wanted.source is not None:
        return f"the source {wanted.source}"
    if wanted.episode is not None:
        return f"the episode {wanted.episode}"
    if wanted.notes:
        return f"{len(wanted.notes)} note{'' if len(wanted.notes) == 1 else 's'}"
    if wanted.everything:
        return f"all of {project}"
    return f"{len(wanted.kinds)} kind{'' if len(wanted.kinds) == 1 else 's'}"
