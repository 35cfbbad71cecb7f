"""One language model made of two: which of them answers depends on the prompt alone.

For a center whose acts have an adapter each: absorbing goes to one model, planning and asking to
the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from centerlm.models.base import LanguageModel, Prompt, Reply, Sampling
from centerlm.models.wrapped import WrappedModel


@dataclass(frozen=True, slots=True)
class RoutedModel(WrappedModel):
    """`other` answers the prompts that `to_other` picks, `model` all the rest.

    Both have the same constraint and price.
    """

    other: LanguageModel
    to_other: Callable[[Prompt], bool]

    @property
    def identity(self) -> str:
        both = f"{self.model.identity} {self.other.identity}"
        return "routed:" + hashlib.sha256(both.encode()).hexdigest()

    @property
    def context(self) -> int:
        return min(self.model.context, self.other.context)

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
