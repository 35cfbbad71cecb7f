"""A medium processed into observations: one pass over its frames, one over its sound.

What each processor gave is kept in the data folder under the content's hash, the processor's
version and the sampling, so nothing is processed twice, whatever the file is called; a further
processor is run alone. A file is processed whole or not at all.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

import msgspec

from centerlm.errors import CenterError, MissingExtraError, MissingWeightsError, ModelError
from centerlm.media.captions import captions_beside, read_captions
from centerlm.media.decode import Kind, Losses, MediaInfo, Sound, probe, sound
from centerlm.media.observation import Observation, from_bytes, to_bytes
from centerlm.media.sampling import DEFAULT, Sample, Sampling, samples
from centerlm.models.weights import file_sha256, home, write_atomically

OPTIONAL = ("labels", "pose")
"""Processors that run where their package and weights are there, and are not missed elsewhere."""


class Seeing(Protocol):
    """A processor of frames, for one medium."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    def see(self, sample: Sample) -> None: ...

    def end(self) -> list[Observation]: ...


class Hearing(Protocol):
    """A processor of sound, for one medium."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    def hear(self, sound: Sound) -> None: ...

    def end(self) -> list[Observation]: ...


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the processing of a file is; `left` are the seconds it is likely to take yet, None
    where that cannot be told."""

    path: Path
    done: float
    total: float
    left: float | None


@dataclass(frozen=True, slots=True)
class Processed:
    """The observations of a medium in order of time, and sentences on what could not be done.

    `unfinished` says that a processor was left out, of which a note says how to get it.
    """

    path: Path
    info: MediaInfo
    sha256: str
    observations: tuple[Observation, ...]
    notes: tuple[str, ...] = ()
    unfinished: bool = False


NONE: Mapping[str, Callable[[], Seeing]] = MappingProxyType({})


def _quiet(progress: Progress) -> None:
    del progress


def default_processors(kind: Kind) -> Mapping[str, Callable[[], Seeing | Hearing]]:
    """The processors for a kind of medium that are part of this package, by name."""
    from centerlm.media.labels import Labels
    from centerlm.media.objects import Objects
    from centerlm.media.pose import Pose
    from centerlm.media.screen_text import ScreenText
    from centerlm.media.speech import Speech
    from centerlm.media.tracking import Motion

    hearing: dict[str, Callable[[], Seeing | Hearing]] = {"speech": Speech}
    seeing: dict[str, Callable[[], Seeing | Hearing]] = {
        "text": ScreenText,
        "objects": Objects,
        "labels": Labels,
        "pose": Pose,
    }
    match kind:
        case "audio":
            return hearing
        case "image":
            return seeing
        case "video":
            return {"motion": Motion, **seeing, **hearing}


def process(
    path: Path,
    *,
    names: Sequence[str] | None = None,
    more: Mapping[str, Callable[[], Seeing]] = NONE,
    sampling: Sampling = DEFAULT,
    progress: Callable[[Progress], None] = _quiet,
) -> Processed:
    """The observations of a picture, recording or video; those made before are not made again.

    `names` are the processors to run (None: all that can), beside those of `more`, which see
    pictures and videos. One that fails, or whose package or weights are missing, is left out, and a
    note says so and how to get it; of those in `OPTIONAL` a note is made only where they were
    named. Captions beside the file are read too.

    Raises:
        MediaError: the file cannot be decoded at all.
        MissingExtraError: what decodes is not installed.
    """
    info = probe(path)
    digest = file_sha256(path)
    own = default_processors(info.kind)
    makers = {**own, **(more if info.kind != "audio" else {})}
    notes = list(info.notes)
    ready: dict[str, list[Observation]] = {}
    unfinished, unkept = False, ""
    waiting: list[Seeing | Hearing] = []
    for name in makers if names is None else [n for n in makers if n in names or n in more]:
        if name == "speech" and not info.sound:
            continue
        try:
            processor = makers[name]()
        except (MissingExtraError, MissingWeightsError) as error:
            if names is not None or name not in OPTIONAL:
                notes.append(f"the processor {name} was left out: {error}")
                unfinished = True
            continue
        kept = _kept(_cache(digest, processor, sampling))
        if kept is None:
            waiting.append(processor)
        else:
            ready[name] = kept
    damage = home() / "media" / digest[:2] / digest / "damage.txt"
    lost = ""
    if waiting:
        made, said, lost = _run(path, info, waiting, sampling, progress)
        notes += said
        unfinished = unfinished or len(made) < len(waiting)
        for processor in waiting:
            if processor.name in made:
                ready[processor.name] = made[processor.name]
                cache = _cache(digest, processor, sampling)
                unkept = unkept or _unkept(cache, to_bytes(made[processor.name]))
        if lost:
            unkept = unkept or _unkept(damage, lost.encode())
        if unkept:
            notes.append(f"{path} will be watched again for the next question: {unkept}")
    if not lost and damage.is_file():  # what is kept lacks it too
        lost = damage.read_text("utf-8")
    if lost:
        notes.append(f"{path} {lost}")
    observations = [o for each in ready.values() for o in each]
    beside = captions_beside(path)
    if beside is not None:
        try:
            observations += read_captions(beside)
        except CenterError as error:
            notes.append(str(error))
    observations = labelled(observations)
    observations.sort(key=lambda o: (o.start, o.end, o.kind, o.text))
    return Processed(path, info, digest, tuple(observations), tuple(notes), unfinished)


