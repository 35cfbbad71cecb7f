"""Training one arm of one seed by `learn`, at learning rates tried alike for all arms.

Rates and checkpoints are chosen by the loss on the check split of the training records. What is
done is not done again, and what was cut short goes on from its last checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from centerlm.comparison.settings import HOLISTIC, STAGES, Comparison
from centerlm.learning.job import Job, Learned, Listener
from centerlm.learning.recipe import MixSection, Recipe
from centerlm.learning.run_folder import RunFolder, read_json, write_json
from centerlm.learning.run_material import Lessons, place_lessons
from centerlm.learning.running import learn
from centerlm.learning.train_settings import in_16_bits
from centerlm.learning.training import data_hash
from centerlm.learning.watching import Stop

CHOSEN = "chosen.json"
ROWS = 1
CHECKPOINTS = 4
"""A run keeps its last two checkpoints, so many of which it would write."""


@dataclass(frozen=True, slots=True)
class Taught:
    """A trained arm: its adapters for llama.cpp by part, and what training it took."""

    gguf: Mapping[str, Path]
    record: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Lesson:
    """An arm of one seed to be trained in `folder`. `recipe` says how, beyond the comparison."""

    comparison: Comparison
    recipe: Recipe
    weights: str
    seed: int
    lessons: Lessons
    folder: Path


def taught(lesson: Lesson, rates: tuple[float, ...], told: Listener, stop: Stop) -> Taught:
    """The arm at the best of these learning rates.

    Raises:
        InputError: the folder was made of something else.
        StoppedError: `stop` said so; the same call goes on.
    """
    tried: list[dict[str, Any]] = []
    for rate in rates:
        run = lesson.folder / f"rate-{rate:g}"
        record = read_json(run / CHOSEN)
        if record is None:
            told.line(f"training: {lesson.weights}, seed {lesson.seed}, learning rate {rate:g}")
            record = _trained(lesson, rate, run, told, stop)
            write_json(run / CHOSEN, record)
        tried.append(record)
    best = min(tried, key=lambda record: record["loss"])
    run = lesson.folder / f"rate-{best['rate']:g}"
    gguf = {part: run / name for part, name in best["gguf"].items()}
    trials = {f"{record['rate']:g}": record["loss"] for record in tried}
    return Taught(gguf, best | {"trials": trials})


def recipe_of(lesson: Lesson, rate: float) -> Recipe:
    """The whole recipe of one training run."""
    comparison, recipe = lesson.comparison, lesson.recipe
    updates = comparison.tokens / (comparison.row_tokens * ROWS)
    train = msgspec.structs.replace(
        recipe.train,
        learning_rate=rate,
        rank=comparison.rank,
        alpha=2 * comparison.rank,
        max_tokens=comparison.tokens,
        row_tokens=comparison.row_tokens,
        rows=ROWS,
        warmup=0.05,
        seed=lesson.seed,
        save_every=max(1, round(updates / CHECKPOINTS)),
        dtype="auto",
        compile="auto",
        threads=comparison.threads,
    )
    # The arms' own examples are no act of the mix: beside these plans they take their own share.
    mix = recipe.mix if lesson.weights == HOLISTIC else MixSection(decompose=0.25, seek=0, absorb=0)
    return msgspec.structs.replace(recipe, base=comparison.base, train=train, mix=mix)


def unscored(lessons: Lessons) -> Lessons:
    """Lessons whose check split a run does not score: the loss on it is taken here instead."""
    return Lessons(lessons.examples, [], [])


def _trained(lesson: Lesson, rate: float, run: Path, told: Listener, stop: Stop) -> dict[str, Any]:
    recipe = recipe_of(lesson, rate)
    place_lessons(run, unscored(lesson.lessons))
    start = lesson.comparison.start
    job = Job(STAGES[lesson.weights], recipe, run, start=start, resume=True)
    learned = learn(job, listener=told, stop=stop)
    told.line("choosing a checkpoint")
    losses = _losses(lesson, recipe, learned)
    best = min(losses, key=lambda path: losses[path])
    gguf = {part: path.name for part, path in learned.gguf.items()}
    if best != learned.adapter:
        gguf = {"all": _exported(recipe, best, run / "chosen.gguf").name}
    record = read_json(RunFolder(run).record) or {}
    names = ("updates", "tokens", "plain_tokens", "trained_tokens", "data_hash")
    return {
        **{name: record[name] for name in names},
        "examples": len(lesson.lessons.examples),
        "rate": rate,
        "loss": losses[best],
        "checkpoint": "last" if best == learned.adapter else best.name,
        "checkpoints": {path.name: loss for path, loss in losses.items()},
        "held_hash": data_hash(lesson.lessons.held),
        "gguf": gguf,
    }


def _losses(lesson: Lesson, recipe: Recipe, learned: Learned) -> dict[Path, float]:
    """The loss on the check split of each checkpoint that is there, the last adapter's first."""
    from centerlm.learning.base import load_base
    from centerlm.learning.row_trainer import load
    from centerlm.learning.score import reply_losses
    from centerlm.models.transformers import PlainEncoder

    if recipe.train.split:
        return {learned.adapter: 0.0}  # two adapters, which no checkpoint holds together
    folders = [learned.adapter]
    if not recipe.rounds.count:
        kept = learned.folder.glob("rounds/0/all/checkpoints/checkpoint-*")
        steps = sorted(kept, key=lambda path: int(path.name.rpartition("-")[2]))
        folders += steps[:-1]  # the last is the adapter
    found: dict[Path, float] = {}
    for folder in folders:
        model, tokenizer = load_base(recipe.base)
        if in_16_bits(recipe.train.settings()):
            model = model.to(load("torch").bfloat16)
        model = load("peft").PeftModel.from_pretrained(model, str(folder))
        by_act = reply_losses(
            model, PlainEncoder(tokenizer), lesson.lessons.held, row_tokens=recipe.train.row_tokens
        )
        found[folder] = sum(by_act.values()) / max(len(by_act), 1)
    return found


def _exported(recipe: Recipe, peft: Path, out: Path) -> Path:
    from centerlm.learning.adapters import to_gguf
    from centerlm.learning.run_result import gguf_base

    base = gguf_base(recipe.base)
    assert base is not None  # the comparison refuses others
    return to_gguf(peft, out, base=base, notes="centerlm comparison: an earlier checkpoint")
