"""`centerlm evaluate`: systems are measured on a scenario."""

from __future__ import annotations

from typing import Any

import click

from centerlm.cli_options import FILE, FOLDER, as_json_option


@click.command(short_help="Measure systems on a scenario.")
@click.argument("scenario")
@click.option(
    "--data",
    metavar="DIR",
    help="Folder of sets, a JSONL file, or hub:NAME; none for worlds and clips.",
)
@click.option(
    "--system",
    "systems",
    metavar="NAMES",
    default="holistic",
    show_default=True,
    help="Systems, with commas between them.",
)
@click.option("--set", "sets", metavar="NAMES", help="Only these sets, with commas between them.")
@click.option("--limit", type=int, metavar="N", help="At most N items of each set.")
@click.option(
    "--out", type=FOLDER, metavar="DIR", required=True, help="Folder of journal and report."
)
@click.option(
    "--candidates",
    type=click.IntRange(1, 1000),
    metavar="N",
    default=5,
    show_default=True,
    help="Proposals an item may be tried with, where they are checked.",
)
@click.option("--model", metavar="MODEL", help="As of solve.")
@click.option("--base-url", metavar="URL", help="As of solve.")
@click.option("--config", type=FILE, metavar="FILE", help="As of solve.")
@click.option("--budget", metavar="LIMITS", help="Of each episode; as of solve.")
@click.option("--seed", type=int, metavar="N", help="Seed of sampling.")
@click.option("--no-vectors", is_flag=True, help="Search by words only.")
@click.option(
    "--replay", type=FOLDER, metavar="DIR", help="Take the model's answers from this evaluation."
)
@click.option(
    "--trained",
    metavar="NAMES",
    help="Sets the center was trained on [default: all with a training file].",
)
@click.option("--inspect", is_flag=True, help="Also write logs for Inspect AI's viewer.")
@click.option("--ray", metavar="ADDRESS", help="Solve on a Ray cluster: HOST:PORT, auto, local.")
@as_json_option
def evaluate(scenario: str, **given: Any) -> int:
    """Measure systems on SCENARIO (ood_qa, strategy, video or book), and write a report.

    The same command goes on where it stopped; what is finished is never run again.

    \b
    Example:
      centerlm evaluate ood_qa --data DATA --system holistic,retrieve --out run
    """
    from centerlm.evaluate_command import run_evaluate

    return run_evaluate(scenario, **given)
