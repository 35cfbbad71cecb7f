"""What processors observe of clips with known content, and that nothing is processed twice."""

from __future__ import annotations

import os
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from media_files import needs_detector, needs_media, needs_speech, painted, write_sound, write_video

from centerlm.errors import MediaError, MissingExtraError, MissingWeightsError
from centerlm.evaluation.clips import Clip, Mover, Said, can_speak, render, speak
from centerlm.library import Library
from centerlm.media import processing
from centerlm.media.captions import read_captions
from centerlm.media.decode import RATE, Sound
from centerlm.media.loading import load
from centerlm.media.observation import Box, Observation, from_bytes, in_words, to_bytes
from centerlm.media.processing import Progress, labelled, process
from centerlm.models.weights import find

pytestmark = needs_media

MOVERS = (
    Mover("red", "circle", 1.0, 2.4, "right", 0.5),
    Mover("blue", "square", 3.0, 2.4, "down", 0.3),
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data folder of its own, in which the pinned weights of this machine are found."""
    try:
        models = find("default").parent.parent
    except MissingWeightsError:
        models = None
    folder = tmp_path / "home"
    folder.mkdir()
    if models is not None:
        (folder / "models").symlink_to(models)
    monkeypatch.setenv("CENTERLM_HOME", str(folder))


def clip(path: Path, *said: Said, seconds: float = 7.0) -> Path:
    return render(Clip("c", seconds, MOVERS, said, ()), path)


def facts(o: Observation, *names: str) -> tuple[str, ...]:
    return tuple(o.facts.get(name, "") for name in names)


def test_moving_things_are_tracked_with_what_can_be_measured(tmp_path: Path) -> None:
    seen = process(clip(tmp_path / "a.mp4"), names=["motion"]).observations
    names = ("colour", "shape", "enters", "direction", "leaves")
    assert [facts(o, *names) for o in seen] == [
        ("red", "circle", "left", "right", "right"),
        ("blue", "square", "top", "down", "bottom"),
    ]
    for o, mover in zip(seen, MOVERS, strict=True):
        assert o.start == pytest.approx(mover.start, abs=0.4)
        assert o.end == pytest.approx(mover.end, abs=0.4)
        assert (o.kind, o.processor) == ("track", "motion")
        assert o.version
    assert seen[0].text == (
        "a small red circle enters from the left edge, moves right, leaves at the right edge"
    )


def test_a_change_of_light_moves_nothing(tmp_path: Path) -> None:
    def paint(frame: Any, number: int) -> None:
        frame += np.uint8(number)

    path = write_video(tmp_path / "a.mp4", painted(60, paint))
    assert process(path, names=["motion"]).observations == ()


def test_what_is_taken_away_is_missed(tmp_path: Path) -> None:
    def paint(frame: Any, number: int) -> None:
        if not 30 <= number < 50:
            frame[30:90, 20:50] = (30, 160, 60)
            frame[30:90:8, 20:50] = (250, 250, 250)

    path = write_video(tmp_path / "a.mp4", painted(120, paint))
    (gone,) = process(path, names=["motion"]).observations
    assert (gone.kind, gone.text) == ("absence", "what stands at the left otherwise is gone")
    assert (gone.start, gone.end) == (pytest.approx(3, abs=0.3), pytest.approx(5, abs=0.3))


def test_text_is_read_for_as_long_as_it_is_there(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4", Said("text", "GATE 7", 4.0, 6.0))
    (read,) = (o for o in process(path, names=["text"]).observations)
    assert read.text == "GATE 7"
    assert read.start == pytest.approx(4, abs=0.5)
    assert read.end == pytest.approx(6, abs=0.5)
    assert read.confidence is not None and read.confidence > 0.8
    assert in_words(read).endswith(f'reads "GATE 7" (confidence {read.confidence:.2f}).')


def test_a_picture_is_read(tmp_path: Path) -> None:
    cv2, image = load("cv2"), load("PIL.Image")
    pixels = np.full((120, 320, 3), 250, np.uint8)
    cv2.putText(pixels, "EXIT 42", (40, 70), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (0, 0, 0), 2)
    image.fromarray(pixels).save(tmp_path / "a.png")
    (read,) = process(tmp_path / "a.png", names=["text"]).observations
    assert (read.text, read.start, read.end) == ("EXIT 42", 0.0, 0.0)


@needs_speech
@pytest.mark.skipif(not can_speak(), reason="espeak-ng is not installed")
def test_speech_has_words_and_times(tmp_path: Path) -> None:
    spoken = speak("The museum opens on Monday.")
    wave = np.concatenate([np.zeros(2 * RATE, np.float32), spoken])
    done = process(write_sound(tmp_path / "a.wav", wave))
    (said,) = done.observations
    assert done.info.kind == "audio"
    assert {"museum", "monday"} <= {w.strip(".,").lower() for w in said.text.split()}
    assert 1.4 <= said.start <= 2.6
    assert said.confidence is not None and 0 < said.confidence < 1


@needs_speech
def test_silence_is_not_given_words(tmp_path: Path) -> None:
    done = process(write_sound(tmp_path / "a.wav", np.zeros(3 * RATE)))
    assert done.observations == ()
    from centerlm.media.speech import Speech

    hearing = Speech()
    hearing.hear(Sound(0.0, np.zeros(10, np.float32)))
    assert hearing.end() == []


@needs_detector
def test_objects_have_a_label_a_place_and_a_confidence(tmp_path: Path) -> None:
    data: Any = pytest.importorskip("skimage.data")
    load("PIL.Image").fromarray(data.chelsea()).save(tmp_path / "cat.png")
    (cat,) = process(tmp_path / "cat.png", names=["objects"]).observations
    assert cat.facts["label"] == "cat"
    assert cat.confidence is not None and 0.4 < cat.confidence < 1
    assert f"(confidence {cat.confidence:.2f})" in in_words(cat)


def test_a_track_keeps_the_label_of_a_detection_as_a_perhaps() -> None:
    box = Box(0.1, 0.1, 0.4, 0.4)
    facts = {"colour": "red", "size": "large", "from": "left", "to": "left"}
    track = Observation(1, 3, "track", "x", None, box, "motion", "1", facts)
    seen = Observation(2, 2, "object", "y", 0.7, box, "objects", "1", {"label": "car"})
    named, _ = labelled([track, seen])
    assert named.text.startswith("a large red object (perhaps car)")
    assert named.confidence == 0.7


def test_letters_of_what_is_read_are_no_things_of_their_own() -> None:
    read = Observation(1, 3, "text", "HALL 7", 0.9, Box(0.1, 0.4, 0.7, 0.5), "text", "1", {})

    def moving(region: Box, end: float = 3) -> Observation:
        return Observation(1, end, "track", "x", None, region, "motion", "1", {"colour": "white"})

    letter, card = moving(Box(0.66, 0.4, 0.7, 0.5)), moving(Box(0, 0.3, 0.8, 0.6))
    assert labelled([read, letter, card]) == [read]
    bus, later = moving(Box(0, 0, 1, 1)), moving(Box(0.66, 0.4, 0.7, 0.5), end=5)
    assert labelled([read, bus, later]) == [bus, later, read]


def test_nothing_is_processed_twice_whatever_it_is_called(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4")
    steps: list[Progress] = []
    first = process(path, names=["motion"], progress=steps.append)
    assert [s.done for s in steps] == sorted(s.done for s in steps)
    assert steps[-1].done == steps[-1].total == pytest.approx(7, abs=0.2)
    other = tmp_path / "b.mp4"
    other.write_bytes(path.read_bytes())
    steps.clear()
    again = process(other, names=["motion"], progress=steps.append)
    assert again.observations == first.observations
    assert steps == []


def test_what_was_lost_is_told_of_what_is_kept_too(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 255, (120, 160, 3), dtype=np.uint8) for _ in range(30)]
    path = write_video(tmp_path / "a.mkv", noise, codec="ffv1", key_every=1)
    data = bytearray(path.read_bytes())
    data[len(data) // 3 : len(data) // 2] = bytes(len(data) // 2 - len(data) // 3)
    path.write_bytes(data)
    first = process(path, names=["motion"]).notes
    assert len(first) == 1
    assert first[0].startswith(f"{path} is damaged: ")
    assert process(path, names=["motion"]).notes == first


def test_a_data_folder_that_cannot_be_written_costs_only_what_would_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CENTERLM_HOME", str(tmp_path / "file"))
    (tmp_path / "file").touch()
    done = process(clip(tmp_path / "a.mp4"), names=["motion"])
    assert len(done.observations) == 2
    (note,) = done.notes
    assert "will be watched again" in note
    assert "cannot be written (Not a directory)" in note


def test_a_damaged_cache_is_made_again(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4")
    first = process(path, names=["motion"])
    (cache,) = (Path(os.environ["CENTERLM_HOME"]) / "media").rglob("*.json")
    cache.write_bytes(b"[{")
    assert process(path, names=["motion"]).observations == first.observations


def test_a_processor_without_its_weights_is_left_out_with_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = clip(tmp_path / "a.mp4")
    monkeypatch.setenv("CENTERLM_HOME", str(tmp_path / "bare"))
    done = process(path, names=["motion", "objects"])
    assert len(done.observations) == 2
    assert [n for n in done.notes if "centerlm models get detector" in n]


def test_captions_beside_a_video_are_observations(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4")
    captions = tmp_path / "a.captions.json"
    captions.write_text('{"0": "A boy runs.", "1": "A boy runs.", "2": "A dog barks."}')
    told = [o for o in process(path, names=[]).observations if o.kind == "caption"]
    assert [(o.start, o.end, o.text) for o in told] == [
        (0.0, 2.0, "A boy runs."),
        (2.0, 3.0, "A dog barks."),
    ]
    captions.write_text('["no"]')
    assert "holds no captions" in process(path, names=[]).notes[0]
    with pytest.raises(MediaError, match="holds no captions"):
        read_captions(captions)
    for second in ("nan", "inf", "1e999", "-1", "two"):
        captions.write_text(f'{{"{second}": "A boy runs."}}')
        with pytest.raises(MediaError, match=f"holds no captions.*{second}"):
            read_captions(captions)


def test_a_processor_without_its_package_is_left_out_with_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = clip(tmp_path / "a.mp4")
    version = metadata.version

    def lacking(name: str) -> str:
        if name == "rapidocr":
            raise metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(metadata, "version", lacking)
    done = process(path, names=["motion", "text"])
    assert len(done.observations) == 2
    assert done.notes == (
        "the processor text was left out: rapidocr is not installed; "
        "run: pip install 'centerlm[media]'",
    )


def test_what_was_missing_at_one_ingest_is_there_after_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = clip(tmp_path / "a.mp4", Said("text", "MAP ROOM", 2.0, 6.0))
    own = dict(processing.default_processors("video"))
    made = {"motion": own["motion"]}
    monkeypatch.setattr(processing, "default_processors", lambda _: made)

    def missing() -> processing.Seeing:
        raise MissingExtraError("rapidocr", "media")

    made["text"] = missing
    with Library.open(tmp_path / "library", create=True, embedder=None) as library:
        first = library.ingest([path])
        assert first.added == 1 and "centerlm[media]" in first.problems[0].reason
        again = library.ingest([path])
        assert again.unchanged == 1 and again.problems == first.problems
        made["text"] = own["text"]
        assert library.ingest([path]).changed == 1
        assert library.search("map room")
        assert library.ingest([path]).unchanged == 1
        captions = tmp_path / "a.captions.json"
        captions.write_text('{"0": "A boy runs."}')
        assert library.ingest([path]).changed == 1
        assert library.search("boy")
        assert library.ingest([path]).unchanged == 1
        captions.unlink()
        assert library.ingest([path]).changed == 1
        assert not library.search("boy")


def test_observations_are_stored_whole() -> None:
    o = Observation(1.5, 2.5, "text", "é\u0000", 0.5, Box(0, 0, 1, 1), "text", "1", {"a": "b"})
    assert from_bytes(to_bytes([o])) == [o]


def test_a_long_still_video_takes_little_time_and_memory(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", painted(600), fps=1, key_every=300)
    started = time.monotonic()
    assert process(path, names=["motion"]).observations == ()
    assert time.monotonic() - started < 60
