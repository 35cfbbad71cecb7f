"""What the center is shown for each of its three acts, and what it answers. Data only.

Solver and trainer build the same views; the center renders them to the same prompts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from centerlm.finding import clean_text, shortened
from centerlm.models.base import Prompt, Sampling
from centerlm.objective import AnswerType
from centerlm.sources.base import Card


@dataclass(frozen=True, slots=True)
class ShownBudget:
    """The nominal budget of a level: the user's limits, divided equally down the tree.

    It is what the level may count on, not the books: those change with every call in flight, and a
    prompt that changed with them could not be replayed.
    """

    calls: int | None = None
    tokens: int | None = None
    seconds: float | None = None
    money: float | None = None
    depth: int = 1

    def share(self, parts: int) -> ShownBudget:
        """What each of `parts` steps may count on, one level further down."""
        parts = max(parts, 1)
        return ShownBudget(
            calls=None if self.calls is None else max(self.calls - 2, 0) // parts,
            tokens=None if self.tokens is None else self.tokens // parts,
            seconds=self.seconds,
            money=None if self.money is None else self.money / parts,
            depth=self.depth - 1,
        )


@dataclass(frozen=True, slots=True)
class Guided:
    """A plan that a person gave for an objective, in the plan language."""

    objective: str
    plan: str


@dataclass(frozen=True, slots=True)
class Experience:
    """What the seeking memory recalls, as data, never instructions: lines that helped before, and
    people's plans of like objectives, the likest last. False where it is nothing.
    """

    lines: tuple[str, ...] = ()
    plans: tuple[Guided, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.lines or self.plans)


@dataclass(frozen=True, slots=True)
class PlanView:
    """The decompose act. `cards` are the sources this plan may name; `recursion` adds [center].

    `root` is the root objective's text where this one is a part of it. With `parted` it has to be
    taken apart: asked as it is, it found nothing, or a plan left something of it out, or named no
    parts.
    """

    objective: str
    cards: tuple[Card, ...]
    recursion: bool = True
    root: str | None = None
    budget: ShownBudget = field(default_factory=ShownBudget)
    experience: Experience = field(default_factory=Experience)
    parted: bool = False


@dataclass(frozen=True, slots=True)
class SeekView:
    """The seek act: a new query after one that did not help, or the arguments of a schema."""

    objective: str
    card: Card
    root: str = ""
    asked: tuple[str, ...] = ()
    experience: Experience = field(default_factory=Experience)


MAX_NOTE = 1200
"""Characters of a note that a center is shown."""


def one_line(text: str, limit: int) -> str:
    """Untrusted text on one line, so that it cannot pretend to be a line of the template."""
    return shortened(" ".join(clean_text(text).split()), limit)


@dataclass(frozen=True, slots=True)
class Note:
    """Something to absorb: a passage, free text, or the answer of a step."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class AbsorbView:
    """The absorb act: an objective and numbered notes (from 1). No notes: answer directly.

    With `copying` only words of the notes are let through, from a name on, by a center whose model
    can be held to that; one that cannot asks as without it.
    """

    objective: str
    notes: tuple[Note, ...]
    root: str | None = None
    answer_type: AnswerType = "any"
    copying: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """A model call ready to be made."""

    prompt: Prompt
    sampling: Sampling


@dataclass(frozen=True, slots=True)
class Absorbed:
    """The answer (None: the notes do not hold it) and the numbers of the notes it rests on."""

    answer: str | None
    cited: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """What the seek act wrote: a query, or arguments under the source's schema."""

    query: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
