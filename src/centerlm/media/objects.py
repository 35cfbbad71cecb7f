"""The processor `objects`: things of 80 everyday classes, by SSD-MobileNetV2 (COCO) in OpenCV.

It knows its classes as people photograph them; outside of these it is confidently wrong (a car seen
from above is a "cell phone"), so every observation keeps the confidence, and none is taken as fact.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from centerlm.media.loading import load
from centerlm.media.observation import Box, Observation
from centerlm.media.sampling import Sample

WEIGHTS = "detector"
EVERY = 1.0
MIN_CONFIDENCE = 0.4
_GAP = 5.0

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
CLASSES = dict(enumerate(_NAMES.replace("\n", "").split(","), start=1))
"""The COCO labels by the numbers that the weights were trained with."""


class Objects:
    """Looks for objects in the sampled frames of one medium, about once a second."""

    name = "objects"

    def __init__(self, *, every: float = EVERY) -> None:
        """Raises MissingWeightsError where the pinned weights are not on this machine."""
        from centerlm.models.weights import find, weights

        files = weights(WEIGHTS).files
        self._paths = [str(find(WEIGHTS, file.name)) for file in files]
        self.version = f"1+{files[0].sha256[:12]}"
        self._every = every
        self._net: Any = None
        self._next = 0.0
        self._open: list[Observation] = []
        self._done: list[Observation] = []

    def see(self, sample: Sample) -> None:
        """The next sampled frame."""
        time = sample.frame.time
        if time < self._next:
            return
        self._next = time + self._every - 1e-3
        for label, sure, box in self.detect(sample.frame.pixels):
            self._take(time, label, sure, box)
        self._done += [o for o in self._open if time - o.end > _GAP]
        self._open = [o for o in self._open if time - o.end <= _GAP]

    def end(self) -> list[Observation]:
        """All that was detected, in order of time."""
        return sorted([*self._done, *self._open], key=lambda o: (o.start, o.end))

    def detect(self, pixels: Any) -> list[tuple[str, float, Box]]:
        """Labels with confidence and place in one frame, the surest first."""
        cv2 = load("cv2")
        if self._net is None:
            self._net = cv2.dnn.readNetFromTensorflow(*self._paths)
        self._net.setInput(cv2.dnn.blobFromImage(pixels, size=(300, 300)))
        found: list[tuple[str, float, Box]] = []
        for row in self._net.forward()[0, 0]:
            label = CLASSES.get(int(row[1]), "")
            if label and row[2] >= MIN_CONFIDENCE:
                left, top, right, bottom = (min(max(float(v), 0.0), 1.0) for v in row[3:7])
                found.append((label, float(row[2]), Box(left, top, right, bottom)))
        found.sort(key=lambda item: -item[1])
        kept: list[tuple[str, float, Box]] = []
        for item in found:  # one place, one label
            if all(item[2].overlap(other[2]) < 0.6 for other in kept):
                kept.append(item)
        return kept

    def _take(self, time: float, label: str, sure: float, box: Box) -> None:
        for number, before in enumerate(self._open):
            same = before.facts["label"] == label and before.end < time
            if same and before.region is not None and before.region.overlap(box) > 0.3:
                best = max(sure, before.confidence or 0.0)
                self._open[number] = replace(before, end=time, confidence=best)
                return
        facts = {"label": label, "from": box.place()}
        text = f"the detector sees a {label} ({box.place()})"
        self._open.append(
            Observation(time, time, "object", text, sure, box, self.name, self.version, facts)
        )
