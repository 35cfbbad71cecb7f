"""From a recipe to what is learned from: records of guidance, passages and generated worlds.

`collect` reads the training files of the data folder and makes worlds; `Records` hold what examples
of the acts and of the arms are made from, so that all of them see the same. A share of the
records is held out by the hash of their ids; the sets' own dev files are never opened.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Literal, TypeVar

from centerlm.errors import InputError
from centerlm.learning.acting import (
    decision_examples,
    fold_examples,
    reading_examples,
    reask_examples,
)
from centerlm.learning.atomic import atomic_decisions
from centerlm.learning.data_sets import FILES
from centerlm.learning.edits import named
from centerlm.learning.example import TrainingExample
from centerlm.learning.guidance import Guidance, Read, Skipped
from centerlm.learning.noting import NoteSet, Search, noted, pool
from centerlm.learning.offering import CALCULATOR, DOCUMENTS, card_sets
from centerlm.learning.peeling import peeled
from centerlm.learning.reading import Material, joined
from centerlm.learning.reasking import reasks
from centerlm.learning.recipe import SETS, Recipe
from centerlm.learning.records import Decision, Fold, Reading, Reask, Studied, Text
from centerlm.learning.sample_cards import cards_naming, documents_card
from centerlm.learning.studied import studied, studied_examples
from centerlm.plan import CENTER

if TYPE_CHECKING:
    from centerlm.learning.solved import Solved

GUIDANCE = ("strategyqa", "musique", "2wiki", "gsm8k", "qdmr")
PUZZLES = ("game24", "planbench", "gym")
ACTS = ("decompose", "seek", "absorb")
CARDS = 20
"""Cards of libraries that re-asks are shown with."""

_Item = TypeVar("_Item")

Say = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and of how much (0: not known)."""


@dataclass(frozen=True, slots=True)
class Composed:
    """A composed question with all that is known of it: what the arms are trained on.

    `parts` are its sub-questions, filled in, with their answers; `notes` the passages that hold
    them, where the record has them.
    """

    id: str
    origin: str
    objective: str
    answer: str
    plan: str
    parts: tuple[tuple[str, str], ...]
    notes: tuple[Text, ...] = ()


@dataclass(frozen=True, slots=True)
class Records:
    """What examples are made from."""

    decisions: tuple[Decision, ...] = ()
    note_sets: tuple[NoteSet, ...] = ()
    folds: tuple[Fold, ...] = ()
    reasks: tuple[Reask, ...] = ()
    composed: tuple[Composed, ...] = ()
    studied: tuple[Studied, ...] = ()


@dataclass(frozen=True, slots=True)
class Collected:
    """Records to train on, records held out, and what could not be used."""

    train: Records
    held: Records
    skipped: tuple[Skipped, ...] = ()
    ids: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()
    """Ids and questions of the data sets' records: what is checked against test records."""
    edits: tuple[Guidance, ...] = ()
    """Guidance to train on that corrects a plan."""


def collect(recipe: Recipe, data: Path | None, *, say: Say) -> Collected:
    """All records of a recipe; without `data`, of generated worlds and own files alone.

    Raises:
        InputError: a file of the data folder is missing or cannot be read.
    """
    shelf = Shelf(recipe)
    if data is not None:
        _read_guidance(recipe, data, shelf, say)
    _read_passages(recipe, data, shelf, say)
    if data is not None:
        _read_puzzles(recipe, data, shelf, say)
    _read_own(recipe, shelf)
    if recipe.worlds.count:
        from centerlm.learning.world_records import add_worlds

        add_worlds(shelf, data, say)
    return shelf.collected()


def examples_of(
    records: Records,
    *,
    seed: int,
    acts: Sequence[str] = ACTS,
    aliases: bool = True,
    experience: bool = True,
) -> list[TrainingExample]:
    """Examples of the acts, in the center's own rendering; without `aliases` all sources are shown
    under their own names, without `experience` nothing is remembered of them.
    """
    examples: list[TrainingExample] = []
    if "decompose" in acts:
        how = {"aliases": aliases, "experience": experience}
        cards = card_sets(seed, **how)
        examples += decision_examples(records.decisions, cards=cards, seed=seed, **how)
        examples += studied_examples(records.studied)
    if "absorb" in acts:
        examples += reading_examples(records.note_sets)
        examples += fold_examples(records.folds)
    if "seek" in acts:
        examples += reask_examples(records.reasks)
    return examples


def is_held(record: str, share: float, seed: int) -> bool:
    """Whether a record is held out: by its id alone, so that a record never changes sides."""
    number = int.from_bytes(hashlib.sha256(f"{seed}:{record}".encode()).digest()[:8])
    return number < share * 2**64


def record_id(id_: str) -> str:
    """The record of a part of one: "musique:2hop__1_2:1:0" and "2hop__1_2" are of "2hop__1_2"."""
    parts = id_.split(":")
    return parts[1] if len(parts) > 1 and parts[0] in SETS else parts[0]


