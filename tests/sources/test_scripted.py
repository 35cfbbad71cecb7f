"""The scripted source for users' own tests."""

from __future__ import annotations

import asyncio
import re

import pytest

from centerlm.errors import SourceError
from centerlm.finding import Finding, Status, Usage, failed
from centerlm.sources.base import Seek
from centerlm.sources.scripted import ScriptedSource


def ask(source: ScriptedSource, text: str) -> Finding:
    return asyncio.run(source.seek(Seek(text)))


def test_answers_by_text_expression_and_function() -> None:
    source = ScriptedSource(
        "s",
        {
            "Capital of Norway?": "Oslo",
            re.compile(r"^capital", re.IGNORECASE): lambda seek: seek.text[-4:],
            "broken": failed("down"),
        },
    )
    oslo = ask(source, "  capital of  NORWAY? ")
    assert (oslo.text, oslo.typed, oslo.source) == ("Oslo", False, "s")
    assert oslo.usage == Usage(calls=1)
    assert ask(source, "Capital of Peru").text == "Peru"
    assert ask(source, "broken").status is Status.FAILED
    assert ask(source, "else").status is Status.NOTHING
    assert source.calls == 4 and source.seeks[3].text == "else"


def test_typed_answers_and_a_whole_function() -> None:
    source = ScriptedSource("s", lambda seek: len(seek.text), typed=True)
    assert ask(source, "four").value == 4
    assert ScriptedSource("t", {"a": "b"}, typed=True).card.typed


def test_failures() -> None:
    always = ScriptedSource("s", {}, fail=SourceError("down"))
    with pytest.raises(SourceError, match="down"):
        ask(always, "x")
    first = ScriptedSource(
        "s", {"x": 1}, fail=lambda seek: None if seek.key == "2" else ValueError("first")
    )
    with pytest.raises(ValueError, match="first"):
        ask(first, "x")
    assert asyncio.run(first.seek(Seek("x", key="2"))).value == 1


def test_concurrency_and_cancellation_are_recorded() -> None:
    source = ScriptedSource("s", {}, latency=0.05)

    async def main() -> None:
        tasks = [asyncio.create_task(source.seek(Seek(str(n)))) for n in range(5)]
        await asyncio.sleep(0.01)
        tasks[0].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())
    assert (source.peak, source.calls, source.cancelled) == (5, 5, 1)
