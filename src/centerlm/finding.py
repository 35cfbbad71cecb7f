"""What a source gave for a step, and the typed values steps pass to each other.

Knows nothing of plans or solving. Everything here turns into plain JSON and back
(`finding_to_json`, `finding_from_json`), because findings are stored, shown and trained on.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from fractions import Fraction
from typing import Any, TypeAlias, cast

MAX_ANSWER_CHARACTERS = 200


class Status(StrEnum):
    """How a sub-objective ended. Every step ends in exactly one of these."""

    FOUND = "found"
    NOTHING = "nothing"
    FAILED = "failed"
    CANCELLED = "cancelled"
    OUT_OF_BUDGET = "out_of_budget"


@dataclass(frozen=True, slots=True)
class Quantity:
    """An exact number with a unit, e.g. Quantity(Fraction(42, 1), "kilometer")."""

    number: Fraction
    unit: str


Value: TypeAlias = "str | bool | int | Fraction | date | Quantity | tuple[Value, ...] | None"
"""A typed value. None stands only inside a tuple: an item that had no answer."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What was spent. `seconds` are summed over calls, so they may exceed the wall time."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    cost: float = 0.0

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.seconds + other.seconds,
            self.cost + other.cost,
        )


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document. `start` and `end` are character offsets in the file's text.

    For sound and video `unit` is "seconds" and the offsets are times.
    """

    id: str
    text: str
    title: str = ""
    file: str = ""
    start: float = 0
    end: float = 0
    unit: str = "characters"
    score: float = 0.0


@dataclass(frozen=True, slots=True)
class Citation:
    """Where an answer stands: a passage, its file and span, and the words that support it."""

    passage: str
    file: str = ""
    title: str = ""
    start: float = 0
    end: float = 0
    unit: str = "characters"
    quote: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a source gave for a step.

    `answer` is the short answer (one line, at most 200 characters); `value` the same, typed, where
    the source is typed (calculator, person, function, experiment, child): a typed finding passes
    unchanged. `text` (free text) and `passages` still have to be absorbed into an answer.
    `confidence` is in 0..1 where the source has one. `reason` says why there is no answer.
    """

    status: Status
    answer: str | None = None
    value: Value = None
    text: str = ""
    passages: tuple[Passage, ...] = ()
    citations: tuple[Citation, ...] = ()
    confidence: float | None = None
    usage: Usage = field(default_factory=Usage)
    source: str = ""
    reason: str = ""

    @property
    def typed(self) -> bool:
        return self.value is not None

    @property
    def found(self) -> bool:
        return self.status is Status.FOUND


def found(value: Value, *, source: str = "", text: str = "") -> Finding:
    """A finding with a typed value; its short answer is the value written out."""
    return Finding(
        Status.FOUND,
        answer=short_answer(format_value(value)),
        value=value,
        source=source,
        text=text,
    )


def nothing(reason: str, *, source: str = "") -> Finding:
    return Finding(Status.NOTHING, reason=clean_text(reason), source=source)


def failed(reason: str, *, source: str = "") -> Finding:
    return Finding(Status.FAILED, reason=clean_text(reason), source=source)


_PLAIN = re.compile(r"[ -~]*")
_PAIR = re.compile(r"(?<=\w) (?:and|&) (?=[\"“]?[A-Z0-9])")
_ITEM = re.compile(r"[\"“]?\w")
_COMMA_OR_AND = re.compile(r" ?, ?(?:and |or |& )?| (?:and|&) (?=[^,]*$)")
MAX_ENUMERATION = 4000
"""Characters of a text that is looked at for the parts it enumerates."""
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


def clean_text(text: str) -> str:
    """Text of a source made safe to show: no control, bidirectional or lone-surrogate characters.

    Tabs and line breaks stay.
    """
    if _PLAIN.fullmatch(text):
        return text
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = _CONTROL.sub("", text)
    return text.encode("utf-8", "ignore").decode("utf-8")


def short_answer(text: str) -> str:
    """One line of at most 200 characters, fit to be inserted into another step's text."""
    line = " ".join(clean_text(unicodedata.normalize("NFC", text)).split())
    return shortened(line, MAX_ANSWER_CHARACTERS)


