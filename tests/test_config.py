"""Settings: what a centerlm.toml may say, and the parts it puts together."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from gguf_file import write_lora

from centerlm import assembly, config, opening, places
from centerlm.center import EXAMPLES
from centerlm.errors import ConfigError, InputError
from centerlm.models import lora
from centerlm.models.llama_cpp import LlamaCppModel
from centerlm.models.openai import OpenAIModel
from centerlm.models.swapping import AdaptedModel
from centerlm.objective import Budget

REFERENCE = Path(__file__).parents[1] / "docs" / "reference" / "configuration.md"
FULL = """
sources = ["calculator", "expert:history"]

[center]
model = "openai:planner"
base_url = "http://127.0.0.1:8000/v1"
constraint = "none"
context = 4096
price_prompt = 0.5
examples = false

[experts.history]
model = "openai:historian"
base_url = "http://127.0.0.1:8000/v1"
knows = "history"
max_tokens = 100

[budget]
calls = 40
money = 0.1

[library]
passages = 3

[journal]
path = "~/journal.sqlite"
synchronous = "FULL"

[solve]
seed = 7
each_limit = 5
seek_seconds = 9.5
explores = true
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CENTERLM_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def _load(text: str) -> config.Settings:
    file = Path("other.toml")
    file.write_text(text)
    return config.load_settings(file)


def test_without_a_file_all_is_default() -> None:
    assert config.load_settings(None) == config.Settings()
    assert config.default_file() is None


def test_the_file_of_the_folder_is_found() -> None:
    Path("centerlm.toml").write_text("[solve]\nseed = 3\n")
    assert config.load_settings(None).solve.seed == 3
    assert config.default_file() == Path("centerlm.toml")


def test_every_part_is_put_together() -> None:
    settings = _load(FULL)
    center = opening.open_center(settings)
    assert isinstance(center.model, OpenAIModel)
    assert (center.model.name, center.model.constraint, center.model.context) == (
        "planner", "none", 4096,
    )  # fmt: skip
    assert center.examples == ()
    assert center.model.price.cost(1_000_000, 0) == 0.5
    names = [source.card.name for source in assembly.open_sources(settings)]
    assert names == ["calculator", "expert:history"]
    options = assembly.options_of(settings)
    assert (options.seed, options.each_limit, options.seek_seconds) == (7, 5, 9.5)
    assert options.explores
    assert assembly.options_of(settings, 11).seed == 11
    assert places.journal_path(settings, None) == Path("~/journal.sqlite").expanduser()
    assert places.journal_path(settings, Path("given")) == Path("given")


def test_experts_are_used_unless_sources_are_named() -> None:
    settings = _load(FULL.replace(', "expert:history"', ""))
    assert [s.card.name for s in assembly.open_sources(settings)] == [
        "calculator",
        "expert:history",
    ]
    assert [s.card.name for s in assembly.open_sources(settings, names=["calculator"])] == [
        "calculator"
    ]


def test_models_of_one_endpoint_share_it() -> None:
    section = config.ModelSettings(model="openai:a", base_url="http://127.0.0.1:1/v1")
    endpoints = opening.Endpoints()
    assert endpoints.of(section) is endpoints.of(msgspec.structs.replace(section, model="openai:b"))
    other = msgspec.structs.replace(section, base_url="http://127.0.0.1:2/v1")
    assert endpoints.of(section) is not endpoints.of(other)


def test_the_command_line_goes_over_the_settings() -> None:
    settings = _load("[budget]\ncalls = 40\ndepth = 3\n")
    assert assembly.budget_of(settings, None) == Budget(calls=40, depth=3)
    assert assembly.budget_of(settings, "calls=5,seconds=2") == Budget(calls=5, seconds=2, depth=3)


