"""Training examples in the conversational form that trainers read: rows, JSONL, `datasets`.

A row is `{"prompt": [{"role", "content"}, ...], "completion": [{"role", "content"}]}` with the act,
the id, the origin and the weight of its example. For models behind an API these messages are all
there is; the project's own trainers render the same examples to token ids.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from centerlm.errors import InputError, MissingExtraError
from centerlm.learning.example import Act, TrainingExample

if TYPE_CHECKING:
    from datasets import Dataset  # pyright: ignore[reportMissingTypeStubs]


class Turn(TypedDict):
    role: str
    content: str


class Conversation(TypedDict):
    """One example as a prompt-completion conversation."""

    prompt: list[Turn]
    completion: list[Turn]
    act: Act
    id: str
    origin: str
    weight: float


def to_conversations(examples: Iterable[TrainingExample]) -> Iterator[Conversation]:
    """The examples as conversations, one by one."""
    for example in examples:
        yield {
            "prompt": [{"role": m.role, "content": m.text} for m in example.prompt.messages],
            "completion": [{"role": "assistant", "content": example.target}],
            "act": example.act,
            "id": example.id,
            "origin": example.origin,
            "weight": example.weight,
        }


def write_jsonl(examples: Iterable[TrainingExample], path: Path) -> int:
    """Write conversations, one JSON object a line, in place of what the file held; how many.

    The file is whole or as it was before: it is written beside and then renamed.

    Raises:
        InputError: the file cannot be written.
    """
    part, count = path.with_name(path.name + ".part"), 0
    try:
        with part.open("w", encoding="utf-8") as file:
            for row in to_conversations(examples):
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
                count += 1
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from None
    return count


def to_dataset(examples: Iterable[TrainingExample]) -> Dataset:
    """The conversations as a Hugging Face `datasets.Dataset`, kept in memory.

    Raises:
        MissingExtraError: `datasets` is not installed.
    """
    try:
        datasets: Any = importlib.import_module("datasets")
    except ModuleNotFoundError:
        raise MissingExtraError("datasets", "train") from None
    rows = [dict(row) for row in to_conversations(examples)]
    return datasets.Dataset.from_list(rows)
