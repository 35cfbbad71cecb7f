"""Reading a plan while it is being decoded: each line becomes a step the moment it is whole."""

from __future__ import annotations

from collections.abc import Collection

from centerlm.errors import PlanError
from centerlm.mending import mended
from centerlm.nesting import is_nest, leaves_out, mend, repeats, why_unparted
from centerlm.plan import CENTER, MAX_STEPS, Merger, Plan, Step, parse_line, too_many


class PlanReader:
    """Turns pieces of text into steps; duplicates are merged and references renumbered as in
    `plan.parse_plan`.

    A line that is not a step ends the reading (`problem` says why): what came before it stands.
    Steps in which a slip may be mended by the `question` (see `nesting`) are kept back until that
    is known; none of them could start before. A plan that does not take the question apart though
    it says or shows that it has parts gives no step at all (`unparted` says why).
    """

    def __init__(
        self, sources: Collection[str], *, question: str = "", max_steps: int = MAX_STEPS
    ) -> None:
        self.problem: PlanError | None = None
        self.unparted = ""
        self._question = question
        self._given = 0
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
        if not lines:
            return []
        for line in lines:
            self._take(line)
        return self._new(until=self._settled())

    def finish(self, *, cut: bool) -> list[Step]:
        """End of text; the last line counts unless the token limit `cut` it."""
        last, self._rest = self._rest, ""
        if not cut:
            self._take(last)
        self.steps[:] = mend(tuple(self.steps), self._question)
        self.unparted = why_unparted(tuple(self.steps), self._question)
        return self._new(until=0 if self.unparted else len(self.steps))

    def plan(self) -> Plan:
        """The steps read so far.

        Raises:
            PlanError: there is none; the first problem, if there was one.
        """
        if not self.steps:
            raise self.problem or PlanError("the plan is empty", hint="write '1 [center] ...'")
        return Plan(tuple(self.steps))

    def _settled(self) -> int:
        """How many steps nothing can change any more."""
        steps = tuple(self.steps)
        alone = len(steps) == 1 and steps[0].sources == (CENTER,)
        question = self._question
        open_ = alone or is_nest(steps) or leaves_out(steps, question) or repeats(steps, question)
        return 0 if open_ else len(steps)

    def _new(self, *, until: int) -> list[Step]:
        """The steps not given out so far."""
        new = self.steps[self._given : until]
        self._given = until
        return new

    def _take(self, line: str) -> None:
        if self.problem:
            return
        if not line.strip(" \t\r"):
            self._blank += 1
            return
        self._lines += 1
        place = self._blank + self._lines
        try:
            raw = parse_line(line, self._lines, sources=self._sources, line=place)
            if self._lines > self._max_steps:
                raise too_many(self._max_steps, place)
        except PlanError as error:
            self.problem = error
            return
        if self._merger.add(raw):
            *before, last = self.steps
            self.steps[-1] = mended(last, before, self._question)
