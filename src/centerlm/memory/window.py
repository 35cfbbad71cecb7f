"""The last outcomes of a source on one kind: packed bytes, 29 an outcome, the oldest ones dropped.

All that is believed is computed from what stands here, so that forgetting an episode leaves
nothing of it behind, and evidence that slid out of the window counts no more.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from centerlm.memory.belief import Stretch, believed, updated

MOST, KEPT = 128, 64
"""A window that reaches `MOST` outcomes is cut to the newest `KEPT` of them."""
_FORMAT = struct.Struct("<qIIIBff")
_SCALE = 254  # halves stay exact
_MOST = 1e30  # of cost and seconds: a float32 holds no more


@dataclass(frozen=True, slots=True)
class Seen:
    """One outcome: episode (its key), entry (a hash), when (whole seconds), its number (`tick`).

    In the window of a source's record over all kinds, `tick` is the kind instead.
    """

    episode: int
    entry: int
    at: int
    tick: int
    success: float
    cost: float
    seconds: float


def pack(seen: Iterable[Seen]) -> bytes:
    return b"".join(
        _FORMAT.pack(
            s.episode,
            s.entry,
            min(max(s.at, 0), 0xFFFFFFFF),
            s.tick,
            round(s.success * _SCALE),
            min(s.cost, _MOST),
            min(s.seconds, _MOST),
        )
        for s in seen
    )


def unpack(data: bytes) -> list[Seen]:
    """The outcomes of a window, the oldest first.

    Raises:
        struct.error: it is not whole.
    """
    return [
        Seen(episode, entry, at, tick, success / _SCALE, cost, seconds)
        for episode, entry, at, tick, success, cost, seconds in _FORMAT.iter_unpack(data)
    ]


def size(data: bytes) -> int:
    return len(data) // _FORMAT.size


def needle(episode: int) -> bytes:
    """How an episode's key stands in a window."""
    return struct.pack("<q", episode)


def belief_of(seen: Iterable[Seen]) -> tuple[Stretch, ...]:
    return believed((s.success, s.tick) for s in seen)


def added(
    data: bytes, belief: tuple[Stretch, ...], new: Seen, gap: int
) -> tuple[bytes, tuple[Stretch, ...]]:
    """Window and belief with one more outcome, `gap` questions after the last."""
    data += pack((new,))
    if size(data) < MOST:
        return data, updated(belief, new.success, gap)
    data = data[-KEPT * _FORMAT.size :]
    return data, belief_of(unpack(data))


def appended(data: bytes, new: Seen) -> bytes:
    """A window without a belief, with one more outcome."""
    data += pack((new,))
    return data if size(data) < MOST else data[-KEPT * _FORMAT.size :]


def faded(data: bytes, fade: float, *, but: int | None) -> tuple[float, float]:
    """Found and asked in a record over all kinds `but` one, each outcome counting `fade` times the
    next newer one.
    """
    found = asked = 0.0
    for _, _, _, kind, success, _, _ in _FORMAT.iter_unpack(data):
        if kind != but:
            found, asked = found * fade + success / _SCALE, asked * fade + 1.0
    return found, asked


def spent(data: bytes, newest: int) -> tuple[float, float] | None:
    """Mean cost and seconds of the newest outcomes; None where there are none."""
    rows = list(_FORMAT.iter_unpack(data[-newest * _FORMAT.size :]))
    if not rows:
        return None
    return sum(row[5] for row in rows) / len(rows), sum(row[6] for row in rows) / len(rows)


def last_at(data: bytes) -> int:
    """When the newest outcome of a window that has one was."""
    return _FORMAT.unpack_from(data, len(data) - _FORMAT.size)[2]
