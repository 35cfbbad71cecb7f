"""A closer look at a span of a medium, with the processor that may know what was not observed.

Text is read in denser and larger frames, speech is heard from the span alone, and things are looked
for in parts of the picture: around what moves and has no name, or where nothing moves everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from centerlm.media.decode import Frame, frames, sound
from centerlm.media.objects import Objects
from centerlm.media.observation import Box, Observation
from centerlm.media.processing import Processed
from centerlm.media.sampling import Sample
from centerlm.media.screen_text import ScreenText
from centerlm.media.speech import Speech

MAX_SECONDS = 30.0
"""Seconds of a medium that are read or heard again for one question."""
MAX_TRACKS, LOOKS, STILLS = 8, 3, 4
_AROUND = 1.6
_SIDE = 1920


def hear_again(one: Processed, start: float, end: float) -> tuple[Observation, ...]:
    """What is said in a span; () where a medium has no sound.

    Raises:
        MissingWeightsError: the weights of the processor are not on this machine.
    """
    if not one.info.sound:
        return ()
    hearing = Speech()
    for part in sound(one.path, start=start, end=max(end, start + 1.0)):
        hearing.hear(part)
    return tuple(hearing.end())


def read_again(one: Processed, start: float, end: float) -> tuple[Observation, ...]:
    """What is written in a span: every fifth of a second, in frames of a larger size."""
    reading = ScreenText(every=0.2, side=1280)
    for frame in frames(one.path, start=start, end=max(end, start + 0.2), step=0.2, side=_SIDE):
        reading.see(Sample(frame, 0, False))
    return tuple(reading.end())


def look_for_things(one: Processed, start: float, end: float) -> tuple[Observation, ...]:
    """Things that the detector sees where it looks at a part of the picture, enlarged.

    Raises:
        MissingWeightsError: the weights of the detector are not on this machine.
    """
    looking = Objects()
    tracks = [
        o
        for o in one.observations
        if o.kind == "track" and "label" not in o.facts and o.end >= start and o.start <= end
    ][:MAX_TRACKS]
    found: list[Observation] = []
    for frame, parts in _around(one, tracks) if tracks else _stills(one, start, end):
        for part in parts:
            found += _seen(looking, frame, part)
    return tuple(sorted(found, key=lambda o: (o.start, o.end)))


def _around(one: Processed, tracks: Sequence[Observation]) -> Iterator[tuple[Frame, Sequence[Box]]]:
    """Frames in which a track is well inside the picture, with the part around it."""
    for track in tracks:
        for number in range(1, LOOKS + 1):
            time = track.start + (track.end - track.start) * number / (LOOKS + 1)
            place = track.region_at(time)
            if place is None:
                continue
            for frame in frames(one.path, start=time, end=time + 0.2, step=1.0, side=_SIDE):
                yield frame, [_square(place, frame.pixels)]


def _stills(one: Processed, start: float, end: float) -> Iterator[tuple[Frame, Sequence[Box]]]:
    """A few frames of a span, with parts of them that overlap."""
    length = max(min(end, one.info.seconds) - start, 0.0)
    for number in range(STILLS if length else 1):
        time = start + length * (number + 0.5) / STILLS if length else start
        for frame in frames(one.path, start=time, end=time + 0.5, step=1.0, side=_SIDE):
            height, width = frame.pixels.shape[:2]
            side = min(height, width) // 2
            yield (
                frame,
                [
                    Box(x / width, y / height, (x + side) / width, (y + side) / height)
                    for y in _places(height, side)
                    for x in _places(width, side)
                ],
            )


def _places(length: int, side: int) -> list[int]:
    count = min(math.ceil((length - side) / (0.6 * side)) + 1, 8)
    return [round((length - side) * n / (count - 1)) for n in range(count)]


def _square(place: Box, pixels: Any) -> Box:
    """The square part of the picture around a place, inside the picture."""
    height, width = pixels.shape[:2]
    wide, high = (place.right - place.left) * width, (place.bottom - place.top) * height
    side = min(_AROUND * max(wide, high), width, height)
    x, y = place.centre
    left = min(max(x * width - side / 2, 0.0), width - side)
    top = min(max(y * height - side / 2, 0.0), height - side)
    return Box(left / width, top / height, (left + side) / width, (top + side) / height)


def _seen(looking: Objects, frame: Frame, part: Box) -> Iterator[Observation]:
    height, width = frame.pixels.shape[:2]
    pixels = frame.pixels[
        int(part.top * height) : int(part.bottom * height) + 1,
        int(part.left * width) : int(part.right * width) + 1,
    ]
    wide, high = part.right - part.left, part.bottom - part.top
    for label, sure, box in looking.detect(pixels):
        place = Box(
            part.left + box.left * wide,
            part.top + box.top * high,
            part.left + box.right * wide,
            part.top + box.bottom * high,
        )
        yield Observation(
            frame.time,
            frame.time,
            "object",
            f"a closer look sees a {label} ({place.place()})",
            sure,
            place,
            looking.name,
            looking.version,
            {"label": label, "from": place.place()},
        )
