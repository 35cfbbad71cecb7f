"""The six questions of the demonstration, their plans, and what the right answers are.

Every right answer is computed from the facts that the articles state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from centerlm.demo.articles import format_area, listed
from centerlm.demo.facts import Country, Facts, load_facts
from centerlm.errors import SourceError
from centerlm.finding import Quantity, Value, format_value
from centerlm.sources.base import Binding


@dataclass(frozen=True, slots=True)
class DemoQuestion:
    """A question, a plan that answers it, and the right answer.

    `step_answers` are the right answers of the plan's documents steps, so that plan and calculator
    can be checked without a model. `value` is the exact right answer, `aliases` other spellings.
    """

    text: str
    gold_plan: str
    step_answers: Mapping[int, Binding]
    value: Value
    aliases: tuple[str, ...] = ()

    @property
    def answer(self) -> str:
        return format_value(self.value)


def demo_questions(cache: Path | None = None) -> tuple[DemoQuestion, ...]:
    """The six questions of the demonstration with their right answers.

    Raises:
        InputError: a package cannot be fetched.
    """
    facts = load_facts(cache)
    return tuple(question(facts) for question in QUESTIONS)


def is_right(answer: str, question: DemoQuestion) -> bool:
    """Whether a short answer says the right thing.

    Texts are compared without case, accents, punctuation and "the". Whole numbers must be equal;
    others may be rounded, to three significant digits or to a whole number of two digits or more.
    A unit may be left out, or be another that is converted.
    """
    from centerlm.sources.calculator.units import convert_number
    from centerlm.sources.calculator.values import reading_of, text_key

    if text_key(answer) in {text_key(right) for right in (question.answer, *question.aliases)}:
        return True
    right = question.value
    try:
        reading = reading_of(answer)
        given = None if reading is None else reading.measure
        if isinstance(given, Quantity) and isinstance(right, Quantity):
            given = convert_number(given.number, given.unit, right.unit)
    except SourceError:
        return False
    if isinstance(right, Quantity):
        right = right.number
    if not isinstance(given, Fraction) or not isinstance(right, (int, Fraction)):
        return False
    return given == right or (right.denominator != 1 and _is_rounding(given, Fraction(right)))


def _is_rounding(given: Fraction, exact: Fraction) -> bool:
    roundings = {Fraction(f"{float(exact):.{digits}g}") for digits in range(3, 16)}
    return given in roundings or (abs(exact) >= 10 and given == round(exact))


def _question(text: str, plan: str, answers: Mapping[int, Value], *aliases: str) -> DemoQuestion:
    """The question with the value of its plan, given the right answers of its documents steps."""
    from centerlm.sources.calculator import evaluate

    bound = {step: Binding(value) for step, value in answers.items()}
    number, _, last = plan.splitlines()[-1].partition(" [calculator] ")
    value = evaluate(last, bound) if last else answers[int(number.split()[0])]
    return DemoQuestion(text, plan, bound, value, aliases)


def _people(facts: Facts) -> DemoQuestion:
    one, other = facts.countries["Norway"], facts.countries["Denmark"]
    return _question(
        "How many more people live in Denmark than in Norway?",
        "1 [documents] How many people live in Denmark?\n"
        "2 [documents] How many people live in Norway?\n"
        "3 [calculator] #1 - #2",
        {1: f"{other.population:,}", 2: f"{one.population:,}"},
    )


def _neighbour_capital(facts: Facts) -> DemoQuestion:
    (neighbour,) = facts.countries["Portugal"].neighbours
    return _question(
        "What is the capital of the only country that Portugal has a land border with?",
        "1 [documents] Which country has a land border with Portugal?\n"
        "2 [documents] What is the capital of #1?",
        {1: neighbour, 2: facts.countries[neighbour].capital},
    )


def _density_of_people(facts: Facts) -> DemoQuestion:
    country = _with_capital(facts, "Nairobi")
    return _question(
        "How many people per square kilometre live in the country whose capital is Nairobi?",
        "1 [documents] Which country has the capital Nairobi?\n"
        "2 [documents] How many people live in #1?\n"
        "3 [documents] What is the area of #1?\n"
        "4 [calculator] #2 / #3",
        {1: country.name, 2: f"{country.population:,}", 3: format_area(country.area)},
    )


def _larger(facts: Facts) -> DemoQuestion:
    country, other = _with_capital(facts, "Ulaanbaatar"), facts.countries["Peru"]
    return _question(
        "Which is larger in area, the country whose capital is Ulaanbaatar or Peru?",
        "1 [documents] Which country has the capital Ulaanbaatar?\n"
        "2 [documents] What is the area of #1?\n"
        "3 [documents] What is the area of Peru?\n"
        "4 [calculator] argmax(#1: #2, Peru: #3)",
        {1: country.name, 2: format_area(country.area), 3: format_area(other.area)},
    )


def _borders(facts: Facts) -> DemoQuestion:
    country = _with_capital(facts, "Oslo")
    return _question(
        "How many countries border the country whose capital is Oslo?",
        "1 [documents] Which country has the capital Oslo?\n"
        "2 [documents] Which countries border #1?\n"
        "3 [calculator] count(#2)",
        {1: country.name, 2: listed(country.neighbours)},
    )


def _protons(facts: Facts) -> DemoQuestion:
    gold, iron = facts.elements["gold"], facts.elements["iron"]
    return _question(
        "How many more protons does an atom of gold have than an atom of iron?",
        "1 [documents] How many protons does an atom of gold have?\n"
        "2 [documents] How many protons does an atom of iron have?\n"
        "3 [calculator] #1 - #2",
        {1: gold.number, 2: iron.number},
    )


def _with_capital(facts: Facts, capital: str) -> Country:
    return next(c for c in facts.countries.values() if c.capital == capital)


QUESTIONS: tuple[Callable[[Facts], DemoQuestion], ...] = (
    _people,
    _neighbour_capital,
    _density_of_people,
    _larger,
    _borders,
    _protons,
)
"""Each makes one question of the demonstration from the facts."""
