"""What a knowledge source is: a card that says what it knows, and an async `seek`.

Knows nothing of the engine; the engine knows nothing of any source but this.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from centerlm.finding import Citation, Finding, Usage, Value
from centerlm.objective import Attachment

Effect = Literal["read", "write"]

KNOWN = "known"
"""The source of what earlier episodes found. Where it is offered and has the answer to the very
question of a step, memory has it asked first, whatever the plan names."""


@dataclass(frozen=True, slots=True)
class Card:
    """What a source tells the center about itself.

    `name` is what plans call it (letters, digits, `_`, `-`, `.` and `:`). `knows` is one line.
    `effect` is "write" when asking changes something outside. `computes` sources get references as
    typed variables, never spliced into their text. `typed` sources answer with values that pass
    unchanged; others return passages or free text to absorb. `shared` says that equal questions
    may be answered once (never for people). `price` is money a call, `latency` typical seconds.
    `schema` is the JSON schema of the input where that is not one line of text.
    """

    name: str
    knows: str
    limits: str = ""
    effect: Effect = "read"
    computes: bool = False
    typed: bool = False
    shared: bool = True
    price: float = 0.0
    latency: float | None = None
    schema: Mapping[str, Any] | None = None


def takes_prose(card: Card) -> bool:
    """Whether a source can be asked any question in words, and changes nothing by it."""
    return card.effect == "read" and not card.computes and card.schema is None


@dataclass(frozen=True, slots=True)
class Binding:
    """What a reference stands for: a value, and what it is the value of.

    The label of `#3` in "3 [documents] When was #1 born?" is the answer of step 1.
    """

    value: Value
    label: str | None = None


def _spend_nothing(more: Usage) -> None:
    del more


@dataclass(frozen=True, slots=True)
class Seek:
    """One request to a source.

    `text` is the sub-objective with references filled in as short answers; `template` as the plan
    wrote it, and `values` what its references `#k` stand for: `computes` sources use these two.
    `objective` is the root's text. `arguments` follow the card's `schema` where it has one. `key`
    is the idempotency key (episode, step path, attempt). `seconds` are left until the deadline.
    `spend` reserves more from the budget (a retry, a further call) and raises OutOfBudgetError.
    """

    text: str
    template: str = ""
    values: Mapping[int, Binding] = field(default_factory=dict[int, Binding])
    objective: str = ""
    attachments: tuple[Attachment, ...] = ()
    arguments: Mapping[str, Any] | None = None
    key: str = ""
    seconds: float | None = None
    seed: int = 0
    spend: Callable[[Usage], None] = _spend_nothing


class Source(Protocol):
    """A knowledge source."""

    @property
    def card(self) -> Card: ...

    def bound(self, seek: Seek) -> Usage:
        """The most this request may spend; reserved before it starts, the rest refunded."""
        ...

    async def seek(self, seek: Seek) -> Finding:
        """Answer one request.

        What it raises becomes a failed finding. Cancellation must not be swallowed. `usage` of the
        finding says what was really spent.
        """
        ...


@runtime_checkable
class CitedSource(Protocol):
    """A source that can say whether what it was cited for still stands there.

    What is known is used again only where such a source of the same solve says that it holds.
    """

    def still(self, citation: Citation) -> Citation | str | None:
        """The citation as it holds now, or why it holds no more, in a few words; None where the
        source never had, or has no longer, what it names. May block.

        Raises:
            CenterError: that cannot be found out.
        """
        ...
