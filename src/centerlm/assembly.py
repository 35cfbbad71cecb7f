"""Putting the parts together: what settings name, opened: center, sources, library, journal.

Nothing is opened before it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec.structs import replace

from centerlm.center import EXAMPLES, CenterLM, is_absorbing
from centerlm.config import (
    CenterSettings,
    ExpertSettings,
    MediaSettings,
    ModelSettings,
    Settings,
)
from centerlm.errors import ConfigError, InputError, ModelError
from centerlm.models.base import LanguageModel
from centerlm.models.lora import shipped_adapter
from centerlm.models.routed import RoutedModel
from centerlm.models.weights import home
from centerlm.objective import Budget
from centerlm.run import Options
from centerlm.sources.base import Source

if TYPE_CHECKING:
    from centerlm.journal import SqliteJournal
    from centerlm.mcp.session import McpConnection
    from centerlm.media.captioner import Captioner
    from centerlm.models.provider import Provider
    from centerlm.models.swapping import SharedBase
    from centerlm.postgres_journal import PostgresJournal

OPENAI = "https://api.openai.com/v1"
NO_ADAPTER = "none"
MCP = "mcp:"


def library_path(settings: Settings) -> Path | None:
    """The library of the settings."""
    return Path(settings.library.path).expanduser() if settings.library.path else None


def budget_of(settings: Settings, text: str | None) -> Budget:
    """The budget of the settings, with what `--budget` says on top."""
    limits = msgspec.structs.asdict(settings.budget)
    if text:
        given = Budget.parse(text)
        named = {part.partition("=")[0].strip() for part in text.split(",")}
        limits |= {name: getattr(given, name) for name in limits if name in named}
    return Budget(**limits)


def options_of(settings: Settings, seed: int | None = None) -> Options:
    solve = settings.solve
    return Options(
        seed=solve.seed if seed is None else seed,
        each_limit=solve.each_limit,
        seek_seconds=solve.seek_seconds,
    )


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


def open_sources(
    settings: Settings,
    *,
    library: Path | None = None,
    names: Sequence[str] = (),
    attachments: Sequence[Path] = (),
    endpoints: Endpoints | None = None,
    watching: Callable[[str], None] = lambda line: None,
) -> list[Source]:
    """The sources of a solve: documents first, then those named, then experts and MCP tools.

    `names` (from the command line) replace those of the settings. Attached documents become a
    library of their own; attached pictures, recordings and videos, and those of the library, become
    the sources image, audio and video. `watching` gets a line while they are processed.

    Raises:
        InputError: a source, library or file cannot be used.
    """
    from centerlm.sources.registry import resolve

    folder = library or library_path(settings)
    endpoints = endpoints or Endpoints()
    sources = library_sources(settings, folder, attachments, endpoints, watching, beside=folder)
    experts = _experts(settings, endpoints)
    taken = {source.card.name for source in sources}
    wanted = [name for name in (names or settings.sources) if name not in taken]
    servers = [name for name in wanted if name.startswith(MCP)]
    wanted = [name for name in wanted if name not in servers]
    known = {**_built_in(wanted), **{expert.card.name: expert for expert in experts}}
    sources += resolve(wanted, known).values()
    if not names:
        present = {source.card.name for source in sources}
        sources += [expert for expert in experts if expert.card.name not in present]
        servers += [f"{MCP}{name}" for name in settings.mcp if f"{MCP}{name}" not in servers]
    return [*sources, *_tools(settings, servers, endpoints)]


def library_sources(
    settings: Settings,
    folder: Path | None,
    attachments: Sequence[Path],
    endpoints: Endpoints,
    watching: Callable[[str], None] = lambda line: None,
    *,
    beside: Path | None = None,
) -> list[Source]:
    """The sources of a library and of attached files; the latter stand `beside` a library, whose
    media are then asked together with those attached.

    Raises:
        InputError: the library or a file cannot be used.
    """
    sources: list[Source] = []
    if folder is not None:
        sources.append(_documents(folder, settings.library.passages, "documents"))
    media = [path for path in attachments if is_medium(path)]
    documents = [path for path in attachments if path not in media]
    if documents:
        name = "attachments" if beside else "documents"
        made = attached_library(documents)
        sources.append(_documents(made, settings.library.passages, name))
    if beside is not None and (folder is not None or media):
        media += _library_media(beside)
    if media:
        sources += _media(media, watching, settings.media, endpoints)
    return sources


def _tools(settings: Settings, names: Sequence[str], endpoints: Endpoints) -> list[Source]:
    """The sources of these `mcp:SERVER` and `mcp:SERVER.TOOL`.

    Raises:
        InputError: a server is not configured, cannot be reached, or has no such tool.
    """
    tools: dict[str, Source] = {}
    for name in names:
        server, _, tool = name.removeprefix(MCP).partition(".")
        if server not in settings.mcp:
            known = ", ".join(settings.mcp) or "none"
            raise InputError(
                f"there is no MCP server {server[:80]!r}; known: {known}; name it in [mcp.NAME]"
            )
        from centerlm.mcp.source import mcp_sources

        connection, made = mcp_sources(server, settings.mcp[server], only=tool)
        endpoints.connections.append(connection)
        for source in made:
            tools.setdefault(source.card.name, source)
    return list(tools.values())


def _built_in(names: Sequence[str]) -> dict[str, Source]:
    from centerlm.sources.calculator import Calculator
    from centerlm.sources.person import Person

    built: dict[str, Source] = {"calculator": Calculator()}
    if "experiment" in names:
        from centerlm.sources.experiment import Experiment

        built["experiment"] = Experiment()
    if "person" in names:
        built["person"] = Person()
    return built


def _documents(folder: Path, passages: int, name: str) -> Source:
    from centerlm.sources.documents import open_documents

    return open_documents(folder, k=passages, name=name)


def is_medium(path: Path) -> bool:
    """Whether a file is called like a picture, recording or video."""
    from centerlm.library.media import SUFFIXES

    return path.suffix.lower() in SUFFIXES


def _library_media(folder: Path) -> list[Path]:
    """The media of a library that are still where they were."""
    from centerlm.library import Library

    with Library.open(folder, embedder=None) as library:
        return [path for path in library.media() if path.is_file()]


def _media(
    paths: Sequence[Path],
    watching: Callable[[str], None],
    settings: MediaSettings,
    endpoints: Endpoints,
) -> list[Source]:
    from centerlm.media.processing import Progress, process
    from centerlm.sources.media import media_sources

    def tell(step: Progress) -> None:
        left = "" if step.left is None else f", about {step.left:.0f} s left"
        watching(f"watching {step.path.name}: {step.done:.0f} of {step.total:.0f} s{left}")

    more = _captioner(settings, endpoints)
    processed = [process(path, more=more, progress=tell) for path in paths]
    for note in (note for one in processed for note in one.notes):
        watching(note)
    return list(media_sources(processed))


def _captioner(
    settings: MediaSettings, endpoints: Endpoints
) -> Mapping[str, Callable[[], Captioner]]:
    """The processor that describes frames, where the settings name a model for it.

    Raises:
        ConfigError: the name is of another kind, or the endpoint's key is missing.
    """
    if settings.captioner is None:
        return {}
    from centerlm.media.captioner import Captioner, captioner_of
    from centerlm.models.openai import OpenAIModel

    named = ModelSettings(
        model=settings.captioner, base_url=settings.base_url, api_key_env=settings.api_key_env
    )
    make = captioner_of(
        settings.captioner,
        lambda name: OpenAIModel(name, endpoints.of(named)),
        every=settings.every,
    )
    return {Captioner.name: make}


def _experts(settings: Settings, endpoints: Endpoints) -> list[Source]:
    from centerlm.sources.expert import Expert

    return [
        Expert(
            field,
            _expert_model(expert, endpoints),
            knows=expert.knows,
            max_tokens=expert.max_tokens,
            short=expert.short,
        )
        for field, expert in settings.experts.items()
    ]


def _expert_model(expert: ExpertSettings, endpoints: Endpoints) -> LanguageModel:
    """An expert's model: local ones swap their adapters on one base."""
    local = expert.model.partition(":")[0] == "local"
    if local and expert.base_url is None and expert.constraint is None:
        return endpoints.local(expert)
    return open_model_of(expert, endpoints)


