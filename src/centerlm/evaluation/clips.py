"""Generated clips with exact answers: moving shapes, text cards and spoken sentences.

A clip is drawn from a seed. Its script is the truth: what is where and when. Questions about it
have a right plan (the gold decomposition) over the source `video` and the calculator, so that
seeing, hearing and composing can be told apart: with the script's own observations only composing
is measured. Splits by depth of the question, length and number of objects hold out what is larger
than in training.
"""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from centerlm.finding import Quantity, Value
from centerlm.media.loading import load
from centerlm.media.observation import Box, Observation
from centerlm.plan import Plan, parse_plan

WIDTH, HEIGHT, FPS = 320, 180, 10
COLOURS = {
    "red": (215, 30, 30),
    "green": (30, 170, 50),
    "blue": (30, 60, 215),
    "yellow": (230, 210, 30),
    "purple": (150, 30, 190),
    "white": (240, 240, 240),
}
SHAPES = ("circle", "square", "triangle")
WORDS = ("GATE 7", "ROOM 42", "EXIT B", "PLATFORM 3", "HALL 19", "DOOR 85")
SENTENCES = (
    "The train leaves at seven.",
    "Please close the window.",
    "The museum opens on Monday.",
    "Dinner is ready in the kitchen.",
)
VOICE = "en-us+Mike"
"""Of 18 voices of espeak-ng, that of which Whisper tiny hears most words in ten other sentences."""
_GROUND = (52, 56, 60)

SOURCES = ("video", "calculator")

Split = Literal["in", "deeper", "longer", "more"]
Need = Literal["seeing", "reading", "hearing"]


@dataclass(frozen=True, slots=True)
class Mover:
    """A shape that crosses the picture on a straight line, from one edge to the other."""

    colour: str
    shape: str
    start: float
    seconds: float
    direction: Literal["right", "left", "up", "down"]
    lane: float
    size: float = 0.16

    @property
    def end(self) -> float:
        return self.start + self.seconds

    @property
    def name(self) -> str:
        return f"{self.colour} {self.shape}"

    def box(self, time: float) -> Box | None:
        """Where it is, in shares of the picture; None where it is not in it."""
        along = (time - self.start) / self.seconds
        if not 0 <= along <= 1:
            return None
        wide, high = self.size * HEIGHT / WIDTH, self.size
        match self.direction:
            case "right":
                x, y = -wide + along * (1 + wide), self.lane - high / 2
            case "left":
                x, y = 1 - along * (1 + wide), self.lane - high / 2
            case "down":
                x, y = self.lane - wide / 2, -high + along * (1 + high)
            case "up":
                x, y = self.lane - wide / 2, 1 - along * (1 + high)
        return Box(x, y, x + wide, y + high)


@dataclass(frozen=True, slots=True)
class Said:
    """Words on a card or spoken, from `start` to `end` seconds."""

    kind: Literal["text", "speech"]
    words: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class ClipQuestion:
    """A question with its answer, a plan that finds it, and the seconds that show it."""

    text: str
    answer: Value
    plan: Plan
    spans: tuple[tuple[float, float], ...]
    needs: Need

    @property
    def depth(self) -> int:
        """Steps of its plan."""
        return len(self.plan.steps)


@dataclass(frozen=True, slots=True)
class Clip:
    """The script of a clip, and what is asked about it."""

    id: str
    seconds: float
    movers: tuple[Mover, ...]
    said: tuple[Said, ...]
    questions: tuple[ClipQuestion, ...]
    split: Split = "in"

    def observations(self) -> list[Observation]:
        """What a perfect processor would observe."""
        from centerlm.media.tracking import describe

        opposite = {"right": "left", "left": "right", "up": "bottom", "down": "top"}
        goal = {"right": "right", "left": "left", "up": "top", "down": "bottom"}
        made: list[Observation] = []
        for mover in self.movers:
            facts = {
                "colour": mover.colour,
                "shape": mover.shape,
                "size": "small",
                "direction": mover.direction,
                "enters": opposite[mover.direction],
                "leaves": goal[mover.direction],
            }
            made.append(
                Observation(mover.start, mover.end, "track", describe(facts), 1.0,
                            mover.box(mover.start), "script", "1", facts)
            )  # fmt: skip
        made += [Observation(s.start, s.end, s.kind, s.words, 1.0, None, "script", "1")
                 for s in self.said]  # fmt: skip
        return sorted(made, key=lambda o: o.start)


