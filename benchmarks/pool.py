"""The pooled passages of the multi-hop sets, and MuSiQue's human plans; read from --data DIR.

One pool: all paragraphs of MuSiQue, HotpotQA and 2WikiMultihopQA (train and dev) and the 2Wiki
corpus, without duplicates. Used by the retrieval and library benchmarks.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from centerlm.evaluation.pool import pool_hash

__all__ = ["Hop", "Question", "pool_hash", "read_lines", "read_pool", "read_questions"]

SETS = ("musique", "hotpotqa", "2wikimultihopqa")


@dataclass(frozen=True, slots=True)
class Hop:
    """A human sub-question with the true earlier answers filled in, and its supporting passage."""

    question: str
    support: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Question:
    id: str
    text: str
    answer: str
    hops: tuple[Hop, ...]


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    if not path.is_file():
        sys.exit(f"{path} is missing; --data must name a folder with {', '.join(SETS)}")
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def read_pool(data: Path) -> list[tuple[str, str]]:
    """Unique (title, text) in a fixed order."""
    pool: dict[tuple[str, str], None] = {}
    for name in SETS:
        for part in ("train", "dev"):
            for record in read_lines(data / name / f"{part}.jsonl"):
                for title, text in _paragraphs(record):
                    pool[_key(title, text)] = None
    for record in read_lines(data / "2wikimultihopqa" / "corpus.jsonl"):
        pool[_key(record["title"], record["text"])] = None
    return list(pool)


def read_questions(data: Path, part: str) -> list[Question]:
    """MuSiQue questions with their human plans, true answers filled in."""
    questions: list[Question] = []
    for record in read_lines(data / "musique" / f"{part}.jsonl"):
        steps = record["question_decomposition"]
        answers = [step["answer"] for step in steps]
        hops: list[Hop] = []
        for step in steps:
            text = re.sub(r"#(\d+)", lambda m: answers[int(m[1]) - 1], step["question"])  # noqa: B023  used at once
            paragraph = record["paragraphs"][step["paragraph_support_idx"]]
            hops.append(Hop(text, _key(paragraph["title"], paragraph["paragraph_text"])))
        questions.append(Question(record["id"], record["question"], record["answer"], tuple(hops)))
    return questions


def _paragraphs(record: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if "paragraphs" in record:
        for item in record["paragraphs"]:
            yield item["title"], item["paragraph_text"]
    else:
        for title, sentences in record["context"]:
            yield title, " ".join(s.strip() for s in sentences)


def _key(title: str, text: str) -> tuple[str, str]:
    return " ".join(title.split()), " ".join(text.split())
