"""A language model around another: everything is passed on but what a subclass overrides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from centerlm.models.base import Constraint, LanguageModel, Price, Prompt, Reply, Sampling


@dataclass(frozen=True, slots=True)
class WrappedModel:
    """`model`, as it is. See `LanguageModel` for the contract."""

    model: LanguageModel

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def identity(self) -> str:
        return self.model.identity

    @property
    def constraint(self) -> Constraint:
        return self.model.constraint

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