def make_clip(seed: int, split: Split = "in", *, speech: bool | None = None) -> Clip:
    """The clip of a seed. `speech` None has spoken sentences where espeak-ng is installed."""
    draw = random.Random(f"clip {split} {seed}")
    count = draw.randint(6, 8) if split == "more" else draw.randint(2, 4)
    spread = 5.0 if split == "longer" else 1.8
    kinds = [(colour, shape) for colour in COLOURS for shape in SHAPES]
    movers: list[Mover] = []
    at = 1.0
    for colour, shape in draw.sample(kinds, count):
        way = draw.choice(("right", "left", "up", "down"))
        lane = draw.choice((0.3, 0.5, 0.7))
        movers.append(Mover(colour, shape, round(at, 1), 2.4, way, lane))
        at += round(draw.uniform(0.8, 1.0) * spread, 1)
    at = movers[-1].end + 1.0
    said: list[Said] = []
    card = draw.choice(WORDS)
    said.append(Said("text", card, at, at + 2.0))
    at += 3.0
    if speech if speech is not None else can_speak():
        said.append(Said("speech", draw.choice(SENTENCES), 1.0, 4.0))
    made = Clip(f"clip-{split}-{seed}", at, tuple(movers), tuple(said), (), split)
    questions = (_deep_questions if split == "deeper" else _questions)(made, draw)
    return replace(made, questions=tuple(questions))


def _questions(clip: Clip, draw: random.Random) -> list[ClipQuestion]:
    """What can be seen, read and heard, one thing a step."""
    one, other = draw.sample(clip.movers, 2)
    first = min(clip.movers, key=lambda m: m.start)
    earlier = min(one, other, key=lambda m: m.start)
    return [
        _asked(
            "How many shapes cross the picture?",
            Fraction(len(clip.movers)),
            "1 [video] Which shapes cross the picture?\n2 [calculator] count(#1)",
            clip.movers,
        ),
        _asked(
            f"In which direction does the {one.name} move?",
            one.direction,
            f"1 [video] In which direction does the {one.name} move?",
            [one],
        ),
        _asked(
            "What colour is the first shape?",
            first.colour,
            "1 [video] What colour is the first shape?",
            [first],
        ),
        _asked(
            f"Which appears first, the {one.name} or the {other.name}?",
            earlier.name,
            f"1 [video] When does the {one.name} appear?\n"
            f"2 [video] When does the {other.name} appear?\n"
            f"3 [calculator] argmin({one.name}: #1, {other.name}: #2)",
            [one, other],
        ),
        *(_told(said) for said in clip.said),
    ]


def _told(said: Said) -> ClipQuestion:
    if said.kind == "text":
        asked, needs = "What is written on the card?", "reading"
    else:
        asked, needs = "What does the voice say?", "hearing"
    return _asked(asked, said.words, f"1 [video] {asked}", [said], needs)


def _deep_questions(clip: Clip, draw: random.Random) -> list[ClipQuestion]:
    """What takes more steps than any that is asked of other splits."""
    _, other = draw.sample(clip.movers, 2)
    by_start = sorted(clip.movers, key=lambda m: m.start)
    before = sum(m.start < other.start for m in by_start)
    after = sum(m.start > other.start for m in by_start)
    gap = Fraction(round(10 * (by_start[-1].start - by_start[0].start)), 10)
    return [
        _asked(
            f"How many more shapes appear after the {other.name} than before it?",
            Fraction(after - before),
            f"1 [video] How many shapes appear before the {other.name}?\n"
            f"2 [video] How many shapes appear after the {other.name}?\n3 [calculator] #2 - #1",
            clip.movers,
        ),
        _asked(
            "How many seconds for each shape pass between the first and the last one's appearing?",
            Quantity(gap / len(clip.movers), "s"),
            "1 [video] When does the first shape appear?\n"
            "2 [video] When does the last shape appear?\n"
            "3 [calculator] #2 - #1\n4 [video] How many shapes cross the picture?\n"
            "5 [calculator] #3 / #4",
            clip.movers,
        ),
    ]


