"""Settings: what a configuration file may say, and reading one.

A `centerlm.toml` says which models, experts, library and budget to use; the command line overrides
it. Nothing is read before it is needed, and no key stands in the file: it names the environment
variable that holds it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec.structs import replace

from centerlm.objective import DEFAULT_DEPTH, MOST
from centerlm.toml_settings import NOT_EMPTY, read_toml, settings_of

FILE = "centerlm.toml"

# More is a slip of the pen: what is set aside for it would take the machine down, or an overflow.
_Count: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=10**6)]
_Large: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=MOST)]
_Threads: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=256)]
_Place: TypeAlias = Annotated[str, msgspec.Meta(pattern=NOT_EMPTY)]
_Price: TypeAlias = Annotated[float, msgspec.Meta(ge=0)]
_Seconds: TypeAlias = Annotated[float, msgspec.Meta(gt=0)]


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class ModelSettings(_Section, frozen=True):
    """A language model. `model` is "local", "local:FILE.gguf", "openai:NAME" or
    "transformers:NAME"; `adapter` is a LoRA in GGUF form for a local model, or "none"; prices are
    money a million tokens.
    """

    model: str = "local"
    base_url: _Place | None = None
    api_key_env: str | None = None
    constraint: Literal["gbnf", "schema", "none"] | None = None
    context: _Large | None = None
    adapter: _Place | None = None
    threads: _Threads = 1
    price_prompt: _Price = 0.0
    price_completion: _Price = 0.0


class CenterSettings(ModelSettings, frozen=True):
    """The center's model. `examples` shows it sample plans, by default only where it has no
    adapter. "local" runs with the adapter that ships with the package, unless `adapter` names
    another or is "none". With `absorb_adapter`, absorbing has that one, and `adapter` plans and
    asks.
    """

    examples: bool | None = None
    absorb_adapter: _Place | None = None


class ExpertSettings(ModelSettings, frozen=True, kw_only=True):
    """A field expert: what its card says, and its model. One trained on short answers is `short`:
    asked the question alone, and answering as it stands.
    """

    knows: str = ""
    max_tokens: _Count = 256
    short: bool = False


class BudgetSettings(_Section, frozen=True):
    calls: int | None = None
    tokens: int | None = None
    seconds: float | None = None
    money: float | None = None
    depth: int = DEFAULT_DEPTH


class LibrarySettings(_Section, frozen=True):
    """A library of documents and how many passages a request gets."""

    path: _Place | None = None
    passages: _Count = 5


class MediaSettings(_Section, frozen=True):
    """What describes pictures and videos in words, beside the processors that are here: `captioner`
    is "openai:NAME" (a vision-language model at `base_url`, which is sent frames) or
    "transformers:NAME" (an image-to-text model of the hub, run here). A frame is described every
    `every` seconds at most.
    """

    captioner: str | None = None
    base_url: _Place | None = None
    api_key_env: str | None = None
    every: _Seconds = 5.0


class JournalSettings(_Section, frozen=True):
    """Where episodes are kept: in a file, or (`url`, "postgresql://HOST/DATABASE") in a PostgreSQL
    database that several machines share. `synchronous` "FULL" has a file survive power cuts, at
    3 ms an event.
    """

    path: _Place | None = None
    url: _Place | None = None
    synchronous: Literal["NORMAL", "FULL"] = "NORMAL"


class MemorySettings(_Section, frozen=True):
    """The seeking memory. `project` scopes it: by default the folder of `centerlm.toml`, or the
    current one where there is none. Its knowledge `web` of findings is kept, used as well (source
    `known`), or off.
    """

    enabled: bool = True
    path: _Place | None = None
    project: str | None = None
    web: Literal["keep", "use", "off"] = "keep"


class SolveSettings(_Section, frozen=True):
    seed: int = 0
    each_limit: _Count = 32
    seek_seconds: _Seconds = 120.0
    explores: bool = False


class EvaluateSettings(_Section, frozen=True):
    """What `evaluate` compares with: adapters of the same base model, trained on single answers
    (`fragmentation`) and on chains of thought (`cot`); episodes at a time; and the model calls an
    episode may make where the budget does not say. `memory` is a file of experience that plans may
    recall (of `memory_project`), and that no item changes. `scorer` scores given text in the
    scenario book: "default", a GGUF file, a folder or a hub name.
    """

    fragmentation: _Place | None = None
    cot: _Place | None = None
    memory: _Place | None = None
    memory_project: str | None = None
    concurrency: _Count = 4
    calls: _Count = 40
    scorer: str = "default"


class ServeSettings(_Section, frozen=True):
    """Serving. Each of `workers` processes solves `concurrency` objectives at a time; `waiting`
    more may wait in it, `waiting_each` of one client. `token_env` names the variable that holds the
    tokens, with commas between them; without one, only this machine is listened to. `max_body` is
    in bytes, `max_file` the same for a file given to the studio; `grace` is seconds that what runs
    has to end when the server is stopped. What one client may spend in `client_seconds` are
    `client_calls`, `client_tokens` and `client_money`. Only files under `roots` are ingested.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8321
    token_env: str = "CENTERLM_TOKEN"
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    roots: tuple[_Place, ...] = ()
    workers: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    concurrency: _Count = 16
    waiting: _Count = 256
    waiting_each: _Count = 64
    max_body: _Large = 20_000_000
    max_file: _Large = 1_000_000_000
    grace: _Seconds = 20.0
    client_seconds: _Seconds = 3600.0
    client_calls: _Large | None = None
    client_tokens: _Large | None = None
    client_money: Annotated[float, msgspec.Meta(ge=0, le=MOST)] | None = None


