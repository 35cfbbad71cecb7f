"""The two rounds that trained the adapter that ships, as they were run.

    python benchmarks/shipped_center.py --data DIR --out DIR

Round 1 learns from natural data: passages with questions, human plans. Round 2 goes on from it with
worlds of at most two hops, more passages, re-asks, and a part of round 1. About 75 minutes on two
cores. A run that was stopped goes on where it was.
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

from centerlm.learning.acting import (
    decision_examples,
    fold_examples,
    reading_examples,
    reask_examples,
)
from centerlm.learning.adapters import to_gguf
from centerlm.learning.base import load_base
from centerlm.learning.example import TrainingExample
from centerlm.learning.natural import read_natural
from centerlm.learning.noting import NoteSet, noted, pool
from centerlm.learning.offering import card_sets
from centerlm.learning.readers import read_guidance
from centerlm.learning.reasking import reasks
from centerlm.learning.records import Decision, Fold, Reask
from centerlm.learning.sample_cards import documents_card
from centerlm.learning.train_settings import TrainSettings
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
    taken: Counter[str] = Counter()
    chosen: list[Decision] = []
    for kind, decision in found:
        taken[kind] += 1
        if taken[kind] <= WORLD_PLANS[kind]:
            chosen.append(decision)
    return chosen


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
    base = find("default")
    tokenizer = tokenizer_of(base)
    start: Path | None = None
    for name, examples, rate in (("round-1", first, 1e-3), ("round-2", second, 8e-4)):
        out = args.out / name
        settings = TrainSettings(
            row_tokens=768, rows=4, save_every=10, threads=args.threads, learning_rate=rate
        )
        model, _ = load_base("default")
        start = train(
            examples,
            model,
            tokenizer,
            out,
            settings,
            base=base.stem,
            start=start,
            resume=(out / "run.json").exists(),
            on_progress=lambda p: print(p.update, p.updates, round(p.loss, 3), flush=True),
        ).folder
    assert start is not None
    print(to_gguf(start, args.out / "default.gguf", base=base))


if __name__ == "__main__":
    main()
