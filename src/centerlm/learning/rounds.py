"""The rounds of a run: the first is supervised, each later one adds experience and replays.

A round trains one LoRA on all acts, or two of half the rank (`[train] split`): one for planning
(decompose and seek) and one for absorbing. After a round held-out examples are scored; a round
after which an act lost more than the recipe's tolerance is not kept, and the run says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from centerlm.learning.encoding import encode_all
from centerlm.learning.example import TrainingExample
from centerlm.learning.recipe import Recipe
from centerlm.learning.replaying import bounded, replayed
from centerlm.learning.run_folder import read_json, write_json
from centerlm.learning.score import exact_replies, lost
from centerlm.learning.train_settings import MIX, TrainSettings
from centerlm.learning.training import train
from centerlm.learning.watching import OnProgress, Stop

PARTS: Mapping[str, tuple[str, ...]] = {"plan": ("decompose", "seek"), "absorb": ("absorb",)}
"""The two adapters of a split run, and the acts each of them learns."""

WHOLE = "all"
SCORES = "scores.json"
"""Written last: says that a round is done."""

COUNTS = ("updates", "examples", "tokens", "plain_tokens", "trained_tokens")


@dataclass(frozen=True, slots=True)
class Preferred:
    """What training on preferences made of a round: see `preferring`."""

    pairs: int
    kept: bool
    lost: tuple[str, ...]
    scores: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Result:
    """A round that is done. `adapters` are PEFT folders (or models) by part: `all`, or `plan` and
    `absorb`. `tokens` were computed, `plain_tokens` is what the same examples have one by one.
    """

    adapters: Mapping[str, Path]
    scores: Mapping[str, float]
    kept: bool
    lost: tuple[str, ...]
    updates: int
    examples: int
    tokens: int
    plain_tokens: int
    trained_tokens: int
    preferred: Preferred | None = None


@dataclass(frozen=True, slots=True)
class Teacher:
    """What all rounds of a run share: the base (loaded anew for each), its name, and who listens.

    `load` gives (model, encoder). `say` is told what is being done.
    """

    load: Callable[[], tuple[Any, Any]]
    base: str
    recipe: Recipe
    on_progress: OnProgress
    stop: Stop
    say: Callable[[str], None]


def first_round(
    teacher: Teacher,
    folder: Path,
    examples: Sequence[TrainingExample],
    held: Sequence[TrainingExample],
    start: Mapping[str, Path],
) -> Result:
    """Train on examples, from new adapters or from `start`. A round that is done is read back."""
    settings = teacher.recipe.train.settings()
    return _done(folder) or _round(teacher, folder, examples, held, settings, start, before=None)


def next_round(
    teacher: Teacher,
    folder: Path,
    number: int,
    fresh: Sequence[TrainingExample],
    first: Sequence[TrainingExample],
    held: Sequence[TrainingExample],
    before: Result,
) -> Result:
    """Go on from `before` with fresh examples and a replay of the first data: one pass over them,
    or over so much of them as `[rounds] max_tokens` allows.

    If it is not kept, its adapters are those of `before`.
    """
    done = _done(folder)
    if done is None:
        settings = msgspec.structs.replace(
            teacher.recipe.train.settings(),
            learning_rate=teacher.recipe.rounds.learning_rate,
            epochs=1,
            max_updates=None,
            max_tokens=None,
        )
        mixed = _mixed(teacher, fresh, first, settings.seed + number)
        done = _round(teacher, folder, mixed, held, settings, before.adapters, before=before)
    return done if done.kept else replace(done, adapters=before.adapters, scores=before.scores)


def _mixed(
    teacher: Teacher,
    fresh: Sequence[TrainingExample],
    first: Sequence[TrainingExample],
    seed: int,
) -> list[TrainingExample]:
    """What a round trains on."""
    recipe = teacher.recipe
    if recipe.rounds.max_tokens is None:
        return [*fresh, *replayed(first, recipe.rounds.replay, seed)]
    teacher.say("choosing what to replay")
    return bounded(
        fresh,
        first,
        teacher.load()[1],
        max_tokens=recipe.rounds.max_tokens,
        share=recipe.rounds.replay,
        row_tokens=recipe.train.row_tokens,
        mix=recipe.shares(),
        seed=seed,
    )


def _round(
    teacher: Teacher,
    folder: Path,
    examples: Sequence[TrainingExample],
    held: Sequence[TrainingExample],
    settings: TrainSettings,
    start: Mapping[str, Path],
    before: Result | None,
) -> Result:
    whole = not teacher.recipe.train.split
    parts = {WHOLE: tuple(MIX)} if whole else PARTS
    shares = teacher.recipe.shares()
    totals = dict.fromkeys(COUNTS, 0)
    adapters: dict[str, Path] = {}
    scores: dict[str, float] = {}
    for part, acts in parts.items():
        mine = [e for e in examples if whole or e.act in acts]
        if not mine:
            continue
        teacher.say(f"training the {part} adapter" if not whole else "training")
        model, encoder = teacher.load()
        each = settings if whole else _share(settings, mine, examples, encoder)
        trained = train(
            mine,
            model,
            encoder,
            folder / part,
            each,
            base=teacher.base,
            start=start.get(part),
            resume=(folder / part / "run.json").exists(),
            mix=shares,
            on_progress=teacher.on_progress,
            stop=teacher.stop,
        )
        adapters[part] = trained.folder
        for name in totals:
            totals[name] += getattr(trained, name)
        teacher.say("scoring held-out replies")
        seen = [e for e in held if whole or e.act in acts]
        scores |= exact_replies(trained.model, encoder, seen, row_tokens=settings.row_tokens)
    worse = lost(before.scores, scores, teacher.recipe.rounds.tolerance) if before else []
    done = {"scores": scores, "lost": worse, "parts": sorted(adapters), **totals}
    write_json(folder / SCORES, done)
    return _result(folder, done)


def _share(
    settings: TrainSettings,
    mine: Sequence[TrainingExample],
    examples: Sequence[TrainingExample],
    encoder: Any,
) -> TrainSettings:
    """Limits of one of two adapters: its part of the tokens, so that both together cost as one."""

    def tokens(of: Sequence[TrainingExample]) -> int:
        return sum(len(t.ids) for t in encode_all(of, encoder, max_tokens=settings.row_tokens))

    limits = {
        name: limit
        for name in ("max_updates", "max_tokens")
        if (limit := getattr(settings, name)) is not None
    }
    if not limits:
        return settings
    part = tokens(mine) / max(tokens(examples), 1)
    return msgspec.structs.replace(
        settings, **{name: max(1, round(limit * part)) for name, limit in limits.items()}
    )


def _done(folder: Path) -> Result | None:
    """A round that is done, as its folder says."""
    done = read_json(folder / SCORES)
    return None if done is None else _result(folder, done)


def _result(folder: Path, done: Mapping[str, Any]) -> Result:
    places = {
        part: next(p for p in (folder / part / "adapter", folder / part / "model") if p.exists())
        for part in done["parts"]
    }
    counts: dict[str, Any] = {name: int(done[name]) for name in COUNTS}
    return Result(places, done["scores"], not done["lost"], tuple(done["lost"]), **counts)
