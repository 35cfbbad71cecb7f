"""GSM8K (Cobbe et al., 2021): grade-school mathematics with calculator calls `<<48/2=24>>`.

Each call becomes a step of the calculator. A number that is an earlier result becomes a reference,
the numbers of the question stay. A record is used only if its plan computes the answer.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import msgspec

from centerlm.errors import SourceError
from centerlm.finding import Value, format_value
from centerlm.learning.guidance import Guidance, Read
from centerlm.learning.readers.common import (
    CALCULATOR,
    Made,
    Unusable,
    compose,
    convert,
    json_lines,
    tidy,
)
from centerlm.learning.readers.prose import value_number
from centerlm.plan import MAX_STEPS, Plan, Step, references, renumber
from centerlm.sources.base import Binding
from centerlm.sources.calculator import evaluate

NAME = "gsm8k"
MAX_ROUNDING = Fraction(1, 200)
"""How far a plan's value may be from the written answer, which is rounded to cents at times."""

_CALL = re.compile(r"<<(.*?)>>")
_TOKEN = re.compile(r"\d[\d,]*\.?\d*|\.\d+|\*\*|[-+*/()%^]")
_NUMBER = re.compile(r"\d[\d,]*\.?\d*|\.\d+")
_ARITHMETIC = re.compile(r"[\d.,\s()%*/+^-]+")


class _Row(msgspec.Struct):
    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class _Call:
    """A call as tokens, and the result that is written."""

    tokens: tuple[str, ...]
    result: Fraction


def question_id(question: str) -> str:
    """The id of a question, which has none in the set: "gsm8k-" and 16 digits of its SHA-1."""
    return f"gsm8k-{hashlib.sha1(question.encode(), usedforsecurity=False).hexdigest()[:16]}"


def read_gsm8k(path: Path) -> Read:
    """Guidance from a file of GSM8K in JSONL, with the value of every step.

    Raises:
        InputError: the file is missing or cannot be read.
    """
    return convert(path, json_lines(path, _Row), _make)


def _make(row: _Row, where: str) -> Made:
    del where
    worked, mark, final = row.answer.rpartition("####")
    answer = value_number(final.strip()) if mark else None
    if answer is None:
        raise Unusable("no answer", "the record has no number after ####")
    calls = _calls(worked)
    if not calls:
        raise Unusable("no calls", "the record has no <<calls>>")
    if len(calls) > MAX_STEPS:
        raise Unusable("too many steps", f"{len(calls)} calls are more than {MAX_STEPS} steps")
    given = {value for text in _NUMBER.findall(row.question) if (value := value_number(text))}
    plan = compose(_needed(_steps(calls, given)))[0]
    values = _values(plan)
    last = values[len(plan.steps)]
    if not isinstance(last, Fraction) or abs(last - answer) > MAX_ROUNDING:
        raise Unusable(
            "not reproduced", f"the calls give {format_value(last)}, the answer is {final.strip()}"
        )
    answers = {k: format_value(value) for k, value in values.items()}
    guidance = Guidance(
        question_id(row.question),
        tidy(row.question),
        plan,
        NAME,
        answer=format_value(answer),
        answers=answers,
    )
    return Made(guidance)


def _calls(worked: str) -> list[_Call]:
    """The calls that compute; `<<12=12>>` is none."""
    calls: list[_Call] = []
    for text in _CALL.findall(worked):
        formula, equals, result = text.rpartition("=")
        value = value_number(result.strip())
        if not equals or value is None or not _ARITHMETIC.fullmatch(formula):
            raise Unusable("not computable", f"<<{text}>> is not arithmetic and its result")
        tokens = tuple(_TOKEN.findall(formula))
        if len(tokens) > 1:
            calls.append(_Call(tokens, value))
    return calls


def _steps(calls: Sequence[_Call], given: set[Fraction]) -> list[Step]:
    """Steps with references to earlier results.

    A number that is both given and a result stays a number, unless the result were used by no
    later call otherwise.
    """
    texts = _formulas(calls, given, set())
    used = {k for text in texts for k in references(text)}
    if unused := {k for k in range(1, len(calls)) if k not in used}:
        texts = _formulas(calls, given, unused)
    return [Step(at, (CALCULATOR,), text) for at, text in enumerate(texts, start=1)]


def _formulas(calls: Sequence[_Call], given: set[Fraction], unused: set[int]) -> list[str]:
    """The calls with references, of several equal results to one that waits to be used, else to
    the latest. A given number becomes a reference to the results `unused` alone.
    """
    texts: list[str] = []
    waiting: set[int] = set()
    for at, call in enumerate(calls):
        words: list[str] = []
        for token in call.tokens:
            value = value_number(token) if _NUMBER.fullmatch(token) else None
            if value is None:
                words.append(token)
                continue
            results = [k for k, one in enumerate(calls[:at], start=1) if one.result == value]
            if value in given:
                results = [k for k in results if k in unused]
            if not results:
                words.append(format_value(value))
                continue
            best = min(waiting.intersection(results), default=results[-1])
            waiting.discard(best)
            words.append(f"#{best}")
        texts.append(_spaced(words))
        waiting.add(at + 1)
    return texts


def _spaced(words: Sequence[str]) -> str:
    """Spaces around binary operators, none after a sign, a parenthesis or before a percent."""
    text = ""
    for at, word in enumerate(words):
        sign = word in "+-" and (at == 0 or words[at - 1] in "(*/+-^**")
        binary = word in ("+", "-", "*", "/", "^", "**") and not sign
        text += f" {word} " if binary else word
    return " ".join(text.split())


def _needed(steps: Sequence[Step]) -> list[Step]:
    """The last step and what it needs, numbered anew: other calls led to no answer."""
    wanted = {steps[-1].id}
    for step in reversed(steps):
        if step.id in wanted:
            wanted.update(step.needs)
    kept = [step for step in steps if step.id in wanted]
    new = {step.id: at for at, step in enumerate(kept, start=1)}
    return [Step(new[s.id], s.sources, renumber(s.text, new)) for s in kept]


def _values(plan: Plan) -> dict[int, Value]:
    values: dict[int, Value] = {}
    for step in plan.steps:
        bound = {k: Binding(values[k]) for k in step.needs}
        try:
            values[step.id] = evaluate(step.text, bound)
        except SourceError as error:
            raise Unusable("not computable", f"step {step.id}: {error}") from None
    return values
