"""The processor `objects`: things of 80 everyday classes, by SSD-MobileNetV2 (COCO) in OpenCV.

The network takes squares: wide and tall pictures are looked at in squares that overlap, so that
nothing is squashed. It knows its classes as people photograph them; outside of these it is
confidently wrong (a car seen from above is a "cell phone"), so every observation keeps the
confidence, and none is taken as fact.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from centerlm.media.loading import load
from centerlm.media.observation import Box, Observation
from centerlm.media.sampling import Sample

WEIGHTS = "detector"
EVERY = 1.0
MIN_CONFIDENCE = 0.4
MISSES = 2
"""Looks in a row that do not show a thing any more, after which it has gone."""
MAX_SQUARES = 24
_STRIDE = 0.4  # of a square: what is not wider than the rest is whole in one of them
_EDGE = 0.02

_NAMES = """
    person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,
    fire hydrant,,stop sign,parking meter,bench,bird,cat,dog,horse,sheep,cow,
    elephant,bear,zebra,giraffe,,backpack,umbrella,,,handbag,tie,suitcase,frisbee,
    skis,snowboard,sports ball,kite,baseball bat,baseball glove,skateboard,surfboard,
    tennis racket,bottle,,wine glass,cup,fork,knife,spoon,bowl,banana,apple,
    sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,
    potted plant,bed,,dining table,,,toilet,,tv,laptop,mouse,remote,keyboard,
    cell phone,microwave,oven,toaster,sink,refrigerator,,book,clock,vase,scissors,
    teddy bear,hair drier,toothbrush
