"""Sampling: few frames where nothing changes, more where something does; shots."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from media_files import needs_media, painted, plain, write_video

from centerlm.media.decode import probe
from centerlm.media.sampling import Sampling, samples

pytestmark = needs_media


def test_a_still_video_is_looked_at_rarely(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", painted(200))
    found = list(samples(path, probe(path)))
    assert len(found) <= 7
    assert {s.shot for s in found} == {0}
    assert all(s.still for s in found[1:])


def test_what_happens_between_is_looked_at_densely(tmp_path: Path) -> None:
    def paint(frame: Any, number: int) -> None:
        if 90 <= number < 110:
            frame[50:70, (number - 90) * 7 : (number - 90) * 7 + 20] = (220, 30, 30)

    path = write_video(tmp_path / "a.mp4", painted(200, paint))
    times = [s.frame.time for s in samples(path, probe(path))]
    assert len([t for t in times if 8.9 <= t <= 11.1]) >= 9
    assert len([t for t in times if not 8.9 <= t <= 11.1]) <= 9
    assert times == sorted(set(times))


def test_shots_are_told_apart(tmp_path: Path) -> None:
    shots = [plain((200, 30, 30))] * 20 + [plain((30, 30, 200))] * 20 + [plain((230, 230, 40))] * 20
    path = write_video(tmp_path / "a.mp4", shots)
    found = list(samples(path, probe(path)))
    assert {s.shot for s in found} == {0, 1, 2}
    assert next(s.frame.time for s in found if s.shot == 1) == pytest.approx(2.0, abs=0.21)


def test_a_span_is_sampled_alone(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", painted(100))
    times = [s.frame.time for s in samples(path, probe(path), start=4.0, end=6.0)]
    assert times[0] == pytest.approx(4.0)
    assert times[-1] <= 6.0


@pytest.mark.parametrize("key_every", [600, 100])
def test_a_long_video_is_seen_between_key_frames_that_are_far_apart(
    tmp_path: Path, key_every: int
) -> None:
    def paint(frame: Any, number: int) -> None:
        if 150 <= number < 170 or number >= 390:
            frame[:30, :30] = (220, 30, 30)

    path = write_video(tmp_path / "a.mp4", painted(400, paint), fps=2, key_every=key_every)
    found = list(samples(path, probe(path), Sampling(long=60)))
    red = [s.frame.time for s in found if s.frame.pixels[9, 9, 0] > 150]
    assert red[0] == pytest.approx(75, abs=0.6)
    assert any(195 <= time <= 200 for time in red)
    times = [s.frame.time for s in found]
    assert times == sorted(set(times))


def test_a_long_video_with_many_key_frames_is_seen_by_these(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", painted(400), fps=2, key_every=20)
    times = [s.frame.time for s in samples(path, probe(path), Sampling(long=60))]
    assert all(time % 10 == pytest.approx(0, abs=0.01) for time in times)
