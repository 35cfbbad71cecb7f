"""The game of 24: four numbers, each used once with + - * / and brackets, make 24.

Puzzles are those of 4nums.com as Yao et al. (Tree of Thoughts, 2023) use them: a CSV whose column
"Puzzles" holds four numbers. The verifier computes exactly; it is never given more than a proposal.
"""

from __future__ import annotations

import csv
import io
import random
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from centerlm.errors import InputError, SourceError
from centerlm.finding import Finding, Value, format_value, found, nothing
from centerlm.learning.readers.common import read_bytes
from centerlm.sources.calculator import evaluate
from centerlm.sources.experiment import NamedExperiment

TARGET = 24
NAME = "make24"
SIGNS = "+-*/"
_ALLOWED = re.compile(r"[\d+\-*/() ]{1,100}")
_WHOLE = re.compile(r"[0-9]{1,9}")
_SIGNS = str.maketrans({"×": "*", "÷": "/", "−": "-", "[": "(", "]": ")"})


@dataclass(frozen=True, slots=True)
class Game24:
    """One puzzle. `rank` is its place by how many people solve it, from 1; 0 where not known."""

    numbers: tuple[int, ...]
    rank: int = 0

    @property
    def id(self) -> str:
        return f"game24-{'-'.join(map(str, self.numbers))}"

    @property
    def question(self) -> str:
        *first, last = map(str, self.numbers)
        return (
            f"Make 24 from {', '.join(first)} and {last}: use each number once, with + - * / and "
            "brackets. What is the expression?"
        )

    def value(self, expression: str) -> Fraction:
        """What a proposal gives.

        Raises:
            SourceError: it is no arithmetic, or does not use exactly these numbers.
        """
        text = proposal(expression)
        if not _ALLOWED.fullmatch(text) or "**" in text or "//" in text:
            raise SourceError("write an expression of the numbers with + - * / and brackets alone")
        used = sorted(map(int, re.findall(r"\d+", text)))
        if used != sorted(self.numbers):
            wanted = ", ".join(map(str, sorted(self.numbers)))
            raise SourceError(f"it uses {', '.join(map(str, used))}, not {wanted}")
        value = evaluate(text, {})
        return Fraction(value) if isinstance(value, int | Fraction) else Fraction(0)

    def right(self, answer: str) -> bool:
        """Whether a proposal makes 24."""
        try:
            return self.value(answer) == TARGET
        except SourceError:
            return False

    def valid(self, answer: str) -> bool:
        """Whether a proposal is an expression of these numbers, whatever it gives."""
        try:
            self.value(answer)
        except SourceError:
            return False
        return True

    def propose(self, draw: random.Random) -> str:
        """A uniformly random expression: an order of the numbers, three signs, a way to bracket."""
        return self._propose(draw)[1]

    def tried(self, draw: random.Random) -> bool:
        """Whether one random expression makes 24."""
        return self._propose(draw)[0] == TARGET

    def _propose(self, draw: random.Random) -> tuple[Fraction | None, str]:
        """A proposal with its value (None: it divides by zero)."""
        order = draw.sample(self.numbers, len(self.numbers))
        parts: list[tuple[Fraction | None, str]] = [(Fraction(n), str(n)) for n in order]
        while len(parts) > 1:
            at = draw.randrange(len(parts) - 1)
            (a, left), (b, right) = parts[at : at + 2]
            sign = draw.choice(SIGNS)
            parts[at : at + 2] = [(apply_sign(sign, a, b), f"({left} {sign} {right})")]
        return parts[0]

    def experiment(self) -> NamedExperiment:
        """The verifier: what a proposal gives, and nothing if that is not 24."""

        def run(arguments: tuple[Value, ...]) -> Finding:
            if len(arguments) != 1 or not isinstance(arguments[0], str):
                raise SourceError(f"write {NAME}(expression)")
            text, value = proposal(arguments[0]), self.value(arguments[0])
            if value != TARGET:
                return nothing(f"{text} is {format_value(value)}, not {TARGET}")
            return found(text)

        return NamedExperiment(
            NAME, f"{NAME}(expression)", "says what an expression gives, and if it is 24", run
        )


def apply_sign(sign: str, a: Fraction | None, b: Fraction | None) -> Fraction | None:
    """What two numbers make; None where one is None, or it divides by zero."""
    if a is None or b is None or (sign == "/" and not b):
        return None
    return {"+": a + b, "-": a - b, "*": a * b}[sign] if sign != "/" else a / b


def proposal(text: str) -> str:
    """The expression in an answer: without "= 24" and other ways to write signs."""
    text = text.translate(_SIGNS).partition("=")[0]
    return " ".join(text.split()).strip(" .'\"`")


def read_game24(path: Path) -> list[Game24]:
    """The puzzles of a CSV, in order.

    Raises:
        InputError: it cannot be read, has no column "Puzzles", or a row holds no puzzle.
    """
    text = read_bytes(path).decode("utf-8-sig", "replace")
    try:
        rows = list(csv.DictReader(io.StringIO(text)))
    except csv.Error as error:
        raise InputError(f"{path} is no table: {error}") from None
    if not rows or "Puzzles" not in rows[0]:
        raise InputError(f"{path} has no column Puzzles; give the table of 4nums.com as a CSV")
    puzzles: list[Game24] = []
    for number, row in enumerate(rows, start=2):
        words = (row["Puzzles"] or "").split()
        if len(words) < 2 or not all(map(_WHOLE.fullmatch, words)):
            raise InputError(f"{path}:{number} holds no puzzle; write numbers with spaces between")
        rank = row.get("Rank") or ""
        puzzles.append(Game24(tuple(map(int, words)), int(rank) if _WHOLE.fullmatch(rank) else 0))
    return puzzles
