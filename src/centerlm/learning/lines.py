"""JSON files of data sets, read line by line: what is no record is named, the rest is used."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from centerlm.errors import InputError
from centerlm.learning.guidance import Skipped

_HALF = re.compile(r"\\u[dD][89a-fA-F]")


def json_lines(path: Path, skipped: list[Skipped]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a JSON Lines file with their line numbers, from 1; others go to `skipped`.

    Raises:
        InputError: the file cannot be read, or is not UTF-8.
    """
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record: Any = json.loads(line)
        except (ValueError, RecursionError):
            record = None
        where = f"{path}, line {number}"
        if not isinstance(record, dict):
            skipped.append(Skipped(where, "it is no JSON object", "not json"))
        elif names_half(line) and not is_whole(record):
            skipped.append(Skipped(where, "it holds half a character", "not text"))
        else:
            yield number, cast("dict[str, Any]", record)


def names_half(text: str) -> bool:
    """Whether a text of JSON names one half of a surrogate pair, perhaps beside the other."""
    return _HALF.search(text) is not None


def is_whole(record: Any) -> bool:
    """Whether a record can be written down again: no encoding has one half of a pair."""
    try:
        json.dumps(record, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def json_object(path: Path) -> dict[str, Any]:
    """The object a JSON file holds.

    Raises:
        InputError: the file cannot be read, or holds something else.
    """
    try:
        record: Any = json.loads(_text(path))
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        raise InputError(f"{path} is no JSON object; give a file in the data set's own format")
    return cast("dict[str, Any]", record)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(f"{path} cannot be read ({reason}); check the path") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 (byte {error.start:,}); save it as UTF-8") from None
