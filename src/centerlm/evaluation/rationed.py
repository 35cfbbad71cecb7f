"""Models around a center's, for evaluation: a limit no prompt shows, and a watch for outages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from centerlm.errors import CenterError, ModelError
from centerlm.models.base import Prompt, Reply, Sampling
from centerlm.models.wrapped import WrappedModel


class EndpointError(CenterError):
    """A model stopped answering: the evaluation ends here, and can be gone on with."""


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


@dataclass(frozen=True, slots=True)
class Watched(WrappedModel):
    """A model whose outage ends the evaluation, rather than counting as wrong answers."""

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
            EndpointError: the model did not answer.
        """
        try:
            return await self.model.complete(
                prompt, sampling, on_text=on_text, before_retry=before_retry
            )
        except ModelError as error:
            raise EndpointError(
                f"{error}; what is finished is kept: run the same command to go on"
            ) from None
