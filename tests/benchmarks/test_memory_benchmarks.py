"""The benchmarks of the memory: that choosers see the same world, and what the reports say."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from centerlm.center import CenterLM
from centerlm.models import ScriptedModel
from centerlm.models.base import Prompt, Sampling

TIMES = ("recall_p50", "recall_p99", "order_p50", "order_p99")
BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module", autouse=True)
def path() -> Iterator[None]:
    """Benchmarks are programs, not a package: their folder is on the path while they run."""
    sys.path.insert(0, str(BENCHMARKS))
    yield
    sys.path.remove(str(BENCHMARKS))


def test_the_oracle_regrets_nothing_and_chance_a_lot() -> None:
    from memory_streams import WIDE, NoMemory, Oracle, StaticCard, play

    oracle, chance, card = (play(make, WIDE, 3) for make in (Oracle, NoMemory, StaticCard))
    assert (oracle.regret, oracle.learned, oracle.after, oracle.recovery) == (0, 1, 1, 0)
    assert 0.05 < chance.learned < 0.35
    assert chance.regret > 100
    assert (card.learned, card.after) == (1, 0)
    assert card.regret == pytest.approx(200 * 0.7)
    assert play(NoMemory, WIDE, 3) == chance


def test_the_memory_finds_the_best_source_and_notices_that_it_broke() -> None:
    from memory_streams import WIDE, Remembers, play

    played = play(Remembers, WIDE, 1001)
    assert played.learned > 0.8
    assert played.after > 0.7
    assert played.regret < 70


def test_the_report_has_every_chooser_and_the_sizes(tmp_path: Path) -> None:
    from memory_report import write_report
    from memory_streams import CHOOSERS, WIDE, Discounted, NoMemory, play

    run = play(NoMemory, WIDE, 0)
    known = "known"
    faded = play(lambda stream, rng: Discounted(stream, rng, 0.98), WIDE, 0)
    streams = {WIDE.name: ({**{name: [run] for name in CHOOSERS}, known: [faded]}, 0.98)}
    size = dict.fromkeys(("megabytes", *TIMES), 1.0) | {"kinds": 9, "file_ms": 0.1}
    size |= {"embedded_p50": None, "embedded_p99": None}
    rows = [{"experiences": n, **size} for n in (1000, 10000)]
    page = write_report(streams, rows, {"command": "x", "seeds": 1}, tmp_path, known).read_text()
    assert "| seeking memory |" in page and "| known |" in page
    assert "10 times the experiences: 1 times the file" in page
    assert json.loads((tmp_path / "memory.json").read_text())["sizes"] == rows
    assert (tmp_path / "memory.svg").read_text().startswith("<?xml")


def test_a_memory_is_measured_as_it_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import memory_scale
    from centerlm.errors import MissingWeightsError

    def missing() -> None:
        raise MissingWeightsError("none")

    monkeypatch.setattr(memory_scale, "find_embedder", missing)
    monkeypatch.setattr(memory_scale, "RECALLS", 5)
    small, large = memory_scale.measure(tmp_path, [100, 600])
    assert (small.experiences, large.experiences) == (100, 600)
    assert 0 < small.kinds < large.kinds <= 600
    assert small.recall_p50 > 0 and small.embedded_p50 is None


def _answers(follows: bool) -> Any:
    """A center that follows the praised source, or takes the first card it is shown."""

    def say(prompt: Prompt, sampling: Sampling) -> str:
        del sampling
        system, user = prompt.messages[0].text, prompt.messages[-1].text
        praised = [line[3:].split(" answered ")[0] for line in user.split("\n") if line[:1] == "-"]
        first = system.split("Sources:\n")[1].split(":")[0]
        return f"1 [{praised[0] if follows and praised else first}] Who is it?"

    return say


@pytest.mark.parametrize("follows", [True, False])
def test_following_and_staying_are_told_apart(follows: bool) -> None:
    import asyncio

    import experience

    made = experience.cases(experience.decisions(6))
    center = CenterLM(ScriptedModel(_answers(follows), constraint="gbnf"), examples=())

    async def all_of() -> list[Any]:
        return [await experience.choose(center, case) for case in made]

    conditions = experience.summary(asyncio.run(all_of()))["conditions"]
    for name in ("twins, first praised", "twins, second praised"):
        share = conditions[name]["follows"]
        assert share["n"] == 6
        assert (share["value"] == 1) == follows
    misled = conditions["one card, misled"]
    assert misled["names the praised"]["value"] == 1 if follows else misled["stays"]["value"] == 1


def test_a_memory_that_was_filled_in_part_is_filled_further(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import memory_scale
    from centerlm.errors import MissingWeightsError

    def missing() -> None:
        raise MissingWeightsError("none")

    monkeypatch.setattr(memory_scale, "find_embedder", missing)
    monkeypatch.setattr(memory_scale, "RECALLS", 3)
    monkeypatch.setattr(memory_scale, "CHECKPOINT", 50)
    (whole,) = memory_scale.measure(tmp_path / "whole", [300])
    interrupted = memory_scale.measure(tmp_path / "part", [100, 300])
    first = next(interrupted)
    del interrupted  # as a kill left it
    again, second = memory_scale.measure(tmp_path / "part", [100, 300])
    assert again == first
    assert (second.experiences, second.kinds) == (whole.experiences, whole.kinds)
