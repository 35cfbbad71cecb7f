"""Finding something out by trying it: a Python program in a sandbox, or a named experiment.

References are variables with typed values, never text of the program: `sum(#1) / 2` is compiled
once, with a name in place of `#1`.
"""

from __future__ import annotations

import ast
import asyncio
import os
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from fractions import Fraction

from centerlm.errors import InputError, SourceError
from centerlm.finding import Finding, Usage, Value, failed, found, nothing
from centerlm.sources.base import Binding, Card, Seek
from centerlm.sources.bounded import bounded_value
from centerlm.sources.experiment.named import NamedExperiment, call_of
from centerlm.sources.experiment.sandbox import Limits, Ran, run_program, why_unavailable
from centerlm.sources.naming import check_name

NAME = "experiment"
_REFERENCE = re.compile(r"##|#(\d{1,4})(?!\d)")
_NUMBER = re.compile(r"-?(?:\d+|\d{1,3}(?:,\d{3})+)(?:\.\d+)?")
_VARIABLE = "answer_{}"
MAX_DIGITS = 120


class Experiment:
    """Programs (unless `python` is False) and named experiments as one source.

    The first program is preceded by a check that programs are really closed off; until they are,
    every program fails with the reason. `card` replaces the source's own.

    Raises:
        InputError: two experiments share a name, one has none that can be written, or there is
            nothing to try.
    """

    def __init__(
        self,
        named: Iterable[NamedExperiment] = (),
        *,
        python: bool = True,
        limits: Limits | None = None,
        card: Card | None = None,
    ) -> None:
        self._named: dict[str, NamedExperiment] = {}
        for one in named:
            check_name(one.name)
            if one.name.casefold() in self._named:
                raise InputError(f"two experiments are called {one.name!r}; rename one")
            self._named[one.name.casefold()] = one
        if not (python or self._named):
            raise InputError("an experiment needs programs, or something named to try")
        self._python = python
        self._limits = limits or Limits()
        self._closed_off = False
        self._turns = asyncio.Semaphore(os.cpu_count() or 1)
        self._card = card or _card(tuple(self._named.values()), self._limits, python=python)

    @property
    def card(self) -> Card:
        return self._card

    def bound(self, seek: Seek) -> Usage:
        del seek
        return Usage(calls=1, cost=self._card.price)

    async def seek(self, seek: Seek) -> Finding:
        started = time.monotonic()
        try:
            finding = await self._tried(seek)
        except SourceError as error:
            finding = failed(str(error), source=self._card.name)
        usage = Usage(1, seconds=time.monotonic() - started, cost=self._card.price)
        return replace(finding, source=self._card.name, usage=usage)

    async def _tried(self, seek: Seek) -> Finding:
        call = call_of(seek)
        if call is not None and (one := self._named.get(call[0].casefold())):
            made = await asyncio.to_thread(one.run, call[1])
            return made if isinstance(made, Finding) else _finding(made, "")
        if not self._python:
            raise SourceError(f"write {' or '.join(one.form for one in self._named.values())}")
        code, values = program_of(seek.template or seek.text, seek.values)
        async with self._turns:
            if problem := await self._unavailable():
                raise SourceError(problem)
            ran = await run_program(code, values, self._limits)
        if ran.error:
            raise SourceError(f"the program failed: {ran.error}")
        return _ran(ran)

    async def _unavailable(self) -> str | None:
        """Why nothing can be run now; a machine that is busy once is tried again."""
        if self._closed_off:
            return None
        problem = await why_unavailable(self._limits)
        self._closed_off = problem is None
        return problem


def program_of(template: str, bound: Mapping[int, Binding]) -> tuple[str, dict[str, Value]]:
    """The program of a text, and its variables: one for each reference.

    Raises:
        SourceError: it is no Python, refers to what it does not have, or has a reference inside
            quotation marks, where it would be text.
    """
    values: dict[str, Value] = {}

    def put(match: re.Match[str]) -> str:
        if match[1] is None:
            return "#"
        number = int(match[1])
        if number not in bound:
            raise SourceError(f"the program refers to #{number}, which it does not have")
        name = _VARIABLE.format(number)
        values[name] = variable(bound[number].value)
        return name

    if not template.strip():
        raise SourceError("the program is empty; write Python, e.g. sum(range(#1))")
    code = _REFERENCE.sub(put, template)
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        told = error.msg if isinstance(error, SyntaxError) else str(error)
        raise SourceError(f"this is no Python: {told}") from None
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
            text = node.value if isinstance(node.value, str) else node.value.decode("latin-1")
            if name := next((name for name in values if name in text), None):
                number = name.rpartition("_")[2]
                raise SourceError(f"#{number} stands inside quotation marks; write it without")
    return code, values


def variable(value: Value) -> Value:
    """A value as a program's variable: text that is no more than a number is that number."""
    match value:
        case str() if len(value) <= MAX_DIGITS and _NUMBER.fullmatch(value):
            number = Fraction(value.replace(",", ""))
            return number.numerator if number.denominator == 1 else number
        case tuple():
            return tuple(variable(item) for item in value)
        case _:
            return value


def _ran(ran: Ran) -> Finding:
    if ran.value is None and not ran.printed.strip():
        return nothing("the program gave no value and printed nothing")
    if ran.value is None:
        return _finding(ran.printed.strip(), "")
    return _finding(ran.value, ran.printed.strip())


def _finding(value: object, text: str) -> Finding:
    kept, note = bounded_value(value)
    if kept is None or kept == "":
        return nothing("it gave nothing")
    return found(kept, text="\n".join(part for part in (text, note) if part))


def _card(named: tuple[NamedExperiment, ...], limits: Limits, *, python: bool) -> Card:
    knows = [f"{one.form}: {one.knows}" for one in named]
    if python:
        knows.insert(0, "runs a Python program and gives what it prints")
    return Card(
        NAME,
        "; ".join(knows),
        f"no network, {limits.seconds:g} seconds" if python else "",
        computes=True,
        typed=True,
        latency=0.2 if python else 0.01,
    )
