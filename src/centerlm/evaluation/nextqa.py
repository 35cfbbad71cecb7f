"""NExT-QA (Xiao et al., CVPR 2021): five options, captions as what was seen, evidence spans.

A folder holds `val.csv`, `captions_1fps.zip` (a JSON object from seconds to captions for each
video) and, for grounding, `evidence_spans.json` of NExT-GQA.
"""

from __future__ import annotations

import csv
import io
import math
import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from centerlm.errors import InputError
from centerlm.media.captions import caption_observations
from centerlm.media.decode import MediaInfo
from centerlm.media.processing import Processed
from centerlm.verify import words

TRAIN_VIDEOS = 200
"""Videos in order of their ids: the first ones are for training, the others for evaluation."""
_DAMAGED = (KeyError, ValueError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError)
"""What a damaged archive, one with a password, and one with other content raise."""
TYPES = {"C": "causal", "T": "temporal", "D": "descriptive"}


@dataclass(frozen=True, slots=True)
class NextQuestion:
    """A question with its options; `spans` are the seconds that people marked, () where none."""

    id: str
    video: str
    question: str
    options: tuple[str, ...]
    answer: int
    type: str
    spans: tuple[tuple[float, float], ...]

    @property
    def text(self) -> str:
        return f"{self.question}? One of: {'; '.join(self.options)}"


def read_nextqa(folder: Path, *, train: bool = False) -> list[NextQuestion]:
    """The questions of the training or the evaluation videos.

    Raises:
        InputError: a file is missing or in another form.
    """
    path = folder / "val.csv"
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text("utf-8"))))
        videos = sorted({row["video"] for row in rows})
        kept = set(videos[:TRAIN_VIDEOS] if train else videos[TRAIN_VIDEOS:])
        spans = _spans(folder / "evidence_spans.json")
        return [
            NextQuestion(
                f"{row['video']}-{row['qid']}",
                row["video"],
                row["question"],
                tuple(row[f"a{n}"] for n in range(5)),
                list("01234").index(row["answer"].strip()),
                TYPES.get(row["type"][:1], row["type"]),
                spans.get((row["video"], row["qid"]), ()),
            )
            for row in rows
            if row["video"] in kept
        ]
    except OSError as error:
        raise InputError(_unreadable(path, error)) from None
    except (LookupError, TypeError, ValueError, AttributeError, csv.Error) as error:
        raise InputError(f"{path} is not as NExT-QA is published ({error})") from None


def read_videos(folder: Path, wanted: Sequence[str]) -> dict[str, Processed]:
    """The captions of these videos as observations.

    Raises:
        InputError: the archive is missing, damaged, or lacks a video.
    """
    path = folder / "captions_1fps.zip"
    found: dict[str, Processed] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for video in dict.fromkeys(wanted):
                texts = msgspec.json.decode(archive.read(f"{video}.json"), type=dict[str, str])
                seen = caption_observations({float(time): text for time, text in texts.items()})
                seconds = seen[-1].end if seen else 0.0
                info = MediaInfo("video", seconds)
                found[video] = Processed(Path(video), info, video, tuple(seen))
    except OSError as error:
        raise InputError(_unreadable(path, error)) from None
    except _DAMAGED as error:
        raise InputError(f"{path} does not hold the captions of NExT-QA ({error})") from None
    return found


def _unreadable(path: Path, error: OSError) -> str:
    return (
        f"{path} cannot be read ({error.strerror or error}); give the folder of NExT-QA, with "
        "val.csv and captions_1fps.zip"
    )


def _spans(path: Path) -> dict[tuple[str, str], tuple[tuple[float, float], ...]]:
    if not path.is_file():
        return {}
    try:
        data: dict[str, Any] = msgspec.json.decode(path.read_bytes())
        return {
            (video, number): tuple((float(a), float(b)) for a, b in spans)
            for video, each in data.items()
            for number, spans in each["location"].items()
        }
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path} is not as NExT-QA is published ({error})") from None


def overlap_choices(
    questions: Sequence[NextQuestion], videos: Mapping[str, Processed]
) -> dict[str, int]:
    """The option of each question that shares most words with the captions of its video.

    Words weigh by how few videos have them (inverse document frequency).
    """
    texts = {
        video: {word for o in one.observations for word in words(o.text)}
        for video, one in videos.items()
    }
    counts = Counter(word for each in texts.values() for word in each)

    def weight(option: str, video: str) -> float:
        asked = set(words(option))
        rare = {word: math.log((len(texts) + 1) / (counts[word] + 1)) + 1e-6 for word in asked}
        return sum(rare[w] for w in asked if w in texts[video]) / (sum(rare.values()) or 1.0)

    return {
        q.id: max(range(len(q.options)), key=lambda n, q=q: weight(q.options[n], q.video))
        for q in questions
    }
