"""The processor `pose`: how a person stands, by MoveNet Lightning (17 points of one body).

It finds one person, the main one. What is told are plain relations of points that it is sure of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from centerlm.media.litert import Network
from centerlm.media.loading import load
from centerlm.media.observation import Box, Observation
from centerlm.media.sampling import Sample

WEIGHTS = "pose"
EVERY = 1.0
MIN_POINT = 0.35
MIN_POINTS = 8
_GAP = 2.5
POINTS = (
    "nose", "left eye", "right eye", "left ear", "right ear", "left shoulder", "right shoulder",
    "left elbow", "right elbow", "left wrist", "right wrist", "left hip", "right hip", "left knee",
    "right knee", "left ankle", "right ankle",
)  # fmt: skip
Points = Mapping[str, tuple[float, float]]
"""Points by name: shares of the picture's width and height, from the upper left corner."""


class Pose:
    """Follows the pose of the main person in the sampled frames of one medium."""

    name = "pose"

    def __init__(self, *, every: float = EVERY) -> None:
        """Raises MissingWeightsError where the pinned weights are not on this machine,
        MissingExtraError where LiteRT is not installed.
        """
        from centerlm.models.weights import find, weights

        load("ai_edge_litert", extra="labels")
        self.version = f"1+{weights(WEIGHTS).files[0].sha256[:12]}"
        self._network = Network(find(WEIGHTS))
        self._every = every
        self._next = 0.0
        self._done: list[Observation] = []

    def see(self, sample: Sample) -> None:
        """The next sampled frame."""
        time = sample.frame.time
        if time < self._next:
            return
        self._next = time + self._every - 1e-3
        points, sure = self.points(sample.frame.pixels)
        told = describe(points)
        if not told:
            return
        if self._done and self._done[-1].text == told and time - self._done[-1].end <= _GAP:
            best = max(sure, self._done[-1].confidence or 0.0)
            self._done[-1] = replace(self._done[-1], end=time, confidence=best)
            return
        xs, ys = zip(*points.values(), strict=True)
        box = Box(min(xs), min(ys), max(xs), max(ys))
        self._done.append(Observation(time, time, "pose", told, sure, box, self.name, self.version))

    def end(self) -> list[Observation]:
        """All that was seen, in order."""
        return self._done

    def points(self, pixels: Any) -> tuple[dict[str, tuple[float, float]], float]:
        """The points of a body that are sure enough, and how sure they are on the whole."""
        numpy = load("numpy")
        height, width = pixels.shape[:2]
        side = max(height, width)
        square = numpy.zeros((side, side, 3), numpy.uint8)  # squashed bodies are not found
        square[:height, :width] = pixels
        table = self._network.run(square)[0]
        found = {
            name: (float(x) * side / width, float(y) * side / height)
            for name, (y, x, sure) in zip(POINTS, table, strict=True)
            if sure >= MIN_POINT
        }
        scores = [float(sure) for _, _, sure in table if sure >= MIN_POINT]
        return found, sum(scores) / len(scores) if scores else 0.0


def describe(points: Points) -> str:
    """A pose in words; "" where too few points were found to tell."""
    if len(points) < MIN_POINTS:
        return ""
    parts = [_stance(points)]
    raised = [
        side for side in ("left", "right") if _above(points, f"{side} wrist", f"{side} shoulder")
    ]
    if len(raised) == 2:
        parts.append("with both arms raised")
    elif raised:
        parts.append(f"with the {raised[0]} arm raised")
    return " ".join(["a person", *filter(None, parts)])


def _stance(points: Points) -> str:
    shoulder, hip = _middle(points, "shoulder"), _middle(points, "hip")
    knee = _middle(points, "knee")
    if shoulder is None or hip is None:
        return "is seen"
    along, down = abs(hip[0] - shoulder[0]), hip[1] - shoulder[1]
    if along > 1.2 * abs(down):
        return "lies or bends over"
    if knee is not None:
        return "sits or crouches" if knee[1] - hip[1] < 0.45 * abs(down) else "stands"
    return "is upright"


def _middle(points: Points, name: str) -> tuple[float, float] | None:
    both = [points[f"{side} {name}"] for side in ("left", "right") if f"{side} {name}" in points]
    if not both:
        return None
    return sum(x for x, _ in both) / len(both), sum(y for _, y in both) / len(both)


def _above(points: Points, one: str, other: str) -> bool:
    return one in points and other in points and points[one][1] < points[other][1]
