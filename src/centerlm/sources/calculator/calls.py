"""One call of an operation: telling it from arithmetic, and taking its arguments apart.

An argument is a reference, arithmetic, or free text, each with an optional label before a colon.
A reference that stands for a list brings its items; items without an answer are left out and
counted. Text that references stand for is never parsed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from centerlm.errors import SourceError
from centerlm.finding import Value, format_value
from centerlm.sources.base import Binding
from centerlm.sources.calculator.arithmetic import (
    NotArithmeticError,
    compile_arithmetic,
    run,
    shorten,
)
from centerlm.sources.calculator.values import Measure, as_value, measure, reading_of

FUNCTIONS = (
    "compare", "earlier", "later", "same", "count", "sum", "min", "max", "argmin", "argmax",
    "sort", "union", "intersection", "difference", "days_between", "years_between",
    "convert",
)  # fmt: skip

MAX_ITEMS = 10_000

_CALL = re.compile(r"\s*([A-Za-z_][A-Za-z_ ]*?)\s*\((.*)\)\s*", re.DOTALL)
_REFERENCE = re.compile(r"#(\d{1,6})(?!\d)")
_TIGHT_COMMA = re.compile(r"(?<![\d,])\d{1,3}(?:,\d{3})+(?![\d,])")
_MONTH_DAY = re.compile(r"[A-Za-z]{3,9}\.? \d{1,2}, \d{4}")
_QUOTED = re.compile(r'"([^"]*)"|“([^“”]*)”')


@dataclass(frozen=True, slots=True)
class Item:
    """One scalar value, what it is the value of, and how messages call it ("#2").

    `place` is where it stood in its list, from 1.
    """

    value: Value
    label: Value
    name: str
    place: int = 1

    def measure(self) -> Measure:
        return measure(self.value, self.name)


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a call: its items, and how many of them had no answer.

    `listed` says that it stood for a list. `text` is what the plan wrote.
    """

    items: tuple[Item, ...]
    skipped: int
    listed: bool
    labelled: bool
    text: str

    def one(self) -> Item:
        """Its only item.

        Raises:
            SourceError: it is a list of several, or has no answer.
        """
        if len(self.items) == 1:
            return self.items[0]
        if not self.items:
            raise SourceError(f"{self.text} has no answer")
        raise SourceError(f"{self.text} is a list of {len(self.items)} items; one is needed")


@dataclass(frozen=True, slots=True)
class Call:
    name: str
    arguments: tuple[str, ...]


def bind(number: int, values: Mapping[int, Binding]) -> Binding:
    if number not in values:
        raise SourceError(f"#{number} stands for nothing here")
    return values[number]


def lookup(number: int, values: Mapping[int, Binding]) -> Measure:
    """What `#number` stands for, as one measure; a list of one is its item.

    Raises:
        SourceError: it has no answer, is a list, or is not a number, quantity or date.
    """
    value = bind(number, values).value
    if isinstance(value, tuple):
        found = [item for item in value if item is not None]
        if len(found) != 1 or isinstance(found[0], tuple):
            raise SourceError(f"#{number} is a list of {len(value)} items, not one number")
        value = found[0]
    return measure(value, f"#{number}")


def parse_call(text: str) -> Call | None:
    """The call that the whole text is; None where it has another form.

    Raises:
        SourceError: it is a call of an unknown operation, or a call with something around it.
    """
    match = _CALL.fullmatch(text)
    if not match:
        if _begins_with_call(text):
            raise SourceError(
                f"{shorten(text)} puts other text around a call; write one call alone or arithmetic"
            )
        return None
    name = match[1].lower().replace(" ", "_")
    if name not in FUNCTIONS:
        if " " in match[1]:
            return None
        raise SourceError(f"there is no operation {match[1]!r}; there are {', '.join(FUNCTIONS)}")
    return Call(name, _split(match[2]))


def _begins_with_call(text: str) -> bool:
    return re.search(rf"\b(?:{'|'.join(FUNCTIONS)})\s*\(", text, re.IGNORECASE) is not None


def _split(inside: str) -> tuple[str, ...]:
    """The arguments as written; a label may hold commas ("Lock, Stock: #1")."""
    kept = _thousands(inside) | _quoted(inside)
    pieces: list[str] = []
    depth = begin = 0
    for at, character in enumerate(inside):
        if at in kept:
            continue
        if character in "([":
            depth += 1
        elif character in ")]":
            depth -= 1
            if depth < 0:
                raise SourceError("more than one call, or parentheses that do not match")
        elif character == "," and not depth:
            pieces.append(inside[begin:at].strip())
            begin = at + 1
    if depth:
        raise SourceError("parentheses that do not match")
    pieces.append(inside[begin:].strip())
    if pieces == [""]:
        raise SourceError("a call without arguments")
    return _join_labels(_join_dates(pieces))


