"""Arithmetic text: the grammar, and running it on bound references without recursion.

The parser turns text into a postfix program (`compile_arithmetic`); `run` executes that on a stack.
References stay references: what they stand for is never parsed.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias, cast

from centerlm.errors import SourceError
from centerlm.finding import Quantity
from centerlm.sources.calculator import algebra
from centerlm.sources.calculator.dates import MONTH_PATTERN
from centerlm.sources.calculator.units import parse_unit
from centerlm.sources.calculator.values import Measure, measure

MAX_CHARACTERS = 2000
MAX_NESTING = 32

GRAMMAR = rf"""
?start: sum
?sum: product
    | sum "+" product -> add
    | sum "-" product -> subtract
?product: signed
    | product TIMES signed -> multiply
    | product "/" signed -> divide
    | product MOD signed -> modulo
    | share OF signed -> multiply
?signed: power
    | "-" signed -> negate
    | "+" signed
?power: postfix
    | postfix POWER signed -> power
?postfix: atom
    | share
share: postfix PERCENT -> percent
?atom: "(" sum ")"
    | REFERENCE -> reference
    | REFERENCE WORD+ -> measured
    | (DATE | NUMBER | WORD)+ -> literal

REFERENCE: /#\d+/
DATE.5: /\d{{4}}-\d{{2}}-\d{{2}}(?!\d)/
    | /\d{{1,2}}(?:st|nd|rd|th)?(?: of)? {MONTH_PATTERN},? \d{{1,4}}(?!\d)/i
    | /{MONTH_PATTERN} (?:\d{{1,2}}(?:st|nd|rd|th)?, ?)?\d{{3,4}}(?!\d)/i
NUMBER.2: /(?:(?:US)?[$€£¥₹₩] ?)?(?:\d{{1,3}}(?:,\d{{3}})+(?![\d,])|\d+(?![\d,]*,\d))(?:\.\d+)?(?:[eE][+-]?\d+(?!\w))?/
    | /\.\d+/