class McpSettings(_Section, frozen=True):
    """A server of the Model Context Protocol whose tools are sources: a `command` to start, or the
    `url` of one that runs. `env` names variables that the command is given, `token_env` the one
    with the bearer token of the `url`. Tools not in `read` (all: "*") are taken to change things.
    """

    command: tuple[str, ...] = ()
    url: str | None = None
    env: tuple[str, ...] = ()
    token_env: str = ""
    tools: tuple[str, ...] = ()
    read: tuple[str, ...] = ()
    seconds: _Seconds = 30.0


class Settings(_Section, frozen=True):
    """All of a `centerlm.toml`. `sources` are names or `module:object` references."""

    center: CenterSettings = msgspec.field(default_factory=CenterSettings)
    budget: BudgetSettings = msgspec.field(default_factory=BudgetSettings)
    library: LibrarySettings = msgspec.field(default_factory=LibrarySettings)
    media: MediaSettings = msgspec.field(default_factory=MediaSettings)
    journal: JournalSettings = msgspec.field(default_factory=JournalSettings)
    memory: MemorySettings = msgspec.field(default_factory=MemorySettings)
    solve: SolveSettings = msgspec.field(default_factory=SolveSettings)
    evaluate: EvaluateSettings = msgspec.field(default_factory=EvaluateSettings)
    serve: ServeSettings = msgspec.field(default_factory=ServeSettings)
    mcp: dict[str, McpSettings] = msgspec.field(default_factory=dict[str, McpSettings])
    experts: dict[str, ExpertSettings] = msgspec.field(default_factory=dict[str, ExpertSettings])
    sources: tuple[str, ...] = ("calculator",)


def default_file() -> Path | None:
    """`centerlm.toml` of the current folder, if there is one; what cannot be read is one too."""
    return Path(FILE) if os.path.lexists(FILE) else None


def load_settings(
    path: Path | None, model: str | None = None, base_url: str | None = None
) -> Settings:
    """Read a configuration file; without a path, `centerlm.toml` of this folder, if there is one.
    `model` and `base_url` take the place of what it says (see `with_model`).

    Raises:
        ConfigError: it is missing, not TOML, or has an unknown or wrong setting; says which.
    """
    path = path or default_file()
    if path is None:
        return with_model(Settings(), model, base_url)
    data = read_toml(path, "configuration")
    settings = settings_of(data, Settings, f"the configuration {path}", _known)
    return with_model(settings, model, base_url)


def with_model(settings: Settings, model: str | None, base_url: str | None) -> Settings:
    """The settings with the center's model and endpoint replaced where they are given. What they
    say of a model of another kind, such as its endpoint, adapter and prices, is not for this one.
    """
    center = settings.center
    if model is not None:
        alike = model.partition(":")[0] == center.model.partition(":")[0]
        usual = center if alike else CenterSettings(threads=center.threads)
        center = replace(usual, model=model)
    if base_url is not None:
        center = replace(center, base_url=base_url)
    return replace(settings, center=center)


def _known(path: str) -> tuple[str, ...]:
    """The names of the settings of a section."""
    section = path.partition(".")[0].partition("[")[0]
    if section in ("experts", "mcp"):
        return (ExpertSettings if section == "experts" else McpSettings).__struct_fields__
    part = getattr(Settings(), section) if section else Settings()
    return part.__struct_fields__ if isinstance(part, _Section) else ()
