"""What the benchmark puts around the engine: a center with a given plan, two kinds of source."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass

from centerlm.acts import Absorbed, AbsorbView, Asked, PlanView, Request, SeekView
from centerlm.center import CenterLM
from centerlm.errors import PlanError
from centerlm.finding import Finding, Usage, found
from centerlm.models.base import LanguageModel, Message, Prompt, Sampling
from centerlm.plan import Plan, parse_plan
from centerlm.reading import PlanReader
from centerlm.sources.base import Card, Seek

EXPERT = Card("expert", "answers anything", typed=True)
WORK = Card("work", "does a unit of work", typed=True)
SYSTEM = Message("system", "You are an expert. Answer in a few words. " * 4)


@dataclass(frozen=True, slots=True)
class GivenPlan:
    """A center that asks its model for a plan as `CenterLM` does, and then reads `text` of the
    objective instead.

    The fake server cannot plan; all else (prompts, reading, absorbing) is the real center. Plans
    may be longer than the 32 steps that a center may write.
    """

    inner: CenterLM
    text: Callable[[str], str]

    @property
    def model(self) -> LanguageModel:
        return self.inner.model

    def decompose(self, view: PlanView) -> Request:
        return self.inner.decompose(view)

    def repair(self, view: PlanView, text: str, error: PlanError) -> Request:
        return self.inner.repair(view, text, error)

    def reader(self, view: PlanView) -> PlanReader | None:
        return None

    def read_plan(self, text: str, view: PlanView, *, cut: bool) -> Plan:
        names = [card.name for card in view.cards]
        return parse_plan(self.text(view.objective), sources=names, max_steps=10_000)

    def seek(self, view: SeekView) -> Request:
        return self.inner.seek(view)

    def read_seek(self, text: str, view: SeekView) -> Asked | None:
        return self.inner.read_seek(text, view)

    def absorb(self, view: AbsorbView) -> Request:
        return self.inner.absorb(view)

    def read_absorb(self, text: str, view: AbsorbView, *, cut: bool) -> Absorbed:
        return self.inner.read_absorb(text, view, cut=cut)


@dataclass(frozen=True, slots=True)
class Expert:
    """A source that asks a model: one call a seek; typed, so that its answer passes unchanged."""

    model: LanguageModel
    card: Card = EXPERT

    def bound(self, seek: Seek) -> Usage:
        return Usage(1, self.model.count(self._prompt(seek)), 64)

    async def seek(self, seek: Seek) -> Finding:
        reply = await self.model.complete(self._prompt(seek), Sampling(64, seed=seek.seed))
        finding = found(reply.text)
        return Finding(finding.status, finding.answer, finding.value, usage=reply.usage)

    def _prompt(self, seek: Seek) -> Prompt:
        return Prompt((SYSTEM, Message("user", seek.text)))


@dataclass(frozen=True, slots=True)
class Work:
    """A source that takes a time: that of the milliseconds its text ends with, or `seconds`."""

    seconds: float | None = None
    card: Card = WORK

    def bound(self, seek: Seek) -> Usage:
        return Usage(1)

    async def seek(self, seek: Seek) -> Finding:
        seconds = self.seconds
        if seconds is None:
            seconds = int(seek.template.rpartition(" ")[2]) / 1e3
        if seconds:
            await asyncio.sleep(seconds)
        return found("done " + seek.template[:40])


def chain_text(steps: int, source: str, *, part: str = "", end: str = "") -> str:
    """A plan of so many steps, each needing the one before. `end` ends each text."""
    lines = [f"1 [{source}] Do the work of part {part}1{end}"]
    lines += [
        f"{k} [{source}] Do the work of part {part}{k}, after #{k - 1}{end}"
        for k in range(2, steps + 1)
    ]
    return "\n".join(lines)


def part_of(objective: str) -> str:
    """Which part of the work an objective made by these plans is about; "" for the root."""
    match = re.search(r"part ([\d.]+\d|\d)", objective)
    return match[1] + "." if match else ""


def fan_text(width: int, source: str, *, part: str = "", end: str = "") -> str:
    """A plan of so many steps that need nothing."""
    lines = (f"{k} [{source}] Do the work of part {part}{k}{end}" for k in range(1, width + 1))
    return "\n".join(lines)
