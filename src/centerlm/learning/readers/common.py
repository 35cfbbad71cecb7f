"""What all readers of guidance share: records of a file one by one, and steps put into a plan.

A record that cannot be used becomes a `Skipped` with file and line; nothing is dropped silently.
A file that cannot be read at all is an InputError.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from centerlm.errors import InputError, PlanError
from centerlm.learning.guidance import Guidance, Read, Skipped
from centerlm.plan import CENTER, MAX_TEXT, Merger, Plan, Step, make_plan

DOCUMENTS, CALCULATOR = "documents", "calculator"

Row = TypeVar("Row")

_HASH = re.compile(r"#(\d{1,4}(?!\d))?")


class Unusable(Exception):  # noqa: N818 - says what a record is; it never leaves the readers
    """A record that cannot become guidance: the kind of reason, and the reason in a sentence."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Made:
    """What one record became, and what to count about it."""

    guidance: Guidance
    counts: tuple[str, ...] = ()


def read_bytes(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        InputError: it is missing or cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; check the path") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None


def json_lines(path: Path, row: type[Row]) -> Iterator[tuple[int, Row | Skipped]]:
    """The records of a JSONL file, each with its line number; blank lines are left out.

    Raises:
        InputError: the file is missing, cannot be read, or is UTF-16.
    """
    data = read_bytes(path)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{path} is UTF-16 text; convert it to UTF-8")
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if line.strip():
            yield number, _decoded(line, row, f"{path}:{number}")


def _decoded(line: bytes, row: type[Row], where: str) -> Row | Skipped:
    try:
        line.decode("utf-8")
        return msgspec.json.decode(line, type=row)
    except UnicodeDecodeError:
        return Skipped(where, "the line is not UTF-8 text; convert the file", "wrong encoding")
    except msgspec.ValidationError as error:
        return Skipped(where, f"not a record of this set: {error}", "not a record")
    except (msgspec.DecodeError, RecursionError) as error:
        return Skipped(where, f"not JSON: {error}", "not json")


def convert(
    path: Path, rows: Iterable[tuple[int, Row | Skipped]], make: Callable[[Row, str], Made]
) -> Read:
    """Turn records into guidance; those that `make` cannot use are listed with `file:line`.

    `make` gets the record and its place, and raises `Unusable` or PlanError.
    """
    guidance: list[Guidance] = []
    skipped: list[Skipped] = []
    counts: Counter[str] = Counter()
    for number, row in rows:
        where = f"{path}:{number}"
        if isinstance(row, Skipped):
            skipped.append(row)
            continue
        try:
            made = make(row, where)
        except Unusable as error:
            skipped.append(Skipped(where, error.reason, error.kind))
        except PlanError as error:
            skipped.append(Skipped(where, f"not a plan: {error}", "not a plan"))
        else:
            guidance.append(made.guidance)
            counts.update(made.counts)
    return Read(tuple(guidance), tuple(skipped), counts)


def join(reads: Iterable[Read]) -> Read:
    """Several reads as one, in order."""
    guidance: list[Guidance] = []
    skipped: list[Skipped] = []
    counts: Counter[str] = Counter()
    for read in reads:
        guidance += read.guidance
        skipped += read.skipped
        counts.update(read.counts)
    return Read(tuple(guidance), tuple(skipped), counts)


def compose(
    steps: Sequence[Step], answers: Mapping[int, str] | None = None
) -> tuple[Plan, dict[int, str]]:
    """A checked plan, and the known answers under the numbers its steps got (equal ones merge).

    Raises:
        PlanError: the steps make no plan.
        Unusable: a step's text is longer than the language allows.
    """
    for step in steps:
        if len(step.text) > MAX_TEXT:
            raise Unusable("too long", f"step {step.id} has {len(step.text)} characters")
    plan = make_plan(steps)
    if len(plan.steps) == len(steps):
        return plan, {k: answer for k, answer in (answers or {}).items() if answer}
    merger = Merger()
    for step in steps:
        merger.add(step)
    # A step that names all others shows which numbers they got.
    witness = merger.add(Step(len(steps) + 1, (CENTER,), " ".join(f"#{s.id}" for s in steps)))
    new = [int(word[1:]) for word in witness.text.split()] if witness else []
    numbers = {step.id: number for step, number in zip(steps, new, strict=True)}
    return plan, {numbers[k]: answer for k, answer in (answers or {}).items() if answer}


def tidy(text: str) -> str:
    """One line without doubled spaces, and none before closing punctuation."""
    text = " ".join(text.split())
    text = re.sub(r"\s+([?,;:!])", r"\1", text)
    return re.sub(r"\s+('s|'re|n't)\b", r"\1", text)


def escape_others(text: str, before: int) -> str:
    """The text with every `#` doubled that is no reference to a step from 1 to `before` - 1."""

    def put(match: re.Match[str]) -> str:
        is_reference = match[1] is not None and 1 <= int(match[1]) < before
        return match[0] if is_reference else "#" + match[0]

    return _HASH.sub(put, text)
