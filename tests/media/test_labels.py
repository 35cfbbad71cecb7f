"""Labels of pictures and poses of people, and citations as small pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from media_files import needs_media, painted, write_video

from centerlm.errors import MissingExtraError, MissingWeightsError
from centerlm.finding import Citation
from centerlm.media.decode import Frame
from centerlm.media.labels import Labels
from centerlm.media.loading import load
from centerlm.media.pose import POINTS, Pose, describe
from centerlm.media.sampling import Sample
from centerlm.media.thumbnails import thumbnail, write_thumbnails
from cli_run import runner

STANDING = {
    "nose": (0.5, 0.1), "left eye": (0.52, 0.09), "right eye": (0.48, 0.09),
    "left shoulder": (0.58, 0.25), "right shoulder": (0.42, 0.25), "left elbow": (0.6, 0.4),
    "right elbow": (0.4, 0.4), "left wrist": (0.6, 0.5), "right wrist": (0.4, 0.5),
    "left hip": (0.55, 0.5), "right hip": (0.45, 0.5), "left knee": (0.55, 0.7),
    "right knee": (0.45, 0.7),
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, "a person stands"),
        ({"left wrist": (0.6, 0.1)}, "a person stands with the left arm raised"),
        ({"left wrist": (0.6, 0.1), "right wrist": (0.4, 0.1)},
         "a person stands with both arms raised"),
        ({"left knee": (0.65, 0.55), "right knee": (0.4, 0.55)}, "a person sits or crouches"),
        ({"left hip": (0.9, 0.3), "right hip": (0.9, 0.3)}, "a person lies or bends over"),
    ],
)  # fmt: skip
def test_a_pose_is_told_from_its_points(change: dict[str, tuple[float, float]], told: str) -> None:
    assert describe({**STANDING, **change}) == told


def test_too_few_points_tell_nothing() -> None:
    assert describe({}) == ""
    assert describe(dict(list(STANDING.items())[:5])) == ""
    assert set(STANDING) <= set(POINTS)


def made(kind: Any) -> Any:
    try:
        return kind()
    except (MissingExtraError, MissingWeightsError) as error:
        pytest.skip(str(error))


@needs_media
def test_a_cat_is_labelled_with_a_confidence_and_for_as_long_as_it_is_seen() -> None:
    data: Any = pytest.importorskip("skimage.data")
    labels = made(Labels)
    for time in (0.0, 2.0, 3.0, 4.0):
        labels.see(Sample(Frame(time, data.chelsea()), 0, still=False))
    told = labels.end()
    assert any("cat" in o.facts["label"] for o in told)
    assert all((o.start, o.end, o.kind) == (0.0, 4.0, "label") for o in told)
    assert all(o.confidence is not None and 0.4 <= o.confidence <= 1 for o in told)


@needs_media
def test_a_person_who_stands_is_seen_to_stand() -> None:
    data: Any = pytest.importorskip("skimage.data")
    pose = made(Pose)
    points, sure = pose.points(data.astronaut())
    assert {"nose", "left shoulder", "right shoulder"} <= points.keys()
    assert points["nose"][1] < points["left shoulder"][1]
    assert 0.35 <= sure <= 1
    assert pose.points(np.zeros((50, 90, 3), np.uint8)) == ({}, 0.0)


def cited(path: Path, start: float, end: float, unit: str = "seconds") -> Citation:
    return Citation("p", str(path), "t", start, end, unit)


@needs_media
def test_a_citation_has_the_frame_in_the_middle_of_its_span(tmp_path: Path) -> None:
    def paint(frame: Any, number: int) -> None:
        frame[:] = (200, 40, 40) if 10 <= number < 20 else (40, 40, 200)

    path = write_video(tmp_path / "a.mp4", painted(30, paint))
    spans = [cited(path, 1.0, 1.8), cited(path, 1.0, 1.8), cited(path, 2.0, 99.0),
             cited(path, 0, 5, "characters"), cited(tmp_path / "gone.mp4", 0, 1)]  # fmt: skip
    written = write_thumbnails(spans, tmp_path / "frames")
    assert [p.name for p in written] == ["a-1.0-1.8s.jpg", "a-2.0-99.0s.jpg"]
    cv2 = load("cv2")
    blue, _, red = cv2.imread(str(written[0])).mean(axis=(0, 1))
    assert red > 2 * blue
    data = thumbnail(path, 0.0, 0.5, side=40)
    assert data is not None
    assert max(cv2.imdecode(np.frombuffer(data, np.uint8), 1).shape) == 40


@needs_media
def test_files_of_one_name_have_frames_of_their_own(tmp_path: Path) -> None:
    cv2, shades = load("cv2"), (20, 120, 220)
    paths = [tmp_path / name for name in ("door.png", "door.jpg", "other/door.png")]
    (tmp_path / "other").mkdir()
    for path, shade in zip(paths, shades, strict=True):
        cv2.imwrite(str(path), np.full((40, 40, 3), shade, np.uint8))
    written = write_thumbnails([cited(path, 0, 0) for path in paths], tmp_path / "frames")
    assert [p.name for p in written] == [
        f"door{number}-0.0-0.0s.jpg" for number in ("", "-2", "-3")
    ]
    assert [round(cv2.imread(str(p)).mean(), -1) for p in written] == list(shades)


@needs_media
def test_solve_writes_the_frames_that_it_cites(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CENTERLM_HOME", str(tmp_path / "home"))
    cv2 = load("cv2")
    pixels = np.full((120, 320, 3), 250, np.uint8)
    cv2.putText(pixels, "EXIT 42", (40, 70), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (0, 0, 0), 2)
    cv2.imwrite(str(tmp_path / "door.png"), pixels)
    frames = tmp_path / "frames"
    words = ["solve", "What is written?", "--attach", tmp_path / "door.png", "--frames", frames,
             "--model", "scripted:media_files:SIGN", "--json"]  # fmt: skip
    told = json.loads(runner(monkeypatch, capsys)(*words).out)
    assert told["answer"] == "EXIT 42"
    assert told["frames"] == [str(frames / "door-0.0-0.0s.jpg")]
    assert cv2.imread(told["frames"][0]).shape == (120, 320, 3)
