"""The folder of a run of learning: what stands where, and what makes it the same run.

    recipe.toml            the recipe, every setting written out
    learn.json             stage, base, data folder, scores and tokens of each round
    examples.jsonl         what is trained on; held.jsonl what rounds are scored on
    preferences.jsonl      pairs of plans of which one is better: edits of people
    statistics.json        how many examples came from where, and what was left out and why
    rounds/0, 1, ...       a training run each (see `training`), the examples and preferences a
                           round added, and in dpo/ the training on preferences
    adapter/ adapter.gguf  the result, in PEFT form and for llama.cpp
    curves.jsonl curves.svg curves.png tensorboard/

A round is done when its `scores.json` is there; everything before that can be done again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from centerlm.errors import InputError
from centerlm.learning.folders import cannot_write
from centerlm.learning.recipe import Recipe, load_recipe, recipe_toml
from centerlm.models.weights import write_atomically

EXAMPLES, PREFERENCES = "examples.jsonl", "preferences.jsonl"
"""What a run, and each of its rounds, learns from."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A run's folder. Reading a JSON file that is missing or cut short gives None."""

    path: Path

    @property
    def record(self) -> Path:
        return self.path / "learn.json"

    @property
    def recipe(self) -> Path:
        return self.path / "recipe.toml"

    @property
    def begun(self) -> bool:
        """Whether there is a run to go on with; one that was killed as it began has no record."""
        return self.record.is_file() or self.recipe.is_file()

    @property
    def examples(self) -> Path:
        return self.path / EXAMPLES

    @property
    def held(self) -> Path:
        return self.path / "held.jsonl"

    @property
    def statistics(self) -> Path:
        return self.path / "statistics.json"

    @property
    def adapter(self) -> Path:
        return self.path / "adapter"

    @property
    def curves(self) -> Path:
        return self.path / "curves.jsonl"

    def round(self, number: int) -> Path:
        return self.path / "rounds" / str(number)

    def rounds(self) -> list[Path]:
        """The folders of the rounds that were begun, in order."""
        found = [path for path in self.path.glob("rounds/*") if path.name.isdigit()]
        return sorted(found, key=lambda path: int(path.name))


def claim(
    path: Path, stage: str, recipe: Recipe, *, resume: bool, given: bool = True, **more: Any
) -> tuple[RunFolder, Recipe, dict[str, Any]]:
    """The folder of a run: a new one, or with `resume` the one that is there.

    `given` says whether the recipe was given, not taken by default: then it has to be the one the
    run was begun with. `more` goes into the record of a new run.

    Raises:
        InputError: the folder holds another run, or is not asked to be resumed; it cannot be made.
    """
    folder = RunFolder(path)
    record = read_json(folder.record)
    if record is None:
        if path.is_dir() and any(path.iterdir()) and not resume:
            raise InputError(f"{path} is not empty; name a new folder for the run")
        record = {"stage": stage, **more}
        try:
            path.mkdir(parents=True, exist_ok=True)
            write_atomically(folder.recipe, recipe_toml(recipe).encode())
            write_json(folder.record, record)
        except OSError as error:
            raise InputError(cannot_write(path, error)) from None
        return folder, recipe, record
    if not resume:
        raise InputError(f"{path} already holds a run; go on with --resume, or name another folder")
    if record.get("stage") != stage:
        raise InputError(
            f"{path} holds a run of learn {record.get('stage')}, not of {stage}; resume that one, "
            "or name another folder"
        )
    begun = load_recipe(folder.recipe, Recipe())
    if given and begun != recipe:
        raise InputError(
            f"{path} was begun with another recipe; resume it without --config and --preset, or "
            "name another folder"
        )
    return folder, begun, record


def read_json(path: Path) -> dict[str, Any] | None:
    """The object a JSON file holds; None where it is missing or was cut short."""
    try:
        data: Any = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return cast("dict[str, Any]", data) if isinstance(data, dict) else None


def write_json(path: Path, data: Any) -> None:
    """Write a JSON file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, (json.dumps(data, indent=1, sort_keys=True) + "\n").encode())
