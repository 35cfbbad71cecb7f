"""One process of a policy-gradient run: under torchrun, alone, or as many by Ray Train.

    torchrun --nproc_per_node 2 -m centerlm.learning.policy_worker ROWS --out DIR [--base default]
    python -m centerlm.learning.policy_worker ROWS --out DIR --ray 2

ROWS is a file of rows (`learning.row_files`). The result is a PEFT adapter in DIR. Rows may come
from any sampler that gives token ids; see docs/reference/rows.md.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from centerlm.cluster import LOCAL, connect
from centerlm.errors import CenterError, InputError, MissingExtraError
from centerlm.learning.policy_training import train_policy
from centerlm.learning.policy_updates import PolicySettings
from centerlm.learning.row_files import read_rows

TOLD = {"log_to_driver": True, "logging_level": "WARNING"}
"""What workers say while they train is shown."""


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m centerlm.learning.policy_worker",
        description="Train a policy on rows, with as many processes as torchrun or Ray starts.",
    )
    parser.add_argument("rows", type=Path, help="JSONL file of rows")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--base", default="default", help="default, a hub name or a folder")
    parser.add_argument("--start", type=Path, help="PEFT adapter to go on from")
    parser.add_argument("--settings", type=Path, help="JSON of PolicySettings")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument("--ray", type=int, metavar="N", help="start N workers with Ray Train")
    parser.add_argument("--gpu", action="store_true", help="one GPU a Ray worker")
    given = parser.parse_args(argv)
    job = {
        "rows": str(given.rows.resolve()),
        "out": str(given.out.resolve()),
        "base": given.base,
        "start": str(given.start.resolve()) if given.start else None,
        "settings": str(given.settings.resolve()) if given.settings else None,
        "resume": given.resume,
    }
    try:
        if given.ray:
            with_ray(job, given.ray, gpu=given.gpu)
        else:
            work(job)
    except CenterError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


def work(job: dict[str, Any], *, prepare: Any = None) -> None:
    """Train in this process; others of the same run, if any, do the same.

    Raises:
        InputError: rows or settings cannot be read, and as `train_policy`.
    """
    from centerlm.learning.base import base_name, load_base

    read = read_rows(Path(job["rows"]))
    if read.problem:
        sys.stderr.write(f"{read.problem}\n")
    model, _ = load_base(job["base"])
    train_policy(
        read.items,
        model,
        Path(job["out"]),
        _settings(job["settings"]),
        base=base_name(job["base"]),
        start=Path(job["start"]) if job["start"] else None,
        resume=job["resume"],
        prepare=prepare,
    )


def with_ray(job: dict[str, Any], workers: int, *, gpu: bool = False) -> None:
    """Train with `workers` processes that Ray Train starts: on the cluster that the variable
    RAY_ADDRESS names, else on this machine.

    `out` must be on a file system that all of them see.

    Raises:
        MissingExtraError: the extra `ray` is not installed.
        InputError: the cluster has no room for them; a worker failed, the sentence is its own.
    """
    try:
        ray: Any = importlib.import_module("ray")
        torch_side: Any = importlib.import_module("ray.train.torch")
        train: Any = importlib.import_module("ray.train")
    except ModuleNotFoundError:
        raise MissingExtraError("ray", "ray") from None
    _make_room(ray, workers, "GPU" if gpu else "CPU")
    trainer = torch_side.TorchTrainer(
        _ray_worker,
        train_loop_config=job,
        scaling_config=train.ScalingConfig(num_workers=workers, use_gpu=gpu),
        run_config=train.RunConfig(storage_path=f"{job['out']}/ray"),
    )
    try:
        trainer.fit()
    except Exception as error:
        raise InputError(f"a Ray worker failed: {str(error).strip().splitlines()[-1]}") from error


def _make_room(ray: Any, workers: int, what: str) -> None:
    """Begin Ray, and refuse more workers than it has room for: Ray Train would wait for ever."""
    if not ray.is_initialized():
        if address := os.environ.get("RAY_ADDRESS"):
            connect(ray, address, **TOLD)
        else:  # workers share the cores where there are fewer
            connect(ray, LOCAL, num_cpus=max(workers, os.cpu_count() or 1), **TOLD)
    have = ray.cluster_resources().get(what, 0)
    if have < workers:
        raise InputError(
            f"--ray {workers}: {workers} workers need as many {what}s and Ray has {have:g}; start "
            "fewer, or add nodes first"
        )


def _ray_worker(job: dict[str, Any]) -> None:
    huggingface: Any = importlib.import_module("ray.train.huggingface.transformers")
    work(job, prepare=huggingface.prepare_trainer)


def _settings(path: str | None) -> PolicySettings:
    if path is None:
        return PolicySettings()
    try:
        return msgspec.json.decode(Path(path).read_bytes(), type=PolicySettings)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check the path") from None
    except msgspec.DecodeError as error:
        raise InputError(f"{path} holds no settings of a policy: {error}") from None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
