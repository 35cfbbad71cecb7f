"""A plan as a picture: a box a step, in layers, an arrow from each step to those that need it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from centerlm.plan import Plan, Step

WIDTH, HEIGHT, ACROSS, DOWN = 210, 62, 24, 46


@dataclass(frozen=True, slots=True)
class Box:
    """A step: its upper left corner in pixels."""

    step: Step
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Graph:
    """A picture of a plan; `arrows` are SVG paths."""

    boxes: tuple[Box, ...]
    arrows: tuple[str, ...]
    width: float
    height: float


def graph_of(plan: Plan) -> Graph:
    """The layers are the longest ways from a step that needs none."""
    depth: dict[int, int] = {}
    for step in plan.steps:
        depth[step.id] = 1 + max((depth[k] for k in step.needs), default=-1)
    layers: dict[int, list[Step]] = {}
    for step in plan.steps:
        layers.setdefault(depth[step.id], []).append(step)
    most = max(map(len, layers.values()), default=0)
    width = most * (WIDTH + ACROSS) - ACROSS
    boxes: dict[int, Box] = {}
    for layer, steps in layers.items():
        left = (width - len(steps) * (WIDTH + ACROSS) + ACROSS) / 2
        for place, step in enumerate(steps):
            x, y = left + place * (WIDTH + ACROSS), layer * (HEIGHT + DOWN)
            boxes[step.id] = Box(step, x, y)
    height = len(layers) * (HEIGHT + DOWN) - DOWN
    ordered = tuple(boxes[step.id] for step in plan.steps)
    return Graph(ordered, _arrows(plan, boxes), max(width, WIDTH), max(height, HEIGHT))


def _arrows(plan: Plan, boxes: Mapping[int, Box]) -> tuple[str, ...]:
    arrows: list[str] = []
    for step in plan.steps:
        for k in step.needs:
            start, end = boxes[k], boxes[step.id]
            x1, y1 = start.x + WIDTH / 2, start.y + HEIGHT
            x2, y2 = end.x + WIDTH / 2, end.y - 7
            bend = (y2 - y1) / 2
            arrows.append(f"M{x1:g} {y1:g}C{x1:g} {y1 + bend:g} {x2:g} {y2 - bend:g} {x2:g} {y2:g}")
    return tuple(arrows)
