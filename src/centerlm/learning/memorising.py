"""Training until answers are known by heart: all of them first, then only what is not known yet.

For experts whose knowledge is in their weights. An answer counts as known where greedy decoding
gives it word for word.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from centerlm.learning.encoding import encode
from centerlm.learning.example import TrainingExample
from centerlm.learning.run_folder import read_json, write_json
from centerlm.learning.score import right_replies
from centerlm.learning.train_settings import TrainSettings
from centerlm.learning.training import train
from centerlm.learning.watching import OnProgress, Stop, ignore, never

RECALL = "recall.json"
"""Of a round, written last: what it knows, and so that it is done."""


@dataclass(frozen=True, slots=True)
class Memorised:
    """The adapter, and the share of answers known after each round. `tokens` were computed."""

    adapter: Path
    known: tuple[float, ...]
    tokens: int
    updates: int


def memorise(
    examples: Sequence[TrainingExample],
    load_base: Callable[[], tuple[Any, Any]],
    out: Path,
    settings: TrainSettings,
    *,
    base: str,
    goal: float,
    reviews: int,
    on_progress: OnProgress = ignore,
    stop: Stop = never,
) -> Memorised:
    """Train on all examples, then up to `reviews` times on those not known and as many known ones,
    until at least `goal` (in 0..1) of the replies are known.

    Every round has a folder in `out`; what is done is not done again, a round that was cut short
    goes on from its last checkpoint. `load_base` gives (model, encoder), fresh each time. A review
    goes twice over its examples, at half the learning rate.

    Raises:
        InputError: `out` holds rounds of other examples or settings.
        StoppedError: `stop` said so, memory or disk ran out; the same call goes on.
    """
    tokens = updates = 0
    shares: list[float] = []
    start: Path | None = None
    chosen, now = list(examples), settings
    for number in range(reviews + 1):
        folder = out / f"round-{number}"
        done = read_json(folder / RECALL)
        if done is None:
            model, encoder = load_base()
            trained = train(
                chosen,
                model,
                encoder,
                folder,
                now,
                base=base,
                start=start,
                resume=(folder / "run.json").is_file(),
                on_progress=on_progress,
                stop=stop,
            )
            encoded = [encode(example, encoder) for example in examples]
            found = right_replies(trained.model, encoded, row_tokens=settings.row_tokens)
            done = dict[str, Any](known=found, tokens=trained.tokens, updates=trained.updates)
            write_json(folder / RECALL, done)
        known: list[bool] = done["known"]
        shares.append(sum(known) / len(known))
        tokens, updates = tokens + done["tokens"], updates + done["updates"]
        start = folder / "adapter"
        if shares[-1] >= goal:
            break
        chosen = _review(examples, known, Random(f"{settings.seed} {number}"))
        now = msgspec.structs.replace(
            settings, learning_rate=settings.learning_rate / 2, epochs=2, max_tokens=None
        )
    assert start is not None, "there is at least one round"
    return Memorised(start, tuple(shares), tokens, updates)


def _review(
    examples: Sequence[TrainingExample], known: Sequence[bool], rng: Random
) -> list[TrainingExample]:
    missed = [e for e, ok in zip(examples, known, strict=True) if not ok]
    sure = [e for e, ok in zip(examples, known, strict=True) if ok]
    return [*missed, *rng.sample(sure, min(len(sure), len(missed)))]
