"""Human prose that can be computed, as calls of the calculator.

"Is #2 greater than #1?" becomes `compare(#2, #1)` and `same(#3, greater)`: a comparison gives less,
equal or greater, and the yes or no that was asked for is a second step. Only wordings with one
meaning are read; everything else gives None. Every call that comes out has been parsed by the
calculator itself.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from centerlm.errors import SourceError
from centerlm.finding import format_value
from centerlm.plan import MAX_TEXT, references
from centerlm.sources.base import Binding
from centerlm.sources.calculator import evaluate
from centerlm.sources.calculator.values import read

_MORE = (
    "greater|more|larger|bigger|higher|longer|taller|heavier|later|wider|deeper|warmer|hotter|"
    "more expensive"
)
_LESS = "less|fewer|smaller|lower|shorter|lighter|earlier|narrower|shallower|colder|cheaper|cooler"
_SAME = "equal to|the same as|same as|identical to|equivalent to|the same number as"
_VERB = "is|are|was|were|does|do|did|will|would|has|have"

_ORDERS: tuple[tuple[str, str], ...] = (
    (rf"(?:{_MORE}) than or (?:equal|the same)(?: to| as)?|at least(?: equal to)?|"
     rf"(?:equal to|the same as) or (?:{_MORE}) than|(?:not|no) (?:{_LESS}) than", ">="),
    (rf"(?:{_LESS}) than or (?:equal|the same)(?: to| as)?|at most|"
     rf"(?:equal to|the same as) or (?:{_LESS}) than|(?:not|no) (?:{_MORE}) than", "<="),
    (rf"(?:{_MORE}) than|after|above|over|exceed(?:s|ing)?|in excess of", ">"),
    (rf"(?:{_LESS}) than|before|prior to|below|under", "<"),
    (rf"{_SAME}|equals?", "="),
)  # fmt: skip
_COMPARISON = tuple(
    (re.compile(rf"(?:{_VERB}) (?P<left>.+?) (?:{words}) (?P<right>.+)", re.IGNORECASE), order)
    for words, order in _ORDERS
)
_BOTH_SAME = re.compile(
    rf"(?:{_VERB}) (?P<left>.+?) and (?P<right>.+?) (?:(?:be )?the same|equal|identical)",
    re.IGNORECASE,
)
_LEADING = re.compile(
    r"(?:the )?(?:value|amount|number|year|date|total|length|height|size|age|population|price|cost)"
    r"s? (?:of|in|from|for) (?=#)|(?:the )?(?:year|number|date|value) (?=#\d+$)|the (?=#)",
    re.IGNORECASE,
)
_OF_TWO = re.compile(
    r"(?:the )?(?P<what>sum|total|difference|product|quotient|ratio|division|multiplication)"
    r"(?: of| between)? (?P<left>.+?),? (?:and|to|by|from) (?P<right>.+)",
    re.IGNORECASE,
)
_BETWEEN = re.compile(
    r"(?P<left>.+?) (?P<what>plus|added to|minus|times|multiplied by|divided by|\+|-|\*|/) "
    r"(?P<right>.+)",
    re.IGNORECASE,
)
_SUBTRACTED = re.compile(r"(?P<left>.+?) (?:is )?subtracted from (?P<right>.+)", re.IGNORECASE)
_PERCENT = re.compile(r"(?P<share>\d+(?:\.\d+)?) ?(?:%|percent) of (?P<whole>.+)", re.IGNORECASE)
_OPERATORS = {
    "sum": "+", "total": "+", "plus": "+", "added to": "+", "+": "+",
    "difference": "-", "minus": "-", "-": "-",
    "product": "*", "multiplication": "*", "times": "*", "multiplied by": "*", "*": "*",
    "quotient": "/", "ratio": "/", "division": "/", "divided by": "/", "/": "/",
}  # fmt: skip
_FRACTIONS = {"half": "/ 2", "a third": "/ 3", "a quarter": "/ 4", "twice": "* 2", "double": "* 2"}
_ASKING = re.compile(r"(?:what|how much|how many) (?:is|are|was|were) ", re.IGNORECASE)


def computed(text: str, number: int) -> tuple[str, ...] | None:
    """The calculator's texts for prose that can be computed, the first of them step `number`.

    Later texts refer to earlier ones by the numbers that follow. None: it cannot be computed as
    it is written.
    """
    text = " ".join(text.split()).rstrip(" ?.")
    if len(text) > MAX_TEXT:  # longer than a step: never worth the patterns' time
        return None
    calls = _yes_or_no(text, number) or _amount(text)
    return calls if calls and _parses(calls, number) else None


def _amount(text: str) -> tuple[str, ...] | None:
    """What a wh-question or a bare noun phrase asks to be worked out."""
    if match := _ASKING.match(text):
        text = text[match.end() :]
    formula = operand(text)
    return (formula,) if formula and references(formula) and formula.strip("#0123456789") else None


def _yes_or_no(text: str, number: int) -> tuple[str, ...] | None:
    if match := _BOTH_SAME.fullmatch(text):
        return _call(match, "=", number)
    for pattern, order in _COMPARISON:
        if match := pattern.fullmatch(text):
            return _call(match, order, number)
    return None


def _call(match: re.Match[str], order: str, number: int) -> tuple[str, ...] | None:
    left, right = operand(match["left"]), operand(match["right"])
    if left is None or right is None or not references(f"{left} {right}"):
        return None
    match order:
        case "=":
            return (f"same({left}, {right})",)
        case ">" | "<":
            word = "greater" if order == ">" else "less"
            return (f"compare({left}, {right})", f"same(#{number}, {word})")
        case _:
            extreme = "max" if order == ">=" else "min"
            return (f"{extreme}({left}, {right})", f"same(#{number}, {left})")


def operand(text: str) -> str | None:
    """A reference, a number with or without a unit, or arithmetic on such; None if it is neither.

    "half of #1" becomes `#1 / 2`, "the sum of #1 and #2" `#1 + #2`.
    """
    text = _LEADING.sub("", text.strip(), count=1).strip()
    if re.fullmatch(r"#\d{1,4}", text):
        return text
    lowered = text.casefold()
    for words, suffix in _FRACTIONS.items():
        if lowered.startswith(f"{words} ") and (
            inner := operand(text[len(words) + 1 :].removeprefix("of "))
        ):
            return f"{_grouped(inner)} {suffix}"
    if match := _PERCENT.fullmatch(text):
        whole = operand(match["whole"])
        return f"{match['share']}% of {_grouped(whole)}" if whole else None
    if match := _SUBTRACTED.fullmatch(text):
        return _arithmetic(match["right"], "-", match["left"])
    if match := _OF_TWO.fullmatch(text):
        if _BETWEEN.fullmatch(
            match["right"]
        ):  # "the sum of #1 and #2 divided by 2" means two things
            return None
        return _arithmetic(match["left"], _OPERATORS[match["what"].casefold()], match["right"])
    if match := _BETWEEN.fullmatch(text):
        return _arithmetic(match["left"], _OPERATORS[match["what"].casefold()], match["right"])
    if not _is_literal(text):
        return None
    number = value_number(text)
    return text if number is None or re.search(r"\d", text) else format_value(number)


def _arithmetic(left: str, operator: str, right: str) -> str | None:
    one, other = operand(left), operand(right)
    return f"{_grouped(one)} {operator} {_grouped(other)}" if one and other else None


def _grouped(formula: str) -> str:
    return f"({formula})" if re.search(r" [-+*/] ", formula) else formula


def _is_literal(text: str) -> bool:
    """Whether it is a number, quantity or date that the calculator reads, without another noun."""
    if "#" in text:
        return False
    try:
        return read(text, strict=True) is not None
    except SourceError:
        return False


def _parses(calls: Sequence[str], number: int) -> bool:
    """Whether the calculator takes the calls, on numbers or on quantities of some unit."""
    return any(_runs(calls, number, value) for value in ("7", "7 hours", "7 km", "7 kg", "$7"))


def _runs(calls: Sequence[str], number: int, value: str) -> bool:
    values = {
        k: Binding(value, "a label") for call in calls for k in references(call) if k < number
    }
    try:
        for at, call in enumerate(calls):
            values[number + at] = Binding(evaluate(call, values))
    except SourceError:
        return False
    return True


def value_number(text: str) -> Fraction | None:
    """The plain number a text stands for; None where it is none."""
    try:
        reading = read(text)
    except SourceError:
        return None
    return reading.measure if reading and isinstance(reading.measure, Fraction) else None
