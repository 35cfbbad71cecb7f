"""Endpoints that fail: the sentence says what the endpoint did, and the episode can go on."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from centerlm.models.fake_server import FakeServer, Fault
from centerlm.models.provider import Retry
from cli_run import Run, finish, process, serving

SUMS = {
    "Break the question": "1 [calculator] 2 + 3\n2 [calculator] #1 * 2\n",
    "": '{"answer": "10", "notes": []}',
}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same retries, without the seconds between them."""
    monkeypatch.setattr(Retry, "wait", lambda *_: 0.0)


def _options(server: FakeServer, model: str = "m") -> tuple[str, ...]:
    return ("--model", f"openai:{model}", "--base-url", server.base_url)


def test_an_endpoint_that_works(run: Run) -> None:
    with serving(FakeServer(SUMS, key="k")) as server:
        done = run("solve", "What is the sum?", *_options(server), "--json")
    assert done.code == 1  # without the key: refused
    assert "API key" in done.complaint()
    with serving(FakeServer(SUMS)) as server:
        done = run("solve", "What is the sum?", *_options(server), "--json")
    assert (done.code, json.loads(done.out)["answer"]) == (0, "10")


def test_key_from_the_environment(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    with serving(FakeServer(SUMS, key="k")) as server:
        assert run("solve", "What is the sum?", *_options(server)).code == 0


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (Fault(status=429), "gave up after 5 attempts"),
        (Fault(status=429, retry_after="3600"), "asks to wait 3600 s"),
        (Fault(status=500), "500"),
        (Fault("not_json"), "sent what is not a chat completion"),
        (Fault("empty"), "without any choice"),
        (Fault("truncated"), "127.0.0.1"),
        (Fault("close"), "127.0.0.1"),
    ],
)
def test_faults_that_last_end_the_episode_as_failed_and_resumable(
    run: Run, fault: Fault, says: str
) -> None:
    with serving(FakeServer(SUMS, faults=[fault] * 5)) as server:
        done = run("solve", "What is the sum?", *_options(server), "--json")
        data = json.loads(done.out)
        assert (done.code, data["status"], data["answer"]) == (1, "failed", None)
        assert says in done.complaint()
        server.faults = ()
        again = run("resume", data["episode"], "--json")
    assert (again.code, json.loads(again.out)["answer"]) == (0, "10")


def test_an_episode_goes_on_with_a_model_that_has_no_endpoint(run: Run) -> None:
    with serving(FakeServer(SUMS, faults=[Fault(status=401)])) as server:
        done = run("solve", "What is the sum?", *_options(server), "--json")
    name = json.loads(done.out)["episode"]
    again = run("resume", name, "--model", "scripted:cli_parts:sums", "--json")
    assert (again.code, json.loads(again.out)["status"]) == (0, "answered"), again.err


@pytest.mark.parametrize("fault", [Fault(status=429), Fault(status=503), Fault("close")])
def test_faults_that_pass_are_not_seen(run: Run, fault: Fault) -> None:
    with serving(FakeServer(SUMS, faults=[fault, fault])) as server:
        done = run("solve", "What is the sum?", *_options(server), "--json")
    assert (done.code, done.err) == (0, "")


def test_an_endpoint_that_is_down(run: Run) -> None:
    server = FakeServer(SUMS)
    with serving(server):
        pass
    done = run("solve", "What is the sum?", *_options(server))
    assert done.code == 1
    assert "cannot be reached" in done.complaint()
    assert "check that the server runs" in done.complaint()
    assert "no answer" in done.out


def test_an_endpoint_that_never_answers_ends_with_the_budget(run: Run) -> None:
    started = time.monotonic()
    with serving(FakeServer(SUMS, faults=[Fault("hang")])) as server:
        done = run("solve", "What is the sum?", *_options(server), "--budget", "seconds=0.3")
    assert done.code == 1
    assert done.complaint().startswith("out of budget: the time is up; allow more with: centerlm")
    assert time.monotonic() - started < 5


def test_a_model_name_the_endpoint_does_not_know(run: Run) -> None:
    with serving(FakeServer(SUMS, models=["right"])) as server:
        done = run("solve", "What is the sum?", *_options(server, "wrong"))
        assert done.code == 1
        assert "wrong" in done.complaint()
        name = run("episodes").out.split()[0]
        assert run("resume", name, "--model", "openai:right").code == 0


def test_plan_over_an_endpoint_that_fails(run: Run) -> None:
    with serving(FakeServer(SUMS, faults=[Fault(status=400)])) as server:
        done = run("plan", "What is the sum?", *_options(server))
    assert done.code == 1
    assert "400" in done.complaint()


@pytest.mark.parametrize("source", ["raises", "hangs", "floods", "controls", "plans"])
def test_sources_that_misbehave_change_nothing_else(run: Run, source: str) -> None:
    Path("centerlm.toml").write_text("[solve]\nseek_seconds = 0.3\n")
    done = run(
        "solve", source, "--source", "calculator", "--source", f"cli_parts:{source}",
        "--model", "scripted:cli_parts:misbehaved", "--json",
    )  # fmt: skip
    data = json.loads(done.out)
    went, summed = data["steps"]
    assert len(data["plan"].splitlines()) == 2  # text that looks like a plan is text
    assert (summed["status"], summed["answer"]) == ("answered", "2")
    failing = source in ("raises", "hangs")
    assert went["status"] == ("failed" if failing else "answered")
    assert len(done.out) < 100_000
    shown = run("show", "last")
    assert not any(ord(c) < 32 and c != "\n" for c in shown.out + shown.err + done.err)
    assert "\u202e" not in shown.out


def test_an_expert_of_another_endpoint_is_asked_and_left_tidily(home: Path) -> None:
    plan = {"Break the question": "1 [expert:history] When?\n", "Question: When?": "1066 [1]"}
    expert = {"You are an expert in history": "In 1066."}
    with serving(FakeServer(plan)) as center, serving(FakeServer(expert)) as historian:
        Path("centerlm.toml").write_text(
            f'[center]\nmodel = "openai:m"\nbase_url = "{center.base_url}"\nconstraint = "none"\n'
            f'[experts.history]\nmodel = "openai:e"\nbase_url = "{historian.base_url}"\n'
        )
        done = finish(process(home, "solve", "When was it?", "--json"))
    assert (done.code, done.err) == (0, "")
    data = json.loads(done.out)
    assert data["steps"][0]["source"] == "expert:history"
    assert "1066" in data["answer"]
