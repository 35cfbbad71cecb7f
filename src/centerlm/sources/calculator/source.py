"""The calculator as a knowledge source: one sub-objective in, one typed value out.

Its text is exactly arithmetic or one call; references are variables, never text to parse. Whatever
it cannot compute is a failed finding that begins "not computable:". Nothing is evaluated as code.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from fractions import Fraction

from centerlm.errors import SourceError
from centerlm.finding import Finding, Quantity, Usage, Value, failed, found
from centerlm.sources.base import Binding, Card, Seek
from centerlm.sources.calculator.arithmetic import (
    NotArithmeticError,
    Program,
    check_size,
    compile_arithmetic,
    run,
)
from centerlm.sources.calculator.calls import FUNCTIONS, lookup, parse_call
from centerlm.sources.calculator.exact import check_answer
from centerlm.sources.calculator.operations import Computed, compute_call
from centerlm.sources.calculator.units import units_registry
from centerlm.sources.calculator.values import as_value

_USAGE = Usage(calls=1)
_MEASURED = re.compile(r"\d\s*[^\W\d_]|°|[$€£¥]|\bconvert\b", re.IGNORECASE)


def compute(template: str, values: Mapping[int, Binding]) -> Computed:
    """Compute arithmetic or one call over bound references.

    Raises:
        SourceError: it is neither, or cannot be done; the message begins "not computable:".
    """
    try:
        check_size(template)
        if not template.strip():
            raise SourceError("the text is empty; write arithmetic or one call")
        if call := parse_call(template):
            computed = compute_call(call, values)
        else:
            computed = Computed(
                as_value(run(_compiled(template), lambda number: lookup(number, values)))
            )
        _check(computed.value)
    except SourceError as error:
        raise SourceError(f"not computable: {error}") from None
    return computed


def evaluate(template: str, values: Mapping[int, Binding]) -> Value:
    """The value of arithmetic or one call, for recomputing an answer; raises as `compute` does."""
    return compute(template, values).value


def _compiled(template: str) -> Program:
    try:
        return compile_arithmetic(template)
    except NotArithmeticError as error:
        raise SourceError(
            f"{error}, nor one call of {', '.join(FUNCTIONS)}",
        ) from None


def _check(value: Value) -> None:
    match value:
        case Fraction():
            check_answer(value)
        case Quantity():
            check_answer(value.number)
        case tuple():
            for item in value:
                _check(item)
        case str() | bool() | int() | date() | None:
            pass


class Calculator:
    """Exact arithmetic, units, dates, and operations over findings; one call a request."""

    card = Card(
        name="calculator",
        knows="computes with numbers, units and dates, compares, counts and picks: "
        "arithmetic like 1998 - #3, or one call like argmax(A: #1, B: #2)",
        limits=f"exactly arithmetic or one call of {', '.join(FUNCTIONS)}; no words, no facts",
        computes=True,
        typed=True,
        latency=0.001,
    )

    def bound(self, seek: Seek) -> Usage:
        del seek
        return _USAGE

    async def seek(self, seek: Seek) -> Finding:
        template = seek.template or seek.text
        if _mentions_units(template, seek.values) and not units_registry.cache_info().currsize:
            # The first load of the units takes half a second, which other steps need not wait for.
            await asyncio.to_thread(units_registry)
        try:
            computed = compute(template, seek.values)
        except SourceError as error:
            return replace(failed(str(error), source=self.card.name), usage=_USAGE)
        finding = found(computed.value, source=self.card.name, text="; ".join(computed.notes))
        return replace(finding, usage=_USAGE)


def _mentions_units(template: str, values: Mapping[int, Binding]) -> bool:
    texts = [template[:2000]]
    for binding in values.values():
        items = binding.value if isinstance(binding.value, tuple) else (binding.value,)
        texts += [item[:200] for item in items if isinstance(item, str)]
        if any(isinstance(item, Quantity) for item in items):
            return True
    return any(_MEASURED.search(text) for text in texts)
