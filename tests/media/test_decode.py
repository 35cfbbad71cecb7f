"""Decoding: spans, extreme frame rates, rotation, and files that are not as they seem."""

from __future__ import annotations

import importlib
import math
import random
import struct
import subprocess
import sys
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from media_files import (
    SIZE,
    needs_media,
    number_of,
    numbered,
    painted,
    plain,
    write_sound,
    write_video,
)

from centerlm.errors import MediaError
from centerlm.media.decode import Losses, frames, probe, sound
from centerlm.media.loading import installed

pytestmark = needs_media
av: Any = importlib.import_module("av") if installed("av") else None


def test_a_video_says_what_it_is(tmp_path: Path) -> None:
    info = probe(write_video(tmp_path / "a.mp4", numbered(30), tone=3))
    assert (info.kind, info.width, info.height, info.sound) == ("video", 160, 120, True)
    assert info.seconds == pytest.approx(3, abs=0.15)
    assert info.fps == pytest.approx(10)
    assert info.notes == ()


def test_a_span_is_decoded_alone_and_whole(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", numbered(100))
    found = list(frames(path, start=6.0, end=6.5))
    assert [number_of(f.pixels) for f in found] == [60, 61, 62, 63, 64, 65]
    assert [f.time for f in found] == pytest.approx([6.0, 6.1, 6.2, 6.3, 6.4, 6.5])


def test_frames_are_a_step_apart_and_of_bounded_size(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", numbered(40))
    found = list(frames(path, step=1.0, side=80))
    assert [number_of(f.pixels) for f in found] == [0, 10, 20, 30]
    assert found[0].pixels.shape == (60, 80, 3)
    assert 4 <= len(list(frames(path, keys_only=True))) < 10


def test_an_uneven_frame_rate_keeps_its_times(tmp_path: Path) -> None:
    times = [0.0, 0.1, 0.15, 2.0, 2.5, 7.0]
    path = write_video(tmp_path / "a.mkv", numbered(6), times=times)
    assert [f.time for f in frames(path)] == pytest.approx(times, abs=0.02)
    assert [f.time for f in frames(path, start=2.0, end=3.0)] == pytest.approx([2.0, 2.5], abs=0.02)


@pytest.mark.parametrize("fps", [1, 240])
def test_extreme_frame_rates(tmp_path: Path, fps: int) -> None:
    path = write_video(tmp_path / "a.mp4", numbered(12), fps=fps)
    assert probe(path).seconds == pytest.approx(12 / fps, rel=0.05)
    found = [f.time for f in frames(path)]
    assert found == pytest.approx([n / fps for n in range(12)], abs=1e-3)


def test_a_turned_video_is_upright(tmp_path: Path) -> None:
    def paint(frame: Any, number: int) -> None:
        del number
        frame[:20] = (250, 0, 0)  # red at the top as stored

    path = write_video(tmp_path / "a.mp4", painted(5, paint))
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 4 + 20 + 16
    # The matrix of a camera held upright: shown turned a quarter clockwise.
    data[at : at + 36] = struct.pack(">9i", 0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    info = probe(path)
    assert (info.width, info.height) == (120, 160)
    pixels = next(frames(path)).pixels
    assert pixels.shape == (160, 120, 3)
    assert pixels[:, -10:, 0].mean() > 200  # what was on top is on the right
    assert pixels[:, :10, 0].mean() < 80


def test_one_frame_is_a_video(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", numbered(1))
    assert probe(path).kind == "video"
    assert [f.time for f in frames(path)] == [0.0]


def test_frames_of_8k_are_made_smaller(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", [plain((90, 20, 20), (7680, 4320))], codec="mjpeg")
    info = probe(path)
    assert (info.width, info.height) == (7680, 4320)
    assert next(frames(path)).pixels.shape == (540, 960, 3)


@pytest.mark.parametrize(
    ("name", "form", "options"), [("a.mkv", "matroska", {"live": "1"}), ("a.m4v", "m4v", {})]
)
def test_a_stream_that_names_no_length_is_measured(
    tmp_path: Path, name: str, form: str, options: dict[str, str]
) -> None:
    path = tmp_path / name
    with av.open(str(path), "w", format=form, options=options) as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for pixels in numbered(50):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    assert probe(path).seconds == pytest.approx(2.0, abs=0.1)
    found = list(frames(path))
    assert [f.time for f in found] == pytest.approx([n / 25 for n in range(50)], abs=0.05)
    (frame,) = frames(path, start=1.0, end=1.02)
    assert number_of(frame.pixels) == 25


def test_sound_is_mono_and_in_stretches(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", numbered(30), tone=3)
    parts = list(sound(path, chunk=1.0))
    assert sum(len(p.samples) for p in parts) / 16_000 == pytest.approx(3, abs=0.15)
    assert [p.start for p in parts[:2]] == pytest.approx([0, 1], abs=0.1)
    (part,) = sound(path, start=1.0, end=1.5)
    assert part.start == pytest.approx(1.0, abs=0.1)
    assert len(part.samples) / 16_000 == pytest.approx(0.5, abs=0.1)
    assert np.sqrt((part.samples**2).mean()) == pytest.approx(0.21, abs=0.03)


def test_what_is_heard_after_a_gap_keeps_its_time(tmp_path: Path) -> None:
    path = tmp_path / "a.mka"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        for second in (0, 1, 40, 41):
            samples = np.full((1, 16_000), 1_000, np.int16)
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            frame.sample_rate, frame.pts = 16_000, second * 16_000
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    parts = list(sound(path))
    assert [(p.start, len(p.samples) / 16_000) for p in parts] == [(0.0, 2.0), (40.0, 2.0)]
    assert [p.start for p in sound(path, start=30.0, end=41.0)] == [40.0]


def test_sound_without_pictures_and_pictures_without_sound(tmp_path: Path) -> None:
    recording = write_sound(tmp_path / "a.wav", np.zeros(16_000))
    info = probe(recording)
    assert (info.kind, info.seconds, info.sound) == ("audio", 1.0, True)
    assert list(frames(recording)) == []
    video = write_video(tmp_path / "a.mp4", numbered(5))
    assert not probe(video).sound
    assert list(sound(video)) == []


def test_the_content_decides_not_the_name(tmp_path: Path) -> None:
    made = write_video(tmp_path / "a.mp4", numbered(5))
    assert probe(made.rename(tmp_path / "a.jpg")).kind == "video"
    picture = tmp_path / "b.mp4"
    picture.write_bytes(png(30, 20))
    assert probe(picture).kind == "image"


def png(width: int, height: int, *, rows: int | None = None) -> bytes:
    """A grey PNG; with fewer `rows` than it says it has."""
    raw = (b"\0" + b"\x80" * width) * (height if rows is None else rows)

    def chunk(name: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + check

    head = struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(raw, 1)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def test_a_picture_is_one_frame(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(300, 200))
    assert probe(path).kind == "image"
    (frame,) = frames(path, side=150)
    assert (frame.time, frame.pixels.shape) == (0.0, (100, 150, 3))


def test_of_a_scan_with_pages_the_first_is_seen_and_that_is_said(tmp_path: Path) -> None:
    image: Any = pytest.importorskip("PIL.Image")
    pages = [image.new("L", (30, 20), shade) for shade in (0, 128, 255)]
    for name in ("a.tiff", "a.webp"):
        path = tmp_path / name
        pages[0].save(path, save_all=True, append_images=pages[1:])
        info = probe(path)
        assert info.kind == "image"
        assert "has 3 pages or frames, and only the first" in info.notes[0]
        assert next(frames(path)).pixels.max() < 20
    pages[0].save(tmp_path / "one.tiff")
    assert probe(tmp_path / "one.tiff").notes == ()


@pytest.mark.parametrize("name", ["a.gif", "a.tiff", "a.png", "a.jpg", "a.webp", "a.bmp", "a.ppm"])
def test_damaged_pictures_give_pixels_or_one_sentence(
    tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    image: Any = pytest.importorskip("PIL.Image")
    path = tmp_path / name
    picture = image.frombytes("RGB", (40, 30), bytes(range(240)) * 15)
    moving = {"save_all": True, "append_images": [picture]} if name in ("a.gif", "a.tiff") else {}
    picture.save(path, **moving)
    whole, draw = path.read_bytes(), random.Random(1)
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(draw.randint(1, 8)):
            data[draw.randrange(min(len(data), 400))] = draw.randrange(256)
        path.write_bytes(data[: draw.randrange(1, 2 * len(data))])
        with suppress(MediaError):
            probe(path)
            assert all(frame.pixels.ndim == 3 for frame in frames(path))
    assert "Warning" not in capfd.readouterr().err


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    image: Any = pytest.importorskip("PIL.Image")
    picture = image.new("RGBA", (30, 20), (0, 0, 0, 0))
    picture.paste((0, 0, 0, 255), (0, 0, 10, 20))
    for name, shown in (("a.png", picture), ("b.png", picture.quantize(4))):
        shown.save(tmp_path / name)
        (frame,) = frames(tmp_path / name)
        assert frame.pixels[10, 5].tolist() == [0, 0, 0]
        assert frame.pixels[10, 25].tolist() == [255, 255, 255]


def test_a_picture_of_16_bits_keeps_its_shades(tmp_path: Path) -> None:
    image: Any = pytest.importorskip("PIL.Image")
    shades = np.linspace(1_000, 60_000, 40 * 30).reshape(30, 40)
    for name, kind in (("a.png", np.uint16), ("a.tiff", np.uint16), ("b.tiff", np.float32)):
        image.fromarray(shades.astype(kind)).save(tmp_path / name)
        (frame,) = frames(tmp_path / name)
        assert frame.pixels[0, 0].tolist() == [0, 0, 0]
        assert frame.pixels[-1, -1].min() >= 254
        assert 120 < frame.pixels[15].mean() < 135


def test_a_photo_of_100_million_pixels_is_read_small(tmp_path: Path) -> None:
    image: Any = pytest.importorskip("PIL.Image")
    path = tmp_path / "a.jpg"
    image.new("L", (12_500, 8_000), 128).save(path)
    assert probe(path).width == 12_500
    assert next(frames(path)).pixels.shape[1] == 960


def bad_files(folder: Path) -> dict[str, tuple[bytes, str]]:
    whole = write_video(folder / "whole.mp4", numbered(30)).read_bytes()
    return {
        "text.mp4": (b"just words, no pictures\n" * 50, "no media file"),
        "nothing.mp4": (b"", "is empty"),
        "zeros.mp4": (bytes(4096), "no media file"),
        "cut.mp4": (whole[: len(whole) // 2], "no media file, or is cut short"),
        "list.m3u8": (b"#EXTM3U\n#EXTINF:5,\nhttp://127.0.0.1:9/a.ts\n", "no media file"),
        "bomb.png": (png(60_000, 60_000, rows=1), "pixels, more than"),
        "large.png": (png(12_500, 8_000, rows=1), "12,500 x 8,000 pixels, more than"),
        "cut.png": (png(300, 200)[:60], "damaged or cut short"),
    }


def test_what_cannot_be_decoded_is_one_sentence(tmp_path: Path) -> None:
    for name, (content, expected) in bad_files(tmp_path).items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(MediaError) as caught:
            probe(path)
        sentence = str(caught.value)
        assert expected in sentence, name
        assert str(path) in sentence
        assert "\n" not in sentence
    with pytest.raises(MediaError, match="not a file"):
        probe(tmp_path / "missing.mp4")
    with pytest.raises(MediaError, match="not a file"):
        probe(tmp_path)


def test_a_codec_that_is_missing_is_named(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", numbered(5))
    path.write_bytes(path.read_bytes().replace(b"FMP4", b"ZZ9Z"))
    with pytest.raises(MediaError, match="cannot decode; convert it"):
        probe(path)


def test_damage_in_the_middle_costs_only_that(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 255, (120, 160, 3), dtype=np.uint8) for _ in range(60)]
    path = write_video(tmp_path / "a.mkv", noise, codec="ffv1", key_every=1)
    data = bytearray(path.read_bytes())
    third = len(data) // 3
    data[third : third + len(data) // 10] = bytes(len(data) // 10)
    path.write_bytes(data)
    losses = Losses()
    found = list(frames(path, losses=losses))
    assert 30 <= len(found) < 60
    assert found[-1].time > 5.5


def test_what_comes_after_long_damage_is_decoded(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", [plain(size=(32, 32))] * 4_000, fps=30, key_every=30)
    data, packets = bytearray(path.read_bytes()), list[tuple[int, int]]()
    with av.open(str(path)) as container:
        packets = [(p.pos, p.size) for p in container.demux() if p.size]
    for at, size in packets[300:3_700]:
        data[at : at + size] = b"\xff" * size
    path.write_bytes(data)
    losses = Losses()
    found = [frame.time for frame in frames(path, losses=losses)]
    assert found[-1] > 133
    assert losses.packets > 3_000


def test_sound_goes_on_where_the_next_whole_piece_is_found(tmp_path: Path) -> None:
    wave = 0.3 * np.sin(np.arange(30 * 48_000) / 20)
    path = write_sound(tmp_path / "a.ogg", wave, codec="libopus", rate=48_000)
    data = bytearray(path.read_bytes())
    at, size = len(data) // 4, len(data) // 3
    data[at : at + size] = random.Random(2).randbytes(size)
    path.write_bytes(data)
    assert sum(len(p.samples) for p in sound(path)) / 16_000 > 15


def test_a_video_that_is_cut_short_gives_what_is_there(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", numbered(100))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    found = list(frames(path))
    assert 20 < len(found) < 80
    assert [number_of(f.pixels) for f in found[:3]] == [0, 1, 2]


def test_losses_are_told_in_a_sentence() -> None:
    losses = Losses()
    assert losses.told() == ""
    losses.add(1.0, "broken")
    losses.add(2.5, "broken")
    assert losses.told() == (
        "is damaged: 2 pieces between 1.0 and 2.5 s could not be decoded and were left out; "
        "the rest was used"
    )
    assert losses.first < math.inf


def test_without_the_extra_it_says_what_to_install(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", numbered(3))
    code = (
        "import sys\nsys.modules['av'] = None\nfrom pathlib import Path\n"
        "from centerlm.errors import MissingExtraError\nfrom centerlm.media.decode import probe\n"
        f"try:\n    probe(Path({str(path)!r}))\n"
        "except MissingExtraError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "av is not installed; run: pip install 'centerlm[media]'"