WORD: /(?:°\s?)?[^\W\d_][\w²³°'’.]*(?:-[^\W\d_]+)*(?:\^-?\d)?(?:\/[^\W\d_][\w²³]*(?:\^-?\d)?)*/
    | "°"
TIMES.3: "*" | "×" | "·" | /x(?=\s)/
POWER.4: "**" | "^"
MOD.3: /%(?=\s*[\d#(.])/ | /mod\b/i
PERCENT.2: "%"
OF.3: /of\b/i
%ignore /\s+/
"""  # noqa: E501 (a token is one line)


class NotArithmeticError(SourceError):
    """The text does not have the form of arithmetic."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Push what `#number` stands for; with a unit or scale word ("#1 km") applied to it."""

    number: int
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Literal:
    """Push a number, quantity or date written in the text itself."""

    text: str


@dataclass(frozen=True, slots=True)
class Operation:
    """Replace the last two measures (one for "negate" and "percent") by the result."""

    name: str


Instruction: TypeAlias = Reference | Literal | Operation
Program: TypeAlias = list[Instruction]
Lookup: TypeAlias = Callable[[int], Measure]
"""Gives the measure a reference stands for, or raises SourceError."""

_BINARY: dict[str, algebra.Operator] = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "modulo": "mod", "power": "^",
}  # fmt: skip


class _Compiler:
    """Callbacks of the parser, run as it reduces: each gives the postfix program of its part."""

    def reference(self, children: list[Any]) -> Program:
        return [Reference(_reference_number(children[0]))]

    def measured(self, children: list[Any]) -> Program:
        words = " ".join(str(word) for word in children[1:])
        return [Reference(_reference_number(children[0]), words)]

    def literal(self, children: list[Any]) -> Program:
        return [Literal(" ".join(str(piece) for piece in children))]

    def negate(self, children: list[Program]) -> Program:
        return self._append(children, "negate")

    def percent(self, children: list[Program]) -> Program:
        return self._append(children, "percent")

    def add(self, children: list[Program]) -> Program:
        return self._append(children, "add")

    def subtract(self, children: list[Program]) -> Program:
        return self._append(children, "subtract")

    def multiply(self, children: list[Program]) -> Program:
        return self._append(children, "multiply")

    def divide(self, children: list[Program]) -> Program:
        return self._append(children, "divide")

    def modulo(self, children: list[Program]) -> Program:
        return self._append(children, "modulo")

    def power(self, children: list[Program]) -> Program:
        return self._append(children, "power")

    def _append(self, children: list[Program], name: str) -> Program:
        # Extending the left part in place keeps a chain of n terms linear. Operator tokens that
        # the grammar keeps are strings, not programs.
        parts = [child for child in children if not isinstance(child, str)]
        program = parts[0]
        for part in parts[1:]:
            program.extend(part)
        program.append(Operation(name))
        return program


def _reference_number(token: str) -> int:
    digits = token[1:]
    return int(digits) if len(digits) <= 6 else -1


@functools.cache
def _parser() -> Any:
    from lark import Lark

    return Lark(
        GRAMMAR, parser="lalr", transformer=cast("Any", _Compiler()), maybe_placeholders=False
    )


def compile_arithmetic(text: str) -> Program:
    """The postfix program of an arithmetic text.

    Raises:
        NotArithmeticError: the text has another form.
        SourceError: it is too long or too deeply nested.
    """
    from lark.exceptions import UnexpectedInput

    check_size(text)
    try:
        return _parser().parse(text)
    except UnexpectedInput as error:
        raise NotArithmeticError(
            f"{shorten(text)} is not arithmetic{_place(error, text)}"
        ) from None


def _place(error: Exception, text: str) -> str:
    position = getattr(error, "pos_in_stream", None)
    ended = getattr(getattr(error, "token", None), "type", "") == "$END"
    if ended or not isinstance(position, int) or not 0 <= position < len(text):
        return " (it ends too early)"
    return f" (unexpected {text[position]!r} at column {position + 1})"


def shorten(text: str) -> str:
    line = " ".join(text.split())
    return repr(line if len(line) <= 80 else line[:79] + "…")


def check_size(text: str) -> None:
    """Refuse text that is too long or nested too deeply, before anything parses it."""
    if len(text) > MAX_CHARACTERS:
        raise SourceError(f"the text has {len(text):,} characters, more than {MAX_CHARACTERS:,}")
    depth = 0
    for character in text:
        if character == "(":
            depth += 1
            if depth > MAX_NESTING:
                raise SourceError(f"parentheses are nested more than {MAX_NESTING} deep")
        elif character == ")":
            depth -= 1


def run(program: Program, lookup: Lookup) -> Measure:
    """Execute a postfix program.

    Raises:
        NotArithmeticError: a word in it is no number.
        SourceError: the parts do not go together, or a number grows too large.
    """
    stack: list[Measure] = []
    for step in program:
        match step:
            case Reference(number, unit):
                item = lookup(number)
                stack.append(_with_unit(item, unit, f"#{number}") if unit else item)
            case Literal(text):
                stack.append(_literal(text))
            case Operation("negate"):
                stack.append(algebra.negate(stack.pop()))
            case Operation("percent"):
                stack.append(algebra.percent(stack.pop()))
            case Operation(name):
                right = stack.pop()
                stack.append(algebra.apply(_BINARY[name], stack.pop(), right))
    return stack.pop()


def _literal(text: str) -> Measure:
    try:
        return measure(text, "", strict=True)
    except SourceError as error:
        if "not a number" in str(error):
            raise NotArithmeticError(f"{shorten(text)} is not a number") from None
        raise


def _with_unit(item: Measure, words: str, name: str) -> Measure:
    """`#1 km`, `#1 million`: the words belong to the number that the reference stands for."""
    if not isinstance(item, Fraction):
        unit = parse_unit(words, any_unit=True)
        if isinstance(item, Quantity) and unit == item.unit:
            return item
        raise SourceError(f"{name} is not a plain number, so {words!r} cannot follow it")
    one = measure(f"1 {words}", "", strict=True)
    return algebra.apply("*", item, one)
