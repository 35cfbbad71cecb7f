"""Plain functions as sources."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date, datetime
from fractions import Fraction
from typing import Any, Literal

import pytest

from centerlm.errors import InputError, OutOfBudgetError
from centerlm.finding import Finding, Status, Usage, found, value_to_json
from centerlm.sources.base import Seek
from centerlm.sources.function import FunctionSource, source


def ask(function: FunctionSource, text: str = "x", **arguments: object) -> Finding:
    return asyncio.run(function.seek(Seek(text, arguments=arguments or None)))


def test_the_card_comes_from_the_function() -> None:
    @source
    def population(country: str) -> int:
        """How many people live in a country.

        More words.
        """
        return len(country)

    assert population.card.name == "population"
    assert population.card.knows == "How many people live in a country."
    assert population.card.typed and population.card.schema is None
    assert population("abc") == 3
    finding = ask(population, "Norway")
    assert (finding.answer, finding.value, finding.source) == ("6", 6, "population")
    assert finding.usage == population.bound(Seek("")) == Usage(calls=1)


def test_async_functions_and_options() -> None:
    @source(name="shop.order", effect="write", price=0.5, shared=False)
    async def order(thing: str) -> str:
        """Orders a thing."""
        await asyncio.sleep(0)
        return f"ordered {thing}"

    assert (order.card.effect, order.card.price, order.card.shared) == ("write", 0.5, False)
    finding = ask(order, "tea")
    assert finding.value == "ordered tea"
    assert finding.usage == Usage(calls=1, cost=0.5)


@pytest.mark.parametrize(
    ("result", "value"),
    [
        (True, True),
        (3, 3),
        (0.1, Fraction(1, 10)),
        (1e300, Fraction(10**300)),
        (date(2000, 1, 2), date(2000, 1, 2)),
        (datetime(2000, 1, 2), date(2000, 1, 2)),
        (datetime(2000, 1, 2, 3), "2000-01-02 03:00:00"),
        ([1, None, "a"], (1, None, "a")),
        ({"b", "a"}, ("a", "b")),
        ("plain", "plain"),
        ("a\x1b[31mb\u202e", "a[31mb"),
    ],
)
def test_results_are_typed_values(result: object, value: object) -> None:
    finding = ask(source(name="f", knows="x")(lambda text: result))  # pyright: ignore[reportUnknownLambdaType]
    assert finding.status is Status.FOUND
    assert finding.value == value and type(finding.value) is type(value)
    value_to_json(finding.value)


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (float("nan"), "not a number"),
        (float("inf"), "not a number"),
        (object(), "returned object; return text"),
        (b"bytes", "returned bytes"),
        (1 << 10_000, "too large"),
    ],
)
def test_other_results_fail_in_a_sentence(result: object, reason: str) -> None:
    finding = ask(source(name="f", knows="x")(lambda text: result))  # pyright: ignore[reportUnknownLambdaType]
    assert finding.status is Status.FAILED
    assert reason in finding.reason


@pytest.mark.parametrize("result", [None, "", "  \n"])
def test_none_and_empty_are_nothing(result: object) -> None:
    finding = ask(source(name="f", knows="x")(lambda text: result))  # pyright: ignore[reportUnknownLambdaType]
    assert finding.status is Status.NOTHING


def test_ten_megabytes_are_cut_and_said() -> None:
    finding = ask(source(name="f", knows="x")(lambda text: "ab\x00" * 3_500_000))  # pyright: ignore[reportUnknownLambdaType]
    assert isinstance(finding.value, str) and len(finding.value) <= 1_000_000
    assert "\x00" not in finding.value
    assert finding.text == "cut from 10,500,000 to 1,000,000 characters"
    many = ask(source(name="f", knows="x")(lambda text: ["x" * 1000] * 20_000))  # pyright: ignore[reportUnknownLambdaType]
    assert isinstance(many.value, tuple) and len(many.value) == 1000
    assert "a list was cut" in many.text


def test_data_is_text_to_absorb() -> None:
    finding = ask(source(name="f", knows="x")(lambda text: {"a": [1, 2]}))  # pyright: ignore[reportUnknownLambdaType]
    assert finding.found and not finding.typed
    assert finding.text == '{"a":[1,2]}'


def test_a_returned_finding_passes_clean() -> None:
    @source
    async def finder(text: str) -> Finding:
        """Finds."""
        return found("x\x07y" * 10)

    assert not finder.card.typed
    finding = ask(finder)
    assert finding.value == "xy" * 10
    assert finding.source == "finder"


@pytest.mark.parametrize(
    "error", [ValueError("bad\ninput"), SystemExit(3), StopIteration(), RuntimeError("x" * 10**6)]
)
def test_what_it_raises_is_a_failed_finding(error: BaseException) -> None:
    def sync(text: str) -> str:
        raise error

    async def concurrent(text: str) -> str:
        raise error

    for function in (sync, concurrent):
        finding = ask(source(knows="x")(function))
        assert finding.status is Status.FAILED
        assert finding.reason.startswith(f"{function.__name__} raised ")
        assert "\n" not in finding.reason and len(finding.reason) < 300


def test_a_raised_budget_is_not_a_failure_of_the_source() -> None:
    @source
    async def asks_more(seek: Seek) -> Finding:
        """Asks for more."""
        seek.spend(Usage(calls=1))
        return found("x")

    def spend(more: Usage) -> None:
        raise OutOfBudgetError("no calls left")

    with pytest.raises(OutOfBudgetError):
        asyncio.run(asks_more.seek(Seek("x", spend=spend)))


def test_arguments_follow_the_type_hints() -> None:
    @source
    def route(start: str, end: str, by: Literal["car", "foot"] = "car", stops: int = 0) -> str:
        """Finds a route."""
        return f"{start}-{end} {by} {stops + 1}"

    schema: Any = route.card.schema
    assert schema["type"] == "object"
    assert schema["required"] == ["start", "end"]
    assert schema["properties"]["by"]["enum"] == ["car", "foot"]
    assert ask(route, start="A", end="B", stops="2").value == "A-B car 3"
    for arguments, reason in (
        ({"start": "A"}, "missing required field `end`"),
        ({"start": "A", "end": "B", "by": "train"}, "Invalid enum value 'train'"),
        ({"start": "A", "end": "B", "via": "C"}, "unknown field `via`"),
        ({"start": "A", "end": 5}, "Expected `str`, got `int`"),
        ({}, "needs arguments"),
    ):
        finding = ask(route, **arguments)
        assert finding.status is Status.FAILED
        assert reason in finding.reason


def test_functions_that_cannot_be_sources() -> None:
    def undocumented(text: str) -> str:
        return text

    def nothing_in() -> str:
        """x"""
        return ""

    def stars(*args: str) -> str:
        """x"""
        return ""

    def untyped(a, b) -> str:  # pyright: ignore
        """x"""
        return ""

    def unknown_type(a: object, b: Iterator[complex]) -> str:
        """x"""
        return ""

    for function, message in (
        (undocumented, "docstring"),
        (nothing_in, "takes nothing"),
        (stars, r"\* arguments"),
        (untyped, "type hint for a, b"),
        (unknown_type, "no JSON schema"),
    ):
        with pytest.raises(InputError, match=message):
            source(function)
    with pytest.raises(InputError, match="<lambda>"):
        source(lambda text: text)  # pyright: ignore[reportUnknownLambdaType]
    for name in ("center", "each", "a b", "", "1 [x]", "x" * 65, "a|b"):
        with pytest.raises(InputError):
            source(name=name, knows="x")(undocumented)


def test_sixteen_sleeping_functions_sleep_at_once() -> None:
    @source
    def nap(text: str) -> float:
        """Sleeps."""
        time.sleep(0.05)
        return 1.0

    async def main() -> float:
        begin = time.perf_counter()
        await asyncio.gather(*(nap.seek(Seek(str(n))) for n in range(16)))
        return time.perf_counter() - begin

    assert asyncio.run(main()) < 0.4  # one after another they take 0.8 s


def test_a_function_that_hangs_does_not_keep_the_process() -> None:
    code = """
import asyncio, time
from centerlm.sources.base import Seek
from centerlm.sources.function import source

@source
def hang(text: str) -> str:
    "Hangs."
    time.sleep(3600)

async def main():
    try:
        await asyncio.wait_for(hang.seek(Seek("x")), 0.1)
    except TimeoutError:
        print("given up")

asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20)
    assert done.stdout.strip() == "given up" and done.returncode == 0, done.stderr


def test_cancelling_forgets_what_has_not_begun() -> None:
    begun: list[str] = []

    @source(threads=1)
    def slow(text: str) -> str:
        """Slow."""
        begun.append(text)
        time.sleep(0.1)
        return text

    async def main() -> Finding:
        first = asyncio.create_task(slow.seek(Seek("first")))
        second = asyncio.create_task(slow.seek(Seek("second")))
        await asyncio.sleep(0.02)
        second.cancel()
        await first
        return await slow.seek(Seek("third"))

    assert asyncio.run(main()).value == "third"
    assert begun == ["first", "third"]
