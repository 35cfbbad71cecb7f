"""A round of experience whose episodes are solved by workers of a real local Ray cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from centerlm.errors import InputError
from centerlm.learning import experience_rounds
from centerlm.learning.experience_rounds import Gathered, gather
from centerlm.learning.job import Job, Listener
from centerlm.learning.recipe import Recipe, RoundsSection, WorldsSection
from centerlm.learning.rollout_worker import Remote
from centerlm.learning.running import learn
from ray_parts import LOG, knows_the_world

pytest.importorskip("ray", reason="needs the extra ray")

TESTS = Path(__file__).parents[1]
RECIPE = Recipe(
    worlds=WorldsSection(count=1, people=8),
    rounds=RoundsSection(count=1, questions=4, k=2, max_hops=2, dagger=1),
)


def gathered(folder: Path, remote: Remote | None) -> Gathered:
    listener = Listener(lambda *_: None, lambda _: None, lambda _: None)
    return gather(1, folder, RECIPE, knows_the_world(), [], listener, remote=remote)


def learned_from(made: Gathered) -> list[list[str]]:
    return sorted([e.act, e.target, e.prompt.messages[-1].text] for e in made.examples)


def on_ray(folder: Path) -> list[list[str]]:
    """What this file run as a program prints: a process of its own has a cluster of its own."""
    paths = [str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, __file__, str(folder)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_workers_roll_out_what_this_process_learns_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(experience_rounds, "embedder", lambda: None)
    log = tmp_path / "calls.txt"
    monkeypatch.setenv(LOG, str(log))
    there = on_ray(tmp_path / "there")
    asked = log.read_text().split()
    assert len(asked) > 8
    # The episodes are in the journal here: without Ray nothing is asked any more.
    assert learned_from(gathered(tmp_path / "there", None)) == there
    assert log.read_text().split() == asked
    # And they are those that one process makes.
    assert learned_from(gathered(tmp_path / "here", None)) == there


def test_a_run_without_rounds_has_no_use_for_a_cluster(tmp_path: Path) -> None:
    job = Job("decompose", Recipe(), tmp_path / "run", ray="auto")
    with pytest.raises(InputError, match="--ray is for the rollouts of rounds"):
        learn(job, listener=None, stop=lambda: False)  # pyright: ignore[reportArgumentType]


if __name__ == "__main__":
    experience_rounds.embedder = lambda: None
    made = gathered(Path(sys.argv[1]), Remote("local", knows_the_world))
    json.dump(learned_from(made), sys.stdout)
