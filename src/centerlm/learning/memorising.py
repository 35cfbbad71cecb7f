"""Training until answers are known by heart: all of them, then again with more of the missed ones.

For experts whose knowledge is in their weights. An answer counts as known where greedy decoding
gives it word for word.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from centerlm.learning.encoding import encode
from centerlm.learning.example import TrainingExample
from centerlm.learning.run_folder import read_json, write_json
from centerlm.learning.score import right_replies
from centerlm.learning.train_settings import TrainSettings
from centerlm.learning.training import train
from centerlm.learning.watching import OnProgress, ignore

RECALL = "recall.json"
"""Of a round, written last: what it knows, and so that it is done."""


@dataclass(frozen=True, slots=True)
class Memorised:
    """The adapter of the best round, and the share of answers known after each one. `tokens` were
    computed.
    """

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
) -> Memorised:
    """Train on all examples, then up to `reviews` times again, the ones not known twice as often,
    until at least `goal` (in 0..1) of the replies are known; the best round counts.

    Every round has a folder in `out`; what is done is not done again, a round that was cut short
    goes on from its last checkpoint. `load_base` gives (model, encoder), fresh each time. A review
    goes on from the best round so far, twice over its examples, at half the learning rate. It has
    the known ones too: what a review leaves out is forgotten by it.

    Raises:
        InputError: `out` holds rounds of other examples or settings.
        StoppedError: memory or disk ran out; the same call goes on.
    """
    tokens = updates = 0
    shares: list[float] = []
    best: Path | None = None
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
                start=best,
                resume=(folder / "run.json").is_file(),
                on_progress=on_progress,
            )
            encoded = [encode(example, encoder) for example in examples]
            found = right_replies(trained.model, encoded, row_tokens=settings.row_tokens)
            done = dict[str, Any](known=found, tokens=trained.tokens, updates=trained.updates)
            write_json(folder / RECALL, done)
        known: list[bool] = done["known"]
        shares.append(sum(known) / len(known))
        tokens, updates = tokens + done["tokens"], updates + done["updates"]
        if shares[-1] >= max(shares):
            best = folder / "adapter"
            missed = [e for e, ok in zip(examples, known, strict=True) if not ok]
            chosen = [*examples, *missed]
        if shares[-1] >= goal:
            break
        now = msgspec.structs.replace(
            settings,
            learning_rate=settings.learning_rate / 2,
            epochs=2,
            max_tokens=None,
            seed=settings.seed + number + 1,
        )
    assert best is not None, "there is at least one round"
    return Memorised(best, tuple(shares), tokens, updates)
