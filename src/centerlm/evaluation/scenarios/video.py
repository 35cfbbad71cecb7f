"""Video understanding: generated clips, NExT-QA, and anyone's questions about their own videos.

`clips` are seen by the package's own processors and `clips-script` by a perfect one, so that seeing
and composing are told apart. In `nextqa` the source chooses among the options itself, in
`nextqa-read` it gives captions to be read. A record of one's own is `{"id", "video", "question",
"answers", "span"}`, with the video beside the file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from centerlm.errors import InputError
from centerlm.evaluation.clips import Clip, ClipQuestion, Split, make_clip, render
from centerlm.evaluation.grounding import grounding
from centerlm.evaluation.items import Item, check_items
from centerlm.evaluation.metrics import token_f1
from centerlm.evaluation.nextqa import overlap_choices, read_nextqa, read_videos
from centerlm.evaluation.scenarios.base import Opening, Scores
from centerlm.evaluation.scoring import Solved, answer_scores
from centerlm.evaluation.sets import as_published, check_answered, own_question, read_records
from centerlm.finding import Quantity, Value, format_value
from centerlm.media.decode import MediaInfo
from centerlm.media.processing import Processed, process
from centerlm.objective import AnswerType, Objective
from centerlm.sources.base import Source
from centerlm.sources.calculator import Calculator
from centerlm.sources.media import embedder_here, media_sources

CLIPS, SCRIPT, NEXTQA, READ, OWN = "clips", "clips-script", "nextqa", "nextqa-read", "own"
SETS = (CLIPS, SCRIPT, NEXTQA, READ, OWN)
SPLITS: tuple[Split, ...] = ("in", "deeper", "longer", "more")
CLIP_QUESTIONS = 80
OVERLAP = "word-overlap"


@dataclass(slots=True)
class Video:
    """The scenario. `options` and `gold` are of NExT-QA items, `spans` the seconds that show it."""

    items: list[Item] = field(default_factory=list[Item])
    sources: dict[str, Sequence[Source]] = field(default_factory=dict[str, "Sequence[Source]"])
    spans: dict[str, Sequence[tuple[float, float]]] = field(
        default_factory=dict[str, "Sequence[tuple[float, float]]"]
    )
    options: dict[str, tuple[str, ...]] = field(default_factory=dict[str, "tuple[str, ...]"])
    overlap: dict[str, bool] = field(default_factory=dict[str, bool])
    hashes: dict[str, str] = field(default_factory=dict[str, str])
    warnings: list[str] = field(default_factory=list[str])
    name: str = "video"
    metric: str = "em"

    def sources_of(self, item: Item) -> Sequence[Source]:
        return self.sources[item.id]

    def main_source(self, item: Item) -> str:
        return self.sources_of(item)[0].card.name

    def enough(self, item: Item, episodes: Sequence[Solved]) -> bool:
        del item
        return bool(episodes)

    def score(self, item: Item, episodes: Sequence[Solved]) -> Scores:
        """Whether the answer is right, and how well what it cites is what shows it."""
        solved = episodes[0]
        scores: dict[str, float | None] = {"iop": None, "iou": None}
        if item.id in self.options:
            chosen = choice(solved.answer, self.options[item.id])
            scores["em"] = float(chosen is not None and chosen in item.accepted)
        else:
            scores |= answer_scores(solved.answer, item)
        spans = self.spans.get(item.id, ())
        if any(b > a for a, b in spans):
            root = solved.finding
            cited = [(c.start, c.end) for c in root.citations] if root else []
            scores["iop"], scores["iou"] = grounding(cited, spans)
        scores["observations_read"] = float(sum(len(f.passages) for f in solved.findings()))
        return scores

    def baselines(self) -> Mapping[str, Mapping[str, Scores]]:
        """NExT-QA's option with most words in the captions."""
        right = {id_: {"em": float(right)} for id_, right in self.overlap.items()}
        return {OVERLAP: right} if right else {}

    def close(self) -> None:
        """Nothing is held open."""


def choice(answer: str | None, options: Sequence[str]) -> str | None:
    """The option that an answer is, or shares most words with; None where it shares none."""
    if answer is None:
        return None
    scored = [(token_f1(answer, [option]), -n) for n, option in enumerate(options)]
    best, number = max(scored)
    return options[-number] if best > 0 else None


def open_video(opening: Opening) -> Video:
    """Read or make the items of the sets asked for; without data, the generated clips.

    Raises:
        InputError: there is no such set or file, or a record cannot be evaluated.
        MissingExtraError: clips are to be seen, and the extra `media` is not installed.
    """
    for name in opening.sets:
        if name not in SETS:
            raise InputError(f"there is no set {name!r} here; known: {', '.join(SETS)}")
    data = Path(opening.data).expanduser() if opening.data else None
    made = Video()
    for name in opening.sets or _present(data):
        if name in (CLIPS, SCRIPT):
            _add_clips(made, name, opening)
        elif data is None:
            raise InputError(f"the set {name} needs --data with its folder or file")
        elif name in (NEXTQA, READ):
            folder = data / "nextqa" if (data / "nextqa").is_dir() else data
            _add_nextqa(made, name, folder, opening)
        else:
            _add_own(made, data, opening)
    check_items(made.items, opening.data or "the scenario")
    return made