def shortened(text: str, limit: int) -> str:
    """The text in at most `limit` characters: an ellipsis stands for what is cut off."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def enumerated(text: str) -> tuple[str, ...]:
    """The parts of a text that enumerates ("A, B and C"); () where it does not, or is too long.

    Parts stand at semicolons or line ends, else at commas and the last "and" where there are three
    or more.
    """
    if len(text) > MAX_ENUMERATION:
        return ()
    parts = [part for line in text.splitlines() for part in line.split(";")]
    parts = [" ".join(part.split()) for part in parts if part.strip()]
    if len(parts) != 1:
        return tuple(parts)
    parts = [part for part in _COMMA_OR_AND.split(parts[0]) if part]
    return tuple(parts) if len(parts) >= 3 and "," in text else ()


def named_items(text: str) -> tuple[str, ...]:
    """The items of a short answer that names several: "A, B and C", "A; B", "Ada and Bo".

    () where it is one item: anything but one clean line, and parts that do not begin like a name or
    number, so that other text is never taken apart.
    """
    if text != short_answer(text):
        return ()
    parts = enumerated(text) or _PAIR.split(text)
    return tuple(parts) if len(parts) >= 2 and all(map(_ITEM.match, parts)) else ()


def format_value(value: Value) -> str:
    """A value as people write it: exact where short, else rounded to 12 significant digits."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "yes" if value else "no"
        case str():
            return value
        case Fraction():
            return format_number(value)
        case Quantity():
            return f"{format_number(value.number)} {value.unit}"
        case date():
            return value.isoformat()
        case tuple():
            return ", ".join(format_value(v) for v in value)
        case _:
            return str(value)


def format_number(number: Fraction) -> str:
    """An exact number in decimal digits; 12 significant ones where it does not end sooner."""
    if number.denominator == 1:
        return str(number.numerator)
    rest = number.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    try:
        approximate = float(number)
    except OverflowError:
        return f"{number.numerator}/{number.denominator}"
    if rest == 1 and float(f"{approximate:.15g}") == approximate:
        return f"{approximate:.15g}"
    return f"{approximate:.12g}"


def value_to_json(value: Value) -> Any:
    """Plain JSON that `value_from_json` reads back to the same value and type."""
    match value:
        case None | bool() | str():
            return value
        case int():
            return {"int": str(value)}
        case Fraction():
            return {"number": f"{value.numerator}/{value.denominator}"}
        case Quantity():
            number = f"{value.number.numerator}/{value.number.denominator}"
            return {"number": number, "unit": value.unit}
        case date():
            return {"date": value.isoformat()}
        case _:
            return [value_to_json(v) for v in value]


def value_from_json(data: Any) -> Value:
    match data:
        case None | bool() | str():
            return data
        case {"int": str(text)}:
            return int(text)
        case {"number": str(text), "unit": str(unit)}:
            return Quantity(_fraction(text), unit)
        case {"number": str(text)}:
            return _fraction(text)
        case {"date": str(text)}:
            return date.fromisoformat(text)
        case list():
            return tuple(value_from_json(v) for v in cast("list[Any]", data))
        case _:
            raise ValueError(f"not a stored value: {data!r}")


def _fraction(text: str) -> Fraction:
    """A number as `value_to_json` writes it. `Fraction` would also work out 1e999999999."""
    number, _, parts = text.partition("/")
    return Fraction(int(number), int(parts or 1))


def plain(record: Usage | Passage | Citation) -> dict[str, Any]:
    """The fields of a flat record, as `dataclasses.asdict` gives them, at a tenth of its cost."""
    return {name: getattr(record, name) for name in record.__slots__}


def finding_to_json(finding: Finding) -> dict[str, Any]:
    """A finding as plain JSON; fields that hold their default are left out."""
    data: dict[str, Any] = {"status": str(finding.status)}
    for name in ("answer", "text", "confidence", "source", "reason"):
        if item := getattr(finding, name):
            data[name] = item
    if finding.value is not None:
        data["value"] = value_to_json(finding.value)
    if finding.passages:
        data["passages"] = [plain(p) for p in finding.passages]
    if finding.citations:
        data["citations"] = [plain(c) for c in finding.citations]
    if finding.usage != Usage():
        data["usage"] = plain(finding.usage)
    return data


def finding_from_json(data: Mapping[str, Any]) -> Finding:
    return Finding(
        status=Status(data["status"]),
        answer=data.get("answer"),
        value=value_from_json(data.get("value")),
        text=data.get("text", ""),
        passages=tuple(Passage(**p) for p in data.get("passages", ())),
        citations=tuple(Citation(**c) for c in data.get("citations", ())),
        confidence=data.get("confidence"),
        usage=Usage(**data.get("usage", {})),
        source=data.get("source", ""),
        reason=data.get("reason", ""),
    )
