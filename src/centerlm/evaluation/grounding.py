"""How well cited seconds agree with the seconds that show an answer (as in NExT-GQA, CVPR 2024)."""

from __future__ import annotations

from collections.abc import Sequence

Spans = Sequence[tuple[float, float]]


def merged(spans: Spans) -> list[tuple[float, float]]:
    """The same seconds as spans in order that do not overlap."""
    found: list[tuple[float, float]] = []
    for start, end in sorted((a, b) for a, b in spans if b > a):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def grounding(cited: Spans, gold: Spans) -> tuple[float, float]:
    """Intersection over prediction and intersection over union, in seconds; 0 where none is cited.

    Raises:
        ValueError: the gold spans hold no second.
    """
    mine, true = merged(cited), merged(gold)
    if not true:
        raise ValueError("the gold spans hold no second")
    shared = sum(max(min(b, d) - max(a, c), 0.0) for a, b in mine for c, d in true)
    length = sum(b - a for a, b in mine)
    union = length + sum(b - a for a, b in true) - shared
    return (shared / length if length else 0.0), shared / union
