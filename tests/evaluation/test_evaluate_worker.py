"""What a worker of `evaluate --ray` opens and solves, without a cluster."""

from __future__ import annotations

import asyncio
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

import evaluation_data
from centerlm.cluster import WorkerError
from centerlm.config import CenterSettings, Settings
from centerlm.evaluate_worker import CALLS, EvaluationOpener, EvaluationSolver, keep_calls
from centerlm.evaluation.harness import EpisodeJob, How, arrange, episode_name
from centerlm.evaluation.scenarios.base import Opening
from centerlm.evaluation.systems import SYSTEMS
from centerlm.journal import MemoryJournal
from centerlm.many import is_finished
from centerlm.models import ReplayModel
from centerlm.objective import Budget
from centerlm.run import Options
from evaluation_data import write_sets

JOB = EpisodeJob("flat", "2hop__1", 0)


@pytest.fixture
def opener(tmp_path: Path) -> EvaluationOpener:
    settings = Settings(center=CenterSettings(model="scripted:evaluation_data:reads"))
    opening = Opening(str(write_sets(tmp_path / "data")), tmp_path / "work", vectors=False)
    return EvaluationOpener("ood_qa", opening, settings, How(Budget(), Options()))


def name_of(solver: EvaluationSolver) -> str:
    item = next(item for item in solver.scenario.items if item.id == JOB.item)
    arranged = arrange(solver.scenario, SYSTEMS["flat"], item, solver.centers, solver.how)
    assert arranged is not None
    return episode_name(SYSTEMS["flat"], item, arranged, JOB.sample, solver.how)


def test_a_worker_gives_the_episode_and_the_calls_behind_it(
    opener: EvaluationOpener, tmp_path: Path
) -> None:
    sent = pickle.loads(pickle.dumps(replace(opener, opening=replace(opener.opening, say=print))))
    solver = sent()
    journal, name = MemoryJournal(), name_of(solver)
    asyncio.run(solver.solve(JOB, name, journal))
    assert is_finished(journal.events(name))
    files = solver.files()
    assert solver.files() == {}  # each is given once
    asked = len(evaluation_data.reads.calls)
    here = tmp_path / "here"
    keep_calls(here)(files)
    keep_calls(here)(files)
    recorded = ReplayModel(here / CALLS)
    assert recorded.identity == evaluation_data.reads.identity
    for call in evaluation_data.reads.calls[-4:]:
        reply = asyncio.run(recorded.complete(call.prompt, call.sampling))
        assert reply.text == evaluation_data.say(call.prompt, call.sampling)
    assert len(evaluation_data.reads.calls) == asked


@pytest.mark.parametrize("job", [JOB, replace(JOB, item="no such item")])
def test_other_data_or_weights_are_one_sentence(opener: EvaluationOpener, job: EpisodeJob) -> None:
    solver = opener()
    with pytest.raises(WorkerError, match="has other data or weights") as error:
        asyncio.run(solver.solve(job, "flat-of-elsewhere-0", MemoryJournal()))
    assert error.value.exit_code == 2
