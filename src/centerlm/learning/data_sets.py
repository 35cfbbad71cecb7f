"""Where a data folder has the files of each data set, and which of them are missing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from centerlm.errors import InputError

FILES: Mapping[str, tuple[str, ...]] = {
    "strategyqa": ("strategyqa/train.jsonl",),
    "musique": ("musique/train.jsonl",),
    "2wiki": ("2wikimultihopqa/train.jsonl",),
    "hotpotqa": ("hotpotqa/train.jsonl",),
    "gsm8k": ("gsm8k/train.jsonl",),
    "qdmr": ("break_qdmr/QDMR_dev.csv", "break_qdmr/QDMR-high-level_dev.csv"),
    "xquad": ("reading/xquad_en.json",),
    "qed": ("reading/qed_dev.jsonl",),
    "game24": ("game24",),
    "planbench": ("planbench",),
    "gym": (),
}
"""What is read for training, below the data folder."""


def missing(data: Path, sets: Sequence[str]) -> dict[str, str]:
    """A file that is not there, for each of the sets that lack one."""
    return {name: file for name in sets for file in FILES[name] if not (data / file).exists()}


def check_sets(data: Path, sets: Sequence[str]) -> None:
    """Refuse a data folder that lacks a set of the recipe.

    Raises:
        InputError: it does; the sentence says how to leave it out.
    """
    if lacking := missing(data, sets):
        there = json.dumps([name for name in sets if name not in lacking])
        raise InputError(
            f"{data} has no {', no '.join(lacking.values())}; put that there, or leave it out: "
            f"write [data] sets = {there} into a recipe, and name the recipe with --config"
        )
