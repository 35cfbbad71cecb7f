"""Running systems over items, from one journal: what is finished is never run again.

An episode's name is made from all that its outcome depends on, so the journal is all the state
there is. A model that stops answering ends the run with one sentence; the same call goes on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from itertools import islice

from centerlm.episode import fold
from centerlm.errors import InputError
from centerlm.evaluation.items import Item
from centerlm.evaluation.memories import OWN, Memories
from centerlm.evaluation.rationed import Rationed
from centerlm.evaluation.scenarios.base import Scenario
from centerlm.evaluation.scoring import Solved, echoes, spent
from centerlm.evaluation.systems import Arranged, Centers, Delegating, Setting, System
from centerlm.events import CallFinished, Event
from centerlm.journal import Journal
from centerlm.learning.rollouts import SampledCenter
from centerlm.many import OpenedJournal, each_of, is_finished
from centerlm.models.base import LanguageModel
from centerlm.objective import Budget
from centerlm.protocols import Center, Memory
from centerlm.run import Options
from centerlm.solver import solve

MAX_CALLS = 40
MAX_EPISODES = 100
TEMPERATURE = 0.7


@dataclass(frozen=True, slots=True)
class How:
    """How items are run: the budget of each episode, its options, episodes at a time.

    `calls` is the most model calls of an episode where the budget does not say: no prompt shows it.
    `memory` recalls in every episode of rows that have none of their own (it should not learn, or
    items teach each other); `remembers` names what it holds, and so is a part of the episodes'
    names. `memories` are those of the other rows.
    """

    budget: Budget
    options: Options
    concurrency: int = 4
    calls: int = MAX_CALLS
    memory: Memory | None = None
    remembers: str = ""
    memories: Memories = field(default_factory=Memories)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A system on an item: its episodes, scores (None: not to be had), and what it spent."""

    system: str
    item: Item
    episodes: tuple[Solved, ...]
    scores: Mapping[str, float | None]
    usage: Mapping[str, float]
    echoed: bool
    kept: bool


@dataclass(frozen=True, slots=True)
class EpisodeJob:
    """An episode to be solved somewhere else: a system on an item, and the number of its sample."""

    system: str
    item: str
    sample: int


Elsewhere = Callable[[EpisodeJob, str], Awaitable[None]]
"""Solves a job's episode of that name somewhere else; then the journal holds it."""


@dataclass(frozen=True, slots=True)
class _Rationing(Delegating):
    """A center on another model."""

    rationed: LanguageModel

    @property
    def model(self) -> LanguageModel:
        return self.rationed


async def run_systems(
    scenario: Scenario,
    systems: Sequence[System],
    centers: Centers,
    journal: Journal,
    how: How,
    *,
    elsewhere: Elsewhere | None = None,
    on_outcome: Callable[[Outcome], None] = lambda outcome: None,
) -> list[Outcome]:
    """Every system on every item it is for, item by item, so that what is done is comparable.

    With `elsewhere`, nothing is solved in this process.

    Raises:
        InputError: a system needs weights that are not given.
        EndpointError: a model stopped answering; the same call goes on.
        WorkerError: so did one somewhere else.
        JournalError: episodes cannot be written, or another process runs them.
    """

    async def work(job: tuple[Item, System]) -> Outcome | None:
        item, system = job
        arranged = arrange(scenario, system, item, centers, how)
        if arranged is None:
            return None
        outcome = await run_item(scenario, system, item, arranged, journal, how, elsewhere)
        on_outcome(outcome)
        return outcome

    jobs = [(item, system) for item in scenario.items for system in systems]
    done = await each_of(jobs, work, concurrency=how.concurrency)
    return [outcome for outcome in done if outcome is not None]


def arrange(
    scenario: Scenario, system: System, item: Item, centers: Centers, how: How
) -> Arranged | None:
    """A system put together for an item; None where it is not for it."""
    sources = scenario.sources_of(item)
    objective = replace(item.objective, budget=how.budget)
    main = scenario.main_source(item)
    return system.arrange(Setting(item, centers, sources, main, objective, how.options))


