"""What a round of experience trains on: its fresh examples, and a replay of the first data.

The replay keeps what was learned first (experience replay, Rolnick et al. 2019). Without a bound a
round takes all fresh examples and a share of the first data. With one, both are drawn: fresh ones
first, but so that at least a quarter of the tokens are of the first data.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from random import Random

from centerlm.learning.encoding import encode_all
from centerlm.learning.example import TrainingExample
from centerlm.learning.packing import Tokens, in_turn, pack_row
from centerlm.models.chat import Encoder

REPLAYED = 0.25
"""The smallest share of a round's tokens that are of the first data."""

LEAST_ROWS = 4
"""A bound holds at least so many rows: less could not hold fresh and first data both."""


def replayed(first: Sequence[TrainingExample], share: float, seed: int) -> list[TrainingExample]:
    """`share` of the first data, drawn by `seed`."""
    return Random(seed).sample(first, min(len(first), math.ceil(len(first) * share)))


def bounded(
    fresh: Sequence[TrainingExample],
    first: Sequence[TrainingExample],
    encoder: Encoder,
    *,
    max_tokens: int,
    share: float,
    row_tokens: int,
    mix: Mapping[str, float],
    seed: int,
) -> list[TrainingExample]:
    """Fresh examples and examples of the first data that take at most `max_tokens` to compute.

    Fresh ones take up to three quarters of the bound; the first data gets the rest, at most
    `share` of it where a quarter of all tokens is reached by less. Examples that share much of
    their prompts stay together, the acts come in turn by `mix`; what is drawn is fixed by `seed`.
    Examples longer than `row_tokens` are left out. `max_tokens` has to be at least `LEAST_ROWS`
    rows (the caller checks).
    """
    chosen: list[TrainingExample] = []
    used = 0
    # A row is held back, so that the replay can pass its quarter by a group and still fit.
    room = (1 - REPLAYED) * (max_tokens - row_tokens)
    for group, cost in _priced(fresh, encoder, row_tokens, mix, seed):
        if used + cost > room:
            break
        chosen += group
        used += cost
    enough = used * REPLAYED / (1 - REPLAYED)
    most = math.ceil(len(first) * share)
    again: list[TrainingExample] = []
    replay = 0
    for group, cost in _priced(first, encoder, row_tokens, mix, seed):
        done = replay >= enough and len(again) >= most
        if done or used + replay + cost > max_tokens:
            break
        again += group
        replay += cost
    return [*chosen, *again]


def _priced(
    examples: Sequence[TrainingExample],
    encoder: Encoder,
    row_tokens: int,
    mix: Mapping[str, float],
    seed: int,
) -> Iterator[tuple[list[TrainingExample], int]]:
    """Groups of examples in turn, with the tokens each takes to compute in a row of its own."""
    of: dict[Tokens, list[TrainingExample]] = {}
    for example in examples:
        for tokens in encode_all((example,), encoder, max_tokens=row_tokens):
            of.setdefault(tokens, []).append(example)
    if not of:
        return
    every = [tokens for tokens, same in of.items() for _ in same]
    for group in in_turn(every, row_tokens=row_tokens, mix=mix, seed=seed):
        yield [of[tokens].pop() for tokens in group], len(pack_row(group).ids)
