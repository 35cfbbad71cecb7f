"""The processor `labels`: what a picture is of, by EfficientNet-Lite3 (1000 classes of ImageNet).

A label names the main thing of a picture and not its place. Outside its classes it is confidently
wrong, as every network of its kind, so the confidence is kept.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from centerlm.media.litert import Network
from centerlm.media.loading import load
from centerlm.media.objects import squares
from centerlm.media.observation import Observation
from centerlm.media.sampling import Sample

WEIGHTS = "labels"
EVERY = 2.0
MIN_CONFIDENCE = 0.4
_GAP = 2 * EVERY + 0.5


class Labels:
    """Labels the sampled frames of one medium, about every two seconds."""

    name = "labels"

    def __init__(self, *, every: float = EVERY) -> None:
        """Raises MissingWeightsError where the pinned weights are not on this machine,
        MissingExtraError where LiteRT is not installed.
        """
        from centerlm.models.weights import find, weights

        load("ai_edge_litert", extra="labels")
        network, names = weights(WEIGHTS).files
        self.version = f"1+{network.sha256[:12]}"
        self._network = Network(find(WEIGHTS, network.name))
        lines = find(WEIGHTS, names.name).read_text("utf-8").splitlines()
        self._names = [line.partition(",")[0].strip() for line in lines]
        self._every = every
        self._next = 0.0
        self._open: dict[str, Observation] = {}
        self._done: list[Observation] = []

    def see(self, sample: Sample) -> None:
        """The next sampled frame."""
        time = sample.frame.time
        if time < self._next:
            return
        self._next = time + self._every - 1e-3
        for label, sure in self.label(sample.frame.pixels):
            before = self._open.get(label)
            if before is not None and time - before.end <= _GAP:
                best = max(sure, before.confidence or 0.0)
                self._open[label] = replace(before, end=time, confidence=best)
                continue
            if before is not None:
                self._done.append(before)
            text = f"the picture looks like: {label}"
            facts = {"label": label}
            self._open[label] = Observation(
                time, time, "label", text, sure, None, self.name, self.version, facts
            )

    def end(self) -> list[Observation]:
        """All labels, in order of time."""
        return sorted([*self._done, *self._open.values()], key=lambda o: (o.start, o.text))

    def label(self, pixels: Any) -> list[tuple[str, float]]:
        """Labels of a picture with confidence, the surest first; of wide ones, of their parts."""
        best: dict[str, float] = {}
        for x, y, wide, high in squares(pixels.shape[1], pixels.shape[0]):
            table = self._network.run(pixels[y : y + high, x : x + wide])
            for number in table.argsort()[::-1][:3]:
                label, sure = self._names[int(number)], float(table[int(number)])
                if sure >= MIN_CONFIDENCE:
                    best[label] = max(sure, best.get(label, 0.0))
        return sorted(best.items(), key=lambda pair: -pair[1])
