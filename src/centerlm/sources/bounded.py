"""What a source returned, cut to a size and cleaned of control characters before anyone reads it.

Turns plain Python results into typed values. Every cut is said in a note, never silent.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, time
from decimal import Decimal
from fractions import Fraction
from typing import cast

from centerlm.errors import SourceError
from centerlm.finding import Finding, Quantity, Value, clean_text, short_answer

MAX_CHARACTERS = 1_000_000
MAX_ITEMS = 10_000
MAX_INTEGER_BITS = 4096
_MAX_NESTING = 8


def bounded_text(text: str, limit: int = MAX_CHARACTERS) -> tuple[str, str]:
    """The text, clean and at most `limit` characters long, and a note where it was cut."""
    if len(text) <= limit:
        return clean_text(text), ""
    return clean_text(text[:limit]), f"cut from {len(text):,} to {limit:,} characters"


def bounded_value(result: object) -> tuple[Value, str]:
    """A plain result as a typed value, and a note where it was cut.

    Floats become the fraction their shortest decimal form says (0.1 is 1/10), lists, tuples and
    sets become tuples (sets in order of their text), a time of day makes a date a text.

    Raises:
        SourceError: the result is of another type, not finite, or too large a number.
    """
    notes: list[str] = []
    value, _ = _convert(result, MAX_CHARACTERS, notes, 0)
    return value, "; ".join(dict.fromkeys(notes))


def _convert(result: object, room: int, notes: list[str], depth: int) -> tuple[Value, int]:
    """The value, and how many characters of room are left."""
    match result:
        case None | bool() | Quantity():
            return result, room
        case str():
            text, note = bounded_text(result, max(room, 0))
            notes += [note] if note else []
            return text, room - len(text)
        case int():
            if result.bit_length() > MAX_INTEGER_BITS:
                raise SourceError(f"returned a number of {result.bit_length():,} bits; too large")
            return int(result), room
        case Fraction() | float() | Decimal():
            return _fraction(result), room
        case datetime():
            midnight = result.time() == time() and result.tzinfo is None
            return result.date() if midnight else result.isoformat(sep=" "), room
        case date():
            return result, room
        case list() | tuple() | set() | frozenset():
            return _convert_items(cast("Iterable[object]", result), room, notes, depth)
        case _:
            raise SourceError(
                f"returned {type(result).__name__}; return text, a number, a date, yes or no, "
                "a list of these, None or a Finding"
            )


def _convert_items(
    items: Iterable[object], room: int, notes: list[str], depth: int
) -> tuple[Value, int]:
    if depth == _MAX_NESTING:
        raise SourceError(f"returned lists nested more than {_MAX_NESTING} deep")
    if isinstance(items, (set, frozenset)):
        items = sorted(cast("Iterable[object]", items), key=str)
    values: list[Value] = []
    for item in items:
        if len(values) == MAX_ITEMS or room <= 0:
            notes.append(f"a list was cut to {len(values):,} items")
            break
        value, room = _convert(item, room, notes, depth + 1)
        values.append(value)
    return tuple(values), room


def _fraction(number: Fraction | float | Decimal) -> Fraction:
    if not isinstance(number, Fraction) and not math.isfinite(number):
        raise SourceError(f"returned {number}, which is not a number")
    if isinstance(number, Decimal) and abs(number.adjusted()) > MAX_INTEGER_BITS // 4:
        raise SourceError("returned a number that is too large or too small")
    fraction = number if isinstance(number, Fraction) else Fraction(str(number))
    if fraction.numerator.bit_length() + fraction.denominator.bit_length() > 2 * MAX_INTEGER_BITS:
        raise SourceError("returned a number that is too large or too small")
    return fraction


def bounded_finding(finding: Finding, source: str) -> Finding:
    """The finding with its texts cut and cleaned, and the name of its source filled in."""
    value, note = bounded_value(finding.value)
    text, text_note = bounded_text(finding.text)
    notes = "; ".join(part for part in (note, text_note) if part)
    return replace(
        finding,
        value=value,
        text=f"{text}\n[{notes}]" if notes else text,
        answer=None if finding.answer is None else short_answer(finding.answer),
        passages=tuple(
            replace(p, text=bounded_text(p.text)[0], title=short_answer(p.title))
            for p in finding.passages[:MAX_ITEMS]
        ),
        reason=short_answer(finding.reason),
        source=finding.source or source,
    )
