"""What stands out from the background of a shot: regions with their colour, shape and size.

The background is the median of frames at even times, so what stays is background and what moves,
comes or goes is not. No training, no classes: it sees things that no detector has a name for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from centerlm.media.loading import load
from centerlm.media.observation import Box

WIDTH = 320
MIN_SHARE = 0.002
DIFFERS = 28
_HUES = (
    (8, "red"), (21, "orange"), (34, "yellow"), (85, "green"), (99, "cyan"), (130, "blue"),
    (150, "purple"), (169, "pink"), (180, "red"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Region:
    """A region of one frame. `gone` says that it is a thing of the background that is missing."""

    box: Box
    colour: str
    shape: str
    share: float
    gone: bool = False


def shrunk(pixels: Any) -> Any:
    """The frame, `WIDTH` pixels wide at most."""
    cv2 = load("cv2")
    height, width = pixels.shape[:2]
    scale = min(WIDTH / width, 1.0)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def background(times: Sequence[float], frames: Sequence[Any]) -> Any:
    """The median of at most 25 of the frames, those nearest to even times."""
    numpy = load("numpy")
    wanted = numpy.linspace(times[0], times[-1], min(25, len(times)))
    at = numpy.abs(numpy.asarray(times)[None] - wanted[:, None]).argmin(axis=1)
    return numpy.median(numpy.stack([frames[i] for i in at]), axis=0).astype(numpy.uint8)


def regions(frame: Any, behind: Any) -> list[Region]:
    """What of `frame` differs from the background, largest first; both RGB of one size."""
    cv2, numpy = load("cv2"), load("numpy")
    difference = frame.astype(numpy.int16) - behind
    # A camera that adapts to the light changes all of the picture: that is not a thing.
    difference -= numpy.median(difference, axis=(0, 1)).astype(numpy.int16)
    mask = (numpy.abs(difference).max(axis=2) > DIFFERS).astype(numpy.uint8)
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, numpy.ones((3, 3), numpy.uint8))
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, numpy.ones((7, 7), numpy.uint8))
    hsv = cv2.cvtColor(frame, cv2.COLOR_RGB2HSV)
    found: list[Region] = []
    whole = mask.shape[0] * mask.shape[1]
    for part in _parts(mask, hsv):
        outlines, _ = cv2.findContours(part, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        for outline in outlines:
            area = cv2.contourArea(outline)
            if area < MIN_SHARE * whole:
                continue
            found.append(_region(outline, area, frame, behind, hsv))
    return sorted(found, key=lambda region: -region.share)


def _parts(mask: Any, hsv: Any) -> list[Any]:
    """The mask, cut apart where strong colours touch, so that two things are not taken for one."""
    numpy = load("numpy")
    strong = (mask > 0) & (hsv[..., 1] > 110) & (hsv[..., 2] > 90)
    if strong.sum() < 0.8 * mask.sum():
        return [mask]
    names = numpy.digitize(hsv[..., 0], [limit for limit, _ in _HUES])
    names[names == len(_HUES) - 1] = 0  # both ends of the circle of hues are red
    parts = [((names == n) & strong).astype(numpy.uint8) for n in numpy.unique(names[strong])]
    return [part for part in parts if part.sum() > MIN_SHARE * mask.size]


def _region(outline: Any, area: float, frame: Any, behind: Any, hsv: Any) -> Region:
    cv2, numpy = load("cv2"), load("numpy")
    height, width = frame.shape[:2]
    x, y, w, h = cv2.boundingRect(outline)
    inside = numpy.zeros((h, w), numpy.uint8)
    cv2.drawContours(inside, [outline - [x, y]], -1, 1, -1)
    here = numpy.s_[y : y + h, x : x + w]
    return Region(
        Box(x / width, y / height, (x + w) / width, (y + h) / height),
        colour_of(hsv[here][inside > 0]),
        _shape(outline, area),
        area / (width * height),
        gone=_edges(frame[here]) < 0.6 * _edges(behind[here]),
    )


def _edges(pixels: Any) -> float:
    cv2 = load("cv2")
    return float(cv2.Laplacian(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), cv2.CV_32F).std()) + 1.0


def colour_of(hsv: Any) -> str:
    """The name of the colour that most of the pixels (n, 3; OpenCV's HSV) have."""
    numpy = load("numpy")
    strong = hsv[(hsv[:, 1] > 70) & (hsv[:, 2] > 60)]
    if len(strong) > 0.35 * len(hsv):
        hues = numpy.bincount(
            numpy.digitize(strong[:, 0], [limit for limit, _ in _HUES]), minlength=len(_HUES)
        )
        hues[0] += hues[len(_HUES) - 1]
        return _HUES[int(hues[: len(_HUES) - 1].argmax())][1]
    light = float(numpy.percentile(hsv[:, 2], 60))  # windows and shadows are dark on white too
    return "white" if light > 160 else "grey" if light > 70 else "black"


def _shape(outline: Any, area: float) -> str:
    """circle, square, rectangle or triangle where the outline is clearly one; else ""."""
    cv2 = load("cv2")
    length = cv2.arcLength(outline, True)
    (_, _), (w, h), _ = cv2.minAreaRect(outline)
    if not length or not w or not h:
        return ""
    _, radius = cv2.minEnclosingCircle(outline)
    _, triangle = cv2.minEnclosingTriangle(outline)
    fits = {
        "triangle": area / max(cv2.contourArea(triangle), area) if triangle is not None else 0.0,
        "square" if max(w, h) / min(w, h) < 1.25 else "rectangle": area / (w * h),
        "circle": area / (3.1416 * radius * radius),
    }
    name, fit = max(fits.items(), key=lambda pair: pair[1])
    return name if fit > 0.83 else ""
