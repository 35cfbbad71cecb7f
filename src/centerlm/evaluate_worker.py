"""What `centerlm evaluate` opens to solve episodes: here, and on every worker of a cluster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from centerlm import config as _config
from centerlm import opening as _opening
from centerlm.center import CenterLM
from centerlm.cluster import Files, WorkerError, one_at_a_time
from centerlm.evaluation.harness import EpisodeJob, How, arrange, episode_name, solve_episode
from centerlm.evaluation.scenarios import open_scenario
from centerlm.evaluation.scenarios.base import Opening, Scenario
from centerlm.evaluation.systems import SYSTEMS, Centers
from centerlm.journal import Journal
from centerlm.models import RecordingModel, ReplayModel
from centerlm.models.base import LanguageModel
from centerlm.models.watched import Watched
from centerlm.models.weights import write_atomically

CALLS = "calls"

OnUsed = Callable[[Path], object]


def open_centers(
    settings: _config.Settings,
    endpoints: _opening.Endpoints,
    folder: Path,
    *,
    replay: Path | None = None,
    on_used: OnUsed = lambda path: None,
) -> Centers:
    """The centers, their calls kept in `folder`, or all taken from what `replay` kept.

    Raises:
        InputError: a model cannot be had.
    """

    def kept(model: LanguageModel) -> LanguageModel:
        if replay is not None:
            return ReplayModel(replay / CALLS, identity=model.identity)
        return RecordingModel(Watched(model), folder / CALLS, on_used=on_used)

    def opened(settings: _config.Settings) -> CenterLM:
        center = _opening.open_center(settings, endpoints)
        return replace(center, model=kept(center.model))

    def trained(adapter: str | None) -> CenterLM | None:
        if adapter is None:
            return None
        one = msgspec.structs.replace(settings.center, adapter=adapter, absorb_adapter=None)
        return opened(msgspec.structs.replace(settings, center=one))

    return Centers(
        opened(settings), trained(settings.evaluate.fragmentation), trained(settings.evaluate.cot)
    )


def keep_calls(folder: Path) -> Callable[[Files], None]:
    """What stores the calls that a worker made as if they had been made here."""

    def keep(files: Files) -> None:
        for name, data in files.items():
            path = folder / name
            if not path.exists():
                write_atomically(path, data)

    return keep


@dataclass(frozen=True, slots=True)
class EvaluationOpener:
    """Opens the same scenario and centers on a worker. Calls are kept below the same folder, which
    may or may not be the same on its machine.
    """

    scenario: str
    opening: Opening
    settings: _config.Settings
    how: How

    def __call__(self) -> EvaluationSolver:
        """Raises: InputError: something is not there on this machine."""
        with one_at_a_time(self.opening.work):
            scenario = open_scenario(self.scenario, self.opening)
        used: set[Path] = set()
        centers = open_centers(
            self.settings, _opening.Endpoints(), self.opening.work, on_used=used.add
        )
        return EvaluationSolver(scenario, centers, self.how, self.opening.work, used)


@dataclass(frozen=True, slots=True)
class EvaluationSolver:
    """Solves episodes of an evaluation on a worker. `used` are files of calls below `folder`."""

    scenario: Scenario
    centers: Centers
    how: How
    folder: Path
    used: set[Path]

    async def solve(self, job: EpisodeJob, episode: str, journal: Journal) -> None:
        """See `EpisodeSolver.solve`.

        Raises:
            WorkerError: the worker's data or weights are others.
            EndpointError: the model stopped answering.
        """
        system = SYSTEMS[job.system]
        item = next((item for item in self.scenario.items if item.id == job.item), None)
        arranged = item and arrange(self.scenario, system, item, self.centers, self.how)
        if (
            item is None
            or arranged is None
            or episode_name(system, item, arranged, job.sample, self.how) != episode
        ):
            raise WorkerError(
                f"a worker has other data or weights than are used here (seen at {job.item}); give "
                "all machines the same",
                2,
            )
        await solve_episode(system, item, arranged, job.sample, journal, self.how)

    def files(self) -> Files:
        """The calls that were used since this was last asked."""
        used = sorted(self.used)
        self.used.clear()
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in used}
