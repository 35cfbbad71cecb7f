"""A guard against training on what results are judged by.

Collects the ids and questions of every held-out file of a data folder: each `*/dev.jsonl`, the
NExT-QA videos after the first 200 in order, and the half of PubMedQA whose SHA-1 begins with 8-f.
Files that are not there hold nothing out.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from centerlm.errors import InputError
from centerlm.learning.readers.common import read_bytes
from centerlm.learning.readers.gsm8k import question_id
from centerlm.plan import normalise

TRAIN_VIDEOS = 200

_IDS = ("id", "_id", "qid")
_PARTS = re.compile(r"[:/#|@\s]+")
_VIDEO_QUESTION = re.compile(r"(\d{6,})_\d+")


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What may not be trained on: ids and normalised questions, each with the file it stands in."""

    ids: Mapping[str, str]
    questions: Mapping[str, str]

    def __len__(self) -> int:
        return len(self.ids)


def held_out(data: Path) -> HeldOut:
    """Everything held out in a data folder.

    Raises:
        InputError: the folder is missing, or a file in it cannot be read.
    """
    if not data.is_dir():
        raise InputError(f"there is no data folder {data}; check the path")
    ids: dict[str, str] = {}
    questions: dict[str, str] = {}
    for path in sorted(data.glob("*/dev.jsonl")):
        place = f"{path.parent.name}/{path.name}"
        for record in _records(path):
            question = record.get("question")
            named = [record[name] for name in _IDS if isinstance(record.get(name), str)]
            if isinstance(question, str):
                questions[normalise(question)] = place
                named = named or [question_id(question)]
            ids |= dict.fromkeys(named, place)
    ids |= dict.fromkeys(_videos(data / "nextqa" / "val.csv"), "nextqa/val.csv")
    labelled = data / "reading" / "pubmedqa_labelled.json"
    ids |= dict.fromkeys(_articles(labelled), "reading/pubmedqa_labelled.json")
    return HeldOut(ids, questions)


def check_no_test_ids(
    ids: Iterable[str], data: Path, *, questions: Iterable[str] = (), force: bool = False
) -> tuple[str, ...]:
    """Refuse training records that are held out; with `force` they are only given back.

    An id counts as held out if it is one, or has one among its parts at `: / # | @` ("musique:ID").
    `questions` are checked by their words. Gives the held-out ids and questions that were found.

    Raises:
        InputError: some were found and `force` is not set, or the data folder cannot be read.
    """
    kept = held_out(data)
    places: dict[str, str] = {}
    total = 0
    for id_ in ids:
        total += 1
        if place := _place(id_, kept.ids):
            places[id_] = place
    for question in questions:
        if place := kept.questions.get(normalise(question)):
            places.setdefault(question, place)
    if places and not force:
        shown = ", ".join(f"{name[:80]} ({place})" for name, place in list(places.items())[:3])
        more = f" and {len(places) - 3} more" if len(places) > 3 else ""
        raise InputError(
            f"{len(places)} of {total} training records are test records: {shown}{more}; "
            "leave them out, or force it with --force (the results will not count)"
        )
    return tuple(places)


def _place(id_: str, ids: Mapping[str, str]) -> str | None:
    for part in (id_, *_PARTS.split(id_)):
        if place := ids.get(part):
            return place
        if (match := _VIDEO_QUESTION.fullmatch(part)) and (place := ids.get(match[1])):
            return place
    return None


def _records(path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(read_bytes(path).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            record: Any = json.loads(line)
        except (ValueError, RecursionError):
            raise InputError(
                f"{path}, line {number}, is not JSON, so test records cannot be told apart; mend it"
            ) from None
        if isinstance(record, dict):
            yield cast("dict[str, Any]", record)


def _videos(path: Path) -> set[str]:
    """Videos after the first 200, in the order of text or of numbers: either holds one out."""
    if not path.exists():
        return set()
    text = read_bytes(path).decode("utf-8", "replace")
    rows = csv.DictReader(io.StringIO(text, newline=""))
    videos = {video for row in rows if (video := row.get("video"))}
    by_number = sorted(videos, key=lambda video: (len(video), video))
    return set(sorted(videos)[TRAIN_VIDEOS:]) | set(by_number[TRAIN_VIDEOS:])


def _articles(path: Path) -> set[str]:
    if not path.exists():
        return set()
    try:
        articles: Any = json.loads(read_bytes(path))
    except (ValueError, RecursionError):
        raise InputError(f"{path} is not JSON, so test records cannot be told apart") from None
    return {id_ for id_ in articles if _is_test_article(id_)}


def _is_test_article(id_: str) -> bool:
    return hashlib.sha1(id_.encode(), usedforsecurity=False).hexdigest()[0] in "89abcdef"
