"""A model whose decoding is not constrained by a grammar: what it has learned by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from centerlm.models.base import Constraint, LanguageModel, Price, Prompt, Reply, Sampling


@dataclass(frozen=True, slots=True)
class Unconstrained:
    """`model`, but without the means to constrain it: a center then sends no grammar."""

    model: LanguageModel

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def identity(self) -> str:
        return self.model.identity

    @property
    def constraint(self) -> Constraint:
        return "none"

    @property
    def context(self) -> int:
        return self.model.context

    @property
    def price(self) -> Price:
        return self.model.price

    def count(self, prompt: Prompt) -> int:
        return self.model.count(prompt)

    async def complete(
        self,
        prompt: Prompt,
        sampling: Sampling,
        *,
        on_text: Callable[[str], None] | None = None,
        before_retry: Callable[[], None] | None = None,
    ) -> Reply:
        """See `LanguageModel.complete`.

        Raises:
            ModelError: the model did not answer.
        """
        return await self.model.complete(
            prompt, sampling, on_text=on_text, before_retry=before_retry
        )

    async def close(self) -> None:
        await self.model.close()
