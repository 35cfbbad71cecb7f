"""A scorer over bytes, for tests: what stands in the context is likely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from centerlm.books.likelihood import Ids, Query


@dataclass
class ByteScorer:
    """Bytes; one costs 1 nat where the context has it, 3 where it has not."""

    name: str = "bytes"
    asked: list[int] = field(default_factory=list[int])

    def encode(self, text: str) -> Ids:
        return tuple(text.encode())

    def decode(self, ids: Sequence[int]) -> str:
        return bytes(ids).decode()

    def nats(self, queries: Sequence[Query]) -> list[float]:
        self.asked.append(len(queries))
        return [sum(1.0 if t in q.context else 3.0 for t in q.target) for q in queries]
