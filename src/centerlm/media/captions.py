"""Captions that were made before, by whatever model: one text for each second of a video.

The form is that of the captions published with NExT-QA: a JSON object from seconds to texts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import msgspec

from centerlm.errors import MediaError
from centerlm.finding import clean_text
from centerlm.media.observation import Observation

NAME = "captions"
SUFFIX = ".captions.json"


def captions_beside(path: Path) -> Path | None:
    """The file of captions that stands beside a video: `talk.mp4` has `talk.captions.json`."""
    beside = path.with_suffix(SUFFIX)
    return beside if beside.is_file() else None


def read_captions(path: Path, *, version: str = "1") -> list[Observation]:
    """The observations of a file of captions.

    Raises:
        MediaError: it is not an object from seconds to texts.
    """
    try:
        texts = msgspec.json.decode(path.read_bytes(), type=dict[str, str])
        return caption_observations({_second(time): text for time, text in texts.items()}, version)
    except (OSError, ValueError, msgspec.DecodeError) as error:
        raise MediaError(
            f'{path} holds no captions ({error}); write an object like {{"0": "a boy runs"}}'
        ) from None


def _second(text: str) -> float:
    time = float(text)
    if not 0 <= time < math.inf:
        raise ValueError(f"{text!r} is no second of a video")
    return time


def caption_observations(texts: Mapping[float, str], version: str = "1") -> list[Observation]:
    """One observation for each run of equal captions, in order of time."""
    found: list[Observation] = []
    times = sorted(texts)
    step = min((b - a for a, b in pairwise(times)), default=1.0)
    for time in times:
        text = " ".join(clean_text(texts[time]).split())
        if not text:
            continue
        end = time + step
        if found and found[-1].text == text and abs(found[-1].end - time) < 1e-6:
            found[-1] = replace(found[-1], end=end)
        else:
            found.append(Observation(time, end, "caption", text, processor=NAME, version=version))
    return found
