"""A model around another, for long work that is gone on with: a watch for outages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from centerlm.errors import CenterError, ModelError
from centerlm.models.base import Prompt, Reply, Sampling
from centerlm.models.wrapped import WrappedModel


class EndpointError(CenterError):
    """A model stopped answering: the work ends here, and can be gone on with."""


@dataclass(frozen=True, slots=True)
class Watched(WrappedModel):
    """A model whose outage ends the work, rather than counting as what the model has to say. That
    it withholds one answer is no outage.
    """

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
            ModelError: it withheld this answer.
        """
        try:
            return await self.model.complete(
                prompt, sampling, on_text=on_text, before_retry=before_retry
            )
        except ModelError as error:
            if error.withheld:
                raise
            raise EndpointError(
                f"{error}; what is finished is kept: run the same command to go on"
            ) from None
