"""A source that answers from a script, for tests of plans, engines and applications.

Records every request and the peak of concurrent ones.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from centerlm.finding import Finding, Usage, Value, found, nothing
from centerlm.sources.base import Card, Effect, Seek
from centerlm.sources.bounded import bounded_value
from centerlm.sources.function import found_text
from centerlm.sources.naming import check_name

Answer: TypeAlias = "Finding | Value | float | list[Any]"
Script: TypeAlias = (
    "Mapping[str | re.Pattern[str], Answer | Callable[[Seek], Answer]] | Callable[[Seek], Answer]"
)
Fail: TypeAlias = "BaseException | Callable[[Seek], BaseException | None] | None"


class ScriptedSource:
    """Answers by exact text (spaces and case aside), by regular expression, or by a function.

    An answer is a Finding, or a value: typed where `typed`, else free text to absorb; None is
    nothing, and so is a text the script does not know. `latency` are seconds each request takes.
    `fail` is raised by each request, or asked which error to raise (None: none).

    `seeks` lists all requests in order; `calls` counts them; `peak` is the most at one time;
    `cancelled` counts those that were cancelled.
    """

    def __init__(
        self,
        name: str,
        answers: Script,
        *,
        knows: str = "what its script says",
        typed: bool = False,
        computes: bool = False,
        shared: bool = True,
        effect: Effect = "read",
        latency: float = 0.0,
        price: float = 0.0,
        usage: Usage | None = None,
        fail: Fail = None,
    ) -> None:
        self.card = Card(
            check_name(name),
            knows,
            effect=effect,
            computes=computes,
            typed=typed,
            shared=shared,
            price=price,
            latency=latency,
        )
        self._answers = answers
        self._usage = usage or Usage(calls=1, cost=price)
        self._latency = latency
        self._fail = fail
        self._running = 0
        self.seeks: list[Seek] = []
        self.peak = 0
        self.cancelled = 0

    @property
    def calls(self) -> int:
        return len(self.seeks)

    def bound(self, seek: Seek) -> Usage:
        del seek
        return self._usage

    async def seek(self, seek: Seek) -> Finding:
        self.seeks.append(seek)
        self._running += 1
        self.peak = max(self.peak, self._running)
        try:
            await asyncio.sleep(self._latency)
            error = self._fail(seek) if callable(self._fail) else self._fail
            if error is not None:
                raise error
            finding = self._finding(self._answer(seek))
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self._running -= 1
        return finding if finding.usage != Usage() else replace(finding, usage=self._usage)

    def _answer(self, seek: Seek) -> Answer:
        if callable(self._answers):
            return self._answers(seek)
        for key, answer in self._answers.items():
            if _matches(key, seek.text):
                return answer(seek) if callable(answer) else answer
        return None

    def _finding(self, answer: Answer) -> Finding:
        name = self.card.name
        if isinstance(answer, Finding):
            return answer if answer.source else replace(answer, source=name)
        if answer is None:
            return nothing("the script has no answer to this", source=name)
        if isinstance(answer, str) and not self.card.typed:
            return found_text(answer, name)
        return found(bounded_value(answer)[0], source=name)


def _matches(key: str | re.Pattern[str], text: str) -> bool:
    if isinstance(key, str):
        return " ".join(key.split()).casefold() == " ".join(text.split()).casefold()
    return key.search(text) is not None
