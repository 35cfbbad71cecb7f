"""Several LoRA adapters on one base in memory: each call says which one it is for.

llama.cpp keeps the base once and all adapters beside it (a few MB each), and applies per request
the ones that it names. Calls for different adapters keep apart in the prefix cache, where one would
otherwise read what another computed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from centerlm.errors import ConfigError
from centerlm.models.base import Price, Prompt, Reply, Sampling
from centerlm.models.llama_cpp import LlamaCppModel
from centerlm.models.llama_server import Adapter
from centerlm.models.wrapped import WrappedModel


class SharedBase:
    """A GGUF model, by default the pinned one, on which adapters are swapped by request.

    `settings` go to `LlamaCppModel`. Nothing is loaded before the first call; from then on no
    further adapter can be added until it is closed.
    """

    def __init__(self, path: Path | str | None = None, **settings: Any) -> None:
        self._path = path
        self._settings = settings
        self._adapters: list[Adapter] = []
        self._model: LlamaCppModel | None = None

    def adapted(
        self, adapter: Path | None, *, name: str | None = None, price: Price | None = None
    ) -> AdaptedModel:
        """The base with this adapter, or as it is, as a model of its own.

        Raises:
            ConfigError: the base is loaded already, without this adapter.
        """
        number: int | None = None
        if adapter is not None:
            wanted = Adapter(adapter)
            if wanted not in self._adapters:
                if self._model is not None:
                    raise ConfigError(
                        f"{adapter} cannot be added to a model that is running; name all adapters "
                        "before the first call, or close it"
                    )
                self._adapters.append(wanted)
            number = self._adapters.index(wanted)
        alone = LlamaCppModel(
            self._path,
            adapters=() if adapter is None else (Adapter(adapter),),
            name=name,
            price=price,
            **self._settings,
        )
        return AdaptedModel(alone, self, number)

    def opened(self) -> LlamaCppModel:
        """The one model with all adapters; loaded with its first call."""
        if self._model is None:
            self._model = LlamaCppModel(self._path, adapters=self._adapters, **self._settings)
        return self._model

    def scales(self, number: int | None) -> tuple[float, ...]:
        """How strongly each adapter is applied in a call for one of them."""
        return tuple(
            adapter.scale if n == number else 0.0 for n, adapter in enumerate(self._adapters)
        )

    async def close(self) -> None:
        """End all calls and free the weights; the next call loads them again."""
        model, self._model = self._model, None
        if model is not None:
            await model.close()


@dataclass(frozen=True, slots=True)
class AdaptedModel(WrappedModel):
    """A shared base with one adapter (or none): the same model, with the same identity, as
    `model`, which is never loaded.
    """

    model: LlamaCppModel = field(repr=False)
    shared: SharedBase
    number: int | None

    def count(self, prompt: Prompt) -> int:
        """Exact."""
        return self.shared.opened().count(prompt)

    async def complete(
        self,
        prompt: Prompt,
        sampling: Sampling,
        *,
        on_text: Callable[[str], None] | None = None,
        before_retry: Callable[[], None] | None = None,
    ) -> Reply:
        """See `LanguageModel.complete`; nothing is retried."""
        del before_retry
        return await self.shared.opened().complete_as(
            self.model, prompt, sampling, self.shared.scales(self.number), on_text=on_text
        )

    async def close(self) -> None:
        """Close the shared base, for all that run on it."""
        await self.shared.close()
