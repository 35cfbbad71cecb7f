"""The two ends of a run of learning: the adapters it goes on from, and those it leaves."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from centerlm.learning.curves import gather_curves
from centerlm.learning.job import Learned, Listener
from centerlm.learning.recipe import Recipe
from centerlm.learning.rounds import Result
from centerlm.learning.run_folder import RunFolder, read_json, write_json
from centerlm.learning.stored import read_examples
from centerlm.learning.training import data_hash


def start(folder: RunFolder, recipe: Recipe, record: Mapping[str, Any]) -> dict[str, Path]:
    """The adapters to go on from: those of a run, a PEFT folder, or a GGUF file, turned to PEFT."""
    if not record["start"]:
        return {}
    given = Path(record["start"])
    if given.suffix == ".gguf":
        from centerlm.learning.adapters import to_peft
        from centerlm.models.lora import check_base

        place = folder.path / "start"
        if not place.exists():
            if base := gguf_base(recipe.base):
                check_base(given, base)
            to_peft(given, place)
        return {"all": place}
    from centerlm.learning.adapters import read_peft

    place = given / "adapter" if (given / "learn.json").is_file() else given
    read_peft(place)
    return {"all": place}


def gguf_base(source: str) -> Path | None:
    """The GGUF file that llama.cpp runs of a base; None for one that is only there for torch."""
    from centerlm.models.weights import find

    if source == "default":
        return find("default")
    path = Path(source).expanduser()
    return path if path.suffix == ".gguf" else None


def finish(
    folder: RunFolder,
    recipe: Recipe,
    record: dict[str, Any],
    done: Sequence[Result],
    listener: Listener,
) -> Learned:
    """Put the result in its place, for torch and for llama.cpp, and draw the curves."""
    last = done[-1]
    gguf: dict[str, Path] = {}
    for part, made in last.adapters.items():
        name = "adapter" if part in ("all", "plan") else f"adapter-{part}"
        target = folder.path / (name if recipe.train.rank else "model")
        if target.exists():
            shutil.rmtree(target)
        shutil.copytree(made, target, ignore=shutil.ignore_patterns("training_args.bin"))
        gguf |= exported(folder, recipe, target, part, name)
    totals = {
        name: sum(getattr(result, name) for result in done)
        for name in ("updates", "tokens", "plain_tokens", "trained_tokens")
    }
    rounds = [_round(result) for result in done]
    examples = read_examples(folder.examples)
    write_json(
        folder.record,
        record | totals | {"rounds": rounds, "data_hash": data_hash(examples), "finished": True},
    )
    for problem in gather_curves(folder):
        listener.line(problem)
    table = read_json(folder.statistics) or {}
    skipped = {kind: len(items) for kind, items in table.get("skipped", {}).items()}
    adapter = folder.adapter if recipe.train.rank else folder.path / "model"
    return Learned(
        folder.path,
        adapter,
        gguf,
        tuple(done),
        table.get("examples", {}),
        record["base"],
        recipe,
        skipped,
    )


def _round(result: Result) -> dict[str, Any]:
    """A round as the run's record has it."""
    told: dict[str, Any] = {
        "scores": dict(result.scores),
        "kept": result.kept,
        "lost": list(result.lost),
    }
    if (made := result.preferred) is not None:
        told["preferences"] = {"pairs": made.pairs, "kept": made.kept, "lost": list(made.lost)}
    return told


def exported(
    folder: RunFolder, recipe: Recipe, peft: Path, part: str, name: str
) -> dict[str, Path]:
    from centerlm.learning.adapters import to_gguf

    base = gguf_base(recipe.base)
    if base is None or not recipe.train.rank:
        return {}
    notes = f"centerlm learn; part {part}; worlds of at most {recipe.worlds.max_hops} hops"
    if recipe.data.sets:
        notes += f"; {', '.join(recipe.data.sets)}"
    return {part: to_gguf(peft, folder.path / f"{name}.gguf", base=base, notes=notes)}
