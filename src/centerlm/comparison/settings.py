"""What is compared: weights, ways of inference, parts, and the sizes of all of them. Data only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Form = Literal["peel", "flat"]
Material = Literal["worlds", "real", "mixed"]
Wordings = Literal["trained", "new"]
Cards = Literal["varied", "plain"]

UNTRAINED, FEW_SHOT = "untrained", "few-shot"
FRAGMENTATION, COT, HOLISTIC = "fragmentation", "cot", "holistic"

WEIGHTS: Mapping[str, str] = {
    UNTRAINED: "the base as it comes",
    FEW_SHOT: "the base, shown examples from the same records",
    FRAGMENTATION: "trained on question -> answer, of composed questions and of every part",
    COT: "trained to write plan, parts' answers and answer in one reply",
    HOLISTIC: "trained on the three acts",
}
STAGES: Mapping[str, str] = {FRAGMENTATION: "fragmentation", COT: "cot", HOLISTIC: "all"}
"""The weights that are trained, and the stage of `centerlm learn` that does."""

PRIMARY = (HOLISTIC, COT)
"""Named before anything was trained: the slope over hops of the first minus the second in the same
solver, on worlds.
"""

WORLDS, SETS, TOKENS = "worlds", "sets", "tokens"
PARTS: Mapping[str, str] = {
    WORLDS: "questions of 1 to 8 hops over fictional worlds: the primary endpoint",
    SETS: "MuSiQue and 2WikiMultihopQA",
    TOKENS: "the same sets at other amounts of inference tokens",
}
TRAINED_HOPS = 2


@dataclass(frozen=True, slots=True)
class Way:
    """A way of inference: a system of `evaluate` (`system`), with so many passages a request, and
    the majority of so many `samples` (1: one greedy answer).
    """

    name: str
    about: str
    system: str
    passages: int
    samples: int = 1


DIRECT = Way("direct", "the model alone", "direct", 0)
RETRIEVE = Way("retrieve", "one search of 8 passages, then the answer", "retrieve", 8)
ITERATE = Way("iterate", "up to 4 searches, each with the last answer", "iterate", 2)
SOLVER = Way("solver", "the recursive solver", "holistic", 4)
PLAN = Way("plan", "the solver, given the right plans", "oracle-plan", 4)
WAYS: Mapping[str, Way] = {w.name: w for w in (DIRECT, RETRIEVE, ITERATE, SOLVER, PLAN)}

SPENDING: Mapping[str, Way] = {
    w.name: w
    for w in (
        Way("retrieve 4", "one search of 4 passages", "retrieve", 4),
        Way("retrieve 16", "one search of 16 passages", "retrieve", 16),
        Way("iterate 8", "up to 4 searches of 4 passages", "iterate", 4),
        Way("majority of 5", "one search of 8 passages, 5 samples", "retrieve", 8, samples=5),
    )
}
"""What else baselines may spend their inference tokens on."""

SUPPORT = 8
"""Support recall counts so many distinct passages of a whole episode, the first ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All that decides the figures. Sizes are those of the primary endpoint within 75 minutes of
    two cores.

    Each of `seeds` trains every arm on `tokens` processed tokens; on the first, each arm is tried
    at every learning rate of `rates`, and the best by the check split of the training records is
    taken for all its seeds. `questions` of each of `hops` are asked of worlds, `limit` items of
    each of `sets` (None: all). Test worlds are none that is trained on; with `wordings` "trained"
    they ask and tell in words of training, so that only the joining is new, with "new" half of
    their wordings and some relations are new too. With `cards` "plain" worlds show their sources in
    the same words everywhere, with nothing beside them, to train on and to ask. `worlds` are made
    to train on, `formats` plan examples shown to every arm. `minutes` bounds a call: cells not
    begun by then stay empty. With `start`, an adapter (.gguf), every arm goes on from it, and the
    untrained and few-shot ones are the base with it: arms that already read alike differ by how
    they were taught to join, where `tokens` are too few for both.
    """

    base: str = "default"
    start: Path | None = None
    material: Material = "worlds"
    data: Path | None = None
    seeds: int = 3
    tokens: int = 50_000
    rates: tuple[float, ...] = (5e-4, 1e-3)
    weights: tuple[str, ...] = tuple(WEIGHTS)
    ways: tuple[str, ...] = tuple(WAYS)
    parts: tuple[str, ...] = (WORLDS,)
    hops: tuple[int, ...] = (1, 2, 3, 4, 6, 8)
    questions: int = 8
    wordings: Wordings = "trained"
    cards: Cards = "varied"
    limit: int | None = None
    sets: tuple[str, ...] = ("musique", "2wiki")
    worlds: int = 48
    people: int = 12
    formats: int = 200
    check: int = 16
    form: Form = "peel"
    rank: int = 16
    row_tokens: int = 768
    calls: int = 8
    minutes: float | None = None
    vectors: bool = True
    slots: int = 4
    threads: int = 2


def paper(base: str | None) -> Comparison:
    """What `centerlm learn all --preset paper` runs, from a reader trained before: the primary
    figure, with the arms' own plans and with the right ones.
    """
    return Comparison(
        base=base or "default",
        tokens=300_000,
        rates=(1e-3,),
        cards="plain",
        weights=(FRAGMENTATION, COT, HOLISTIC),
        ways=(SOLVER.name, PLAN.name),
        hops=(1, 2, 4, 8),
        questions=16,
        worlds=96,
    )


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the comparison, of one seed."""

    part: str
    weights: str
    way: Way
    seed: int

    @property
    def name(self) -> str:
        return f"{self.part}: {self.weights}, {self.way.name}, seed {self.seed}"