def _run(
    path: Path,
    info: MediaInfo,
    processors: Sequence[Seeing | Hearing],
    sampling: Sampling,
    progress: Callable[[Progress], None],
) -> tuple[dict[str, list[Observation]], list[str], str]:
    """What each processor gave, notes, and what of the file was lost; a processor that lacks
    something is left out.
    """
    seeing = [p for p in processors if hasattr(p, "see")]
    hearing = [p for p in processors if hasattr(p, "hear")]
    losses, notes = Losses(), list[str]()
    whole = (info.seconds if seeing else 0.0) + (info.seconds if hearing else 0.0)
    started = time.monotonic()

    def tell(done: float) -> None:
        spent = time.monotonic() - started
        left = spent * (whole - done) / done if 0 < done <= whole and spent > 1 else None
        progress(Progress(path, min(done, whole), whole, left))

    def each(active: list[Seeing | Hearing], call: Callable[[Seeing | Hearing], None]) -> None:
        for processor in list(active):
            try:
                call(processor)
            except (MissingExtraError, MissingWeightsError, ModelError) as error:
                active.remove(processor)
                notes.append(f"the processor {processor.name} was left out: {error}")

    if seeing:
        for sample in samples(path, info, sampling, losses=losses):
            tell(sample.frame.time)
            each(seeing, lambda p, s=sample: p.see(s))  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownLambdaType]
            if not seeing:
                break
    if hearing:
        before = info.seconds if seeing else 0.0
        for part in sound(path, losses=losses):
            tell(before + part.start)
            each(hearing, lambda p, s=part: p.hear(s))  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownLambdaType]
            if not hearing:
                break
    progress(Progress(path, whole, whole, 0.0))
    return {p.name: p.end() for p in [*seeing, *hearing]}, notes, losses.told()


def labelled(observations: Sequence[Observation]) -> list[Observation]:
    """Tracks with the label of the detections at their places and times; all others as they are.

    A detection of what a track is says so (`of`), so that one thing is not counted twice. What
    crosses the picture is not labelled as a thing that cannot move by itself. Words that come and
    go move for the eye as things do: what is read is no thing.
    """
    from centerlm.media.objects import MOVING
    from centerlm.media.tracking import crosses, describe

    read = [o for o in observations if o.kind == "text" and o.region is not None]
    seen = [o for o in observations if o.kind == "object" and o.region is not None]
    made: list[Observation] = []
    taken: set[int] = set()
    for o in observations:
        if o.kind != "track":
            continue
        if any(_is_text(o, words) for words in read):
            continue
        fits = [d for d in seen if _is_of(d, o)]
        taken.update(map(id, fits))
        votes: dict[str, float] = {}
        for d in fits:
            if d.facts["label"] in MOVING or not crosses(o.facts):
                votes[d.facts["label"]] = votes.get(d.facts["label"], 0.0) + (d.confidence or 0.0)
        if not votes:
            made.append(o)
            continue
        label = max(votes, key=lambda name: votes[name])
        sure = max(d.confidence or 0.0 for d in fits if d.facts["label"] == label)
        facts = {**o.facts, "label": label}
        made.append(replace(o, facts=facts, text=describe(facts), confidence=sure))
    for o in observations:
        if o.kind != "track":
            of = {"of": "track"} if id(o) in taken else {}
            made.append(replace(o, facts={**o.facts, **of}) if of else o)
    return made


def _is_of(detection: Observation, track: Observation) -> bool:
    """Whether a detection is of the thing that a track follows: within its time, at its place."""
    if not (track.start - 1.0 <= detection.start and detection.end <= track.end + 1.0):
        return False
    place = track.region_at(detection.start)
    return (
        place is not None and detection.region is not None and detection.region.overlap(place) > 0.2
    )


def _is_text(track: Observation, words: Observation) -> bool:
    if track.region is None or words.region is None:
        return False
    during = words.start - 0.5 <= track.start and track.end <= words.end + 0.5
    # What moves may be the card that bears the words, or one letter of them.
    letter = track.region.shared(words.region) > 0.5 * track.region.area
    return during and (letter or track.region.overlap(words.region) > 0.1)


def _cache(digest: str, processor: Seeing | Hearing, sampling: Sampling) -> Path:
    made_by = f"{processor.name} {processor.version} {sampling}"
    key = hashlib.sha256(made_by.encode()).hexdigest()[:16]
    return home() / "media" / digest[:2] / digest / f"{processor.name}-{key}.json"


def _unkept(path: Path, data: bytes) -> str:
    """Keep what was made; why that cannot be, or ""."""
    try:
        write_atomically(path, data)
    except OSError as error:
        return f"{path.parent} cannot be written ({error.strerror}); check the data folder"
    return ""


def _kept(path: Path) -> list[Observation] | None:
    try:
        return from_bytes(path.read_bytes())
    except (OSError, msgspec.DecodeError, msgspec.ValidationError):
        return None
