"""A stream of tasks of one kind over six sources whose skills nobody knows, and who chooses how.

Halfway the best source breaks and one of the poor ones becomes the best. Choosing is all that is
measured: no language model. The memory is the real one, asked and taught as the solver does it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from centerlm.memory import SeekingMemory
from centerlm.memory.kinds import WordSpace
from centerlm.memory.outcomes import Outcome

TASKS, CHANGE = 400, 200
LEARNED, RECOVERY, WINDOW, ENOUGH = 60, 30, 20, 18
"""After LEARNED tasks choices are to be good; recovered is who, of WINDOW tasks in a row, chooses
the best source in ENOUGH, and is to be within RECOVERY tasks of the change."""
SPACING = 60.0
SIMILAR = 5
DISCOUNTS = (0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 1.0)
_FIRST = ("Ada", "Bob", "Cleo", "Dan", "Edda", "Finn", "Gwen", "Hal", "Ines", "Jo")
_LAST = ("Brandt", "Hill", "Moor", "Lund", "Park", "Quist", "Rand", "Stone", "Tell", "Voss")


@dataclass(frozen=True, slots=True)
class Stream:
    """Skills of the sources at first, and those that change: number -> skill from task 200 on."""

    name: str
    skills: tuple[float, ...]
    changes: Mapping[int, float]

    def at(self, task: int) -> list[float]:
        skills = list(self.skills)
        if task >= CHANGE:
            for number, skill in self.changes.items():
                skills[number] = skill
        return skills


WIDE = Stream("skills .9 to .2", (0.9, 0.6, 0.5, 0.4, 0.3, 0.2), {0: 0.2, 4: 0.9})
CLOSE = Stream("gaps of .1", (0.9, 0.8, 0.7, 0.6, 0.5, 0.4), {0: 0.4, 4: 0.9})


class Chooser(Protocol):
    """Chooses a source for a task and is told how it went."""

    async def choose(self, task: int, text: str) -> int: ...

    async def told(self, task: int, text: str, source: int, right: bool, price: float) -> None: ...


class Remembers:
    """The seeking memory: alternatives in its order, an episode a task."""

    def __init__(self, stream: Stream, rng: Random) -> None:
        self._names = tuple(f"source{n}" for n in range(len(stream.skills)))
        self._seed = rng.randrange(1 << 30)
        self._time = 1.7e9
        self._memory = SeekingMemory(":memory:", embedder=None, clock=lambda: self._time)

    async def choose(self, task: int, text: str) -> int:
        order = await self._memory.order(text, self._names, self._seed + task)
        return self._names.index(order[0])

    async def told(self, task: int, text: str, source: int, right: bool, price: float) -> None:
        self._time += SPACING
        name = self._names[source]
        outcome = Outcome(
            entry="1/0", source=name, text=text, success=float(right), cost=price, at=self._time
        )
        self._memory.remember(f"task-{task}", [outcome])


class Oracle:
    """Knows every skill at every moment."""

    def __init__(self, stream: Stream, rng: Random) -> None:
        del rng
        self._stream = stream

    async def choose(self, task: int, text: str) -> int:
        skills = self._stream.at(task)
        return skills.index(max(skills))

    async def told(self, task: int, text: str, source: int, right: bool, price: float) -> None:
        return None


class NoMemory:
    """Nothing tells the sources apart: any of them."""

    def __init__(self, stream: Stream, rng: Random) -> None:
        self._rng, self._sources = rng, len(stream.skills)

    async def choose(self, task: int, text: str) -> int:
        return self._rng.randrange(self._sources)

    async def told(self, task: int, text: str, source: int, right: bool, price: float) -> None:
        return None


class StaticCard(NoMemory):
    """Cards that told the truth when they were written, before the first task."""

    def __init__(self, stream: Stream, rng: Random) -> None:
        super().__init__(stream, rng)
        self._best = stream.skills.index(max(stream.skills))

    async def choose(self, task: int, text: str) -> int:
        return self._best


class SimilarPlans(NoMemory):
    """The source of most of the five most similar past tasks that went well; any if none did."""

    def __init__(self, stream: Stream, rng: Random) -> None:
        super().__init__(stream, rng)
        self._space = WordSpace()
        self._table = self._space.table()
        self._right: list[int] = []

    async def choose(self, task: int, text: str) -> int:
        if not self._right:
            return await super().choose(task, text)
        near = self._table.nearest(self._space.embed([text])[0], len(self._right))
        # Of tasks as similar the newest count.
        rows = [row for row, _ in sorted(near, key=lambda one: (-round(one[1], 6), -one[0]))]
        return Counter(self._right[row] for row in rows[:SIMILAR]).most_common(1)[0][0]

    async def told(self, task: int, text: str, source: int, right: bool, price: float) -> None:
        if right:
            self._table.add(self._space.embed([text])[0])
            self._right.append(source)


class Discounted(NoMemory):
    """Discounted Thompson sampling (Raj and Kalyani, 2017): evidence fades by a factor a task."""

    def __init__(self, stream: Stream, rng: Random, discount: float) -> None:
        super().__init__(stream, rng)
        self._discount = discount
        self._found, self._missed = ([0.0] * self._sources for _ in range(2))

    async def choose(self, task: int, text: str) -> int:
        drawn = [
            self._rng.betavariate(found + 1, missed + 1)
            for found, missed in zip(self._found, self._missed, strict=True)
        ]
        return drawn.index(max(drawn))

    async def told(self, task: int, text: str, source: int, right: bool, price: float) -> None:
        for counts in (self._found, self._missed):
            counts[:] = [count * self._discount for count in counts]
        (self._found if right else self._missed)[source] += 1


CHOOSERS: dict[str, Callable[[Stream, Random], Chooser]] = {
    "seeking memory": Remembers,
    "similar past plans": SimilarPlans,
    "static card": StaticCard,
    "no memory": NoMemory,
    "oracle": Oracle,
}
BASELINES = ("similar past plans", "static card", "no memory")


@dataclass(frozen=True, slots=True)
class Played:
    """One stream by one chooser: task by task whether the best source was chosen, and the regret
    (skill of the best less skill of the chosen); the money spent.
    """

    best: tuple[bool, ...]
    regrets: tuple[float, ...]
    spent: float

    @property
    def learned(self) -> float:
        """Share of best choices once it could know, before the change."""
        return _share(self.best[LEARNED:CHANGE])

    @property
    def after(self) -> float:
        """Share of best choices once it could have recovered."""
        return _share(self.best[CHANGE + RECOVERY :])

    @property
    def recovery(self) -> int:
        """Tasks after the change until the best source is chosen nearly always again."""
        for task in range(CHANGE, TASKS - WINDOW + 1):
            if sum(self.best[task : task + WINDOW]) >= ENOUGH:
                return task - CHANGE
        return TASKS - CHANGE

    @property
    def regret(self) -> float:
        return sum(self.regrets)


def play(make: Callable[[Stream, Random], Chooser], stream: Stream, seed: int) -> Played:
    """One run of a stream; sources, prices and answers of a seed are the same for all choosers."""
    return asyncio.run(_play(make, stream, seed))


async def _play(make: Callable[[Stream, Random], Chooser], stream: Stream, seed: int) -> Played:
    world = Random(seed)
    number = len(stream.skills)
    places = world.sample(range(number), number)
    prices = [round(world.uniform(0.0, 0.05), 4) for _ in range(number)]
    luck = [[world.random() for _ in range(number)] for _ in range(TASKS)]
    texts = [f"When was {world.choice(_FIRST)} {world.choice(_LAST)} born?" for _ in range(TASKS)]
    shown = Stream(
        stream.name,
        tuple(stream.skills[place] for place in places),
        {places.index(n): skill for n, skill in stream.changes.items()},
    )
    chooser = make(shown, Random(f"{seed} chooser"))
    best: list[bool] = []
    regrets: list[float] = []
    spent = 0.0
    for task, text in enumerate(texts):
        skills = shown.at(task)
        source = await chooser.choose(task, text)
        right = luck[task][source] < skills[source]
        await chooser.told(task, text, source, right, prices[source])
        best.append(skills[source] == max(skills))
        regrets.append(max(skills) - skills[source])
        spent += prices[source]
    return Played(tuple(best), tuple(regrets), spent)


def known_discount(stream: Stream, seeds: Sequence[int]) -> float:
    """The discount with the least regret on these seeds: decay as well known as it can be."""

    def regret(discount: float) -> float:
        return sum(
            play(lambda s, rng: Discounted(s, rng, discount), stream, seed).regret for seed in seeds
        )

    return min(DISCOUNTS, key=regret)


def _share(chosen: Sequence[bool]) -> float:
    return sum(chosen) / len(chosen)
