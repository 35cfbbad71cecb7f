"""Things followed from frame to frame: when each comes and goes, from where to where.

Boxes are associated by ByteTrack (Zhang et al., ECCV 2022) of the package ioutrack; pieces of one
track that a short gap parts are joined where colour and place agree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from centerlm.media import regions as _regions
from centerlm.media.loading import load, version_of
from centerlm.media.observation import Box, Observation, ObservationKind
from centerlm.media.sampling import Sample

WINDOW_SAMPLES, WINDOW_SECONDS = 150, 60.0
MAX_PATH = 20
MIN_SECONDS = 0.5
_NEAR_EDGE = 0.02
_GAP = 1.0
_MIN_MOVE = 0.08
_NEUTRAL = ("white", "grey", "black")  # light and shadow turn one into the other
_WIDENED = 0.5


@dataclass(slots=True)
class Track:
    """One thing: its boxes in order of time, and what each frame says of it."""

    gone: bool
    path: list[tuple[float, Box]] = field(default_factory=list[tuple[float, Box]])
    shares: list[float] = field(default_factory=list[float])
    colours: Counter[str] = field(default_factory=Counter[str])
    shapes: Counter[str] = field(default_factory=Counter[str])

    def add(self, time: float, region: _regions.Region) -> None:
        self.path.append((time, region.box))
        self.shares.append(region.share)
        # Where most of a thing is seen, its colour and shape are seen best.
        weight = max(round(region.share * 10_000), 1)
        self.colours[region.colour] += weight
        cut = _edges(region.box)
        self.shapes["" if cut else region.shape] += 0 if cut else weight

    @property
    def times(self) -> list[float]:
        return [time for time, _ in self.path]

    @property
    def boxes(self) -> list[Box]:
        return [box for _, box in self.path]

    @property
    def colour(self) -> str:
        return self.colours.most_common(1)[0][0]

    @property
    def shape(self) -> str:
        return max(self.shapes, key=lambda name: self.shapes[name]) if self.shapes else ""


class Motion:
    """The processor `motion`: moving, coming and going things of a video."""

    name = "motion"

    def __init__(self) -> None:
        self.version = f"3+ioutrack-{version_of('ioutrack')}"
        self._window: list[tuple[float, Any]] = []
        self._shot = 0
        self._tracks: list[Track] = []
        self._done: list[Observation] = []
        self._span = (0.0, 0.0)

    def see(self, sample: Sample) -> None:
        """The next sampled frame."""
        time = sample.frame.time
        if self._window:
            shape_changed = self._window[0][1].shape != _regions.shrunk(sample.frame.pixels).shape
            if sample.shot != self._shot or shape_changed:
                self._close(time)
                self._finish(self._span[1])
            elif len(self._window) >= WINDOW_SAMPLES or time - self._window[0][0] > WINDOW_SECONDS:
                self._close(time)
        if not self._window and not self._tracks:
            self._span = (time, time)
        self._shot = sample.shot
        self._window.append((time, _regions.shrunk(sample.frame.pixels)))

    def end(self) -> list[Observation]:
        """All that was seen."""
        if self._window:
            self._close(self._window[-1][0])
        self._finish(self._span[1])
        return sorted(self._done, key=lambda o: (o.start, o.end))

    def _close(self, until: float) -> None:
        """Follow what moves in the window, and forget its frames."""
        times = [time for time, _ in self._window]
        frames = [frame for _, frame in self._window]
        self._window = []
        self._span = (self._span[0], max(times[-1], until))
        if len(frames) < 3:
            return
        behind = _regions.background(times, frames)
        followed: dict[tuple[bool, str], _Follower] = {}
        for time, frame in zip(times, frames, strict=True):
            seen: dict[tuple[bool, str], list[_regions.Region]] = {key: [] for key in followed}
            for region in _regions.regions(frame, behind):
                colour = "" if region.colour in _NEUTRAL else region.colour
                seen.setdefault((region.gone, "" if region.gone else colour), []).append(region)
            for key, alike in seen.items():
                followed.setdefault(key, _Follower(key[0])).update(time, alike)
        made = [t for follower in followed.values() for t in follower.tracks]
        self._tracks = _joined([*self._tracks, *made], times)
        # Of a long video only what may go on is kept open.
        open_ = [t for t in self._tracks if t.times[-1] >= times[-1] - _GAP]
        self._tell([t for t in self._tracks if t not in open_], times[-1])
        self._tracks = open_

    def _finish(self, until: float) -> None:
        self._tell(self._tracks, until)
        self._tracks = []

    def _tell(self, tracks: Iterable[Track], until: float) -> None:
        for track in tracks:
            if not _flickers(track):
                self._done.append(self._observation(track, until))

    def _observation(self, track: Track, until: float) -> Observation:
        first, last = track.boxes[0], track.boxes[-1]
        facts = {
            "colour": track.colour,
            "shape": track.shape,
            "size": _size(max(track.shares)),
            "direction": _direction(track.boxes),
            "from": first.place(),
            "to": last.place(),
        }
        if track.times[0] > self._span[0] + 0.3:
            facts["enters"] = _edge(first) or _crossed(track.boxes[1::-1]) or "appears"
        if track.times[-1] < until - 0.3:
            facts["leaves"] = _edge(last) or _crossed(track.boxes[-2:]) or "disappears"
        facts = {name: value for name, value in facts.items() if value}
        kind: ObservationKind = "absence" if track.gone else "track"
        told = _absence(facts) if track.gone else describe(facts)
        return Observation(
            track.times[0],
            track.times[-1],
            kind,
            told,
            region=first,
            processor=self.name,
            version=self.version,
            facts=facts,
            path=tuple(track.path[:: max(len(track.path) // MAX_PATH, 1)]),
        )


def describe(facts: dict[str, str]) -> str:
    """A track in words, from what was measured."""
    thing = name_of(facts)
    parts = [f"a {facts['size']} {thing}"]
    match facts.get("enters"):
        case None:
            parts.append(f"is there from the beginning ({facts['from']})")
        case "appears":
            parts.append(f"appears ({facts['from']})")
        case edge:
            parts.append(f"enters from the {edge} edge")
    parts.append(f"moves {facts['direction']}" if facts.get("direction") else "stays in its place")
    match facts.get("leaves"):
        case None:
            parts.append("is there until the end")
        case "disappears":
            parts.append(f"disappears ({facts['to']})")
        case edge:
            parts.append(f"leaves at the {edge} edge")
    return f"{parts[0]} {', '.join(parts[1:])}"


def crosses(facts: dict[str, str]) -> bool:
    """Whether it comes in at one edge and goes out at one."""
    return all(
        facts.get(name) in ("left", "right", "top", "bottom") for name in ("enters", "leaves")
    )


def name_of(facts: dict[str, str]) -> str:
    """What a thing is called: "red circle", "white object (perhaps car)"."""
    name = f"{facts.get('colour', '')} {facts.get('shape') or 'object'}".strip()
    label = facts.get("label")
    return f"{name} (perhaps {label})" if label else name


def _absence(facts: dict[str, str]) -> str:
    return f"what stands at the {facts['from']} otherwise is gone"


def _flickers(track: Track) -> bool:
    """Whether it is too short to be a thing: a shadow, or the rest of one that has just left."""
    if len(track.path) < 2:
        return True
    short = len(track.path) == 2 and track.times[1] - track.times[0] < MIN_SECONDS
    return short and not _direction(track.boxes)


class _Follower:
    """ByteTrack over the regions of one window that are alike in colour.

    Boxes are widened by half their size on each side, so that a thing which moves by its own width
    from sample to sample still overlaps itself.
    """

    def __init__(self, gone: bool) -> None:
        self._gone = gone
        self._tracker: Any = load("ioutrack").ByteTrack(
            max_age=3,
            min_hits=1,
            iou_threshold=0.1,
            init_tracker_min_score=0.5,
            high_score_threshold=0.5,
        )
        self._tracks: dict[int, Track] = {}

    @property
    def tracks(self) -> list[Track]:
        return list(self._tracks.values())

    def update(self, time: float, seen: list[_regions.Region]) -> None:
        numpy = load("numpy")
        # In thousandths: the tracker's noise is set for pixels.
        wide = [_widened(region.box) for region in seen]
        boxes = numpy.array(
            [[1e3 * b.left, 1e3 * b.top, 1e3 * b.right, 1e3 * b.bottom, 0.9] for b in wide],
            dtype=numpy.float32,
        ).reshape(-1, 5)
        rows = self._tracker.update(boxes, return_all=True)
        placed = [(Box(*(float(v) / 1e3 for v in row[:4])), int(row[4])) for row in rows]
        pairs = sorted(
            ((mine.overlap(box), number, identity)
             for number, mine in enumerate(wide) for box, identity in placed),
            reverse=True,
        )  # fmt: skip
        taken: set[int] = set()
        named: set[int] = set()
        for overlap, number, identity in pairs:
            if overlap > 0.1 and number not in taken and identity not in named:
                taken.add(number)
                named.add(identity)
                self._tracks.setdefault(identity, Track(self._gone)).add(time, seen[number])


def _widened(box: Box) -> Box:
    wide, high = (box.right - box.left) * _WIDENED, (box.bottom - box.top) * _WIDENED
    return Box(box.left - wide, box.top - high, box.right + wide, box.bottom + high)


def _joined(tracks: list[Track], times: list[float]) -> list[Track]:
    """Tracks of one thing made one: alike in colour, a short time apart, near each other.

    `times` are those of the samples: from one sample to the next a thing that stays in its place is
    the same, however long that is.
    """
    follows = dict(pairwise(times))
    kept: list[Track] = []
    for track in sorted(tracks, key=lambda t: t.times[0]):
        before = next((old for old in reversed(kept) if _goes_on(old, track, follows)), None)
        if before is None:
            kept.append(track)
            continue
        before.path += track.path
        before.path.sort(key=lambda place: place[0])
        before.shares += track.shares
        before.colours += track.colours
        before.shapes += track.shapes
    return kept


def _goes_on(old: Track, new: Track, follows: dict[float, float]) -> bool:
    if old.gone is not new.gone or (old.colour != new.colour and not old.gone):
        return False
    next_to = follows.get(old.times[-1]) == new.times[0]
    if next_to and old.boxes[-1].overlap(new.boxes[0]) > 0.5:
        return True
    # Two things may cross; a place where something is missing is one place.
    earliest = -1e9 if old.gone else 0
    if not earliest <= new.times[0] - old.times[-1] <= _GAP:
        return False
    (x, y), (u, v) = old.boxes[-1].centre, new.boxes[0].centre
    return max(abs(x - u), abs(y - v)) < 0.2


def _edges(box: Box) -> list[str]:
    near = {
        "left": box.left,
        "top": box.top,
        "right": 1 - box.right,
        "bottom": 1 - box.bottom,
    }
    return [name for name, distance in sorted(near.items(), key=lambda pair: pair[1])
            if distance <= _NEAR_EDGE]  # fmt: skip


def _edge(box: Box) -> str:
    return next(iter(_edges(box)), "")


def _crossed(boxes: list[Box]) -> str:
    """The edge that a thing which went from the one box to the other is over next; or ""."""
    (x, y), (u, v) = boxes[0].centre, boxes[1].centre
    step = Box(2 * u - x, 2 * v - y, 2 * u - x, 2 * v - y)
    high, wide = boxes[1].bottom - boxes[1].top, boxes[1].right - boxes[1].left
    over = {
        "left": step.left - wide / 2 < -0.2 * wide,
        "right": step.left + wide / 2 > 1 + 0.2 * wide,
        "top": step.top - high / 2 < -0.2 * high,
        "bottom": step.top + high / 2 > 1 + 0.2 * high,
    }
    return next((name for name, is_over in over.items() if is_over), "")


def _direction(boxes: list[Box]) -> str:
    """Where it goes on the whole; "" where it does not move."""
    (x, y), (u, v) = boxes[0].centre, boxes[-1].centre
    across, down = u - x, v - y
    words: list[str] = []
    if abs(down) >= _MIN_MOVE and abs(down) > 0.4 * abs(across):
        words.append("down" if down > 0 else "up")
    if abs(across) >= _MIN_MOVE and abs(across) > 0.4 * abs(down):
        words.append("right" if across > 0 else "left")
    return " and ".join(words)


def _size(share: float) -> str:
    return "large" if share > 0.08 else "small" if share < 0.015 else "medium-sized"
