"""Opening the models that settings name: the center's, the writer's, those of experts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from centerlm.center import EXAMPLES, CenterLM, is_absorbing
from centerlm.config import CenterSettings, ModelSettings, Settings
from centerlm.errors import ConfigError, ModelError
from centerlm.models.base import LanguageModel
from centerlm.models.lora import shipped_adapter
from centerlm.models.routed import RoutedModel

if TYPE_CHECKING:
    from centerlm.mcp.session import McpConnection
    from centerlm.models.provider import Provider
    from centerlm.models.swapping import SharedBase

OPENAI = "https://api.openai.com/v1"
NO_ADAPTER = "none"


def open_center(settings: Settings | None = None, endpoints: Endpoints | None = None) -> CenterLM:
    """The center on its model; without settings, the one that ships with the package.

    Raises:
        ConfigError, MissingExtraError, MissingWeightsError: the model cannot be had.
    """
    center = (settings or Settings()).center
    adapter = center_adapter(center)
    trained = replace(center, adapter=str(adapter) if adapter else None)
    shown = center.examples if center.examples is not None else adapter is None
    model = open_model_of(trained, endpoints)
    if center.absorb_adapter is not None:
        reading = open_model_of(replace(center, adapter=center.absorb_adapter), endpoints)
        model = RoutedModel(model, reading, is_absorbing)
    return CenterLM(model, examples=EXAMPLES if shown else ())


def open_writer(settings: Settings, endpoints: Endpoints) -> LanguageModel:
    """The center's model without an adapter, which was trained for plans, not for prose.

    Raises:
        As `open_model_of`.
    """
    center = settings.center
    local = center.model.partition(":")[0] == "local"
    return open_model_of(replace(center, adapter=NO_ADAPTER) if local else center, endpoints)


def center_adapter(center: CenterSettings) -> Path | None:
    """The adapter that the center runs with: the one named, or for "local" the shipped one."""
    if center.adapter is None:
        return shipped_adapter() if center.model.strip() == "local" else None
    return _adapter(center)


def _adapter(settings: ModelSettings) -> Path | None:
    if settings.adapter is None or settings.adapter == NO_ADAPTER:
        return None
    return Path(settings.adapter).expanduser()


def open_model_of(settings: ModelSettings, endpoints: Endpoints | None = None) -> LanguageModel:
    """A model from its settings; models of one endpoint share its connections and limits.

    Raises:
        ConfigError: the settings do not go together.
    """
    from centerlm.models import open_model
    from centerlm.models.base import Price

    kind, adapter = settings.model.partition(":")[0], _adapter(settings)
    options: dict[str, Any] = {}
    if settings.constraint is not None:
        options["constraint"] = settings.constraint
    if settings.context is not None:
        options["context"] = settings.context
    if settings.price_prompt or settings.price_completion:
        options["price"] = Price(settings.price_prompt, settings.price_completion)
    if kind == "local":
        options["threads"] = settings.threads
        if adapter is not None:
            from centerlm.models.llama_server import Adapter

            options["adapters"] = (Adapter(adapter),)
    elif adapter is not None:
        raise ConfigError(f"adapter is for local models, not for {settings.model!r}")
    endpoints = endpoints or Endpoints()
    if kind == "openai":
        options["provider"] = endpoints.of(settings)
    elif settings.base_url is not None:
        raise ConfigError(f"base_url is for openai:NAME models, not for {settings.model!r}")
    model = open_model(settings.model, **options)
    endpoints.models.append(model)
    return model


class Endpoints:
    """The endpoints of one configuration, each opened once, and all models opened with them; local
    experts of one base share its weights, their adapters are swapped by call. `connections` are
    those to MCP servers.

    `of` raises ConfigError where an endpoint's address or key cannot be used.
    """

    def __init__(self) -> None:
        self.models: list[LanguageModel] = []
        self.connections: list[McpConnection] = []
        self._opened: dict[tuple[str, str], Provider] = {}
        self._bases: dict[tuple[Any, ...], SharedBase] = {}

    def of(self, settings: ModelSettings) -> Provider:
        from centerlm.models.provider import Provider

        env = "OPENAI_API_KEY" if settings.api_key_env is None else settings.api_key_env
        key = (settings.base_url or OPENAI, env)
        if key not in self._opened:
            self._opened[key] = Provider(key[0], key_env=env)
        try:
            self._opened[key].key()
        except ModelError as error:
            raise ConfigError(str(error).replace("key_env =", "api_key_env =")) from None
        return self._opened[key]

    def local(self, settings: ModelSettings) -> LanguageModel:
        """A local model with its adapter, on the base that all of the same settings share."""
        from centerlm.models.base import Price
        from centerlm.models.swapping import SharedBase

        path = settings.model.partition(":")[2]
        key = (path, settings.context, settings.threads)
        if key not in self._bases:
            context = {} if settings.context is None else {"context": settings.context}
            at = Path(path) if path else None
            self._bases[key] = SharedBase(at, threads=settings.threads, **context)
        price = Price(settings.price_prompt, settings.price_completion)
        adapter = _adapter(settings)
        name = adapter.stem if adapter else None
        model = self._bases[key].adapted(adapter, name=name, price=price)
        self.models.append(model)
        return model

    async def close(self) -> None:
        """Close every model and connection, on the event loop that used them."""
        for each in (*self.models, *self.connections):
            await each.close()
