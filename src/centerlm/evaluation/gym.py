"""Families of puzzles from `reasoning-gym` (Stojanovski et al., 2025), scored by it.

Of two families short puzzles are guidance; all others are held out, and so are longer ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from centerlm.errors import InputError, MissingExtraError, SourceError
from centerlm.finding import Finding, Value, format_value, found, nothing
from centerlm.plan import MAX_TEXT, Plan, Step, make_plan
from centerlm.sources.calculator import evaluate
from centerlm.sources.experiment import NamedExperiment

PREFIX = "gym:"
CALCULATOR = "calculator"
NAME = "check"
GUIDED = ("chain_sum", "products")
"""Families that guidance is made of."""
GUIDED_TERMS = 4
"""Terms of a puzzle, at most, that is guidance."""


@dataclass(frozen=True, slots=True)
class GymPuzzle:
    """A puzzle with the library's own way to score an answer.

    `expression` is what is computed ("" where the library names none), `terms` its length (0: not
    known).
    """

    question: str
    answer: str
    expression: str
    terms: int
    family: Any = field(repr=False, compare=False)
    entry: Mapping[str, Any] = field(repr=False, compare=False)

    @property
    def plan(self) -> Plan | None:
        """A right plan: its expression for the calculator, where that gives the right answer."""
        if not self.expression or len(self.expression) > MAX_TEXT:
            return None
        try:
            value = evaluate(self.expression, {})
        except SourceError:
            return None
        if not self.right(format_value(value)):
            return None
        return make_plan([Step(1, (CALCULATOR,), self.expression)])

    def right(self, answer: str) -> bool:
        """Whether the library gives an answer full marks."""
        try:
            return float(self.family.score_answer(answer, self.entry)) >= 1.0
        except Exception:  # noqa: BLE001 - the library's own code on anything a model writes
            return False

    def valid(self, answer: str) -> bool:
        """Any text may be an answer."""
        return bool(answer.strip())

    def experiment(self) -> NamedExperiment:
        """The verifier: says whether a proposal is right."""

        def run(arguments: tuple[Value, ...]) -> Finding:
            text = ", ".join(map(str, arguments))
            if not text:
                raise SourceError(f"write {NAME}(answer)")
            return found(text) if self.right(text) else nothing(f"{text[:80]} is not right")

        return NamedExperiment(NAME, f"{NAME}(answer)", "says whether an answer is right", run)


def gym_puzzles(family: str, count: int, *, seed: int) -> list[GymPuzzle]:
    """Puzzles of a family, made from a seed.

    Raises:
        MissingExtraError: `reasoning-gym` is not installed.
        InputError: there is no such family.
    """
    try:
        import reasoning_gym  # pyright: ignore
    except ImportError:
        raise MissingExtraError("reasoning-gym", "eval") from None
    make = cast("Any", reasoning_gym).create_dataset
    try:
        made: Any = make(family, size=count, seed=seed)
    except (ValueError, KeyError) as error:
        raise InputError(f"there is no family {family!r} in reasoning-gym: {error}") from None
    return [
        GymPuzzle(
            str(entry["question"]),
            str(entry["answer"] or ""),
            " ".join(str(entry["metadata"].get("expression") or "").split()),
            int(entry["metadata"].get("num_terms") or 0),
            made,
            entry,
        )
        for entry in (made[n] for n in range(count))
    ]
