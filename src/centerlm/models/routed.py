"""One language model made of two: which of them answers depends on the prompt alone.

For a center whose acts have an adapter each: absorbing goes to one model, planning and asking to
the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from centerlm.models.base import Constraint, LanguageModel, Price, Prompt, Reply, Sampling


@dataclass(frozen=True, slots=True)
class RoutedModel:
    """`other` answers the prompts that `to_other` picks, `model` all the rest.

    Both have the same constraint and price.
    """

    model: LanguageModel
    other: LanguageModel
    to_other: Callable[[Prompt], bool]

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def identity(self) -> str:
        both = f"{self.model.identity} {self.other.identity}"
        return "routed:" + hashlib.sha256(both.encode()).hexdigest()

    @property
    def constraint(self) -> Constraint:
        return self.model.constraint

    @property
    def context(self) -> int:
        return min(self.model.context, self.other.context)

    @property
    def price(self) -> Price:
        return self.model.price

    def count(self, prompt: Prompt) -> int:
        return self._of(prompt).count(prompt)

    async def complete(
        self,
        prompt: Prompt,
        sampling: Sampling,
        *,
        on_text: Callable[[str], None] | None = None,
        before_retry: Callable[[], None] | None = None,
    ) -> Reply:
        """See `LanguageModel.complete`."""
        return await self._of(prompt).complete(
            prompt, sampling, on_text=on_text, before_retry=before_retry
        )

    async def close(self) -> None:
        try:
            await self.model.close()
        finally:
            await self.other.close()

    def _of(self, prompt: Prompt) -> LanguageModel:
        return self.other if self.to_other(prompt) else self.model
