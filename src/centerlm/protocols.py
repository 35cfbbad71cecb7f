"""What the solver knows of the parts it runs: protocols, and no implementation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from centerlm.acts import (
    Absorbed,
    AbsorbView,
    Asked,
    Experience,
    PlanView,
    Request,
    SeekView,
)
from centerlm.errors import PlanError
from centerlm.events import Event
from centerlm.models.base import LanguageModel
from centerlm.objective import Objective
from centerlm.plan import Plan
from centerlm.reading import PlanReader
from centerlm.sources.base import Card


class Center(Protocol):
    """The three acts: each renders a view to a request and reads the reply. No I/O of its own."""

    @property
    def model(self) -> LanguageModel: ...

    def decompose(self, view: PlanView) -> Request: ...

    def repair(self, view: PlanView, text: str, error: PlanError) -> Request:
        """The same request with the refused plan and what was wrong with it."""
        ...

    def reader(self, view: PlanView) -> PlanReader | None:
        """A reader of lines as they are decoded; None if this model's plans come whole."""
        ...

    def read_plan(self, text: str, view: PlanView, *, cut: bool) -> Plan:
        """Read the reply to `decompose`; `cut` by the token limit, its last line is dropped.

        Raises:
            PlanError: it holds no valid plan.
        """
        ...

    def seek(self, view: SeekView) -> Request: ...

    def read_seek(self, text: str, view: SeekView) -> Asked | None:
        """The query or arguments written; None if there are none to use."""
        ...

    def absorb(self, view: AbsorbView) -> Request: ...

    def read_absorb(self, text: str, view: AbsorbView, *, cut: bool) -> Absorbed: ...


class Memory(Protocol):
    """Experience of what helped. The engine asks each thing once and records what it was told."""

    async def recall(self, objective: str, cards: tuple[Card, ...]) -> Experience:
        """Lines about these sources that help to plan an objective."""
        ...

    async def order(self, objective: str, sources: tuple[str, ...], seed: int) -> tuple[str, ...]:
        """The alternatives of a step in the order in which to ask them; before them "known" where
        that source is offered and has the answer to this very objective."""
        ...

    async def elsewhere(
        self, objective: str, sources: tuple[str, ...], seed: int, *, explores: bool
    ) -> tuple[str, ...]:
        """Which of these sources to ask where those that a plan named gave nothing, the best first:
        those known to answer the like; all of them where it `explores`."""
        ...

    async def queries(self, objective: str, source: str) -> Experience:
        """Lines about words in which a source found the like of what it did not find now."""
        ...

    async def learn(
        self, episode: str, events: Sequence[Event], blob: Callable[[str], bytes]
    ) -> None:
        """Take in an ended episode; called again where it is resumed and ends again.

        `blob` gives the content that events name by hash.
        """
        ...


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A root plan as a person wants it run: who says so, why, and how good the center's was (1 to
    5, 0 where that is not said).
    """

    plan: Plan
    by: str = ""
    why: str = ""
    rating: int = 0


Review = Callable[[Plan], Awaitable["Plan | Reviewed"]]
"""Shows a person the root plan before it runs; returns it, edited or not."""

Validator = Callable[[Objective, str], "str | None"]
"""A scenario's check of an answer: None, or why it is wrong."""
