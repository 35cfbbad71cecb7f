"""A model around a center's, for evaluation: a limit that no prompt shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from centerlm.errors import ModelError
from centerlm.models.base import Prompt, Reply, Sampling
from centerlm.models.wrapped import WrappedModel


@dataclass(frozen=True, slots=True)
class Rationed(WrappedModel):
    """A model that answers as many calls as `calls` holds, then fails all others.

    A budget would be shown in the prompts, which a center may not have been trained on; one that
    goes on without end is stopped from outside instead.
    """

    calls: Iterator[int]

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
            ModelError: the calls are used up, or the model did not answer.
        """
        if next(self.calls, None) is None:
            raise ModelError("the calls of this episode are used up")
        return await self.model.complete(
            prompt, sampling, on_text=on_text, before_retry=before_retry
        )