def test_a_model_of_the_command_line_has_nothing_of_one_of_another_kind() -> None:
    ours = _load('[center]\nadapter = "ours.gguf"\ncontext = 2048\nexamples = false\nthreads = 2\n')
    other = config.with_model(ours, "openai:m", "http://127.0.0.1:1/v1").center
    assert other == config.CenterSettings(
        model="openai:m", base_url="http://127.0.0.1:1/v1", threads=2
    )
    assert config.with_model(ours, "local:a.gguf", None).center.adapter == "ours.gguf"
    hosted = _load('[center]\nmodel = "openai:m"\nbase_url = "http://x/v1"\nprice_prompt = 1.0\n')
    assert config.with_model(hosted, "local", None).center == config.CenterSettings()
    assert config.with_model(hosted, "openai:n", None).center.base_url == "http://x/v1"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[center]\nmodl = 'x'\n", "no setting 'modl' in [center]; did you mean model?"),
        ("[cnter]\n", "no setting 'cnter'; did you mean center? known: center, budget"),
        ("[experts.law]\nknow = 'x'\n", "no setting 'know' in [experts.NAME]; did you mean knows?"),
        ("[center]\nmodel = 3\n", "center.model: expected str, got int"),
        ("[budget]\ncalls = 'many'\n", "budget.calls: expected int | null, got str"),
        ("[library]\npassages = 0\n", "library.passages: expected int >= 1"),
        ("[library]\npassages = 1_000_001\n", "library.passages: expected int <= 1000000"),
        ("[center]\nthreads = 100_000\n", "center.threads: expected int <= 256"),
        ("[experts.law]\nthreads = 257\n", "threads: expected int <= 256"),
        ("[serve]\nworkers = 65\n", "serve.workers: expected int <= 64"),
        ("[serve]\nmax_body = 1_000_000_000_001\n", "max_body: expected int <= 1000000000000"),
        ("[solve]\nseek_seconds = -1\n", "solve.seek_seconds: expected float > 0"),
        ("[journal]\nsynchronous = 'OFF'\n", "journal.synchronous: invalid enum value 'OFF'"),
        ("[journal]\npath = ''\n", "journal.path: it is empty; fill it in, or leave"),
        ("[center]\nadapter = ' '\n", "center.adapter: it is empty"),
        ("[serve]\nroots = ['a', '']\n", "serve.roots[1]: it is empty"),
        ("[center\n", "is not TOML"),
    ],
)
def test_wrong_settings_are_named(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(says)) as raised:
        _load(text)
    assert str(raised.value).startswith("the configuration other.toml")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml cannot be read"):
        config.load_settings(Path("none.toml"))
    with pytest.raises(ConfigError, match="cannot be read"):
        config.load_settings(tmp_path)
    Path("centerlm.toml").mkdir()
    with pytest.raises(ConfigError, match=r"centerlm\.toml cannot be read \(Is a directory\)"):
        config.load_settings(None)
    Path("centerlm.toml").rmdir()
    Path("centerlm.toml").symlink_to("centerlm.toml")
    with pytest.raises(ConfigError, match=r"centerlm\.toml cannot be read \(Too many"):
        config.load_settings(None)
    Path("latin.toml").write_bytes("model = 'é'".encode("latin-1"))
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        config.load_settings(Path("latin.toml"))


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ({"model": "local", "base_url": "http://x/v1"}, "base_url is for openai:NAME"),
        ({"model": "openai:m", "adapter": "a.gguf"}, "adapter is for local models"),
        ({"model": "openai:m"}, "set the environment variable OPENAI_API_KEY, or api_key_env"),
        ({"model": "openai:m", "api_key_env": "MY_KEY"}, "set the environment variable MY_KEY"),
        ({"model": "parrot"}, "names no model"),
    ],
)
def test_settings_that_do_not_go_together(section: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(says)):
        opening.open_model_of(config.ModelSettings(**section))


def test_an_endpoint_that_needs_no_key() -> None:
    section = config.ModelSettings(model="openai:m", base_url="http://far/v1", api_key_env="")
    assert opening.Endpoints().of(section).key() == ""


def test_attached_files_are_read_once_and_again_when_they_change(tmp_path: Path) -> None:
    file = tmp_path / "note.md"
    file.write_text("# Note\nThe first text.\n")
    first = assembly.attached_library([file])
    assert assembly.attached_library([file]) == first
    file.write_text("# Note\nAnother, longer text.\n")
    assert assembly.attached_library([file]) != first
    with pytest.raises(InputError, match=re.escape("none.md does not exist")):
        assembly.attached_library([tmp_path / "none.md"])


def test_library_and_attachments_are_sources_of_their_own(tmp_path: Path) -> None:
    from centerlm.library import Library

    (tmp_path / "note.md").write_text("# Note\nA text.\n")
    with Library.open(tmp_path / "lib", create=True, embedder=None) as library:
        library.ingest([tmp_path / "note.md"])
    settings = _load(f"[library]\npath = '{tmp_path / 'lib'}'\n")
    names = [
        source.card.name
        for source in assembly.open_sources(settings, attachments=[tmp_path / "note.md"])
    ]
    assert names == ["documents", "attachments", "calculator"]


