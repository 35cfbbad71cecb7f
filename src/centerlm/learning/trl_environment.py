"""Sources as a TRL environment, for those who train one context with TRL's own `GRPOTrainer`.

    GRPOTrainer(model=..., args=..., train_dataset=rows, environment_factory=environment(sources))

Rows of the dataset have a `prompt` (messages) and `answers` (accepted ones). The model asks the
sources by tool calls and ends by calling `answer`. Nothing of TRL is imported: its environments are
plain classes (`reset`, documented methods, `get_reward`). The recursive center is trained on rows
instead (`policy_training`).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from centerlm.errors import InputError
from centerlm.finding import Finding, Usage, clean_text
from centerlm.learning.credit import Weights, is_right, normalised_cost
from centerlm.sources.base import Seek, Source

MAX_REPLY = 2000
"""Characters of what a source gave that the model is shown."""

Tool = Callable[[Any, str], Awaitable[str]]


class KnowledgeEnvironment:
    """One rollout. Use `environment`, which adds a method for each source.

    The reward is 0 for a wrong answer or none, and for a right one 1 less the cost of what was
    asked: in 1 - `weights.cost`..1, so that no saving makes a wrong answer worth more.
    """

    _weights: Weights = Weights()

    def __init__(self) -> None:
        self._accepted: tuple[str, ...] = ()
        self._answer: str | None = None
        self._spent = Usage()

    def reset(self, **row: Any) -> None:
        """Begin with a row of the dataset.

        Raises:
            InputError: it has no `answers`.
        """
        answers = row.get("answers")
        accepted = (answers,) if isinstance(answers, str) else tuple(answers or ())
        if not accepted:
            raise InputError("a row of the dataset has no answers; give it a list of accepted ones")
        self._accepted, self._answer, self._spent = accepted, None, Usage()

    def answer(self, text: str) -> str:
        """Give the final answer. Call this once, when you know it.

        Args:
            text: The answer, in a few words.
        """
        self._answer = text
        return "noted"

    def get_reward(self) -> float:
        """What the rollout was worth, in 0..1."""
        if self._answer is None or not is_right(self._answer, self._accepted):
            return 0.0
        return 1.0 - self._weights.cost * normalised_cost(self._spent, self._weights)

    async def _ask(self, source: Source, text: str) -> str:
        finding = await source.seek(Seek(text, template=text))
        self._spent += Usage(1) + finding.usage
        return _shown(finding)


def environment(
    sources: Sequence[Source], *, weights: Weights | None = None
) -> type[KnowledgeEnvironment]:
    """The environment class of these sources: one tool `ask_NAME` each, and `answer`.

    Raises:
        InputError: a source takes arguments or writes, or two would have the same tool.
    """
    tools: dict[str, Tool] = {}
    for source in sources:
        card = source.card
        if card.schema is not None or card.effect == "write":
            raise InputError(
                f"the source {card.name} takes arguments or writes; only those that answer a line "
                "of text are tools of this environment"
            )
        name = "ask_" + re.sub(r"\W", "_", card.name)
        if name in tools:
            raise InputError(f"two sources would be the tool {name}; rename one of them")
        tools[name] = _tool(name, source)
    members = {**tools, "_weights": weights or Weights()}
    return type("KnowledgeEnvironment", (KnowledgeEnvironment,), members)


def _tool(name: str, source: Source) -> Tool:
    """A method that asks a source, with the docstring that TRL makes a tool's description of."""

    async def ask(self: KnowledgeEnvironment, question: str) -> str:
        return await self._ask(source, question)  # pyright: ignore[reportPrivateUsage]

    # With a type, TRL would take it for an argument of the tool.
    del ask.__annotations__["self"]

    card = source.card
    limits = f" ({card.limits})" if card.limits else ""
    ask.__name__ = ask.__qualname__ = name
    ask.__doc__ = (
        f"{clean_text(card.knows + limits)}\n\nArgs:\n"
        "    question: What to find out, or to compute.\n"
    )
    return ask


def _shown(finding: Finding) -> str:
    """What the model reads of a finding."""
    if not finding.found:
        return clean_text(f"nothing: {finding.reason}")[:MAX_REPLY]
    parts = [finding.answer or finding.text, *(f"{p.title}: {p.text}" for p in finding.passages)]
    return clean_text("\n".join(part for part in parts if part))[:MAX_REPLY]