def _thousands(inside: str) -> set[int]:
    """Where commas are thousands separators: those without a space, where others have one.

    Raises:
        SourceError: "max(100,200)" can be read as one number or two.
    """
    tight = list(_TIGHT_COMMA.finditer(inside))
    if tight and ", " not in inside:
        raise SourceError(
            f"{tight[0][0]!r} can be one number or several; put a space after each comma between "
            "arguments, and no comma inside a number"
        )
    return {m.start() + at for m in tight for at, c in enumerate(m[0]) if c == ","}


def _quoted(inside: str) -> set[int]:
    return {at for m in _QUOTED.finditer(inside) for at in range(m.start(), m.end())}


def _join_labels(pieces: list[str]) -> tuple[str, ...]:
    """Pieces before a labelled one belong to its label, unless they are a reference alone."""
    if not any(_label_end(piece) is not None for piece in pieces):
        return tuple(pieces)
    joined: list[str] = []
    waiting: list[str] = []
    for piece in pieces:
        waiting.append(piece)
        if _label_end(piece) is not None or _REFERENCE.fullmatch(piece):
            joined.append(", ".join(waiting))
            waiting = []
    return tuple(joined + waiting)


def _join_dates(pieces: list[str]) -> list[str]:
    """The comma of "May 12, 1950" parts no arguments."""
    joined: list[str] = []
    for piece in pieces:
        if joined and _MONTH_DAY.fullmatch(f"{joined[-1].rpartition(': ')[2]}, {piece}"):
            joined[-1] += f", {piece}"
        else:
            joined.append(piece)
    return joined


def _label_end(piece: str) -> int | None:
    """Where the label of "label: value" ends: the last colon with a reference or value behind."""
    at = piece.rfind(":")
    if at <= 0:
        return None
    value = piece[at + 1 :].strip()
    if _REFERENCE.search(value):
        return at
    try:
        return at if reading_of(value) is not None else None
    except SourceError:
        return at


def read_argument(text: str, values: Mapping[int, Binding]) -> Argument:
    """The items of one argument.

    Raises:
        SourceError: a reference stands for nothing, or its arithmetic cannot be done.
    """
    at = _label_end(text)
    label = _read_label(text[:at].strip(), values) if at is not None else None
    body = text[at + 1 :].strip() if at is not None else text
    if match := _REFERENCE.fullmatch(body):
        return _from_reference(int(match[1]), label, values)
    value = _read_text(body, values)
    return Argument((Item(value, label, shorten(body)),), 0, False, label is not None, body)


def _from_reference(number: int, label: Value, values: Mapping[int, Binding]) -> Argument:
    binding = bind(number, values)
    name = f"#{number}"
    if not isinstance(binding.value, tuple):
        if binding.value is None:
            return Argument((), 1, False, label is not None, name)
        item = Item(binding.value, label if label is not None else binding.label, name)
        return Argument((item,), 0, False, label is not None, name)
    flat = _flatten(binding.value, name)
    items = tuple(
        Item(value, label, f"item {at} of {name}", at)
        for at, value in enumerate(flat, 1)
        if value is not None
    )
    return Argument(items, len(flat) - len(items), True, label is not None, name)


def _flatten(value: tuple[Value, ...], name: str) -> list[Value]:
    """The items of a list; lists inside it (an `each` over lists) are opened."""
    flat: list[Value] = []
    waiting = list(reversed(value))
    while waiting:
        item = waiting.pop()
        if isinstance(item, tuple):
            waiting.extend(reversed(item))
        else:
            flat.append(item)
        if len(flat) > MAX_ITEMS:
            raise SourceError(f"{name} has more than {MAX_ITEMS:,} items")
    return flat


def _read_label(text: str, values: Mapping[int, Binding]) -> Value:
    if match := _REFERENCE.fullmatch(text):
        return bind(int(match[1]), values).value
    return _fill_in(text, values)


def _read_text(text: str, values: Mapping[int, Binding]) -> Value:
    """A number, quantity or date where the text is one or computes to one; else the text."""
    if not text:
        raise SourceError("an argument is empty")
    if _QUOTED.fullmatch(text):
        return _fill_in(text, values)
    if not _REFERENCE.search(text):
        reading = reading_of(text)
        if reading is not None:
            return text if reading.noun else as_value(reading.measure)
    try:
        program = compile_arithmetic(text)
        return as_value(run(program, lambda number: lookup(number, values)))
    except NotArithmeticError:
        return _fill_in(text, values)


def _fill_in(text: str, values: Mapping[int, Binding]) -> str:
    """References in free text as their short text; `##` is a literal `#`."""
    if match := _QUOTED.fullmatch(text):
        text = match[1] or match[2] or ""

    def replace(match: re.Match[str]) -> str:
        if match[0] == "##":
            return "#"
        return format_value(bind(int(match[1]), values).value)

    return re.sub(r"##|#(\d{1,6})(?!\d)", replace, text)