"""
CLASSES = dict(enumerate((name.strip() for name in _NAMES.split(",")), start=1))
"""The COCO labels by the numbers that the weights were trained with."""
_VEHICLES = ("bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat")
_ANIMALS = ("bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe")
MOVING = frozenset({"person", "sports ball", "frisbee", "kite", *_VEHICLES, *_ANIMALS})
"""What may cross a picture from one edge to the other."""
_OTHERS = {
    "person": "people man men woman women boy girl child children kid baby lady guy adult",
    "bicycle": "bike",
    "motorcycle": "motorbike",
    "airplane": "plane aeroplane aircraft",
    "couch": "sofa",
    "cell phone": "phone cellphone smartphone mobile",
    "tv": "television monitor",
    "potted plant": "plant",
    "dining table": "table desk",
    "wine glass": "wineglass",
    "refrigerator": "fridge",
    "laptop": "computer notebook",
    "sports ball": "football basketball volleyball",
}


def labels_of(noun: str) -> frozenset[str]:
    """The classes that a noun in the singular means; none where the detector has no such class."""
    if noun == "vehicle":
        return frozenset(_VEHICLES) - {"bicycle", "airplane", "boat"}
    if noun == "animal":
        return frozenset(_ANIMALS)
    same = {name for name, others in _OTHERS.items() if noun in others.split()}
    return frozenset(same | ({noun} & set(CLASSES.values()) - {""}))


@dataclass(slots=True)
class _Seen:
    """A thing that is there, where it was last, and in how many looks it was not seen since."""

    told: Observation
    box: Box
    missed: int = 0


class Objects:
    """Looks for objects in the sampled frames of one medium, about once a second."""

    name = "objects"

    def __init__(self, *, every: float = EVERY) -> None:
        """Raises MissingWeightsError where the pinned weights are not on this machine."""
        from centerlm.models.weights import find, weights

        files = weights(WEIGHTS).files
        self._paths = [str(find(WEIGHTS, file.name)) for file in files]
        self.version = f"3+{files[0].sha256[:12]}"
        self._every = every
        self._net: Any = None
        self._next = 0.0
        self._shot = 0
        self._last = 0.0
        self._open: list[_Seen] = []
        self._done: list[Observation] = []

    def see(self, sample: Sample) -> None:
        """The next sampled frame."""
        time = self._last = sample.frame.time
        if time < self._next:
            return
        self._next = time + self._every - 1e-3
        if sample.shot != self._shot:
            self._done += [held.told for held in self._open]
            self._open = []
        self._shot = sample.shot
        for held in self._open:
            held.missed += 1
        for label, sure, box in self.detect(sample.frame.pixels):
            self._take(time, label, sure, box, _colour(sample.frame.pixels, box))
        self._close()

    def end(self) -> list[Observation]:
        """All that was detected, in order of time."""
        # What the last look shows is there until the end.
        there = (h.told if h.missed else replace(h.told, end=self._last) for h in self._open)
        return sorted([*self._done, *there], key=lambda o: (o.start, o.end))

    def detect(self, pixels: Any) -> list[tuple[str, float, Box]]:
        """Labels with confidence and place in one frame (RGB), the surest first."""
        found: list[tuple[bool, float, str, Box]] = []
        for square in squares(pixels.shape[1], pixels.shape[0]):
            found += self._in_square(pixels, square)
        # What one square cuts off is whole in the next.
        found.sort(key=lambda item: (not item[0], -item[1]))
        kept: list[tuple[str, float, Box]] = []
        for _, sure, label, box in found:
            if not any(_same(box, other, label == known) for known, _, other in kept):
                kept.append((label, sure, box))
        return sorted(kept, key=lambda item: -item[1])

    def _in_square(
        self, pixels: Any, square: tuple[int, int, int, int]
    ) -> Iterator[tuple[bool, float, str, Box]]:
        """Whether it is whole, its confidence, label, and place in the picture."""
        cv2 = load("cv2")
        if self._net is None:
            self._net = cv2.dnn.readNetFromTensorflow(*self._paths)
        x, y, wide, high = square
        height, width = pixels.shape[:2]
        self._net.setInput(
            cv2.dnn.blobFromImage(pixels[y : y + high, x : x + wide], size=(300, 300))
        )
        for row in self._net.forward()[0, 0]:
            label = CLASSES.get(int(row[1]), "")
            if not label or row[2] < MIN_CONFIDENCE:
                continue
            left, top, right, bottom = (min(max(float(v), 0.0), 1.0) for v in row[3:7])
            whole = (
                (left > _EDGE or x == 0)
                and (top > _EDGE or y == 0)
                and (right < 1 - _EDGE or x + wide >= width)
                and (bottom < 1 - _EDGE or y + high >= height)
            )
            box = Box(
                (x + left * wide) / width,
                (y + top * high) / height,
                (x + right * wide) / width,
                (y + bottom * high) / height,
            )
            yield whole, float(row[2]), label, box

    def _take(self, time: float, label: str, sure: float, box: Box, colour: str) -> None:
        for held in self._open:
            same = held.told.facts["label"] == label and held.told.end < time
            if same and held.box.overlap(box) > 0.3:
                best = max(sure, held.told.confidence or 0.0)
                held.told = replace(held.told, end=time, confidence=best)
                held.box, held.missed = box, 0
                return
        facts = {"label": label, "from": box.place(), "colour": colour}
        text = f"the detector sees a {label} ({box.place()})"
        told = Observation(time, time, "object", text, sure, box, self.name, self.version, facts)
        self._open.append(_Seen(told, box))

    def _close(self) -> None:
        self._done += [held.told for held in self._open if held.missed >= MISSES]
        self._open = [held for held in self._open if held.missed < MISSES]


def squares(width: int, height: int) -> list[tuple[int, int, int, int]]:
    """Parts of a picture that the network sees at once, as (x, y, width, height) in pixels.

    A picture that is nearly square is one of them.
    """
    side = min(width, height)
    if max(width, height) <= 1.25 * side:
        return [(0, 0, width, height)]
    rest = max(width, height) - side
    count = min(math.ceil(rest / (_STRIDE * side)) + 1, MAX_SQUARES)
    places = [round(rest * n / (count - 1)) for n in range(count)]
    return [(at, 0, side, side) if width > height else (0, at, side, side) for at in places]


def _same(box: Box, other: Box, same_label: bool) -> bool:
    """Whether two boxes are one thing: one place has one label."""
    if box.overlap(other) >= 0.6:
        return True
    smaller = min(box.area, other.area)
    return same_label and smaller > 0 and box.shared(other) > 0.6 * smaller


def _colour(pixels: Any, box: Box) -> str:
    """The colour of the middle of a thing."""
    from centerlm.media.regions import colour_of

    cv2 = load("cv2")
    height, width = pixels.shape[:2]
    (x, y), wide, high = box.centre, box.right - box.left, box.bottom - box.top
    part = pixels[
        int((y - high / 4) * height) : int((y + high / 4) * height) + 1,
        int((x - wide / 4) * width) : int((x + wide / 4) * width) + 1,
    ]
    return colour_of(cv2.cvtColor(part, cv2.COLOR_RGB2HSV).reshape(-1, 3))
