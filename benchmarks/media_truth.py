"""Processors against what is known to be there: rendered text, spoken sentences, sample pictures.

Also what the sources answer of generated clips when they are asked the steps of the right plans, so
that no center is between, and what they answer of the questions on the real clips.
"""

from __future__ import annotations

import asyncio
import difflib
import random
import string
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from centerlm.errors import MissingExtraError
from centerlm.evaluation.clips import Clip, Split, can_speak, make_clip, render, speak
from centerlm.evaluation.metrics import normalise_answer
from centerlm.finding import Quantity, Value, format_value
from centerlm.media.decode import RATE, MediaInfo, Sound, frames
from centerlm.media.loading import load
from centerlm.media.objects import Objects
from centerlm.media.processing import Processed, process
from centerlm.media.screen_text import ScreenText
from centerlm.media.speech import Speech
from centerlm.sources.base import Seek
from centerlm.sources.media import Media, media_sources
from centerlm.verify import words
from reporting import share_of

Say = Callable[[str], None]
SPLITS: tuple[Split, ...] = ("in", "deeper", "longer", "more")
SENTENCES = (
    "the train leaves at seven from platform nine",
    "please close the window before you go home",
    "the museum opens on monday at ten",
    "dinner is ready in the kitchen downstairs",
    "your call will be answered in two minutes",
    "turn left at the bridge and follow the river",
    "the meeting was moved to thursday afternoon",
    "we need three eggs and half a litre of milk",
    "the answer to the second question is eleven",
    "nobody has seen the red bicycle since sunday",
)
BOTTLES = {
    **dict.fromkeys((0, 1, 2, 3, 4, 5, 14, 15, 29, 30, 37, 38, 39), 3),
    **dict.fromkeys((8, 9, 10, 24, 25, 26, 32, 33, 34), 2),
    **dict.fromkeys((18, 19, 20, 21), 1),
}
"""Bottles in `bottle-detection.mp4` at these seconds, by eye, where none is being moved."""
PICTURES = {"astronaut": "person", "chelsea": "cat", "coffee": "cup"}
"""Pictures of scikit-image, where it is installed, and what they show."""


def reading(count: int) -> list[dict[str, Any]]:
    """Random words and numbers in several sizes, plain and with noise: shares of right letters."""
    pillow, draws, fonts = load("PIL.Image"), load("PIL.ImageDraw"), load("PIL.ImageFont")
    processor = ScreenText()
    rows: list[dict[str, Any]] = []
    for size in (14, 20, 32, 64):
        for noise in (0, 40):
            draw = random.Random(f"{size} {noise}")
            right = whole = letters = 0
            wrong: list[str] = []
            for _ in range(count):
                text = "".join(draw.choices(string.ascii_uppercase + string.digits, k=6))
                picture = pillow.new("RGB", (640, 160), (235, 235, 230))
                ink = draws.Draw(picture)
                ink.text((60, 50), text, (20, 20, 30), font=fonts.load_default(size))
                pixels = np.asarray(picture).astype(np.int16)
                grain = np.random.default_rng(size).integers(-noise, noise + 1, pixels.shape)
                lines = processor.lines(np.clip(pixels + grain, 0, 255).astype(np.uint8))
                read = "".join(line[0] for line in lines).replace(" ", "")
                same = difflib.SequenceMatcher(None, text, read).get_matching_blocks()
                letters += sum(block.size for block in same)
                whole += len(text)
                right += read == text
                if read != text and len(wrong) < 3:
                    wrong.append(f"{text} read as {read or 'nothing'}")
            rows.append({"size": size, "noise": noise, "texts": count, "right": right,
                         "letters": letters / whole, "errors": wrong})  # fmt: skip
    return rows


