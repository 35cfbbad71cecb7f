"""The object detector: what it looks at, what labels mean, and how long a thing is there."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from media_files import needs_detector, needs_media

from centerlm.media.decode import Frame
from centerlm.media.objects import CLASSES, Objects, labels_of, squares
from centerlm.media.observation import Box, Observation
from centerlm.media.processing import labelled
from centerlm.media.sampling import Sample
from centerlm.models.weights import find

BOX = Box(0.4, 0.4, 0.6, 0.8)


def test_labels_are_words_without_space_around_them() -> None:
    assert "person" in CLASSES.values()
    assert all(label == label.strip() for label in CLASSES.values())


@pytest.mark.parametrize(
    ("noun", "labels"),
    [
        ("car", {"car"}),
        ("woman", {"person"}),
        ("sofa", {"couch"}),
        ("vehicle", {"car", "motorcycle", "bus", "train", "truck"}),
        ("excavator", set[str]()),
        ("", set[str]()),
    ],
)
def test_a_noun_means_classes_or_none(noun: str, labels: set[str]) -> None:
    assert labels_of(noun) == labels


def test_wide_and_tall_pictures_are_seen_in_squares_that_overlap_and_cover_them() -> None:
    assert squares(100, 100) == [(0, 0, 100, 100)]
    assert squares(120, 100) == [(0, 0, 120, 100)]
    wide = squares(640, 360)
    assert [side for *_, side in wide] == [360] * 3
    assert (wide[0][0], wide[-1][0] + 360) == (0, 640)
    assert all(b[0] - a[0] <= 0.4 * 360 for a, b in pairwise(wide))
    assert [(x, y) for x, y, *_ in squares(360, 640)] == [(y, x) for x, y, *_ in wide]
    assert len(squares(100_000, 100)) == 24


def watch(monkeypatch: pytest.MonkeyPatch, looks: Sequence[bool], shots: Sequence[int] = ()) -> (
    list[Observation]
):  # fmt: skip
    """What is told of looks, a second apart, that show a cup or do not."""
    seen = iter(looks)

    def detect(self: Objects, pixels: object) -> list[tuple[str, float, Box]]:
        del self, pixels
        return [("cup", 0.9, BOX)] if next(seen) else []

    monkeypatch.setattr(Objects, "detect", detect)
    looking = Objects()
    pixels = np.zeros((60, 60, 3), np.uint8)
    for time, _ in enumerate(looks):
        shot = shots[time] if shots else 0
        looking.see(Sample(Frame(float(time), pixels), shot, still=False))
    return looking.end()


@needs_media
@pytest.mark.parametrize(
    ("looks", "spans"),
    [
        ([True] * 5, [(0, 4)]),
        ([True, True, False, True, True], [(0, 4)]),
        ([True, True, False, False, False, True], [(0, 1), (5, 5)]),
        ([False, True, True, False], [(1, 2)]),
    ],
)
@needs_detector
def test_a_thing_is_there_until_two_looks_do_not_show_it(
    looks: list[bool], spans: list[tuple[float, float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = watch(monkeypatch, looks)
    assert [(o.start, o.end) for o in told] == spans
    assert {o.facts["colour"] for o in told} == {"black"}


@needs_media
@needs_detector
def test_what_stands_in_another_shot_is_another_thing(monkeypatch: pytest.MonkeyPatch) -> None:
    told = watch(monkeypatch, [True] * 4, [0, 0, 1, 1])
    assert [(o.start, o.end) for o in told] == [(0, 1), (2, 3)]


def track(enters: str, leaves: str) -> Observation:
    """Something that goes from left to right in three seconds."""
    facts = {"size": "large", "from": "left", "to": "right", "enters": enters, "leaves": leaves}
    path = tuple((float(t), Box(0.2 * t, 0.4, 0.2 * t + 0.3, 0.8)) for t in range(4))
    return Observation(0, 3, "track", "", None, path[0][1], "motion", "1", facts, path)


def seen(time: float, label: str, box: Box) -> Observation:
    return Observation(time, time, "object", "", 0.9, box, "objects", "1", {"label": label})


def test_a_track_gets_the_label_of_what_is_detected_on_its_path() -> None:
    later = Box(0.4, 0.4, 0.7, 0.8)
    named, detection = labelled([track("left", "right"), seen(2.0, "car", later)])
    assert named.facts["label"] == "car"
    assert detection.facts["of"] == "track"
    named, detection = labelled([track("left", "right"), seen(0.0, "car", later)])
    assert "label" not in named.facts
    assert "of" not in detection.facts


def test_what_crosses_the_picture_is_not_called_a_thing_that_cannot() -> None:
    place = Box(0.4, 0.4, 0.7, 0.8)
    crossing, _ = labelled([track("left", "right"), seen(2.0, "cell phone", place)])
    assert "label" not in crossing.facts
    staying, _ = labelled([track("left", "disappears"), seen(2.0, "cell phone", place)])
    assert staying.facts["label"] == "cell phone"


@needs_detector
def test_the_weights_are_those_that_the_classes_are_of() -> None:
    path = find("detector")
    assert path.name == "frozen_inference_graph.pb"
    assert (CLASSES[1], CLASSES[3], CLASSES[90]) == ("person", "car", "toothbrush")
