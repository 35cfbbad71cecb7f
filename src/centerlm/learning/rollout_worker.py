"""Rollouts of a round on the workers of a Ray cluster: each has the policy and the worlds."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from centerlm.center import CenterLM
from centerlm.cluster import Cluster, Files, WorkerError, one_at_a_time
from centerlm.journal import Journal, SqliteJournal
from centerlm.learning.rollouts import (
    Elsewhere,
    Question,
    RolloutSettings,
    Trial,
    episode_name,
    solve_trial,
)
from centerlm.learning.world_questions import WorldSources
from centerlm.learning.worlds import World
from centerlm.sources.base import Source


@dataclass(frozen=True, slots=True)
class Remote:
    """A Ray cluster's address (see `Cluster`), and what opens the policy there."""

    address: str
    policy: Callable[[], CenterLM]


@dataclass(frozen=True, slots=True)
class RolloutOpener:
    """Opens the policy and the libraries of worlds on a worker, in `folder`."""

    policy: Callable[[], CenterLM]
    worlds: Sequence[World]
    folder: Path
    embedder: Literal["installed"] | None

    def __call__(self) -> RolloutSolver:
        return RolloutSolver(
            self.policy(), WorldSources(self.worlds, self.folder, embedder=self.embedder)
        )


@dataclass(frozen=True, slots=True)
class RolloutSolver:
    """Solves trials on a worker."""

    center: CenterLM
    worlds: WorldSources

    async def solve(self, job: Trial, episode: str, journal: Journal) -> None:
        """See `EpisodeSolver.solve`.

        Raises:
            WorkerError: the worker's weights are others.
        """
        name = episode_name(job.question, job.sample, self.center, job.settings, job.left)
        if name != episode:
            raise WorkerError("a worker has other weights than are used here; give all the same", 2)
        await solve_trial(job, self.center, self._sources_of, journal)

    def _sources_of(self, question: Question) -> list[Source]:
        """The first worker of a machine to be asked of a world makes its library."""
        with one_at_a_time(self.worlds.folder):
            return self.worlds.sources_of(question)

    def files(self) -> Files:
        return {}


@asynccontextmanager
async def rolling(
    remote: Remote | None,
    worlds: WorldSources,
    settings: RolloutSettings,
    journal: SqliteJournal,
    say: Callable[[str], None],
) -> AsyncGenerator[tuple[RolloutSettings, Elsewhere | None]]:
    """The settings of rollouts, and what solves them somewhere else (None: this process does).

    Raises:
        InputError, WorkerError: see `Cluster`.
    """
    if remote is None:
        yield settings, None
        return
    embedder = "installed" if worlds.embedder is not None else None
    opener = RolloutOpener(remote.policy, worlds.worlds, worlds.folder, embedder)
    cluster = Cluster(remote.address, opener, concurrency=settings.concurrency, say=say)
    async with cluster:
        say(f"{cluster.slots} episodes at a time, on Ray at {remote.address}")
        yield replace(settings, concurrency=cluster.slots), cluster.into(journal)
