"""ScriptedModel and the command line of the fake server."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time
import urllib.request

import pytest

from centerlm.errors import InputError, ModelError
from centerlm.models.base import Message, Prompt, Reply, Sampling
from centerlm.models.fake_server import FakeServer
from centerlm.models.scripted import Script, ScriptedModel


def prompt(text: str) -> Prompt:
    return Prompt((Message("system", "Plan."), Message("user", text)))


def ask(model: ScriptedModel, text: str, sampling: Sampling | None = None) -> Reply:
    return asyncio.run(model.complete(prompt(text), sampling or Sampling(max_tokens=100)))


def test_a_function_sees_prompt_and_sampling() -> None:
    model = ScriptedModel(lambda p, s: f"{p.messages[-1].text} {s.seed}")
    assert ask(model, "hello", Sampling(100, seed=3)).text == "hello 3"
    assert model.prompts == [prompt("hello")]


def test_a_list_is_said_in_order_and_its_end_is_told() -> None:
    model = ScriptedModel(["one", "two"])
    assert [ask(model, "a").text, ask(model, "b").text] == ["one", "two"]
    with pytest.raises(ModelError, match=r"has 2 answers.*What now"):
        ask(model, "What now?")


def test_rules_are_substrings_or_patterns_in_order() -> None:
    model = ScriptedModel({"capital": "Paris", re.compile(r"\d{4}"): "a year", "": "other"})
    assert [ask(model, t).text for t in ("a capital", "in 1998", "else")] == [
        "Paris",
        "a year",
        "other",
    ]


@pytest.mark.parametrize("script", [{"x": "y"}, {}])
def test_a_prompt_no_rule_fits(script: Script) -> None:
    with pytest.raises(ModelError, match=r"no rule of the script fits.*Who"):
        ask(ScriptedModel(script), "Who?")


def test_an_exception_is_raised() -> None:
    with pytest.raises(ModelError, match="down"):
        ask(ScriptedModel([ModelError("down")]), "a")


def test_stop_limit_and_n_are_respected() -> None:
    model = ScriptedModel(lambda *_: "line one\nline two and more")
    assert ask(model, "a", Sampling(100, stop=("\n",))).text == "line one"
    reply = ask(model, "a", Sampling(2, n=3))
    assert [c.text for c in reply.choices] == ["line one"] * 3
    assert reply.cut and reply.usage.completion_tokens == 6


def test_a_stream_gives_all_the_text_and_takes_its_time() -> None:
    text = "  1 [documents] Who?\n2 [documents] #1\n"
    pieces: list[str] = []
    model = ScriptedModel([text, text], latency=0.05)

    async def run() -> float:
        start = time.perf_counter()
        await model.complete(prompt("a"), Sampling(99), on_text=pieces.append)
        return time.perf_counter() - start

    assert asyncio.run(run()) >= 0.05
    assert "".join(pieces) == text and len(pieces) > 4


def test_count_is_what_usage_says() -> None:
    model = ScriptedModel([""])
    assert ask(model, "abc").usage.prompt_tokens == model.count(prompt("abc")) > 0


def test_the_server_runs_as_a_command() -> None:
    command = [sys.executable, "-m", "centerlm.models.fake_server", "--latency-ms", "1"]
    with subprocess.Popen([*command, "--text", "READY"], stdout=subprocess.PIPE, text=True) as run:
        try:
            assert run.stdout
            url = run.stdout.readline().strip()
            body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "q"}]})
            request = urllib.request.Request(f"{url}/chat/completions", body.encode())
            with urllib.request.urlopen(request) as response:
                assert json.load(response)["choices"][0]["message"]["content"] == "READY"
            with urllib.request.urlopen(f"{url.removesuffix('/v1')}/stats") as response:
                stats = json.load(response)
            assert (stats["calls"], stats["peak"]) == (1, 1)
        finally:
            run.terminate()


def test_a_port_in_use_is_told() -> None:
    async def run() -> None:
        async with FakeServer([]) as server:
            with pytest.raises(InputError, match=f"port {server.port} cannot be used"):
                async with FakeServer([], port=server.port):
                    pass

    asyncio.run(run())


def test_a_request_that_cannot_be_read_is_refused() -> None:
    async def run() -> int:
        async with FakeServer([]) as server:
            request = urllib.request.Request(f"{server.base_url}/chat/completions", b"{]")
            try:
                await asyncio.to_thread(urllib.request.urlopen, request)
            except urllib.error.HTTPError as error:
                return error.code
            return 200

    assert asyncio.run(run()) == 400
