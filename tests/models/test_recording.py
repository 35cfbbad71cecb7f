"""Recording and replaying: hits, misses, broken files, two processes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from centerlm.errors import InputError, ModelError
from centerlm.models.base import Message, Price, Prompt, Reply, Sampling
from centerlm.models.recording import RecordingModel, ReplayModel, call_key
from centerlm.models.scripted import ScriptedModel


def prompt(text: str) -> Prompt:
    return Prompt((Message("system", "Plan."), Message("user", text)))


def ask(model: RecordingModel | ReplayModel, text: str, sampling: Sampling | None = None) -> Reply:
    return asyncio.run(model.complete(prompt(text), sampling or Sampling(50)))


def test_a_call_is_made_once_and_replayed_without_the_model(tmp_path: Path) -> None:
    model = ScriptedModel(["one", "two é\n"], price=Price(call=0.5))
    recording = RecordingModel(model, tmp_path)
    first, second = ask(recording, "a"), ask(recording, "b")
    assert ask(recording, "a") == first
    assert len(model.calls) == 2
    replay = ReplayModel(tmp_path)
    assert (ask(replay, "a"), ask(replay, "b")) == (first, second)
    assert (first.text, second.text, first.usage.cost) == ("one", "two é\n", 0.5)
    for field in ("name", "identity", "constraint", "context", "price"):
        assert getattr(replay, field) == getattr(model, field)
    assert replay.count(prompt("a")) == model.count(prompt("a"))
    assert replay.count(prompt("never asked")) >= len("never asked")


def test_the_text_is_told_in_a_replay(tmp_path: Path) -> None:
    ask(RecordingModel(ScriptedModel(["one two"]), tmp_path), "a")
    pieces: list[str] = []
    replay = ReplayModel(tmp_path)
    asyncio.run(replay.complete(prompt("a"), Sampling(50), on_text=pieces.append))
    assert pieces == ["one two"]


def test_what_was_not_recorded_is_told(tmp_path: Path) -> None:
    ask(RecordingModel(ScriptedModel(["one"]), tmp_path), "a")
    with pytest.raises(ModelError, match="has no answer to this call"):
        ask(ReplayModel(tmp_path), "b")
    with pytest.raises(ModelError, match="has no answer to this call"):
        ask(ReplayModel(tmp_path), "a", Sampling(50, seed=1))


def test_every_part_of_a_call_is_in_its_key() -> None:
    samplings = [
        Sampling(5),
        Sampling(6),
        Sampling(5, temperature=1.0),
        Sampling(5, top_p=0.5),
        Sampling(5, stop=("x",)),
        Sampling(5, seed=1),
        Sampling(5, n=2),
        Sampling(5, grammar="x"),
        Sampling(5, schema={"a": 1}),
        Sampling(5, logprobs=True),
    ]
    prompts = [prompt("a"), prompt("b"), Prompt(prompt("a").messages[1:])]
    keys = {call_key(i, p, s) for i in ("m", "n") for p in prompts for s in samplings}
    assert len(keys) == 2 * 3 * 10
    one, two = Sampling(5, schema={"a": 1, "b": 2}), Sampling(5, schema={"b": 2, "a": 1})
    assert call_key("m", prompts[0], one) == call_key("m", prompts[0], two)


def test_failures_are_not_recorded(tmp_path: Path) -> None:
    recording = RecordingModel(ScriptedModel([ModelError("down"), "up"]), tmp_path)
    with pytest.raises(ModelError, match="down"):
        ask(recording, "a")
    assert ask(recording, "a").text == "up"


def test_a_broken_file_is_recorded_again(tmp_path: Path) -> None:
    ask(RecordingModel(ScriptedModel(["one"]), tmp_path), "a")
    (path,) = tmp_path.glob("calls/*/*/*.json")
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(ModelError, match="has no answer"):
        ask(ReplayModel(tmp_path), "a")
    assert ask(RecordingModel(ScriptedModel(["two"]), tmp_path), "a").text == "two"
    assert ask(ReplayModel(tmp_path), "a").text == "two"


def test_two_models_in_one_folder(tmp_path: Path) -> None:
    for name in ("small", "large"):
        ask(RecordingModel(ScriptedModel([f"I am {name}"], name=name), tmp_path), "a")
    assert ask(ReplayModel(tmp_path, name="large"), "a").text == "I am large"
    with pytest.raises(InputError, match="name one of: large, small"):
        ReplayModel(tmp_path)


@pytest.mark.parametrize("name", [None, "other"])
def test_a_folder_without_a_recording(tmp_path: Path, name: str | None) -> None:
    with pytest.raises(InputError, match="0 recorded models"):
        ReplayModel(tmp_path / "none", name=name)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(ModelError, match=r"cannot be (stored in|read)"):
        ask(RecordingModel(ScriptedModel(["one"]), tmp_path / "file"), "a")


def test_two_processes_agree_on_the_first_answer(tmp_path: Path) -> None:
    code = f"""
import asyncio, os
from centerlm.models import Message, Prompt, RecordingModel, Sampling, ScriptedModel
model = RecordingModel(ScriptedModel(lambda *_: str(os.getpid())), {str(tmp_path)!r})
async def run():
    for i in range(200):
        reply = await model.complete(Prompt((Message("user", str(i)),)), Sampling(9))
        print(reply.text)
asyncio.run(run())
"""
    command = [sys.executable, "-c", code]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    one, two = [run.communicate(timeout=60)[0].split() for run in runs]
    assert len(one) == 200 and one == two
    assert not list(tmp_path.rglob("*.tmp"))
