"""Options and types of options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
journal_option = click.option(
    "--journal", type=FILE, metavar="FILE", help="File of episodes [default: data folder]."
)
web_option = click.option(
    "--web", "use_web", is_flag=True, help="Also ask what was found before (centerlm memory web)."
)
no_memory_option = click.option(
    "--no-memory", is_flag=True, help="Recall nothing and remember nothing (see: centerlm memory)."
)


def common(command: Any) -> Any:
    """The options of every command that runs a center."""
    options = [
        click.option(
            "--library", type=FOLDER, metavar="DIR", help="Library to ask (see: centerlm ingest)."
        ),
        click.option(
            "--source",
            "sources",
            multiple=True,
            metavar="NAME",
            help="calculator, experiment, person, expert:FIELD, a plugin or module:object; "
            "may be repeated.",
        ),
        click.option(
            "--model",
            metavar="MODEL",
            help="The center's model: local, local:FILE.gguf, openai:NAME.",
        ),
        click.option(
            "--base-url", metavar="URL", help="OpenAI-compatible endpoint of openai:NAME."
        ),
        click.option(
            "--config", type=FILE, metavar="FILE", help="Settings [default: ./centerlm.toml]."
        ),
        click.option(
            "--budget",
            metavar="LIMITS",
            help="Any of calls=40,tokens=8000,seconds=60,money=.1,depth=8.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command
