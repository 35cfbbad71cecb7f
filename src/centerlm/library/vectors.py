"""Nearest vectors by a scan of sign bits, then exact scores of the few that are left.

A vector of 384 numbers is kept twice: 48 bytes of signs, all in memory while searching (48 MB for
1e6 passages), and 388 bytes (float32 scale, 384 int8) in the store, read for the candidates only.
Signs rank by Hamming distance, which estimates the angle (Charikar, 2002); the candidates are then
scored by the product of the query with the int8 vector, within 0.01 of the float32 cosine.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from centerlm.library.embed import DIMENSIONS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CODE_BYTES = DIMENSIONS // 8
_WORDS = CODE_BYTES // 8
_PREFIX_SHARE = 32  # one code in 32 is compared in full; more gives no better recall at 1e6
_CHUNK = 16_384
_LOOKUP = 500  # parameters in one SQL statement


def pack(vectors: NDArray[np.float32]) -> list[tuple[bytes, bytes]]:
    """Stored forms of vectors (n, 384): for each its int8 form with scale, and its sign bits."""
    import numpy as np

    scales = (np.abs(vectors).max(axis=1, keepdims=True) / 127.0).astype(np.float32)
    scales[scales == 0] = 1.0
    small = np.rint(vectors / scales).astype(np.int8)
    bits = np.packbits(vectors > 0, axis=1)
    return [
        (scales[row].tobytes() + small[row].tobytes(), bits[row].tobytes())
        for row in range(len(vectors))
    ]


def cosines(
    connection: sqlite3.Connection, passages: Sequence[int], query: NDArray[np.float32]
) -> dict[int, float]:
    """The cosine of each passage that has a vector with the query (384,), read from the store."""
    import numpy as np

    rows: list[tuple[int, bytes]] = []
    for at in range(0, len(passages), _LOOKUP):
        some = passages[at : at + _LOOKUP]
        marks = ",".join("?" * len(some))
        rows += connection.execute(
            f"SELECT passage, vector FROM vectors WHERE passage IN ({marks})", some
        ).fetchall()
    if not rows:
        return {}
    table = np.frombuffer(b"".join(row[1] for row in rows), dtype=np.uint8)
    table = table.reshape(len(rows), 4 + DIMENSIONS)
    scales = table[:, :4].copy().view(np.float32)[:, 0]
    scores: Any = (table[:, 4:].view(np.int8).astype(np.float32) @ query) * scales
    return {row[0]: float(score) for row, score in zip(rows, scores, strict=True)}


class SignIndex:
    """Sign bits of all vectors of a library at one moment, in memory."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Read all sign bits: about a second for 1e6 passages."""
        import numpy as np

        found = connection.execute("SELECT passage, code FROM codes ORDER BY passage")
        passages = [np.zeros(0, dtype=np.int64)]
        codes = [np.zeros((0, _WORDS), dtype=np.uint64)]
        while rows := found.fetchmany(_CHUNK):  # as Python objects all of them would be 300 MB
            passages.append(np.array([row[0] for row in rows], dtype=np.int64))
            words = np.frombuffer(b"".join(row[1] for row in rows), dtype=np.uint64)
            codes.append(words.reshape(len(rows), _WORDS))
        self._passages = np.concatenate(passages)
        # One contiguous column a 64-bit word: the scan then runs at the speed of memory.
        self._columns = np.ascontiguousarray(np.concatenate(codes).T)

    def __len__(self) -> int:
        return len(self._passages)

    def nearest(self, query: NDArray[np.float32], count: int) -> list[int]:
        """About `count` passages (never fewer, where there are so many) nearest by sign bits."""
        import numpy as np

        if len(self) <= count:
            return self._passages.tolist()
        code = np.packbits(query > 0).view(np.uint64)
        half = _WORDS // 2
        near = _distances(self._columns[:half], code[:half])
        # Half of the bits rules out nearly all; the other half is compared for the rest.
        rows = _nearest_rows(near, max(len(self) // _PREFIX_SHARE, 16 * count))
        distances = near[rows] + _distances(self._columns[half:, rows], code[half:])
        return self._passages[rows[_nearest_rows(distances, count)]][: 4 * count].tolist()


def _distances(columns: NDArray[np.uint64], code: NDArray[np.uint64]) -> NDArray[np.uint16]:
    """Hamming distances of codes, a column a 64-bit word, to one code."""
    import numpy as np

    distances = np.zeros(columns.shape[1], dtype=np.uint16)
    for column, word in zip(columns, code, strict=True):
        distances += np.bitwise_count(column ^ word)
    return distances


def _nearest_rows(distances: NDArray[np.uint16], count: int) -> NDArray[np.intp]:
    """Row numbers of the `count` smallest distances and of those that equal the last of them."""
    import numpy as np

    tally = np.cumsum(np.bincount(distances, minlength=DIMENSIONS + 1))
    limit = int(np.searchsorted(tally, min(count, len(distances))))
    return np.flatnonzero(distances <= limit)
