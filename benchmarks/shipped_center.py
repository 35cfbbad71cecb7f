"""The five rounds that trained the adapter that ships, as they were run.

    python benchmarks/shipped_center.py --data DIR --out DIR

Round 1 learns from natural data: passages with questions, human plans. Round 2 goes on from it with
worlds of at most two hops, more passages, re-asks, and a part of round 1. Rounds 3 to 5 go on with
more of the same, ever more of it plans (`LATER`). About three hours on two cores. A run that was
stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from msgspec.structs import replace

from centerlm.learning.acting import (
    decision_examples,
    fold_examples,
    reading_examples,
    reask_examples,
)
from centerlm.learning.adapters import to_gguf
from centerlm.learning.base import load_base
from centerlm.learning.example import TrainingExample
from centerlm.learning.material import decision_of, limited
from centerlm.learning.natural import read_natural
from centerlm.learning.noting import NoteSet, noted, pool
from centerlm.learning.offering import card_sets
from centerlm.learning.readers import read_guidance
from centerlm.learning.reasking import reasks
from centerlm.learning.records import Decision, Fold, Reask
from centerlm.learning.sample_cards import documents_card
from centerlm.learning.train_settings import MIX, TrainSettings
from centerlm.learning.training import train
from centerlm.learning.worlds import make_world
from centerlm.learning.worlds.realistic import templates
from centerlm.models.tokenizer import tokenizer_of
from centerlm.models.weights import find

FIRST_SETS = {"squad": 120, "qed": 130, "musique": 100, "2wiki": 70}
SECOND_SETS = {"squad": 40, "qed": 60, "musique": 70, "2wiki": 15}
PLANS = {
    "strategyqa": 520,
    "musique": 100,
    "2wiki": 150,
    "qdmr:cwq": 150,
    "qdmr:comqa": 120,
    "qdmr:drop": 100,
    "gsm8k": 200,
}
WORLD_PLANS = {
    "chain": 260,
    "each": 80,
    "comparison": 90,
    "same": 50,
    "superlative": 70,
    "arithmetic": 60,
    "dates": 60,
    "count": 70,
    "money": 40,
    "experiment": 75,
    "expert": 75,
    "person": 80,
}
WORLDS = range(1000, 1056)


@dataclass(frozen=True, slots=True)
class Later:
    """A round of plans of worlds of `seeds`, so many `chains` and so many of each `other` kind,
    `flat` of the flat ones (0 to 1), beside `human` plans by origin, of which `recursion` are shown
    with [center] on offer, and the passages and re-asks of worlds and sets met before.
    """

    seeds: range
    chains: int
    other: int
    flat: float
    human: Mapping[str, int]
    recursion: float
    mix: Mapping[str, float]
    rate: float
    tokens: int


_HUMAN = {"musique": 100, "2wiki": 490, "strategyqa": 1000, "gsm8k": 300, "qdmr:cwq": 200}
LATER = (
    Later(
        range(3000, 3056),
        10_000,
        10_000,
        1.0,
        {**_HUMAN, "qdmr:comqa": 150, "qdmr:drop": 100},
        0.25,
        {"decompose": 0.4, "seek": 0.08, "absorb": 0.52},
        6e-4,
        375_000,
    ),
    Later(
        range(4000, 4150),
        900,
        130,
        0.25,
        {**_HUMAN, "strategyqa": 300, "2wiki": 150, "gsm8k": 100, "qdmr:cwq": 100},
        0.25,
        {"decompose": 0.55, "seek": 0.05, "absorb": 0.4},
        5e-4,
        500_000,
    ),
    Later(
        range(4200, 4290),
        500,
        60,
        0.1,
        {"strategyqa": 120, "musique": 100, "2wiki": 120, "gsm8k": 50, "qdmr:cwq": 60},
        0.0,
        {"decompose": 0.7, "seek": 0.03, "absorb": 0.27},
        3e-4,
        150_000,
    ),
)


@dataclass(frozen=True, slots=True)
class WorldRecords:
    """What one world gives to learn from; decisions with their kind and form."""

    decisions: tuple[tuple[str, str, Decision], ...]
    folds: tuple[Fold, ...]
    sets: tuple[NoteSet, ...]
    reasks: tuple[Reask, ...]


def held_out(id_: str) -> bool:
    """Four in a hundred records are never trained on."""
    name = id_.removesuffix(":absent")
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % 100 < 4


def world_records(seed: int, data: Path) -> WorldRecords:
    world = make_world(seed, max_hops=2, passages=templates(data))
    readings = {(r.question, r.answer): r for q in world.questions for r in q.readings}
    with (
        tempfile.TemporaryDirectory() as folder,
        pool(world.documents, Path(folder), embedder=None) as search,
    ):
        sets = tuple(noted(readings.values(), world.documents, search, seed=seed))
        card = documents_card(Random(seed))
        asked = tuple(reasks(readings.values(), search, [card], seed=seed))
    return WorldRecords(
        tuple((q.kind, f, d) for q in world.questions for f, ds in q.decisions.items() for d in ds),
        tuple(f for q in world.questions for folds in q.folds.values() for f in folds),
        sets,
        asked,
    )


def drawn(
    sets: Sequence[NoteSet], wanted: Mapping[str, int], rng: Random
) -> tuple[list[NoteSet], list[NoteSet]]:
    """So many sets of each origin, and the rest."""
    by_origin: dict[str, list[NoteSet]] = defaultdict(list)
    for note_set in sets:
        origins = Counter(question.reading.origin for question in note_set.questions)
        by_origin[origins.most_common(1)[0][0]].append(note_set)
    chosen: list[NoteSet] = []
    rest: list[NoteSet] = []
    for origin, members in sorted(by_origin.items()):
        rng.shuffle(members)
        chosen += members[: wanted.get(origin, 0)]
        rest += members[wanted.get(origin, 0) :]
    return chosen, rest


def first_round(
    data: Path, sets: Sequence[NoteSet], folds: Sequence[Fold], rng: Random
) -> list[TrainingExample]:
    by_set: dict[str, list[Decision]] = defaultdict(list)
    for guided in read_guidance(data).guidance:
        decision = Decision(guided.id, guided.by, guided.objective, guided.plan)
        by_set[guided.by].append(decision)
    decisions: list[Decision] = []
    for name, count in PLANS.items():
        rng.shuffle(by_set[name])
        decisions += by_set[name][:count]
    examples = [
        *reading_examples(sets),
        *fold_examples(rng.sample(folds, 700)),
        *decision_examples(decisions, cards=card_sets(3, 16), seed=5),
    ]
    return [example for example in examples if not held_out(example.id)]


def second_round(
    worlds: Sequence[WorldRecords],
    sets: Sequence[NoteSet],
    first: Sequence[TrainingExample],
    rng: Random,
) -> list[TrainingExample]:
    world_sets = [s for world in worlds for s in world.sets]
    rng.shuffle(world_sets)
    folds = list({(f.objective, f.steps): f for world in worlds for f in world.folds}.values())
    asked = [reask for world in worlds for reask in world.reasks]
    plans = [example for example in first if example.act == "decompose"]
    own = [e for e in first if e.act == "absorb" and len(e.prompt.messages[1].text) < 900]
    natural = [e for e in reading_examples(sets) if not held_out(e.id)]
    return [
        *reading_examples(world_sets[:350]),
        *decision_examples(_world_decisions(worlds, rng), cards=card_sets(9, 12), seed=6),
        *fold_examples(rng.sample(folds, 240)),
        *reask_examples(rng.sample(asked, 230)),
        *natural,
        *rng.sample(plans, 300),
        *rng.sample(own, 150),
    ]


def _world_decisions(worlds: Iterable[WorldRecords], rng: Random) -> list[Decision]:
    """Decisions of worlds, each once, so many of a kind; of the flat form four in ten."""
    met: dict[tuple[str, str, bool], tuple[str, Decision]] = {}
    for world in worlds:
        for kind, form, decision in world.decisions:
            if form == "flat" and rng.random() < 0.6:
                continue
            key = (decision.objective, str(decision.plan), decision.recursion)
            met.setdefault(key, (kind, decision))
    found = list(met.values())
    rng.shuffle(found)
    return _of_each(found, WORLD_PLANS)


def _of_each(found: Iterable[tuple[str, Decision]], wanted: Mapping[str, int]) -> list[Decision]:
    """The first so many of each kind."""
    taken: Counter[str] = Counter()
    chosen: list[Decision] = []
    for kind, decision in found:
        taken[kind] += 1
        if taken[kind] <= wanted[kind]:
            chosen.append(decision)
    return chosen


def later_round(
    number: int, later: Later, data: Path, known: Sequence[TrainingExample]
) -> list[TrainingExample]:
    """Plans of a later round beside the passages and re-asks that are `known`."""
    rng = Random(number)
    limits = {**later.human, "other": 0}
    guided = limited(read_guidance(data).guidance, lambda one: one.by, limits, number)
    human = [decision_of(one, recursion=rng.random() < later.recursion) for one in guided]
    met: dict[tuple[str, str, bool], tuple[str, Decision]] = {}
    for seed in later.seeds:
        for question in make_world(seed, max_hops=2).questions:
            for form, decisions in question.decisions.items():
                if form == "flat" and rng.random() > later.flat:
                    continue
                for decision in decisions:
                    key = (decision.objective, str(decision.plan), decision.recursion)
                    met.setdefault(key, (question.kind, decision))
    found = list(met.values())
    rng.shuffle(found)
    wanted = dict.fromkeys(WORLD_PLANS, later.other) | {"chain": later.chains}
    return [
        *decision_examples(_of_each(found, wanted), cards=card_sets(number, 16), seed=number),
        *decision_examples(human, cards=card_sets(number + 9, 16), seed=number),
        *(example for example in known if example.act != "decompose"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    rng = Random(7)
    material = read_natural(args.data)
    with pool(material.texts, args.out / "pool") as search:
        sets = list(noted(material.readings, material.texts, search, seed=1))
    chosen, rest = drawn(sets, FIRST_SETS, rng)
    first = first_round(args.data, chosen, material.folds, rng)
    worlds = [world_records(seed, args.data) for seed in WORLDS]
    second = second_round(worlds, drawn(rest, SECOND_SETS, rng)[0], first, rng)
    settings = TrainSettings(row_tokens=768, rows=4, save_every=10, threads=args.threads)
    rounds: list[tuple[list[TrainingExample], TrainSettings, Mapping[str, float]]] = [
        (first, replace(settings, learning_rate=1e-3), MIX),
        (second, replace(settings, learning_rate=8e-4), MIX),
    ]
    known = [
        *reading_examples(sets),
        *fold_examples(material.folds),
        *(example for example in second if example.origin == "worlds"),
    ]
    for number, later in enumerate(LATER, start=3):
        own = replace(
            settings, learning_rate=later.rate, max_tokens=later.tokens, dtype="auto", seed=number
        )
        rounds.append((later_round(number, later, args.data, known), own, later.mix))
    base = find("default")
    start: Path | None = None
    for number, (examples, own, mix) in enumerate(rounds, start=1):
        out = args.out / f"round-{number}"
        start = train(
            examples,
            load_base("default")[0],
            tokenizer_of(base),
            out,
            own,
            base=base.stem,
            start=start,
            resume=(out / "run.json").exists(),
            mix=mix,
            on_progress=lambda p: print(p.update, p.updates, round(p.loss, 3), flush=True),
        ).folder
    assert start is not None
    print(to_gguf(start, args.out / "default.gguf", base=base))


if __name__ == "__main__":
    main()
