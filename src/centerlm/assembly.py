"""Putting the parts together: budget, options and sources as settings name them.

Nothing is opened before it is needed. Models are opened in `opening.py`; `places.py` says where
libraries, journals and memories are.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from centerlm.config import (
    ExpertSettings,
    MediaSettings,
    ModelSettings,
    Settings,
)
from centerlm.errors import InputError
from centerlm.models.base import LanguageModel
from centerlm.models.weights import home
from centerlm.objective import Budget
from centerlm.opening import Endpoints, open_model_of
from centerlm.places import library_path
from centerlm.run import Options
from centerlm.sources.base import Source

if TYPE_CHECKING:
    from centerlm.media.captioner import Captioner

MCP = "mcp:"


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
        explores=solve.explores,
    )


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
    os.utime(folder)  # it is in use: a server removes those that were not for long
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
