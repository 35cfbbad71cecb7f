"""Reading a plan while it is being decoded: each line becomes a step the moment it is whole."""

from __future__ import annotations

from collections.abc import Collection

from centerlm.errors import PlanError
from centerlm.plan import MAX_STEPS, Merger, Plan, Step, parse_line, too_many


class PlanReader:
    """Turns pieces of text into steps; duplicates are merged and references renumbered as in
    `plan.parse_plan`.

    A line that is not a step ends the reading (`problem` says why): what came before it stands.
    """

    def __init__(self, sources: Collection[str], *, max_steps: int = MAX_STEPS) -> None:
        self.problem: PlanError | None = None
        self._sources = sources
        self._max_steps = max_steps
        self._rest = ""
        self._lines = 0
        self._blank = 0
        self._merger = Merger()

    @property
    def steps(self) -> list[Step]:
        """The steps read so far."""
        return self._merger.steps

    @property
    def pending(self) -> bool:
        """Whether anything was fed at all."""
        return bool(self._lines or self._rest)

    def feed(self, piece: str) -> list[Step]:
        """Take a piece of text; returns the steps that became whole."""
        *lines, self._rest = (self._rest + piece).split("\n")
        return [step for line in lines if (step := self._take(line)) is not None]

    def finish(self, *, cut: bool) -> list[Step]:
        """End of text; the last line counts unless the token limit `cut` it."""
        last, self._rest = self._rest, ""
        step = None if cut else self._take(last)
        return [] if step is None else [step]

    def plan(self) -> Plan:
        """The steps read so far.

        Raises:
            PlanError: there is none; the first problem, if there was one.
        """
        if not self.steps:
            raise self.problem or PlanError("the plan is empty", hint="write '1 [center] ...'")
        return Plan(tuple(self.steps))

    def _take(self, line: str) -> Step | None:
        if self.problem:
            return None
        if not line.strip(" \t\r"):
            self._blank += 1
            return None
        self._lines += 1
        place = self._blank + self._lines
        try:
            raw = parse_line(line, self._lines, sources=self._sources, line=place)
            if self._lines > self._max_steps:
                raise too_many(self._max_steps, place)
        except PlanError as error:
            self.problem = error
            return None
        return self._merger.add(raw)