def _present(data: Path | None) -> tuple[str, ...]:
    if data is None:
        return (CLIPS, SCRIPT)
    return (OWN,) if data.is_file() else (NEXTQA,)


def _add_clips(made: Video, name: str, opening: Opening) -> None:
    count = CLIP_QUESTIONS if opening.limit is None else opening.limit
    rendered: dict[str, Processed] = {}
    asked: list[tuple[Clip, ClipQuestion]] = []
    seed = 0
    while len(asked) < count:  # every split in turn, so that few items are of all of them
        for split in SPLITS:
            clip = make_clip(seed, split)
            asked += [(clip, question) for question in clip.questions]
        seed += 1
    for number, (clip, question) in enumerate(asked[:count]):
        if clip.id not in rendered:
            rendered[clip.id] = _seen(clip, name, opening)
        id_ = f"{name}-{number:03}"
        made.items.append(
            Item(
                id_,
                name,
                Objective(question.text, answer_type=_type(question.answer)),
                (_written(question.answer),),
                plans={question.text: question.plan},
                splits={
                    "set": name,
                    "split": clip.split,
                    "needs": question.needs,
                    "depth": str(question.depth),
                },
            )
        )
        made.sources[id_] = (*media_sources([rendered[clip.id]]), Calculator())
        made.spans[id_] = question.spans


def _seen(clip: Clip, name: str, opening: Opening) -> Processed:
    if name == SCRIPT:
        info = MediaInfo("video", clip.seconds)
        return Processed(Path(clip.id), info, clip.id, tuple(clip.observations()))
    folder = opening.work / "clips"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{clip.id}.mp4"
    if not path.is_file():
        render(clip, path)
    opening.say(f"watching {path.name}")
    return process(path)


def _type(value: Value) -> AnswerType:
    return "number" if isinstance(value, Fraction | Quantity) else "text"


def _written(value: Value) -> str:
    return format_value(value.number if isinstance(value, Quantity) else value)


def _add_nextqa(made: Video, name: str, folder: Path, opening: Opening) -> None:
    questions = {q.id: q for q in read_nextqa(folder)}
    videos = read_videos(folder, [q.video for q in questions.values()])
    picked = overlap_choices(list(questions.values()), videos)
    path = folder / "val.csv"
    made.hashes["nextqa/val.csv"] = hashlib.sha256(path.read_bytes()).hexdigest()
    items = [
        Item(
            f"{name}-{q.id}",
            name,
            Objective(q.text, answer_type="text"),
            (q.options[q.answer],),
            splits={"set": name, "type": q.type},
        )
        for q in questions.values()
    ]
    held: dict[str, Sequence[Source]] = {}
    embedder = embedder_here()
    for item in opening.chosen(items):
        q = questions[item.id.removeprefix(f"{name}-")]
        if q.video not in held:
            seen = media_sources([videos[q.video]], embedder=embedder, chooses=name == NEXTQA)
            held[q.video] = (*seen, Calculator())
        made.items.append(item)
        made.sources[item.id] = held[q.video]
        made.spans[item.id] = q.spans
        made.options[item.id] = q.options
        made.overlap[item.id] = picked[q.id] == q.answer


def _add_own(made: Video, path: Path, opening: Opening) -> None:
    rows = [(_own(row, where), row, where) for where, row in read_records(path)]
    spans = {item.id: _seconds(row.get("span") or (), where) for item, row, where in rows}
    made.hashes[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    watched: dict[str, Sequence[Source]] = {}
    for item in opening.chosen([item for item, _, _ in rows]):
        video = item.splits["video"]
        if video not in watched:
            opening.say(f"watching {video}")
            processed = process(path.parent / video)
            made.warnings += processed.notes
            watched[video] = (*media_sources([processed]), Calculator())
        made.items.append(item)
        made.sources[item.id] = watched[video]
        made.spans[item.id] = spans[item.id]


def _own(row: Mapping[str, Any], where: str) -> Item:
    """A question of one's own."""
    video = row.get("video")
    if not isinstance(video, str):
        raise InputError(f"{where} is no question on a video; give video, question, answers")
    with as_published(where, ""):
        objective, accepted = own_question(row)
    check_answered(where, accepted)
    splits = {"set": OWN, "video": video, "kind": str(row.get("kind", "any"))}
    return Item(str(row.get("id", where)), OWN, objective, accepted, splits=splits)


def _seconds(span: Any, where: str) -> tuple[tuple[float, float], ...]:
    """The seconds of a video that show an answer."""
    try:
        return tuple((float(start), float(end)) for start, end in span)
    except (TypeError, ValueError):
        raise InputError(
            f"{where} has a span that is no list of seconds; give it as [[3, 9.5]]"
        ) from None