def cells_of(comparison: Comparison) -> list[Cell]:
    """All cells that are asked for, the primary endpoint first, seed by seed; of the others all
    seeds in a row.

    Weights that are not trained do not vary with the seed: `untrained` has the first seed alone.
    """
    order: list[tuple[str, str, Way]] = []
    made: dict[Cell, None] = {}

    def add(part: str, ways: tuple[Way, ...], weights: tuple[str, ...]) -> None:
        for way in ways:
            order.extend((part, each, way) for each in weights)

    def asked(weights: str, way: Way) -> bool:
        return weights in comparison.weights and way.name in comparison.ways

    if WORLDS in comparison.parts:
        for seed in range(comparison.seeds):
            for way in (SOLVER, PLAN):
                pair = [w for w in PRIMARY if asked(w, way)]
                made |= dict.fromkeys(Cell(WORLDS, weights, way, seed) for weights in pair)
        add(WORLDS, (SOLVER, PLAN), (FRAGMENTATION, UNTRAINED, FEW_SHOT))
        add(WORLDS, (RETRIEVE, ITERATE, DIRECT), (HOLISTIC, COT, FRAGMENTATION))
        add(WORLDS, (RETRIEVE, ITERATE, DIRECT), (FEW_SHOT, UNTRAINED))
    if SETS in comparison.parts:
        add(SETS, (SOLVER, RETRIEVE), (HOLISTIC, COT, FRAGMENTATION))
        add(SETS, (PLAN, ITERATE, DIRECT), (HOLISTIC, COT, FRAGMENTATION))
        add(SETS, tuple(WAYS.values()), (UNTRAINED, FEW_SHOT))
    for part, weights, way in order:
        if asked(weights, way):
            seeds = 1 if weights == UNTRAINED else comparison.seeds
            made |= dict.fromkeys(Cell(part, weights, way, seed) for seed in range(seeds))
    if TOKENS in comparison.parts:
        for way in SPENDING.values():
            for weights in (COT, FRAGMENTATION, UNTRAINED):
                if weights in comparison.weights:
                    made[Cell(TOKENS, weights, way, 0)] = None
    return list(made)
