"""`centerlm memory`: look at what solving has taught, carry it elsewhere, forget it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from centerlm.cli_options import FILE


def _scope(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say which memory."""
    options = [
        click.option(
            "--file", "path", type=FILE, metavar="FILE", help="Memory [default: data folder]."
        ),
        click.option("--project", metavar="NAME", help="Whose experience [default: this folder]."),
        click.option(
            "--config", type=FILE, metavar="FILE", help="Settings [default: ./centerlm.toml]."
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


_limit = click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    metavar="N",
    default=20,
    show_default=True,
    help="How many to list.",
)
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON value.")


@click.group(short_help="See, carry and forget what solving has taught.")
def memory() -> None:
    """See, carry and forget what solving has taught.

    After each solve the memory knows better which source answers what kind of question, at what
    cost, and which words found it; plans and the order of sources follow. It stays on this machine,
    apart for each project (by default: each folder). Turn it off for one solve with --no-memory,
    for good with enabled = false under [memory].

    \b
    Examples:
      centerlm memory list
      centerlm memory show "When was Ada Brandt born?"
    """


@memory.command("list", short_help="List the kinds of questions it knows.")
@_scope
@_limit
@_json
def memory_list(**given: Any) -> int:
    """List the kinds of questions it knows, and how sources did on them, the last asked first.

    \b
    Example:
      centerlm memory list --limit 5
    """
    from centerlm.remembering import run_list

    return run_list(**given)


@memory.command("show", short_help="Show a kind: sources, examples, episodes.")
@click.argument("kind")
@_scope
@_json
def memory_show(kind: str, **given: Any) -> int:
    """Show a KIND: how each source did, examples, words that worked, and from which episodes.

    KIND is a number from the list, or a question that is like it.

    \b
    Examples:
      centerlm memory show 3
      centerlm memory show "When was Ada Brandt born?"
    """
    from centerlm.remembering import run_show

    return run_show(kind, **given)


@memory.command("plans", short_help="List people's plans it recalls.")
@_scope
@_limit
@_json
def memory_plans(**given: Any) -> int:
    """List the plans that people made out of the center's, the newest first.

    They are shown to the center with objectives that ask alike. Edit plans with centerlm solve
    --review; forget one with the episode it was made in.

    \b
    Example:
      centerlm memory plans --limit 5
    """
    from centerlm.remembering import run_plans

    return run_plans(**given)


@memory.command("web", short_help="Browse the findings it keeps.")
@click.argument("about", default="", metavar="[ABOUT]")
@click.option(
    "--library",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Check against this library what still holds.",
)
@_limit
@_scope
@_json
def memory_web(about: str, **given: Any) -> int:
    """Browse the knowledge web: findings whose words were cited, each a note linked to others.

    ABOUT is the number of a note (shown with citations, episodes and links) or a text that names
    what notes are about. Solve with --web, or with web = "use" under [memory], to ask them.

    \b
    Examples:
      centerlm memory web "Ada Brandt"
      centerlm memory web 12 --library my-library
    """
    from centerlm.webbing import run_web

    return run_web(about, **given)


@memory.command("export", short_help="Write it to a file.")
@click.argument("out", type=FILE, metavar="FILE")
@click.option("--examples", is_flag=True, help="Good episodes as examples to learn from.")
@click.option("--journal", type=FILE, metavar="FILE", help="Their episodes [default: data folder].")
@_scope
@_json
def memory_export(out: Path, **given: Any) -> int:
    """Write all it knows of the project to FILE: JSON lines, to read, keep or import elsewhere.

    The file holds the texts of questions. With --examples it is what centerlm learn trains on when
    its recipe names it under [data] remembered.

    \b
    Examples:
      centerlm memory export experience.jsonl
      centerlm memory export good.jsonl --examples
    """
    from centerlm.remembering import run_export

    return run_export(out, **given)


@memory.command("import", short_help="Add what a file knows.")
@click.argument("source", type=FILE, metavar="FILE")
@_scope
@click.option("--any-project", is_flag=True, help="Also experience of another project.")
@_json
def memory_import(source: Path, **given: Any) -> int:
    """Add what an exported FILE knows; what is there already is not counted twice.

    Where FILE contradicts the memory, the memory stands, and the exit code is 1.

    \b
    Example:
      centerlm memory import experience.jsonl
    """
    from centerlm.remembering import run_import

    return run_import(source, **given)


@memory.command("forget", short_help="Forget kinds, a source, an episode, notes or all.")
@click.argument("kinds", nargs=-1, type=int, metavar="[KIND]")
@click.option("--source", metavar="NAME", help="All about this source.")
@click.option("--episode", metavar="ID", help="All that this episode taught.")
@click.option(
    "--note", "notes", type=int, multiple=True, metavar="N", help="A note (see: memory web)."
)
@click.option("--all", "everything", is_flag=True, help="All of the project.")
@_scope
@_json
def memory_forget(kinds: tuple[int, ...], **given: Any) -> int:
    """Forget kinds of questions (numbers from the list), a source, an episode, notes, or all.

    What is forgotten is not learned again from episodes that have ended. (Removing an episode with
    centerlm episodes rm forgets what it taught as well.)

    \b
    Examples:
      centerlm memory forget 3
      centerlm memory forget --source documents
    """
    from centerlm.remembering import run_forget

    return run_forget(kinds, **given)
