"""Which frames of a video are looked at: few where nothing changes, more where something does.

One pass over the video, in bounded memory. Shots are found by PySceneDetect's content detector
(a mean difference in hue, saturation and brightness) over the frames that are kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from centerlm.media.decode import SIDE, Frame, Losses, MediaInfo, frames
from centerlm.media.loading import load

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_CUT_CHANGE, _CUT_SHARE = 20.0, 0.5
MAX_APART = 30.0
"""Seconds between key frames up to which these are enough for a long video."""
_AFTER = 2e-3


@dataclass(frozen=True, slots=True)
class Sampling:
    """How densely a video is looked at.

    Frames are compared every `step` seconds; one is kept where it differs from the last that was
    kept, and at the latest after `gap` seconds. `change` is the brightness (0..255) by which
    `share` of a frame's 64 x 36 cells must differ. Of videos longer than `long` seconds only key
    frames are compared, so that an hour takes minutes. Frames are at most `side` pixels long.
    """

    step: float = 0.2
    gap: float = 4.0
    change: float = 10.0
    share: float = 0.002
    long: float = 1200.0
    side: int = SIDE


@dataclass(frozen=True, slots=True)
class Sample:
    """A frame that is looked at. `shot` counts from 0; `still` says that nothing changed before
    it, so it was kept only because time had passed."""

    frame: Frame
    shot: int
    still: bool


DEFAULT = Sampling()


def samples(
    path: Path,
    info: MediaInfo,
    sampling: Sampling = DEFAULT,
    *,
    start: float = 0.0,
    end: float = math.inf,
    losses: Losses | None = None,
) -> Iterator[Sample]:
    """The frames of a video (or the one of a picture) that are looked at, in order.

    Raises:
        MediaError: the file cannot be opened.
        MissingExtraError: a package of the extra `media` is not installed.
    """
    numpy = load("numpy")
    shots = _Shots()
    keys_only = info.seconds > sampling.long and end - start > sampling.long
    kept: tuple[float, Any] | None = None
    held: Frame | None = None
    decode = partial(frames, path, step=sampling.step, side=sampling.side, losses=losses)
    last = min(end, info.seconds)
    decoded = _by_keys(decode, start, last) if keys_only else decode(start=start, end=end)
    for frame in decoded:
        small = shrunk(frame.pixels)
        changed = kept is None or _changed(numpy, small, kept[1], sampling)
        if kept is None or changed or frame.time - kept[0] >= sampling.gap - 1e-3:
            if kept is not None and changed and held is not None:
                # The last frame before a change tells until when things were as they were.
                yield Sample(held, shots.of(held), True)
            kept, held = (frame.time, small), None
            yield Sample(frame, shots.of(frame), not changed)
        else:
            held = frame
    if held is not None:
        yield Sample(held, shots.of(held), True)


def _by_keys(decode: Callable[..., Iterator[Frame]], start: float, end: float) -> Iterator[Frame]:
    """The key frames; all frames where key frames are so far apart that they would miss too much,
    as in recordings of a screen.
    """
    before = start
    for frame in decode(start=start, end=end, keys_only=True):
        if frame.time - before > MAX_APART:
            yield from decode(start=before + _AFTER, end=frame.time - _AFTER)
        yield frame
        before = frame.time
    if end - before > MAX_APART:
        yield from decode(start=before + _AFTER, end=end)


def shrunk(pixels: NDArray[np.uint8]) -> Any:
    """The picture as 64 x 36, in signed numbers: to compare it with another."""
    cv2, numpy = load("cv2"), load("numpy")
    return cv2.resize(pixels, (64, 36), interpolation=cv2.INTER_AREA).astype(numpy.int16)


def _changed(numpy: Any, a: Any, b: Any, sampling: Sampling) -> bool:
    if a.shape != b.shape:
        return True
    differs = numpy.abs(a - b).max(axis=2) > sampling.change
    return bool(differs.mean() > sampling.share)


class _Shots:
    """Numbers the shots of frames that come in order."""

    def __init__(self) -> None:
        scenes: Any = load("scenedetect")
        detectors: Any = load("scenedetect.detectors")
        self._timecode = scenes.FrameTimecode
        self._detector = detectors.ContentDetector(min_scene_len=1)
        self._number = self._shot = 0
        self._before: Any = None

    def of(self, frame: Frame) -> int:
        cv2 = load("cv2")
        # Frames come at uneven times, so the detector is given their numbers.
        code = self._timecode(self._number, 10.0)
        pixels = cv2.resize(frame.pixels, (128, 72), interpolation=cv2.INTER_AREA)
        cuts = self._detector.process_frame(code, cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
        # Frames far apart in time differ as much where one large thing has moved, but not all over.
        small = shrunk(frame.pixels)
        if cuts and self._before is not None:
            differs = abs(small - self._before).max(axis=2) > _CUT_CHANGE
            self._shot += bool(differs.mean() > _CUT_SHARE)
        self._before = small
        self._number += 1
        return self._shot