def _asked(
    text: str, answer: Value, plan: str, about: Sequence[Mover | Said], needs: Need = "seeing"
) -> ClipQuestion:
    spans = tuple((m.start, m.end) for m in about)
    return ClipQuestion(text, answer, parse_plan(plan, sources=SOURCES), spans, needs)


def can_speak() -> bool:
    """Whether sentences can be spoken here: espeak-ng is installed."""
    return shutil.which("espeak-ng") is not None


def render(clip: Clip, path: Path, *, width: int = WIDTH, fps: int = FPS) -> Path:
    """Write a clip as a video.

    Raises:
        MissingExtraError: a package of the extra `media` is not installed.
    """
    av, numpy = load("av"), load("numpy")
    height = round(width * HEIGHT / WIDTH)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.bit_rate = 2_500_000
        voices = [s for s in clip.said if s.kind == "speech"]
        sound = container.add_stream("aac", rate=16_000, layout="mono") if voices else None
        for tick in range(int(clip.seconds * fps)):
            pixels = _draw(clip, tick / fps, width, height)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if sound is not None:
            wave = numpy.zeros(int(clip.seconds * 16_000), numpy.float32)
            for voice in voices:
                spoken = speak(voice.words)
                at = int(voice.start * 16_000)
                room = len(wave) - at
                wave[at : at + len(spoken)] += spoken[:room]
            resampler = av.AudioResampler(format=sound.codec_context.format, layout="mono",
                                          rate=16_000)  # fmt: skip
            for start in range(0, len(wave), 1024):
                part = av.AudioFrame.from_ndarray(wave[None, start : start + 1024], format="flt",
                                                  layout="mono")  # fmt: skip
                part.sample_rate, part.pts = 16_000, start
                for made in resampler.resample(part):
                    container.mux(sound.encode(made))
            container.mux(sound.encode())
    return path


def _draw(clip: Clip, time: float, width: int, height: int) -> Any:
    cv2, numpy = load("cv2"), load("numpy")
    pixels = numpy.full((height, width, 3), _GROUND, numpy.uint8)
    for mover in clip.movers:
        box = mover.box(time)
        if box is None:
            continue
        left, top = round(box.left * width), round(box.top * height)
        right, bottom = round(box.right * width), round(box.bottom * height)
        colour = COLOURS[mover.colour]
        match mover.shape:
            case "square":
                cv2.rectangle(pixels, (left, top), (right, bottom), colour, -1)
            case "circle":
                middle = ((left + right) // 2, (top + bottom) // 2)
                cv2.circle(pixels, middle, (bottom - top) // 2, colour, -1, cv2.LINE_AA)
            case _:
                corners = [[left, bottom], [right, bottom], [(left + right) // 2, top]]
                cv2.fillPoly(pixels, [numpy.array(corners, numpy.int32)], colour, cv2.LINE_AA)
    for said in clip.said:
        if said.kind == "text" and said.start <= time < said.end:
            scale = width / 320
            cv2.putText(pixels, said.words, (round(40 * scale), height // 2),
                        cv2.FONT_HERSHEY_SIMPLEX, 1.1 * scale, (250, 250, 250),
                        max(round(2 * scale), 1), cv2.LINE_AA)  # fmt: skip
    return pixels


def speak(words: str, *, rate: int = 140) -> Any:
    """A sentence as mono float samples at 16 kHz, by espeak-ng."""
    from tempfile import TemporaryDirectory

    from centerlm.media.decode import sound

    numpy = load("numpy")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "said.wav"
        command = ["espeak-ng", "-v", VOICE, "-w", str(path), "-s", str(rate), "--stdin"]
        subprocess.run(command, input=words, text=True, check=True, timeout=60)
        return numpy.concatenate([part.samples for part in sound(path)])
