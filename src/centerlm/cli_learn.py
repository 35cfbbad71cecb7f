"""`centerlm learn`: a center is trained, on data sets and on generated worlds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from centerlm.cli_options import FILE, FOLDER, as_json_option


@click.command(short_help="Train a center: plan, seek, absorb.")
@click.argument(
    "stage",
    metavar="STAGE",
    type=click.Choice(["decompose", "seek", "absorb", "all", "fragmentation", "cot", "expert"]),
)
@click.option(
    "--out", type=FOLDER, metavar="DIR", required=True, help="Folder of the run and its adapter."
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="DIR",
    help="Folder of data sets; for expert: JSONL files.",
)
@click.option("--field", metavar="NAME", help="Field of an expert [default: the file's name].")
@click.option("--config", type=FILE, metavar="FILE", help="Recipe of the run (TOML).")
@click.option(
    "--preset",
    type=click.Choice(["quick", "default", "reader", "paper"]),
    metavar="NAME",
    help="default; quick: a few worlds; reader: single questions; paper: a comparison.",
)
@click.option("--base", metavar="NAME", help="Hub name, folder or GGUF to train on.")
@click.option(
    "--start",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Go on from this adapter or run.",
)
@click.option(
    "--replay", type=FOLDER, metavar="RUN", help="Train on what RUN stored, by its recipe."
)
@click.option("--match", type=FOLDER, metavar="RUN", help="Process as many tokens as RUN did.")
@click.option("--resume", is_flag=True, help="Go on with the run in --out.")
@click.option("--force", is_flag=True, help="Train even on dev or test records.")
@click.option("--ray", metavar="ADDRESS", help="Roll out on a Ray cluster (seek, all).")
@as_json_option
def learn(stage: str, **given: Any) -> int:
    """Train a center, on data sets and on generated worlds.

    STAGE is all (what you want), decompose, seek or absorb, an arm to compare with
    (fragmentation, cot), or expert: questions and answers of a field.

    \b
    Examples:
      centerlm learn all --preset quick --out my-center
      centerlm learn all --data DATA --config learn.toml --out my-center
      centerlm learn expert --field law --data law.jsonl --out law
      centerlm learn all --preset paper --out comparison
    """
    from centerlm.learn_command import run_learn

    return run_learn(stage, **given)
