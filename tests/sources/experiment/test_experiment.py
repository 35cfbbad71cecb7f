"""The source: what is bound, what is a program, and what has a name."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from fractions import Fraction

import pytest

from centerlm import Budget, CenterLM, Objective, ScriptedModel, solve
from centerlm.errors import InputError, SourceError
from centerlm.finding import Finding, Status, Value
from centerlm.sources.base import Binding, Seek
from centerlm.sources.experiment import Experiment, Limits, NamedExperiment, Ran, why_unavailable
from centerlm.sources.experiment.source import program_of, variable

UNAVAILABLE = asyncio.run(why_unavailable())
runs = pytest.mark.skipif(bool(UNAVAILABLE), reason=str(UNAVAILABLE))


def double(arguments: tuple[Value, ...]) -> Value:
    if len(arguments) != 1 or not isinstance(arguments[0], int):
        raise SourceError("double takes one whole number")
    return 2 * arguments[0]


DOUBLE = NamedExperiment("double", "double(number)", "twice the number", double)
JOIN = NamedExperiment("join", "join(a, b, ...)", "all of them", lambda a: "|".join(map(str, a)))


def ask(source: Experiment, text: str, values: Mapping[int, Value] | None = None) -> Finding:
    bound = {k: Binding(v) for k, v in (values or {}).items()}
    return asyncio.run(source.seek(Seek(text, template=text, values=bound)))


@runs
def test_a_program_computes_with_what_was_found() -> None:
    finding = ask(Experiment(), "sum(int(d) for d in str(#1)) * #2", {1: "1,998", 2: Fraction(2)})
    assert (finding.status, finding.value, finding.usage.calls) == (Status.FOUND, 54, 1)


@runs
def test_it_answers_a_step_of_a_plan() -> None:
    model = ScriptedModel({"Break the question": "1 [experiment] [p for p in range(2, 30) if all(p "
                           "% q for q in range(2, p))]\n2 [experiment] sum(#1)\n"})  # fmt: skip
    solution = asyncio.run(
        solve(Objective("Sum of primes below 30?", budget=Budget(depth=1)),
              center=CenterLM(model), sources=[Experiment()])
    )  # fmt: skip
    assert (solution.answer, solution.status) == ("129", "answered")


@runs
def test_a_program_that_fails_or_says_nothing_is_no_answer() -> None:
    source = Experiment()
    failed = ask(source, "1 / 0")
    assert failed.status is Status.FAILED and "ZeroDivisionError" in failed.reason
    assert ask(source, "x = 1").status is Status.NOTHING
    assert ask(source, "print(3 * 4)").value == "12"


@pytest.mark.parametrize(
    "hostile",
    ["__import__('os').system('x')", "1); import os; (1", "'; raise SystemExit", "#2", "\\", '"'],
)
def test_what_was_found_is_never_code(hostile: str) -> None:
    code, values = program_of("len(#1) + 1", {1: Binding(hostile)})
    assert (code, values) == ("len(answer_1) + 1", {"answer_1": hostile})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("print('#1')", "inside quotation marks"),
        ("f'{#1} and #1'", "inside quotation marks"),
        ("#2 + 1", "refers to #2"),
        ("(1 +", "no Python"),
        ("1 \x00", "no Python"),
        ("   ", "is empty"),
        ("rm -rf /", "no Python"),
    ],
)
def test_a_text_that_cannot_be_a_program_is_refused_before_it_runs(text: str, reason: str) -> None:
    with pytest.raises(SourceError, match=reason):
        program_of(text, {1: Binding("x")})


def test_references_in_braces_of_a_text_are_variables() -> None:
    assert program_of("f'{#1}!'", {1: Binding("x")})[0] == "f'{answer_1}!'"
    assert program_of("1 ## a remark", {})[0] == "1 # a remark"


def test_texts_that_are_numbers_are_numbers() -> None:
    assert variable(("1,998", "-2.5", "19 98", "12 km", "0x1F", "1e5", True)) == (
        1998, Fraction(-5, 2), "19 98", "12 km", "0x1F", "1e5", True,
    )  # fmt: skip


def test_named_experiments_take_typed_values_and_text() -> None:
    source = Experiment([DOUBLE, JOIN], python=False)
    assert ask(source, " Double( #1 ) ", {1: 21}).value == 42
    assert ask(source, "join(a b; #1, c)", {1: ("x", "y")}).value == "a b|x|y|c"
    assert ask(source, "join(f(x) , #9)").value == "f(x)|#9"
    for bad in ("double(x)", "double()", "triple(3)", "2 + 2", ""):
        assert ask(source, bad).status is Status.FAILED, bad
    assert "double(number)" in ask(source, "2 + 2").reason
    assert "double(number): twice the number" in source.card.knows


def test_two_of_one_name_or_nothing_to_try_is_refused() -> None:
    with pytest.raises(InputError, match="two experiments"):
        Experiment([DOUBLE, DOUBLE])
    with pytest.raises(InputError, match="something named"):
        Experiment(python=False)
    with pytest.raises(InputError):
        Experiment([NamedExperiment("a b", "a b(x)", "", double)])


def test_its_card_says_that_it_computes() -> None:
    card = Experiment().card
    assert (card.name, card.computes, card.typed, card.effect) == ("experiment", True, True, "read")


def test_a_machine_that_was_too_busy_once_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service goes on for days; the check of one bad moment is not that of all to come."""
    problems = iter(["it took more than 10 seconds", None])
    ran: list[str] = []

    async def checked(limits: Limits) -> str | None:
        del limits
        return next(problems)

    async def run(code: str, values: Mapping[str, Value], limits: Limits) -> Ran:
        del values, limits
        ran.append(code)
        return Ran(value=2)

    monkeypatch.setattr("centerlm.sources.experiment.source.why_unavailable", checked)
    monkeypatch.setattr("centerlm.sources.experiment.source.run_program", run)
    source = Experiment()
    assert ask(source, "1 + 1").reason == "it took more than 10 seconds"
    assert ran == []  # nothing is run before it is known to be closed off
    assert [ask(source, "1 + 1").value for _ in range(2)] == [2, 2]
