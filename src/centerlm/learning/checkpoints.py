"""The state of a run of training: what it was begun with, and its newest whole checkpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from centerlm.errors import InputError
from centerlm.learning.row_trainer import load
from centerlm.learning.run_folder import write_json

RECORD = "run.json"
_VERSIONS = ("torch", "transformers", "peft", "accelerate", "trl", "centerlm")


def last_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint: one that a kill cut short is passed over."""
    found = sorted(
        (int(path.name.split("-")[1]), path)
        for path in folder.glob("checkpoint-*")
        if path.name.split("-")[1].isdigit()
    )
    return next((path for _, path in reversed(found) if _whole(path)), None)


def _whole(checkpoint: Path) -> bool:
    """Whether a checkpoint can be read: its state (written last), weights and optimizer."""
    try:
        json.loads((checkpoint / "trainer_state.json").read_bytes())
        weights = [*checkpoint.glob("*.safetensors")]
        for path in weights:
            with load("safetensors").safe_open(str(path), "pt") as tensors:
                tensors.keys()
        load("torch").load(checkpoint / "optimizer.pt", map_location="cpu", weights_only=True)
    except (OSError, ValueError, RuntimeError, EOFError, load("safetensors").SafetensorError):
        return False
    return bool(weights)


def claim_training(out: Path, record: Mapping[str, Any], resume: bool) -> dict[str, Any]:
    """Write what a run of training is begun with, or check that the run in `out` is this one.

    The record with the versions of the libraries.

    Raises:
        InputError: `out` holds another run, or one that was not asked to be resumed.
    """
    whole = {**record, "versions": {name: _version(name) for name in _VERSIONS}}
    path = out / RECORD
    if not path.exists():
        write_json(path, whole)
        return whole
    if not resume:
        raise InputError(f"{out} already holds a run; continue it with --resume, or name another")
    before = json.loads(path.read_bytes())
    for key, value in record.items():
        if before.get(key) != value:
            raise InputError(
                f"{out} was begun with other {key}; resume it with the same, or name another folder"
            )
    return whole


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
