"""Training examples and preferences kept in a run's folder, read again as they were.

Both are rows of the conversational forms of TRL, with lists of messages: of an example `prompt`,
`completion`, `act`, `id`, `origin` and `weight`; of a preference `prompt`, `chosen`, `rejected`,
`id`, `origin` and `margin`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

from centerlm.errors import InputError
from centerlm.learning.example import Act, TrainingExample
from centerlm.learning.preferences import Preference
from centerlm.models.base import Message, Prompt, Role
from centerlm.models.weights import write_atomically

_Item = TypeVar("_Item")


def write_examples(path: Path, examples: Iterable[TrainingExample]) -> None:
    """Write a file of examples; it is there whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    _write(path, map(_example_row, examples))


def read_examples(path: Path) -> list[TrainingExample]:
    """The examples of a file that `write_examples` wrote.

    Raises:
        InputError: the file cannot be read, or a line is no such row.
    """
    return _read(path, _example, "training example")


def write_preferences(path: Path, pairs: Iterable[Preference]) -> None:
    """Write a file of preferences; it is there whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    _write(path, map(_preference_row, pairs))


def read_preferences(path: Path) -> list[Preference]:
    """The preferences of a file that `write_preferences` wrote.

    Raises:
        InputError: the file cannot be read, or a line is no such row.
    """
    return _read(path, _preference, "preference")


def _write(path: Path, rows: Iterable[Any]) -> None:
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, "".join(f"{line}\n" for line in lines).encode())


def _read(path: Path, make: Callable[[Any], _Item], what: str) -> list[_Item]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check the path") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text; it is no file of {what}s") from None
    items: list[_Item] = []
    # Not splitlines(): JSON text may hold line separators of other kinds.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line:
            continue
        try:
            items.append(make(json.loads(line)))
        except (ValueError, KeyError, TypeError, RecursionError):
            raise InputError(
                f"{path}, line {number} is no {what}; make the file again, or remove the line"
            ) from None
    return items


def _example_row(example: TrainingExample) -> dict[str, Any]:
    return {
        "prompt": _asked(example.prompt),
        "completion": _reply(example.target),
        "act": example.act,
        "id": example.id,
        "origin": example.origin,
        "weight": example.weight,
    }


def _example(row: Any) -> TrainingExample:
    data = cast("dict[str, Any]", row)
    if data["act"] not in get_args(Act):
        raise ValueError
    return TrainingExample(
        act=data["act"],
        prompt=_prompt(data["prompt"]),
        target=_said(data["completion"]),
        id=str(data["id"]),
        origin=str(data["origin"]),
        weight=float(data["weight"]),
    )


def _preference_row(pair: Preference) -> dict[str, Any]:
    return {
        "prompt": _asked(pair.prompt),
        "chosen": _reply(pair.chosen),
        "rejected": _reply(pair.rejected),
        "id": pair.id,
        "origin": pair.origin,
        "margin": pair.margin,
    }


def _preference(row: Any) -> Preference:
    data = cast("dict[str, Any]", row)
    return Preference(
        _prompt(data["prompt"]),
        _said(data["chosen"]),
        _said(data["rejected"]),
        str(data["id"]),
        str(data["origin"]),
        float(data["margin"]),
    )


def _asked(prompt: Prompt) -> list[dict[str, str]]:
    return [{"role": m.role, "content": m.text} for m in prompt.messages]


def _reply(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def _prompt(messages: Any) -> Prompt:
    if not messages:
        raise ValueError
    return Prompt(tuple(_message(message) for message in messages))


def _said(messages: Any) -> str:
    (reply,) = messages
    return str(reply["content"])


def _message(message: Any) -> Message:
    if message["role"] not in get_args(Role):
        raise ValueError
    return Message(message["role"], str(message["content"]))