async def run_item(
    scenario: Scenario,
    system: System,
    item: Item,
    arranged: Arranged,
    journal: Journal,
    how: How,
    elsewhere: Elsewhere | None = None,
) -> Outcome:
    """A system on an item: as many episodes as it is scored by, without those in `journal`.

    Raises:
        As `run_systems`.
    """
    episodes: list[Solved] = []
    kept = True
    opened = OpenedJournal(journal)
    while not scenario.enough(item, episodes) and len(episodes) < MAX_EPISODES:
        sample = len(episodes)
        name = episode_name(system, item, arranged, sample, how)
        if not is_finished(opened.events(name)):
            kept = False
            if elsewhere is not None:
                await elsewhere(EpisodeJob(system.name, item.id, sample), name)
            else:
                await solve_episode(system, item, arranged, sample, opened, how)
        elif system.remembers in OWN:
            reader = arranged.center.model.identity
            await how.memories.catch_up(system.name, reader, name, opened)
        events = opened.events(name)
        episodes.append(Solved(name, fold(events), tuple(events), journal.blob))
    usage = spent(episodes)
    return Outcome(
        system=system.name,
        item=item,
        episodes=tuple(episodes),
        scores={**scenario.score(item, episodes), **usage},
        usage=usage,
        echoed=any(echoes(item, solved) for solved in episodes),
        kept=kept,
    )


def episode_name(system: System, item: Item, arranged: Arranged, sample: int, how: How) -> str:
    """The episode's name: it changes with all that its outcome depends on but sources' content."""
    parts = (
        arranged.center.model.identity,
        type(arranged.center).__name__,
        system.name,
        item.data_set,
        item.id,
        arranged.objective,
        arranged.options,
        [source.card.name for source in arranged.sources],
        how.calls,
        *((how.remembers,) if how.remembers and system.remembers == "given" else ()),
    )
    made = hashlib.blake2b(repr(parts).encode(), digest_size=10).hexdigest()
    return f"{system.name.replace('+', '-with-')}-{made}-{sample}"


async def solve_episode(
    system: System, item: Item, arranged: Arranged, sample: int, journal: Journal, how: How
) -> None:
    """Solve an episode, or go on with it. The first is greedy, all others are sampled."""
    name = episode_name(system, item, arranged, sample, how)
    center: Center = arranged.center
    if how.budget.calls is None:
        left = _calls_left(journal.events(name), how.calls)
        center = _Rationing(center, Rationed(center.model, left))
    if sample:
        center = SampledCenter(center, TEMPERATURE)
    seed = int.from_bytes(hashlib.blake2b(f"{arranged.options.seed} {name}".encode()).digest()[:6])
    async with AsyncExitStack() as stack:
        sources = arranged.sources
        memory = how.memory if system.remembers == "given" else None
        if system.remembers in OWN:
            reader = arranged.center.model.identity
            own = await stack.enter_async_context(how.memories.turn(system.name, reader))
            if system.remembers == "web":
                sources = [*sources, own.open_web(sources, reader)]
            memory = own
        await solve(
            arranged.objective,
            center=center,
            sources=sources,
            memory=memory,
            journal=journal,
            options=replace(arranged.options, seed=seed),
            episode=name,
            setup={"system": system.name, "item": item.id},
            descend=arranged.descend,
        )


def _calls_left(events: Sequence[Event], calls: int) -> Iterator[int]:
    """The calls an episode may still make, where an earlier run of it made some."""
    made = sum(isinstance(event, CallFinished) for event in events)
    return islice(iter(range(calls)), min(made, calls), None)


def check_weights(systems: Sequence[System], *, fragmentation: bool) -> None:
    """Refuse, before anything runs, a system whose weights are not given.

    Raises:
        InputError: they are not.
    """
    if not fragmentation and any(s.name == "fragmentation" for s in systems):
        raise InputError(
            "the system fragmentation needs weights trained so: run centerlm learn fragmentation, "
            'and name the adapter in centerlm.toml: [evaluate] fragmentation = "FILE.gguf"'
        )
