"""Media files made in the tests, with known content."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from centerlm.errors import MissingWeightsError
from centerlm.media.loading import installed
from centerlm.models.weights import find

SIZE = (160, 120)
PACKAGES = ("av", "cv2", "faster_whisper", "ioutrack", "PIL", "rapidocr", "scenedetect")
needs_media = pytest.mark.skipif(
    not all(map(installed, PACKAGES)), reason="the extra media is not installed"
)


def has_weights(name: str) -> bool:
    """Whether the pinned weights of this name are on this machine."""
    try:
        find(name)
    except MissingWeightsError:
        return False
    return True


needs_speech = pytest.mark.skipif(not has_weights("speech"), reason="no speech weights")
needs_detector = pytest.mark.skipif(not has_weights("detector"), reason="no detector weights")


def write_video(
    path: Path,
    frames: Iterable[Any],
    *,
    fps: int = 10,
    times: list[float] | None = None,
    codec: str = "mpeg4",
    key_every: int = 10,
    tone: float = 0.0,
    silence: float = 0.0,
) -> Path:
    """RGB arrays as a video; `times` makes the frame rate vary; `tone` seconds of a sine."""
    import av
    import numpy as np

    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.codec_context.gop_size = key_every
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.bit_rate = 2_000_000
        sound = container.add_stream("aac", rate=16_000, layout="mono") if tone or silence else None
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number, pixels in enumerate(frames):
            if number == 0:
                stream.height, stream.width = pixels.shape[:2]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = round(times[number] * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if sound is not None:
            at = np.arange(int((tone or silence) * 16_000)) / 16_000
            wave = (0.3 * np.sin(2 * np.pi * 440 * at) * bool(tone)).astype(np.float32)
            _mux_sound(container, sound, wave)
    return path


def write_sound(path: Path, samples: Any, *, codec: str = "pcm_s16le", rate: int = 16_000) -> Path:
    """Mono float samples as a recording."""
    import av

    with av.open(str(path), "w") as container:
        _mux_sound(container, container.add_stream(codec, rate=rate, layout="mono"), samples, rate)
    return path


def _mux_sound(container: Any, stream: Any, samples: Any, rate: int = 16_000) -> None:
    import av
    import numpy as np

    resampler = av.AudioResampler(format=stream.codec_context.format or "s16", layout="mono",
                                  rate=rate)  # fmt: skip
    for start in range(0, len(samples), 1024):
        part = np.asarray(samples[start : start + 1024], np.float32)[None]
        frame = av.AudioFrame.from_ndarray(part, format="flt", layout="mono")
        frame.sample_rate, frame.pts = rate, start
        for made in resampler.resample(frame):
            container.mux(stream.encode(made))
    container.mux(stream.encode())


def plain(colour: tuple[int, int, int] = (40, 40, 40), size: tuple[int, int] = SIZE) -> Any:
    """One flat frame."""
    import numpy as np

    return np.full((size[1], size[0], 3), colour, np.uint8)


def painted(count: int, paint: Callable[[Any, int], None] | None = None) -> list[Any]:
    """`count` flat frames, each given to `paint` with its number."""
    made = [plain() for _ in range(count)]
    if paint is not None:
        for number, frame in enumerate(made):
            paint(frame, number)
    return made


def numbered(count: int) -> list[Any]:
    """Frames whose eight upright bars are the bits of their number, white for 1."""
    made = [plain() for _ in range(count)]
    for number, frame in enumerate(made):
        for bit in range(8):
            frame[:, bit * 20 : bit * 20 + 20] = 230 if number >> bit & 1 else 20
    return made


def number_of(pixels: Any) -> int:
    """The number of a frame of `numbered`."""
    width = pixels.shape[1] // 8
    bars = [pixels[:, bit * width : (bit + 1) * width].mean() > 128 for bit in range(8)]
    return sum(bar << bit for bit, bar in enumerate(bars))


SIGN = ["1 [image] What is written on the sign?"]
"""The script of a model that is asked about a picture with words."""