@dataclass(slots=True)
class Shelf:
    """Records being collected, on two sides."""

    recipe: Recipe
    train: Side = field(default_factory=lambda: Side())
    held: Side = field(default_factory=lambda: Side())
    skipped: list[Skipped] = field(default_factory=list[Skipped])
    ids: list[str] = field(default_factory=list[str])
    questions: list[str] = field(default_factory=list[str])
    edits: list[Guidance] = field(default_factory=list[Guidance])

    def side(self, record: str) -> Side:
        data = self.recipe.data
        return self.held if is_held(record, data.held, data.seed) else self.train

    def add_read(self, read: Read) -> None:
        """Guidance, each piece of it a decision, and a composed question if its answer is known."""
        data = self.recipe.data
        rng = Random(data.seed)
        for guidance in limited(read.guidance, lambda one: one.by, data.plans, data.seed):
            side = self.side(guidance.id)
            self.ids.append(guidance.id)
            self.questions.append(guidance.objective)
            decision = decision_of(guidance)
            if rng.random() < data.recursion:
                side.decisions += peeled(decision)
            else:
                side.decisions.append(decision)
            if composed := composed_of(guidance):
                side.composed.append(composed)
            if guidance.edited_from is not None and side is self.train:
                self.edits.append(guidance)
        self.skipped += read.skipped

    def add_puzzles(self, solved: Solved) -> None:
        """Choices of proposals and steps, and proposals after one that was not right."""
        data = self.recipe.data
        for decision in limited(solved.decisions, lambda one: one.origin, data.plans, data.seed):
            self.side(record_id(decision.id)).decisions.append(decision)
            self.ids.append(decision.id)
            self.questions.append(decision.objective)
        for reask in solved.reasks:
            self.side(record_id(reask.id)).reasks.append(reask)
        self.skipped += solved.skipped

    def add_passages(self, material: Material, *, say: Say) -> None:
        """Readings with the passages that a library of all texts finds for them, and folds."""
        self.skipped += material.skipped
        for fold in material.folds:
            self.side(record_id(fold.id)).folds.append(fold)
        data = self.recipe.data
        readings = limited(material.readings, lambda one: one.origin, data.readings, data.seed)
        if not readings:
            return
        self.ids += [reading.id for reading in readings]
        for decision in atomic_decisions(readings, n=data.atomic, seed=data.seed):
            self.side(record_id(decision.id)).decisions.append(decision)
        texts = {text.id: text for text in material.texts}
        say("indexing the passages", 0, 0)
        with (
            tempfile.TemporaryDirectory(prefix="centerlm-pool-") as folder,
            pool(
                material.texts,
                Path(folder),
                embedder=embedder(),
                asked=[reading.question for reading in readings],
                say=partial(say, "searching the passages"),
            ) as search,
        ):
            for side in (self.train, self.held):
                mine = [r for r in readings if self.side(record_id(r.id)) is side]
                side.add_readings(mine, material.texts, search, data.seed, absent=data.absent)
                side.studied += studied(mine, texts, n=data.studied, seed=data.seed)

    def collected(self) -> Collected:
        return Collected(
            self.train.records(),
            self.held.records(),
            tuple(self.skipped),
            tuple(self.ids),
            tuple(self.questions),
            tuple(self.edits),
        )


@dataclass(slots=True)
class Side:
    decisions: list[Decision] = field(default_factory=list[Decision])
    note_sets: list[NoteSet] = field(default_factory=list[NoteSet])
    folds: list[Fold] = field(default_factory=list[Fold])
    reasks: list[Reask] = field(default_factory=list[Reask])
    composed: list[Composed] = field(default_factory=list[Composed])
    studied: list[Studied] = field(default_factory=list[Studied])

    def add_readings(
        self,
        readings: Sequence[Reading],
        texts: Sequence[Text],
        search: Search,
        seed: int,
        *,
        absent: float,
    ) -> None:
        """Readings with what the search finds for them, and re-asks where it failed."""
        self.note_sets += noted(readings, texts, search, seed=seed, absent=absent)
        rng = Random(seed)
        cards = [documents_card(rng) for _ in range(CARDS)]
        self.reasks += reasks(readings, search, cards, seed=seed)

    def records(self) -> Records:
        return Records(
            tuple(self.decisions),
            tuple(self.note_sets),
            tuple(self.folds),
            tuple(self.reasks),
            tuple(self.composed),
            tuple(self.studied),
        )


def decision_of(guidance: Guidance) -> Decision:
    """The decision that a piece of guidance shows, at the root, as it is where [center] is not
    offered.

    Where its plan names other sources than the data sets do, it brings cards of its own.
    """
    names = named(guidance.plan)
    others = names - {CENTER, DOCUMENTS, CALCULATOR}
    return Decision(
        guidance.id,
        guidance.by,
        guidance.objective,
        guidance.plan,
        cards=cards_naming(others, Random(guidance.id)) if others else (),
        recursion=CENTER in names,
    )


