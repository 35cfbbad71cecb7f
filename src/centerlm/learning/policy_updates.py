"""What a policy is trained on, update by update: settings, weights and order of rows. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Literal

import msgspec

from centerlm.errors import InputError
from centerlm.learning.ratio import CAP, CLIP
from centerlm.learning.rows import Row, row_weights


class PolicySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a policy is trained on a batch of rows.

    The batch is gone over `epochs` times, `rows` rows an update (all processes together), `at_once`
    of them in one pass of a process. `clip` are the distances below and above 1 at which a ratio is
    cut; importance weights are at most `cap` (1 or more). Rows longer than `row_tokens` are left
    out. `learning_rate` is constant after `warmup` (a share of the updates); `save_every` is in
    updates. The other settings are those of `TrainSettings`.
    """

    learning_rate: float = 1e-4
    rank: int = 16
    alpha: int = 32
    epochs: int = 2
    rows: int = 16
    at_once: int = 1
    row_tokens: int = 4096
    clip: tuple[float, float] = CLIP
    cap: float = CAP
    warmup: float = 0.0
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    seed: int = 0
    save_every: int = 20
    device: Literal["auto", "cpu"] = "auto"
    dtype: Literal["auto", "float32", "bfloat16"] = "float32"
    threads: int = 0


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """A row as an update takes it: each trained token counts `weight`; `scale` makes the update's
    loss the weighted mean over its tokens; `number` is its place in the batch.
    """

    row: Row
    number: int
    weight: float
    scale: float


def policy_updates(
    rows: Sequence[Row], settings: PolicySettings
) -> tuple[list[list[PolicyRow]], int, int]:
    """All updates of a run, and how many rows have no signal (advantage 0) and are too long.

    Weights are those of `row_weights` over the whole batch, so every episode counts alike however
    many of its rows are left out. The order of rows is shuffled anew each epoch. The last update of
    an epoch is filled up with rows of weight 0, so that every process has as many.

    Raises:
        InputError: a row has no advantage.
    """
    if missing := sum(row.advantage is None for row in rows):
        raise InputError(
            f"{missing} of {len(rows)} rows have no advantage; make rows with advantages=..."
        )
    weights = row_weights(rows)
    heard = [i for i, row in enumerate(rows) if row.advantage]
    usable = [i for i in heard if len(rows[i].input_ids) <= settings.row_tokens]
    updates: list[list[PolicyRow]] = []
    for epoch in range(settings.epochs):
        order = list(usable)
        Random(f"{settings.seed} {epoch}").shuffle(order)
        for at in range(0, len(order), settings.rows):
            chosen = order[at : at + settings.rows]
            total = sum(weights[i] * rows[i].trained for i in chosen)
            scale = settings.rows / total
            update = [PolicyRow(rows[i], i, weights[i], scale) for i in chosen]
            filler = replace(update[0], weight=0.0)
            updates.append([*update, *[filler] * (settings.rows - len(update))])
    return updates, len(rows) - len(heard), len(heard) - len(usable)


def no_signal(rows: int, silent: int, long: int) -> str:
    """Why a batch teaches nothing, in words."""
    if not rows:
        return "there are no rows to train on; roll out more episodes"
    if long:
        return (
            f"{long} of {rows} rows are longer than row_tokens and the others have no signal; "
            "raise row_tokens"
        )
    return (
        f"none of the {silent} rows has a signal: in every group all episodes are worth the same, "
        "so nothing says what was better; take more episodes a question (k), a higher "
        "temperature, or questions that are sometimes right and sometimes wrong"
    )
