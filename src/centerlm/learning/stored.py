"""Training examples kept in a run's folder: the rows of `export`, read again as they were."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast, get_args

from centerlm.errors import InputError
from centerlm.learning.example import Act, TrainingExample
from centerlm.learning.export import to_conversations
from centerlm.models.base import Message, Prompt, Role
from centerlm.models.weights import write_atomically


def write_examples(path: Path, examples: Iterable[TrainingExample]) -> None:
    """Write a file of examples; it is there whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    lines = [json.dumps(row, ensure_ascii=False) for row in to_conversations(examples)]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, "".join(f"{line}\n" for line in lines).encode())


def read_examples(path: Path) -> list[TrainingExample]:
    """The examples of a file that `write_examples` wrote.

    Raises:
        InputError: the file cannot be read, or a line is no such row.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check the path") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text; it is no file of examples") from None
    examples: list[TrainingExample] = []
    # Not splitlines(): JSON text may hold line separators of other kinds.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line:
            continue
        try:
            examples.append(_example(json.loads(line)))
        except (ValueError, KeyError, TypeError, RecursionError):
            raise InputError(
                f"{path}, line {number} is no training example; make the file again, or remove "
                "the line"
            ) from None
    return examples


def _example(row: Any) -> TrainingExample:
    data = cast("dict[str, Any]", row)
    messages = tuple(_message(message) for message in data["prompt"])
    (completion,) = data["completion"]
    if data["act"] not in get_args(Act) or not messages:
        raise ValueError
    return TrainingExample(
        act=data["act"],
        prompt=Prompt(messages),
        target=str(completion["content"]),
        id=str(data["id"]),
        origin=str(data["origin"]),
        weight=float(data["weight"]),
    )


def _message(message: Any) -> Message:
    if message["role"] not in get_args(Role):
        raise ValueError
    return Message(message["role"], str(message["content"]))