def hearing() -> list[dict[str, Any]]:
    """Sentences spoken by espeak-ng at several speeds: word error rates."""
    if not can_speak():
        return []
    rows: list[dict[str, Any]] = []
    for rate in (110, 140, 180):
        errors = total = 0
        wrong: list[str] = []
        for sentence in SENTENCES:
            processor = Speech()
            wave = np.concatenate([np.zeros(RATE // 2, np.float32), speak(sentence, rate=rate)])
            processor.hear(Sound(0.0, wave))
            heard = words(" ".join(o.text for o in processor.end()))
            missed = distance(words(sentence), heard)
            errors += missed
            total += len(words(sentence))
            if missed and len(wrong) < 3:
                wrong.append(f"{sentence!r} heard as {' '.join(heard)!r}")
        rows.append({"words_a_minute": rate, "sentences": len(SENTENCES),
                     "word_error_rate": errors / total, "errors": wrong})  # fmt: skip
    return rows


def distance(wanted: list[str], given: list[str]) -> int:
    """Words to put in, take out or change (Levenshtein, 1966)."""
    row = list(range(len(given) + 1))
    for i, word in enumerate(wanted, start=1):
        before, row[0] = row[0], i
        for j, other in enumerate(given, start=1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (word != other))
    return row[-1]


def detecting(clips: Path | None) -> list[dict[str, Any]]:
    """The detector on pictures with one known thing, and its count of bottles, second by second."""
    detector = Objects()
    rows: list[dict[str, Any]] = []
    try:
        data: Any = load("skimage.data")
    except MissingExtraError:  # it is optional, and only its pictures are wanted
        data = None
    for name, label in PICTURES.items() if data is not None else ():
        seen = detector.detect(getattr(data, name)())
        best = seen[0] if seen else ("nothing", 0.0, None)
        told = f"{best[0]} {best[1]:.2f}"
        wrong = [] if best[0] == label else [f"{label} seen as {told}"]
        rows.append({"what": f"picture {name}", "n": 1, "right": 1 - len(wrong), "errors": wrong})
    path = clips / "bottle-detection.mp4" if clips else None
    if path is not None and path.is_file():
        wrong: list[str] = []
        for second, count in sorted(BOTTLES.items()):
            for frame in frames(path, start=second, step=1.0):
                seen = [label for label, _, _ in detector.detect(frame.pixels)]
                if seen.count("bottle") != count:
                    wrong.append(f"{second} s: {count} bottles, {seen.count('bottle')} seen")
                break
        rows.append({"what": "bottles in a frame", "n": len(BOTTLES),
                     "right": len(BOTTLES) - len(wrong), "errors": wrong[:6]})  # fmt: skip
    return rows


def steps_answered(work: Path, per_split: int, say: Say) -> dict[str, Any]:
    """Generated clips, by own processors and by their true observations: the steps of the right
    plans asked of the source, by the engine, with the calculator; no model is asked.
    """
    found: dict[str, Any] = {}
    for seen in ("true observations", "own processors"):
        found[seen] = {}
        for split in SPLITS:
            right: list[bool] = []
            missed: list[str] = []
            by_need: dict[str, list[bool]] = {}
            for seed in range(1000):
                if len(right) >= per_split:
                    break
                clip = make_clip(seed, split)
                media = _media(clip, work, own=seen == "own processors")
                say(f"{seen}: {clip.id}")
                for question in clip.questions:
                    if len(right) >= per_split:
                        break
                    answered = _by_plan(question, media)
                    ok = _agrees(answered, question.answer)
                    right.append(ok)
                    by_need.setdefault(question.needs, []).append(ok)
                    if not ok and len(missed) < 6:
                        given, gold = format_value(answered), format_value(question.answer)
                        missed.append(f"{clip.id}: {question.text} {given} for {gold}")
            found[seen][split] = {
                **_counted(right),
                "by_need": {need: _counted(of) for need, of in by_need.items()},
                "missed": missed,
            }
    return found


def _counted(right: Sequence[bool]) -> dict[str, float]:
    return {**share_of(right), "right": sum(right)}


def _media(clip: Clip, work: Path, *, own: bool) -> Media:
    if not own:
        done = Processed(
            Path(clip.id), MediaInfo("video", clip.seconds), clip.id, tuple(clip.observations())
        )
    else:
        path = work / "clips" / f"{clip.id}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file():
            render(clip, path)
        done = process(path)
    return media_sources([done])[0]


def _by_plan(question: Any, media: Media) -> Value:
    from centerlm import CenterLM, Objective, ScriptedModel, solve
    from centerlm.plan import format_plan
    from centerlm.sources.calculator import Calculator

    center = CenterLM(ScriptedModel([format_plan(question.plan)] + [""] * 20))
    objective = Objective(question.text)
    solution = asyncio.run(solve(objective, center=center, sources=[media, Calculator()]))
    return solution.finding.value if solution.finding.typed else solution.answer


def _agrees(given: Value, wanted: Value) -> bool:
    """Whether values agree; seconds to 0.3 s, as clips are sampled five times a second."""
    if isinstance(given, Quantity) and isinstance(wanted, Quantity):
        return abs(float(given.number) - float(wanted.number)) <= 0.3
    if isinstance(given, Fraction | int) and isinstance(wanted, Fraction | int):
        return given == wanted
    return normalise_answer(str(given)) == normalise_answer(str(wanted))


def asked_alone(questions: Path, clips: Path) -> list[dict[str, Any]]:
    """The questions on the real clips, each asked of the source `video` as it stands."""
    sources: dict[str, Media] = {}
    rows: list[dict[str, Any]] = []
    for row in _rows(questions):
        video = row["video"]
        if video not in sources:
            sources[video] = media_sources([process(clips / video)])[0]
        finding = asyncio.run(sources[video].seek(Seek(row["question"])))
        accepted = {normalise_answer(a) for a in row["answers"]}
        given = finding.answer or ("passages" if finding.passages else "nothing")
        rows.append({"id": row["id"], "kind": row["kind"], "question": row["question"],
                     "gold": row["answers"][0], "given": given,
                     "right": normalise_answer(given) in accepted,
                     "confidence": finding.confidence})  # fmt: skip
    return rows


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip():
            yield msgspec.json.decode(line)
