"""The processor `text`: what is written in the picture, read by RapidOCR (PP-OCR, offline).

A frame is read where the picture has changed and come to rest, and at most every two seconds while
it moves. The same words in frames that follow each other are one observation.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from centerlm.media.loading import load, version_of
from centerlm.media.observation import Box, Observation
from centerlm.media.sampling import Sample, shrunk

EVERY = 2.0
SIDE = 640
MIN_CONFIDENCE = 0.5


class ScreenText:
    """Reads the sampled frames of one medium."""

    name = "text"

    def __init__(self, *, every: float = EVERY, side: int = SIDE) -> None:
        self.version = f"3+rapidocr-{version_of('rapidocr')}"
        self._every = every
        self._side = side
        self._engine: Any = None
        self._read: tuple[float, int, Any] | None = None
        self._open: dict[str, Observation] = {}
        self._done: list[Observation] = []
        self._last = self._changed = 0.0

    def see(self, sample: Sample) -> None:
        """The next sampled frame."""
        time = sample.frame.time
        if not sample.still:
            self._changed = time
        if self._due(sample):
            lines = self.lines(sample.frame.pixels)
            self._read = (time, sample.shot, shrunk(sample.frame.pixels))
            self._take(time, lines)
        elif self._read is not None and sample.still:
            self._go_on(time)
        self._last = time

    def end(self) -> list[Observation]:
        """All that was read, in order."""
        self._done += self._open.values()
        self._open = {}
        return sorted(self._done, key=lambda o: (o.start, o.end))

    def lines(self, pixels: Any) -> list[tuple[str, float, Box]]:
        """The lines of text in a frame, each with its confidence and place."""
        height, width = pixels.shape[:2]
        result = self._reader()(pixels[:, :, ::-1])
        if result.txts is None:
            return []
        found: list[tuple[str, float, Box]] = []
        for text, score, corners in zip(result.txts, result.scores, result.boxes, strict=True):
            if score >= MIN_CONFIDENCE and any(map(str.isalnum, text)):
                xs, ys = corners[:, 0] / width, corners[:, 1] / height
                box = Box(float(xs.min()), float(ys.min()), float(xs.max()), float(ys.max()))
                found.append((" ".join(text.split()), float(score), box))
        return sorted(found, key=lambda line: (round(line[2].top, 1), line[2].left))

    def _due(self, sample: Sample) -> bool:
        if self._read is None:
            return True
        time, shot, thumbnail = self._read
        if sample.shot != shot:
            return True
        if not _differs(thumbnail, shrunk(sample.frame.pixels)):
            return False
        return sample.still or sample.frame.time - time >= self._every

    def _take(self, time: float, lines: list[tuple[str, float, Box]]) -> None:
        now: dict[str, Observation] = {}
        for text, score, box in lines:
            before = self._open.pop(_key(text), None)
            # What is read at rest has been there since the picture last changed.
            start = before.start if before else self._changed
            sure = max(score, before.confidence or 0.0) if before else score
            kept = before.text if before and (before.confidence or 0) > score else text
            now[_key(text)] = Observation(
                start,
                time,
                "text",
                kept,
                sure,
                before.region if before else box,
                self.name,
                self.version,
            )
        # What is not there any more was there until the frame before this one, as far as is known.
        for gone in self._open.values():
            self._done.append(_until(gone, max(self._last, gone.end)))
        self._open = now

    def _go_on(self, time: float) -> None:
        self._open = {key: _until(o, time) for key, o in self._open.items()}

    def _reader(self) -> Any:
        if self._engine is None:
            self._engine = load("rapidocr").RapidOCR(
                params={
                    "Global.log_level": "critical",
                    "Global.use_cls": False,
                    "Det.limit_type": "max",
                    "Det.limit_side_len": self._side,
                    "EngineConfig.onnxruntime.intra_op_num_threads": 1,
                    "EngineConfig.onnxruntime.inter_op_num_threads": 1,
                }
            )
        return self._engine


def _key(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())


def _until(o: Observation, time: float) -> Observation:
    return replace(o, end=time)


def _differs(a: Any, b: Any) -> bool:
    return a.shape != b.shape or bool((abs(a - b).max(axis=2) > 12).mean() > 0.004)