def test_the_reference_names_every_setting_with_its_default() -> None:
    text = REFERENCE.read_text()
    for section, struct in {
        "center": config.CenterSettings,
        "experts.NAME": config.ExpertSettings,
        "budget": config.BudgetSettings,
        "library": config.LibrarySettings,
        "journal": config.JournalSettings,
        "memory": config.MemorySettings,
        "solve": config.SolveSettings,
        "evaluate": config.EvaluateSettings,
        "serve": config.ServeSettings,
        "mcp.NAME": config.McpSettings,
    }.items():
        part = text.split(f"## [{section}]")[1].split("\n## ")[0]
        named = set(re.findall(r"^\| `(\w+)`", part, flags=re.MULTILINE))
        assert named == set(struct.__struct_fields__), section
        for field in msgspec.structs.fields(struct):
            row = re.search(rf"^\| `{field.name}` \| ([^|]+)\|", part, flags=re.MULTILINE)
            assert row, field.name
            assert row[1].strip() == _shown(field.default), (section, field.name)
    assert "`sources`" in text


def _shown(default: object) -> str:
    match default:
        case None | ():
            return "none"
        case False:
            return "false"
        case True:
            return "true"
        case "":
            return '`""`'
        case _:
            return f"`{default}`"


def test_the_example_of_the_reference_is_valid() -> None:
    for block in re.findall(r"```toml\n(.*?)```", REFERENCE.read_text(), flags=re.DOTALL):
        _load(block)


def _adapters(settings: config.Settings) -> tuple[Path, ...]:
    model = opening.open_center(settings).model
    assert isinstance(model, LlamaCppModel)
    return tuple(adapter.path for adapter in model._adapters)  # pyright: ignore[reportPrivateUsage]


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An adapter as if it came with the package."""
    monkeypatch.setattr(lora, "ADAPTERS", tmp_path)
    return write_lora(tmp_path / "default.gguf")


def test_the_shipped_adapter_is_used_without_examples(shipped: Path) -> None:
    for text in ("", '[center]\nmodel = "local"\n'):
        settings = _load(text)
        assert _adapters(settings) == (shipped,)
        assert opening.open_center(settings).examples == ()
    assert opening.open_center(_load("[center]\nexamples = true\n")).examples == EXAMPLES


def test_without_the_shipped_adapter_examples_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lora, "ADAPTERS", tmp_path)
    assert _adapters(_load("")) == ()
    assert opening.open_center(_load("")).examples == EXAMPLES
    assert opening.open_center(_load("[center]\nexamples = false\n")).examples == ()


def test_the_settings_say_otherwise(shipped: Path) -> None:
    none = _load('[center]\nadapter = "none"\n')
    assert _adapters(none) == () and opening.open_center(none).examples == EXAMPLES
    own = _load('[center]\nadapter = "mine.gguf"\n')
    assert _adapters(own) == (Path("mine.gguf"),) and opening.open_center(own).examples == ()
    other = _load('[center]\nmodel = "local:other.gguf"\n')
    assert _adapters(other) == () and opening.open_center(other).examples == EXAMPLES
    hosted = _load('[center]\nmodel = "openai:m"\nbase_url = "http://localhost:1"\n')
    assert opening.open_center(hosted).examples == EXAMPLES


def test_experts_run_without_the_centers_adapter(shipped: Path) -> None:
    settings = _load('[experts.history]\nmodel = "local"\n')
    model = opening.open_model_of(settings.experts["history"])
    assert isinstance(model, LlamaCppModel)
    assert model._adapters == ()  # pyright: ignore[reportPrivateUsage]


def test_local_experts_share_one_base_and_hosted_ones_take_their_place(tmp_path: Path) -> None:
    endpoints = opening.Endpoints()
    settings = _load(
        '[experts.law]\nadapter = "law.gguf"\n[experts.art]\nadapter = "art.gguf"\n'
        '[experts.big]\nadapter = "big.gguf"\ncontext = 1024\n'
        '[experts.host]\nmodel = "openai:m"\nbase_url = "http://localhost:1"\n'
    )
    names = [source.card.name for source in assembly.open_sources(settings, endpoints=endpoints)]
    assert names == ["calculator", "expert:law", "expert:art", "expert:big", "expert:host"]
    law, art, big, host = endpoints.models
    assert isinstance(law, AdaptedModel) and isinstance(art, AdaptedModel)
    assert law.shared is art.shared and (law.number, art.number) == (0, 1)
    assert isinstance(big, AdaptedModel) and big.shared is not law.shared
    assert not isinstance(host, AdaptedModel)