def attached_library(files: Sequence[Path], *, vectors: bool = True) -> Path:
    """A library of attached files, kept in the data folder and reused while they are the same.

    Without `vectors` none are made: what reads text and notes alone need not wait for them.

    Raises:
        InputError: a file cannot be read as a document.
    """
    from centerlm.library import Library

    for file in files:
        if not file.is_file():
            raise InputError(f"the attached file {file} does not exist; check the path")
    names = "\n".join(sorted(f"{file.resolve()} {_version(file)}" for file in files))
    folder = home() / "attached" / _short_hash(names)
    with Library.open(folder, create=True, embedder="installed" if vectors else None) as library:
        report = library.ingest(files)
    if report.problems:
        raise InputError(report.problems[0].reason)
    return folder


def _version(file: Path) -> str:
    """Changes when the file does; its size may be anything, so it is not read."""
    state = file.stat()
    return f"{state.st_size} {state.st_mtime_ns}"


def _short_hash(text: str) -> str:
    from centerlm.events import digest

    return digest(text.encode())


def journal_path(settings: Settings, given: Path | None) -> Path:
    """The journal's file: given, configured, or in the data folder."""
    if given is not None:
        return given
    if settings.journal.path:
        return Path(settings.journal.path).expanduser()
    return home() / "journal.sqlite"


def journal_at(settings: Settings, given: Path | None) -> Path | str:
    """Where the journal is: a file, or the URL of a PostgreSQL database."""
    if given is None and settings.journal.url:
        return settings.journal.url
    return journal_path(settings, given)


def open_journal_at(
    at: Path | str, synchronous: Literal["NORMAL", "FULL"] = "NORMAL"
) -> SqliteJournal | PostgresJournal:
    """The journal at a path or URL, made if it is new.

    Raises:
        JournalError: it cannot be opened.
        MissingExtraError: the URL's driver is not installed.
    """
    if isinstance(at, Path):
        from centerlm.journal import SqliteJournal

        return SqliteJournal(at, synchronous=synchronous)
    from centerlm.postgres_journal import PostgresJournal

    return PostgresJournal(at)


def existing_journal_at(at: Path | str) -> SqliteJournal | PostgresJournal | None:
    """The journal at a path or URL; None where there is no file.

    Raises:
        As `open_journal_at`.
    """
    return None if isinstance(at, Path) and not at.exists() else open_journal_at(at)


def memory_path(settings: Settings, given: Path | None = None) -> Path:
    """The file of the seeking memory: given, configured, or in the data folder."""
    if given is not None:
        return given
    if settings.memory.path:
        return Path(settings.memory.path).expanduser()
    return home() / "memory.sqlite"


def project_of(settings: Settings, config: Path | None) -> str:
    """Whose experience it is: what the settings say, or the folder one works in."""
    if settings.memory.project:
        return settings.memory.project
    return str((config.parent if config else Path()).resolve())
