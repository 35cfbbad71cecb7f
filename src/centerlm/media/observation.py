"""What is seen or heard in a medium, when and where: the only thing sources ask of it.

Knows no processor. Text of observations is data: on-screen or spoken words are quoted as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import msgspec

from centerlm.finding import clean_text

ObservationKind: TypeAlias = Literal[
    "track", "absence", "object", "label", "pose", "text", "speech", "caption"
]


@dataclass(frozen=True, slots=True)
class Box:
    """A part of the picture, in shares of its width and height from the upper left corner."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def area(self) -> float:
        return max(self.right - self.left, 0.0) * max(self.bottom - self.top, 0.0)

    @property
    def centre(self) -> tuple[float, float]:
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    def shared(self, other: Box) -> float:
        """The area that both have."""
        return Box(
            max(self.left, other.left),
            max(self.top, other.top),
            min(self.right, other.right),
            min(self.bottom, other.bottom),
        ).area

    def overlap(self, other: Box) -> float:
        """Intersection over union, 0..1."""
        both = self.shared(other)
        return both / (self.area + other.area - both) if both else 0.0

    def place(self) -> str:
        """Where it is, e.g. "upper left" or "middle"."""
        x, y = self.centre
        across = "left" if x < 1 / 3 else "right" if x > 2 / 3 else ""
        upright = "upper" if y < 1 / 3 else "lower" if y > 2 / 3 else ""
        return f"{upright} {across}".strip() or "middle"


@dataclass(frozen=True, slots=True)
class Observation:
    """One thing observed from `start` to `end` (seconds).

    `text` says it in words. `confidence` is the processor's own, in 0..1, None where it has none.
    `region` is where it was seen first, `path` where it was at some of its times. `facts` are what
    was measured: colour, shape, size, enters, leaves, direction, label. `processor` and `version`
    say what it is from.
    """

    start: float
    end: float
    kind: ObservationKind
    text: str
    confidence: float | None = None
    region: Box | None = None
    processor: str = ""
    version: str = ""
    facts: dict[str, str] = field(default_factory=dict[str, str])
    path: tuple[tuple[float, Box], ...] = ()

    def region_at(self, time: float) -> Box | None:
        """Where it is at a time, by the nearest place of its path; where it was first without."""
        if not self.path:
            return self.region
        return min(self.path, key=lambda place: abs(place[0] - time))[1]


def in_words(observation: Observation) -> str:
    """The observation as a sentence of a passage, with its times and confidence."""
    sure = f" (confidence {observation.confidence:.2f})" if observation.confidence else ""
    text = " ".join(clean_text(observation.text).split())
    match observation.kind:
        case "text":
            said = f'text on the screen reads "{text}"'
        case "speech":
            said = f'a voice says "{text}"'
        case _:
            said = text
    return f"From {observation.start:.1f} s to {observation.end:.1f} s: {said}{sure}."


def to_bytes(observations: list[Observation]) -> bytes:
    return msgspec.json.encode(observations)


def from_bytes(data: bytes) -> list[Observation]:
    """Raises msgspec.DecodeError or ValidationError where it is not what `to_bytes` made."""
    return msgspec.json.decode(data, type=list[Observation])
