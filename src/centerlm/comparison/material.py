"""The records of the comparison, as examples for each arm: all arms are made from the same.

Natural records are read once, worlds are new for each seed. A split of the training records by
their ids (`held`) chooses learning rates and checkpoints; dev files are never opened here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from centerlm.comparison.settings import COT, FRAGMENTATION, HOLISTIC, Comparison
from centerlm.errors import InputError
from centerlm.learning import arms
from centerlm.learning.example import TrainingExample
from centerlm.learning.guard import check_no_test_ids
from centerlm.learning.job import Listener
from centerlm.learning.material import (
    Composed,
    Records,
    collect,
    examples_of,
    is_held,
    statistics,
)
from centerlm.learning.recipe import DataSection, MixSection, Recipe, WorldsSection, recipe_toml
from centerlm.learning.records import Text
from centerlm.learning.run_folder import read_json, write_json
from centerlm.learning.run_material import Lessons, evenly
from centerlm.learning.stored import read_examples, write_examples
from centerlm.learning.worlds import BEYOND

SEED_STEP = 1_000
"""Worlds of one seed begin so far from those of the one before."""
HELD = 0.2
SHOWN = 5
"""Passages beside a composed question of a data set: its own, and others that come with it."""
PLANS = {"musique": 100, "2wiki": 200, "strategyqa": 200, "qdmr": 0, "gsm8k": 100, "other": 0}
READINGS = {"xquad": 300, "qed": 300, "musique": 200, "2wiki": 300, "hotpotqa": 100, "other": 100}
COMPOSED_SETS = {"musique": "musique", "2wiki": "2wikimultihopqa"}


@dataclass(frozen=True, slots=True)
class Arms:
    """The lessons of each arm, and the plan examples that all of them see."""

    lessons: Mapping[str, Lessons]
    formats: Sequence[TrainingExample]
    statistics: Mapping[str, Any]


def arms_of(comparison: Comparison, recipe: Recipe, work: Path, seed: int, told: Listener) -> Arms:
    """The material of a seed, kept in `work`: stored, or made now. `recipe` says what it is made
    from beyond the comparison's own sizes (forms, aliases).

    Raises:
        InputError: the data folder lacks a set, or cannot be read.
    """
    pieces: list[Path] = []
    if comparison.material != "real":
        pieces.append(work / f"seed-{seed}" / "material")
        worlds = WorldsSection(
            count=comparison.worlds,
            people=comparison.people,
            seed=seed * SEED_STEP,
            forms=recipe.worlds.forms,
            templates=False,
            without=recipe.worlds.without,
            kinds=recipe.worlds.kinds,
            cards=comparison.cards,
        )
        split = split_seed(range(worlds.seed, worlds.seed + worlds.count))
        _made(pieces[-1], _only(recipe, worlds, sets=(), split=split), None, told)
    if comparison.material != "worlds":
        if comparison.data is None:
            raise InputError("real material needs the data folder; give --data")
        pieces.append(work / "material")
        made = _only(recipe, WorldsSection(count=0), sets=None)
        _made(pieces[-1], made, comparison.data, told)
    read = {
        arm: Lessons(
            [e for piece in pieces for e in read_examples(piece / f"{arm}.jsonl")],
            evenly(
                [e for piece in pieces for e in read_examples(piece / f"{arm}-held.jsonl")],
                comparison.check,
            ),
            [],
        )
        for arm in (HOLISTIC, COT, FRAGMENTATION)
    }
    plans = [e for e in read[HOLISTIC].examples if e.act == "decompose"]
    most = min(comparison.formats, len(plans))
    formats = Random(f"{seed} formats").sample(plans, most)
    held = [e for e in read[HOLISTIC].held if e.act == "decompose"]
    for arm in (COT, FRAGMENTATION):
        both = Lessons([*read[arm].examples, *formats], [*read[arm].held, *held], [])
        read[arm] = both
    counts = {arm: statistics(lessons.examples) for arm, lessons in read.items()}
    return Arms(read, formats, counts)


def split_seed(worlds: Sequence[int]) -> int:
    """A seed by which some of these worlds are held out, and not more than half: worlds are held
    out whole, and there may be few. 0 where there is no such seed (of one world).
    """
    for seed in range(1000):
        held = sum(is_held(f"world-train-{number}", HELD, seed) for number in worlds)
        if 1 <= held <= len(worlds) / 2:
            return seed
    return 0


def _only(recipe: Recipe, worlds: WorldsSection, sets: tuple[()] | None, split: int = 0) -> Recipe:
    import msgspec

    data = msgspec.structs.replace(
        recipe.data, held=HELD, seed=split, plans=PLANS, readings=READINGS, atomic=200
    )
    if sets is not None:
        data = msgspec.structs.replace(data, sets=sets)
    return msgspec.structs.replace(recipe, worlds=worlds, data=data)


def _made(place: Path, recipe: Recipe, data: Path | None, told: Listener) -> None:
    """Write the examples of all arms from one collection of records, unless they are there."""
    about = {"recipe": recipe_toml(recipe)}
    record = place / "material.json"
    if (before := read_json(record)) is not None:
        if before != about:
            raise InputError(f"{place} was made with other settings; name another folder")
        return
    collected = collect(recipe, data, say=told.phase)
    sides = {"": collected.train, "-held": collected.held}
    if data is not None:
        check_no_test_ids(collected.ids, data, questions=collected.questions)
        paragraphs = _paragraphs(data)
        sides = {name: with_passages(side, paragraphs) for name, side in sides.items()}
    for side, records in sides.items():
        acts = examples_of(
            records,
            seed=recipe.data.seed,
            aliases=recipe.data.aliases,
            experience=recipe.data.experience,
        )
        write_examples(place / f"{HOLISTIC}{side}.jsonl", acts)
        write_examples(place / f"{COT}{side}.jsonl", arms.cot(records))
        write_examples(place / f"{FRAGMENTATION}{side}.jsonl", arms.fragmentation(records))
    write_json(record, about)  # last: it says that the others are whole


def with_passages(records: Records, paragraphs: Mapping[str, Sequence[Text]]) -> Records:
    """Composed questions of data sets with the passages that come with them, so that the arms see
    the passages that holistic training reads.
    """

    def noted(composed: Composed) -> Composed:
        mine = paragraphs.get(composed.id)
        return replace(composed, notes=tuple(mine)) if mine and not composed.notes else composed

    return replace(records, composed=tuple(map(noted, records.composed)))


def _paragraphs(data: Path) -> dict[str, list[Text]]:
    """By id of a train record: its supporting paragraphs and others, in an order of its own."""
    from centerlm.evaluation.items import passage_key
    from centerlm.evaluation.sets import find_file, read_items, read_records

    found: dict[str, list[Text]] = {}
    for name, folder in COMPOSED_SETS.items():
        path = find_file(data / folder, "train")
        if path is None:
            continue
        for item in read_items(read_records(path), name):
            rng = Random(item.id)
            needed = [p for p in item.paragraphs if passage_key(*p) in (item.support or ())]
            others = [p for p in item.paragraphs if p not in needed]
            chosen = [*needed, *rng.sample(others, min(len(others), max(SHOWN - len(needed), 0)))]
            rng.shuffle(chosen)
            found[item.id] = [Text(f"{item.id}:{n}", *p) for n, p in enumerate(chosen)]
    return found


def shaped(
    comparison: Comparison, *, aliases: bool = True, kinds: tuple[str, ...] = ("chain",)
) -> Recipe:
    """The recipe that the arms share, before how they train. Its worlds have documents and a
    calculator, and questions of these kinds alone (none named: all), by default those that the
    comparison asks: few tokens teach no more.
    """
    return Recipe(
        base=comparison.base,
        data=DataSection(aliases=aliases, experience=comparison.cards == "varied", absent=0.05),
        mix=MixSection(decompose=0.4, seek=0.05, absorb=0.55),
        worlds=WorldsSection(forms=(comparison.form,), without=BEYOND, kinds=kinds),
    )
