"""open_model, and that importing the package costs nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

import centerlm.models
from centerlm.errors import ConfigError
from centerlm.models import LlamaCppModel, OpenAIModel, Provider, ScriptedModel, open_model

SCRIPT = {"capital": "Paris"}
MODEL = ScriptedModel(["one"])


def test_every_form() -> None:
    assert isinstance(open_model("local"), LlamaCppModel)
    assert open_model("local:/a/b-c.gguf", context=99).name == "b-c"
    assert open_model("transformers:org/tiny").name == "tiny"
    hosted = open_model("openai:gpt-x")
    assert isinstance(hosted, OpenAIModel) and "api.openai.com" in hosted.identity
    provider = Provider("http://localhost:1/v1")
    shared = [open_model(f"openai:{name}", provider=provider) for name in ("a", "b:latest")]
    assert [m.name for m in shared] == ["a", "b:latest"]
    assert all(isinstance(m, OpenAIModel) and m.provider is provider for m in shared)
    assert open_model("openai:a", base_url="http://localhost:2/v1").identity.endswith(":2/v1#a")


def test_a_script_of_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "my_script", sys.modules[__name__])
    assert open_model("scripted:my_script:MODEL") is MODEL
    assert isinstance(open_model("scripted:my_script:SCRIPT", latency=0.5), ScriptedModel)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("", "names no model"),
        ("gpt-4", "names no model"),
        ("openai:", "names no model"),
        ("scripted:x", "names no model"),
        ("scripted:no_such_module:x", "cannot be imported"),
        ("scripted:json:no_such_object", "cannot be imported"),
    ],
)
def test_what_names_no_model(spec: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        open_model(spec)


def test_settings_that_do_not_fit() -> None:
    with pytest.raises(ConfigError, match="temperatur"):
        open_model("openai:x", temperatur=1)
    with pytest.raises(ConfigError, match="base_url is for"):
        open_model("local", base_url="http://localhost/v1")


def test_every_public_name_is_there() -> None:
    for name in centerlm.models.__all__:
        assert getattr(centerlm.models, name).__name__ == name
    with pytest.raises(AttributeError):
        _ = centerlm.models.nothing  # pyright: ignore


def test_importing_and_opening_load_nothing_heavy() -> None:
    code = """
import sys
from centerlm.models import open_model, RecordingModel
open_model("local"), open_model("openai:x"), open_model("transformers:x")
heavy = {"aiohttp", "numpy", "tokenizers", "xllamacpp", "torch", "transformers", "platformdirs"}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
