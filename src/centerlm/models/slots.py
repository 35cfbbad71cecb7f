"""Which of llama.cpp's slots a prompt goes to, so that prompts find their prefix in the cache.

A slot holds the keys and values of its last prompt; a new prompt in it skips the longest common
prefix. llama.cpp's own choice looks at one similarity threshold, so the acts of a center, whose
prompts share a beginning, push each other's prefixes out. Pure bookkeeping: no threads, no I/O.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from operator import eq

_FADE = 0.9
"""What a prefix that waits is worth, a further prompt later: old prefixes make room."""
_GUESS = 128
"""Tokens of a prompt of a new kind that later ones are expected to share."""
_LEAST = 32
"""A shared beginning shorter than this is chance, not the prefix of an act."""


@dataclass(slots=True)
class Slot:
    """`tokens`: the last prompt; `kept`: how many of them a later prompt is expected to share."""

    number: int
    tokens: Sequence[int] = ()
    kept: float = 0.0
    busy: bool = False


@dataclass(slots=True)
class Slots:
    """The slots of one server."""

    count: int
    _slots: list[Slot] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._slots = [Slot(number) for number in range(self.count)]

    def take(self, tokens: Sequence[int]) -> Slot | None:
        """The idle slot where `tokens` cost least, now busy; None if every slot is.

        The cost is the tokens to evaluate plus the tokens of a useful prefix that would be lost.
        """
        idle = [slot for slot in self._slots if not slot.busy]
        if not idle:
            return None
        shared = {slot.number: common_prefix(slot.tokens, tokens) for slot in idle}
        best = min(idle, key=lambda s: max(0.0, s.kept - shared[s.number]) - shared[s.number])
        for slot in self._slots:
            slot.kept *= _FADE
        reused = shared[best.number]
        known = reused >= max(_LEAST, best.kept / 2)
        best.kept = float(reused if known else min(_GUESS, len(tokens)))
        best.tokens = tokens
        best.busy = True
        return best

    def free(self, slot: Slot) -> None:
        slot.busy = False


def common_prefix(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens both begin with."""
    return sum(1 for _ in takewhile(bool, map(eq, one, other)))