def limited(
    items: Sequence[_Item], origin: Callable[[_Item], str], limits: Mapping[str, int], seed: int
) -> list[_Item]:
    """At most `limits` of each origin, drawn by `seed`; "other" bounds origins not named."""
    by_origin: dict[str, list[_Item]] = {}
    for item in items:
        by_origin.setdefault(origin(item), []).append(item)
    chosen: list[_Item] = []
    for name, mine in by_origin.items():
        most = limits.get(name, limits.get("other", len(mine)))
        chosen += mine if most >= len(mine) else Random(f"{seed}:{name}").sample(mine, most)
    return chosen


def composed_of(guidance: Guidance) -> Composed | None:
    """The composed question of guidance whose answer is known; parts as far as theirs are."""
    from centerlm.plan import fill, format_plan

    if guidance.answer is None:
        return None
    parts: list[tuple[str, str]] = []
    for step in guidance.plan.steps:
        answer = guidance.answers.get(step.id)
        if answer is not None and all(k in guidance.answers for k in step.needs):
            parts.append((fill(step.text, guidance.answers), answer))
    return Composed(
        guidance.id,
        guidance.by,
        guidance.objective,
        guidance.answer,
        format_plan(guidance.plan),
        tuple(parts),
    )


def embedder() -> Literal["installed"] | None:
    """Libraries search by meaning where the weights for it are on this machine."""
    from centerlm.errors import MissingExtraError, MissingWeightsError
    from centerlm.models.weights import find

    try:
        find("embeddings")
    except (MissingWeightsError, MissingExtraError):
        return None
    return "installed"


def _read_guidance(recipe: Recipe, data: Path, shelf: Shelf, say: Say) -> None:
    from centerlm.learning.readers import read_guidance

    sets = [name for name in recipe.data.sets if name in GUIDANCE]
    for done, name in enumerate(sets):
        say(f"reading {name}", done, len(sets))
        shelf.add_read(read_guidance(data, (name,)))


def _read_passages(recipe: Recipe, data: Path | None, shelf: Shelf, say: Say) -> None:
    from centerlm.learning import hops, reading, strategies

    readers: dict[str, Callable[[Path], Material]] = {
        "xquad": reading.read_squad,
        "qed": reading.read_qed,
        "musique": hops.read_musique,
        "2wiki": hops.read_2wiki,
        "hotpotqa": hops.read_hotpot,
        "strategyqa": strategies.read_strategyqa,
    }
    materials: list[Material] = []
    if data is not None:
        sets = [name for name in recipe.data.sets if name in readers]
        for done, name in enumerate(sets):
            say(f"reading passages of {name}", done, len(sets))
            materials.append(readers[name](data / FILES[name][0]))
    for name in recipe.data.squad:
        own = reading.read_own_squad(_own_file(name, "squad"))
        shelf.questions += [one.question for one in own.readings]
        materials.append(own)
    if materials:
        shelf.add_passages(joined(materials), say=say)


def _read_puzzles(recipe: Recipe, data: Path, shelf: Shelf, say: Say) -> None:
    sets = [name for name in recipe.data.sets if name in PUZZLES]
    if not sets:
        return
    from centerlm.learning.solved import solved_puzzles

    for done, name in enumerate(sets):
        say(f"solving {name}", done, len(sets))
        shelf.add_puzzles(solved_puzzles(data, name, seed=recipe.data.seed))


def _read_own(recipe: Recipe, shelf: Shelf) -> None:
    if not recipe.data.guidance:
        return
    from centerlm.learning.readers.own import read_own

    for name in recipe.data.guidance:
        shelf.add_read(read_own(_own_file(name, "guidance")))


def _own_file(name: str, setting: str) -> Path:
    path = Path(name).expanduser()
    if not path.is_file():
        raise InputError(f"there is no file {path}; check [data] {setting}")
    return path


def statistics(examples: Iterable[TrainingExample]) -> dict[str, dict[str, int]]:
    """How many examples there are, by origin and act."""
    table: dict[str, dict[str, int]] = {}
    for example in examples:
        row = table.setdefault(example.origin.partition(":")[0], {})
        row[example.act] = row.get(example.act, 0) + 1
    return dict(sorted(table.items()))


def skipped_by_kind(skipped: Iterable[Skipped]) -> dict[str, list[Skipped]]:
    """What was left out, by the kind of reason, most frequent first."""
    kinds: dict[str, list[Skipped]] = {}
    for item in skipped:
        kinds.setdefault(item.kind, []).append(item)
    return dict(sorted(kinds.items(), key=lambda pair: (-len(pair[1]), pair[0])))
