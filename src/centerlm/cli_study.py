"""`centerlm study`: a whole subject is learned, without a question."""

from __future__ import annotations

from typing import Any

import click

from centerlm.cli_options import FILE, FOLDER, as_json_option, journal_option


@click.command(short_help="Learn about a whole subject.")
@click.argument("subject")
@click.option("--library", type=FOLDER, metavar="DIR", help="Library to read on a topic.")
@click.option("--model", metavar="MODEL", help="As of solve.")
@click.option("--base-url", metavar="URL", help="As of solve.")
@click.option("--config", type=FILE, metavar="FILE", help="As of solve.")
@click.option("--budget", metavar="LIMITS", help="Of the whole study [default: calls=100].")
@journal_option
@as_json_option
def study(subject: str, **given: Any) -> int:
    """Learn about SUBJECT: the folder of a library, or a topic that --library has.

    The center reads on what it names, asks questions of its own, seeks them, and keeps what it
    found (see: centerlm memory web), then follows that. The same command goes on where it stopped.

    \b
    Examples:
      centerlm study my-library --budget calls=200
      centerlm study "Ada Brandt" --library my-library
    """
    from centerlm.study_command import run_study

    return run_study(subject, **given)
