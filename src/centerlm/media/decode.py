"""What a media file holds, and its frames and sound, a little at a time.

Built on PyAV (FFmpeg). Where only a span is wanted, decoding begins at the key frame before it.
What cannot be decoded is passed over and counted, so a file that is damaged in the middle gives all
the rest. Files are opened as files of a known container format alone: a playlist that names other
files or addresses opens nothing.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from centerlm.errors import MediaError
from centerlm.media.loading import load
from centerlm.media.pictures import is_picture, read_picture, unseen_frames

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Kind = Literal["image", "audio", "video"]

SIDE = 960
"""Pixels of the longer side that frames are made smaller to."""
RATE = 16_000
"""Samples a second of decoded sound, which is mono."""
MAX_DRIFT = 0.5
"""Seconds by which the time stamps of sound may be off from its length."""
MAX_FRAME_PIXELS = 70_000_000
_FORMATS = (
    *("aac", "aiff", "amr", "apng", "asf", "avi", "caf", "flac", "flv", "gif", "h264", "hevc"),
    *("ivf", "m4v", "matroska,webm", "mjpeg", "mov,mp4,m4a,3gp,3g2,mj2", "mp3", "mpeg", "mpegts"),
    *("mpegvideo", "nut", "ogg", "w64", "wav", "webp_anim"),
)
_GIVE_UP = 2000  # times in a row that no further packet can be found


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What a file is. `seconds` is 0.0 for a picture; `fps` is the mean where it varies.

    `width` and `height` are of the upright picture, 0 where there is none. `notes` are sentences
    on what cannot be used.
    """

    kind: Kind
    seconds: float = 0.0
    width: int = 0
    height: int = 0
    fps: float = 0.0
    sound: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: seconds from the beginning, and RGB pixels (height, width, 3)."""

    time: float
    pixels: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Sound:
    """A stretch of mono sound from `start` seconds on; float32 samples in -1..1."""

    start: float
    samples: NDArray[np.float32]


@dataclass(slots=True)
class Losses:
    """Counts what could not be decoded, and from which second to which."""

    packets: int = 0
    first: float = math.inf
    last: float = 0.0
    reasons: set[str] = field(default_factory=set[str])

    def add(self, time: float | None, reason: str) -> None:
        self.packets += 1
        self.reasons.add(reason)
        if time is not None:
            self.first, self.last = min(self.first, time), max(self.last, time)

    def told(self) -> str:
        """What was lost, to be said of a file, or "" where nothing was."""
        if not self.packets:
            return ""
        where = (
            f" between {self.first:.1f} and {self.last:.1f} s" if self.first <= self.last else ""
        )
        return (
            f"is damaged: {self.packets} pieces{where} could not be decoded and were "
            "left out; the rest was used"
        )


def probe(path: Path) -> MediaInfo:
    """What a file holds, by its content, whatever it is called.

    Raises:
        MediaError: it is no media file, empty, cut short before its index, or has nothing that can
            be decoded.
        MissingExtraError: PyAV or Pillow is not installed.
    """
    _check_file(path)
    if is_picture(path):
        _, (width, height) = read_picture(path, side=64)
        unseen = unseen_frames(path)
        return MediaInfo("image", width=width, height=height, notes=(unseen,) if unseen else ())
    with _opened(path) as container:
        video, audio = _video(container), _audio(container)
        notes = [
            f"{path} has a {stream.type} track in a format that this FFmpeg cannot decode; "
            "convert it, e.g. to H.264 and AAC"
            for stream in container.streams
            if stream.type in ("video", "audio") and stream.codec_context is None
        ]
        if video is None and audio is None:
            raise MediaError(
                notes[0] if notes else f"{path} has neither pictures nor sound that can be decoded"
            )
        seconds = _seconds(container, video or audio) or _measured(container, video or audio)
        if video is None:
            return MediaInfo("audio", seconds, sound=True, notes=tuple(notes))
        context = video.codec_context
        width, height = context.width, context.height
        _check_frame(path, width, height)
        fps = float(video.average_rate or video.guessed_rate or 0)
    first = next(frames(path), None)
    if first is None and audio is None:
        raise MediaError(f"{path} holds no frame that can be decoded; replace it with a whole copy")
    if first is None:
        notes.append(f"{path} holds no frame that can be decoded; only its sound was used")
        return MediaInfo("audio", seconds, sound=True, notes=tuple(notes))
    if (first.pixels.shape[0] > first.pixels.shape[1]) != (height > width):
        width, height = height, width
    return MediaInfo("video", seconds, width, height, fps, audio is not None, tuple(notes))


def frames(
    path: Path,
    *,
    start: float = 0.0,
    end: float = math.inf,
    step: float = 0.0,
    side: int = SIDE,
    keys_only: bool = False,
    losses: Losses | None = None,
) -> Iterator[Frame]:
    """The frames from `start` to `end` (seconds, both included), at least `step` seconds apart.

    They are upright and no longer than `side` pixels. `keys_only` decodes key frames alone. A
    picture is one frame at 0.

    Raises:
        MediaError: the file cannot be opened.
    """
    _check_file(path)
    if is_picture(path):
        if start <= 0:
            yield Frame(0.0, read_picture(path, side=side)[0])
        return
    losses = losses if losses is not None else Losses()
    with _opened(path) as container:
        stream = _video(container)
        if stream is None:
            return
        _check_frame(path, stream.codec_context.width, stream.codec_context.height)
        stream.thread_type = "AUTO"
        stream.codec_context.skip_frame = "NONKEY" if keys_only else "DEFAULT"
        zero = _zero(container, stream)
        if start > 0:
            _seek(container, stream, start + zero)
        due, next_ = start - 1e-3, 0.0
        for frame in _decoded(container, stream, zero, losses):
            # A bare stream has no times: its frames are counted.
            time = next_ if frame.time is None else max(float(frame.time) - zero, 0.0)
            next_ = time + _frame_seconds(stream)
            if time > end + 1e-3:
                return
            if time < due:
                continue
            if frame.width * frame.height > MAX_FRAME_PIXELS:
                losses.add(time, "too large")
                continue
            yield Frame(time, _pixels(frame, side))
            due = time + step - 1e-3


def sound(
    path: Path,
    *,
    start: float = 0.0,
    end: float = math.inf,
    chunk: float = 30.0,
    losses: Losses | None = None,
) -> Iterator[Sound]:
    """The sound from `start` to `end`, in stretches of at most `chunk` seconds or a little more,
    which end where some is missing; none where there is none.

    Raises:
        MediaError: the file cannot be opened.
    """
    numpy, av = load("numpy"), load("av")
    _check_file(path)
    losses = losses if losses is not None else Losses()
    with _opened(path) as container:
        stream = _audio(container)
        if stream is None:
            return
        zero = _zero(container, stream)
        if start > 0:
            _seek(container, stream, start + zero)
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        held: list[Any] = []
        begun: float | None = None
        length = 0
        for frame in _decoded(container, stream, zero, losses):
            due = 0.0 if begun is None else begun + length / RATE
            time = due if frame.time is None else max(float(frame.time) - zero, 0.0)
            if time > end:
                break
            if begun is None:
                if time + frame.samples / frame.sample_rate <= start:
                    continue
                begun = time
            elif abs(time - due) > MAX_DRIFT:  # sound is missing here: what follows keeps its time
                if length:
                    yield Sound(begun, numpy.concatenate(held))
                begun, held, length = time, [], 0
            try:
                made = [part.to_ndarray()[0] for part in resampler.resample(frame)]
            except (av.FFmpegError, ValueError):  # the layout changes in the middle of the file
                losses.add(time, "sound of another form")
                resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
                continue
            held += made
            length += sum(map(len, made))
            if length >= chunk * RATE:
                yield Sound(begun, numpy.concatenate(held))
                begun, held, length = begun + length / RATE, [], 0
        if begun is not None and length:
            samples = numpy.concatenate(held)
            if end < math.inf:
                samples = samples[: max(int((end - begun) * RATE), 0)]
            if len(samples):
                yield Sound(begun, samples)


def _check_file(path: Path) -> None:
    try:
        if not path.is_file():
            raise MediaError(f"{path} is not a file that can be read; check the path")
        if path.stat().st_size == 0:
            raise MediaError(f"{path} is empty; replace it with a whole copy")
        with path.open("rb") as file:
            file.read(1)
    except OSError as error:
        raise MediaError(f"{path} cannot be read ({error.strerror}); check it") from None


def _check_frame(path: Path, width: int, height: int) -> None:
    if width * height > MAX_FRAME_PIXELS:
        raise MediaError(
            f"{path} has frames of {width:,} x {height:,} pixels, more than the "
            f"{MAX_FRAME_PIXELS / 1e6:.0f} million that are unpacked; make it smaller first"
        )


@contextmanager
def _opened(path: Path) -> Generator[Any]:
    av = load("av")
    options = {"format_whitelist": ",".join(_FORMATS), "protocol_whitelist": "file"}
    try:
        container = av.open(f"file:{path.resolve()}", options=options, metadata_errors="ignore")
    except (av.FFmpegError, ValueError, OSError) as error:
        text = getattr(error, "strerror", None) or str(error)
        raise MediaError(
            f"{path} is no media file, or is cut short before its index ({text}); "
            "give a picture, a recording or a video that is whole"
        ) from None
    try:
        yield container
    finally:
        container.close()


def _video(container: Any) -> Any | None:
    """The first video track that can be decoded; the cover picture of a song is none."""
    av = load("av")
    for stream in container.streams.video:
        cover = stream.disposition & av.stream.Disposition.attached_pic
        if stream.codec_context is not None and not cover:
            return stream
    return None


def _audio(container: Any) -> Any | None:
    return next((s for s in container.streams.audio if s.codec_context is not None), None)


def _zero(container: Any, stream: Any) -> float:
    """The time stamp that is the beginning."""
    if container.start_time is not None:
        return container.start_time / 1e6
    return float((stream.start_time or 0) * stream.time_base)


def _seconds(container: Any, stream: Any) -> float:
    if container.duration:
        return container.duration / 1e6
    return float(stream.duration * stream.time_base) if stream.duration else 0.0


def _measured(container: Any, stream: Any) -> float:
    """The end of the last packet, in seconds: a recording that was streamed names no length."""
    av = load("av")
    zero, end, untimed = _zero(container, stream), 0.0, 0
    with suppress(av.FFmpegError):  # what is damaged ends here
        for packet in container.demux(stream):
            if packet.pts is not None:
                end = max(end, float((packet.pts + (packet.duration or 0)) * stream.time_base))
            elif packet.size:
                untimed += 1
    return end - zero if end else untimed * _frame_seconds(stream)


def _frame_seconds(stream: Any) -> float:
    rate = float(getattr(stream, "average_rate", None) or getattr(stream, "guessed_rate", 0) or 0)
    return 1 / rate if rate else 0.0


def _seek(container: Any, stream: Any, time: float) -> None:
    av = load("av")
    with suppress(av.FFmpegError, OverflowError):  # without an index: from the beginning
        container.seek(int(time / stream.time_base), stream=stream, backward=True)


def _decoded(container: Any, stream: Any, zero: float, losses: Losses) -> Iterator[Any]:
    """The frames of a track; damaged packets are counted and passed over."""
    av = load("av")
    packets = container.demux(stream)
    lost = 0
    while lost < _GIVE_UP:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.FFmpegError as error:
            losses.add(None, str(error.strerror))
            packets = container.demux(stream)  # the next whole piece, where there is one
            lost += 1
            continue
        lost = 0
        try:
            decoded = packet.decode()
        except av.FFmpegError as error:
            at = packet.pts if packet.pts is not None else packet.dts
            time = None if at is None else float(at * stream.time_base) - zero
            losses.add(time, str(error.strerror))
            continue
        yield from decoded


def _pixels(frame: Any, side: int) -> NDArray[np.uint8]:
    numpy = load("numpy")
    scale = min(1.0, side / max(frame.width, frame.height))
    width, height = max(int(frame.width * scale), 1), max(int(frame.height * scale), 1)
    pixels = frame.to_ndarray(format="rgb24", width=width, height=height)
    turns = round(getattr(frame, "rotation", 0) / 90) % 4
    return numpy.ascontiguousarray(numpy.rot90(pixels, turns)) if turns else pixels
