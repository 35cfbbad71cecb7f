"""Rows and traces as JSONL files: one object a line, UTF-8.

A file is written whole or not at all. One that was cut off by another program in its last line is
read up to there, and says so; anything else that is no row is refused with its line number.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from centerlm.errors import InputError
from centerlm.learning.rows import Row
from centerlm.learning.traces import Trace
from centerlm.models.weights import write_atomically

T = TypeVar("T", Row, Trace)


@dataclass(frozen=True, slots=True)
class Lines(Generic[T]):
    """What a file held; `problem` is one sentence where its last line was cut off, else ""."""

    items: tuple[T, ...]
    problem: str = ""


def write_rows(path: Path | str, rows: Iterable[Row]) -> None:
    """Write rows, replacing the file.

    Raises:
        InputError: it cannot be written; what was there before stays.
    """
    _write(Path(path), rows)


def read_rows(path: Path | str) -> Lines[Row]:
    """Read rows.

    Raises:
        InputError: the file cannot be read, or a line is not a row; the sentence names it.
    """
    return _read(Path(path), Row, "row")


def write_traces(path: Path | str, traces: Iterable[Trace]) -> None:
    """Write traces, replacing the file.

    Raises:
        InputError: it cannot be written; what was there before stays.
    """
    _write(Path(path), traces)


def read_traces(path: Path | str) -> Lines[Trace]:
    """Read traces.

    Raises:
        InputError: the file cannot be read, or a line is not a trace; the sentence names it.
    """
    return _read(Path(path), Trace, "trace")


def _write(path: Path, items: Iterable[Row] | Iterable[Trace]) -> None:
    encoder = msgspec.json.Encoder()
    try:
        data = b"".join(encoder.encode(item) + b"\n" for item in items)
    except UnicodeEncodeError:
        raise InputError(
            f"{path} was not written: a text holds lone surrogates, which JSON cannot; clean it"
        ) from None
    try:
        write_atomically(path, data)
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror}); make room or choose another place"
        ) from None


def _read(path: Path, kind: type[T], name: str) -> Lines[T]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}); give a file of {name}s, one a line"
        ) from None
    decoder = msgspec.json.Decoder(kind)
    lines = data.split(b"\n")
    items: list[T] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            items.append(decoder.decode(line))
        except (msgspec.DecodeError, InputError, UnicodeDecodeError) as error:
            if number == len(lines) and _is_cut(error):
                return Lines(
                    tuple(items),
                    f"{path} ends in the middle of line {number}: it was cut off while it was "
                    f"written, and that {name} is left out",
                )
            raise InputError(f"{path}, line {number}, is not a {name}: {error}") from None
    return Lines(tuple(items))


def _is_cut(error: Exception) -> bool:
    """Whether a last line without its end is no whole JSON, rather than the wrong JSON."""
    return not isinstance(error, msgspec.ValidationError | InputError)
