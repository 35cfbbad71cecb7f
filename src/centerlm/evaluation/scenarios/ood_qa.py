"""Out-of-distribution question answering: composed questions unlike those trained on.

Public sets over a library of their own paragraphs, generated worlds of the test split, and anyone's
questions. Each item belongs to splits: by set, hops, type, relation, domain, and by whether a piece
of it was seen in training ("near") or not ("far").
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal, cast

import msgspec

from centerlm.errors import InputError
from centerlm.evaluation.items import Item, Paragraph, PassageKey, check_items, passage_key
from centerlm.evaluation.oracle import earlier_answers
from centerlm.evaluation.pool import pool_library, unique
from centerlm.evaluation.scenarios.base import Opening, Scores
from centerlm.evaluation.scoring import Solved, question_scores
from centerlm.evaluation.seen import Seen, seen_in
from centerlm.evaluation.sets import (
    FOLDERS,
    HUB,
    Record,
    as_published,
    find_file,
    hub_records,
    read_items,
    read_records,
    set_of,
)
from centerlm.learning.guidance import Guidance
from centerlm.learning.readers import (
    read_2wiki,
    read_gsm8k,
    read_musique,
    read_strategyqa,
)
from centerlm.library import Library
from centerlm.plan import normalise
from centerlm.sources.base import Source
from centerlm.sources.calculator import Calculator
from centerlm.sources.documents import Documents

if TYPE_CHECKING:
    from centerlm.learning.worlds import World, WorldQuestion

WORLDS = "worlds"
SETS = (*FOLDERS, WORLDS)
PASSAGES = 5
WORLD_HOPS = (1, 2, 3, 4, 6, 8)
WORLD_QUESTIONS = 60

_GUIDANCE = {
    "musique": read_musique,
    "2wiki": read_2wiki,
    "strategyqa": read_strategyqa,
    "gsm8k": read_gsm8k,
}


@dataclass(slots=True)
class OodQa:
    """The scenario; close it to close its libraries."""

    items: Sequence[Item]
    hashes: Mapping[str, str]
    warnings: Sequence[str]
    sources: Mapping[str, Sequence[Source]]
    held: ExitStack = field(default_factory=ExitStack)
    name: str = "ood_qa"
    metric: str = "f1"

    def sources_of(self, item: Item) -> Sequence[Source]:
        return self.sources[item.id if item.data_set == WORLDS else item.data_set]

    def main_source(self, item: Item) -> str:
        return self.sources_of(item)[0].card.name

    def enough(self, item: Item, episodes: Sequence[Solved]) -> bool:
        del item
        return bool(episodes)

    def score(self, item: Item, episodes: Sequence[Solved]) -> Scores:
        return question_scores(item, episodes[0])

    def baselines(self) -> Mapping[str, Mapping[str, Scores]]:
        return {}

    def close(self) -> None:
        self.held.close()


def open_ood_qa(opening: Opening) -> OodQa:
    """Read the items and make the libraries.

    Raises:
        InputError: there is no such set or file, or a record cannot be evaluated.
        LibraryError, OSError: a library cannot be made.
    """
    read = read_sets(opening, SETS)
    held = ExitStack()
    sources: dict[str, Sequence[Source]] = {}
    chosen: list[Item] = []
    for name, data in read.sets.items():
        kept = opening.chosen(data.items)
        chosen += kept
        sources[name] = set_sources(name, data, opening, held) if kept else ()
    if WORLDS in read.others:
        worlds, by_item = _worlds(opening, held)
        chosen += worlds
        sources |= by_item
    check_items(chosen, opening.data or "the scenario")
    return OodQa(chosen, read.hashes, read.warnings, sources, held)


@dataclass(frozen=True, slots=True)
class SetData:
    """The items of one set, and the paragraphs of its corpus."""

    items: Sequence[Item]
    corpus: Sequence[Paragraph]


@dataclass(frozen=True, slots=True)
class SetsRead:
    """What was read: sets by name; `others` are those asked for that are no question sets."""

    sets: Mapping[str, SetData]
    others: Sequence[str]
    hashes: Mapping[str, str]
    warnings: Sequence[str]


def read_sets(opening: Opening, known: Sequence[str]) -> SetsRead:
    """The question sets of an opening: those named, or all that stand in the data.

    Raises:
        InputError: a set is unknown or not there, or a record cannot be evaluated.
    """
    for name in opening.sets:
        if name not in known:
            raise InputError(f"there is no set {name!r} here; known: {', '.join(known)}")
    data = opening.data
    asked = [name for name in opening.sets if name in FOLDERS]
    others = [name for name in opening.sets if name not in FOLDERS]
    if data is None:
        if asked or not others:
            raise InputError(
                "give --data with the folder, the JSONL file or the hub name of the sets"
            )
        return SetsRead({}, others, {}, ())
    path = Path(data).expanduser()
    if opening.sets and (data.startswith(HUB) or path.is_file()):
        raise InputError(
            f"{data} is one set, and --set {opening.sets[0]} asks for another; give one of them, "
            "or --data with a folder of sets"
        )
    if data.startswith(HUB):
        rows = hub_records(data.removeprefix(HUB))
        read = {_name(rows, data): _of_rows(rows, "", Seen(frozenset(), frozenset(), frozenset()))}
        return SetsRead(read, (), {data: _hash_rows(rows)}, ())
    if path.is_file():
        files = {"": path}
    elif path.is_dir():
        folders = asked or [] if opening.sets else list(FOLDERS)
        found = {name: find_file(path / FOLDERS[name]) for name in folders}
        if missing := [name for name in asked if found[name] is None]:
            raise InputError(f"{path} has no dev file of {missing[0]} in {FOLDERS[missing[0]]}/")
        files = {name: file for name, file in found.items() if file is not None}
        if not files and not others:
            raise InputError(
                f"{path} holds none of the sets; it needs one of {', '.join(FOLDERS.values())}"
            )
    else:
        raise InputError(f"there is no data at {path}; check the path")
    seen = _seen(path, opening.trained)
    sets: dict[str, SetData] = {}
    hashes: dict[str, str] = {}
    warnings: list[str] = []
    for file in files.values():
        rows = read_records(file)
        name = _name(rows, file.stem)
        hashes[f"{file.parent.name}/{file.name}"] = hashlib.sha256(file.read_bytes()).hexdigest()
        if trained := sum(seen.trained(row) for _, row in rows):
            warnings.append(
                f"{trained} of {len(rows)} items of {name} stand in its training file as well: "
                "what a center trained on it does there says nothing"
            )
        sets[name] = _of_rows(rows, name, seen, corpus=file.parent / "corpus.jsonl")
    return SetsRead(sets, others, hashes, warnings)


def _seen(path: Path, trained: tuple[str, ...] | None) -> Seen:
    """What the center was trained on, as far as it stands in the folder."""
    for name in trained or ():
        if name not in FOLDERS:
            raise InputError(f"there is no set {name!r} to train on; known: {', '.join(FOLDERS)}")
    if not path.is_dir():
        return Seen(frozenset(), frozenset(), frozenset())
    return seen_in(path, FOLDERS if trained is None else trained)


def _name(rows: Sequence[tuple[str, Record]], otherwise: str) -> str:
    return (set_of(rows[0][1]) if rows else "") or otherwise


def _hash_rows(rows: Sequence[tuple[str, Record]]) -> str:
    digest = hashlib.sha256()
    for _, row in rows:
        digest.update(repr(sorted(row.items(), key=lambda pair: pair[0])).encode())
    return digest.hexdigest()


def _of_rows(
    rows: Sequence[tuple[str, Record]], name: str, seen: Seen, *, corpus: Path | None = None
) -> SetData:
    items = read_items(rows, name)
    guidance = _guidance(rows)
    texts = _corpus(corpus) if corpus is not None and corpus.is_file() else {}
    made: list[Item] = []
    for item, (where, row) in zip(items, rows, strict=True):
        plans, answers = item.plans, dict[str, str]()
        if item.id in guidance:
            plans = {item.objective.text: guidance[item.id].plan}
            answers = earlier_answers(guidance[item.id].plan, guidance[item.id].answers)
        with as_published(where, item.data_set):
            splits = {"set": item.data_set, **item.splits, "seen": seen.nearness(row)}
            if splits["seen"] != "unknown":
                splits["seen pieces"] = seen.kinds(row)
            support = _evidence(row, texts) if item.data_set == "strategyqa" else item.support
        if item.data_set in FOLDERS and seen.sets:
            splits["trained on its set"] = "yes" if item.data_set in seen.sets else "no"
        made.append(replace(item, plans=plans, answers=answers, splits=splits, support=support))
    check_items(made, rows[0][0].rpartition(":")[0] if rows else name)
    return SetData(made, tuple(texts.values()))


def _guidance(rows: Sequence[tuple[str, Record]]) -> dict[str, Guidance]:
    """Right plans by id, from the readers of guidance."""
    read = _GUIDANCE.get(set_of(rows[0][1])) if rows else None
    if read is None:
        return {}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        path.write_bytes(b"\n".join(msgspec.json.encode(row) for _, row in rows))
        return {guidance.id: guidance for guidance in read(path).guidance}


def _corpus(path: Path) -> dict[str, Paragraph]:
    """Paragraphs of a corpus by their names ("Albany, Georgia-1"), or else by their places."""
    found: dict[str, Paragraph] = {}
    for where, row in read_records(path):
        text = row.get("text", row.get("contents"))
        if not isinstance(row.get("title"), str) or not isinstance(text, str):
            raise InputError(f"{where} is no paragraph; it needs the texts title and text")
        name = f"{row['title']}-{row['para_index']}" if "para_index" in row else where
        found[name] = Paragraph(row["title"], text)
    return found


def _evidence(row: Record, texts: Mapping[str, Paragraph]) -> frozenset[PassageKey] | None:
    """The paragraphs that StrategyQA's first annotator used, where all are there."""
    evidence: Any = row.get("evidence") or [[]]
    names: set[str] = set()
    for step in cast("list[Any]", evidence[0]):
        for part in step:
            if isinstance(part, list):
                names.update(map(str, cast("list[Any]", part)))
    if not names or not names <= set(texts):
        return None
    return frozenset(passage_key(*texts[name]) for name in names)


def set_sources(
    name: str, data: SetData, opening: Opening, held: ExitStack, *, passages: int = PASSAGES
) -> Sequence[Source]:
    """A library of the set's paragraphs, if it has any, `passages` a request, and the calculator.

    Raises:
        LibraryError, OSError: the library cannot be made or read.
    """
    paragraphs = unique([*(p for item in data.items for p in item.paragraphs), *data.corpus])
    if not paragraphs:
        return (Calculator(),)
    opening.say(f"{name}: a library of {len(paragraphs):,} paragraphs")
    folder = pool_library(
        paragraphs, opening.work / "libraries", embedder="installed" if opening.vectors else None
    )
    library = held.enter_context(
        Library.open(folder, embedder="installed" if opening.vectors else None)
    )
    return (Documents(library, k=passages), Calculator())


def _worlds(opening: Opening, held: ExitStack) -> tuple[list[Item], dict[str, Sequence[Source]]]:
    """Fresh questions of worlds of the test split, each with the sources of its world."""
    from centerlm.evaluation.worlds import worlds_to_test

    count = WORLD_QUESTIONS if opening.limit is None else opening.limit
    each = max(1, -(-count // len(WORLD_HOPS)))
    asked = worlds_to_test(WORLD_HOPS, each)[: each * len(WORLD_HOPS)]
    items, sources = world_items(
        asked, opening.work / "worlds", held, embedder="installed" if opening.vectors else None
    )
    kept = opening.chosen(items)
    return kept, {item.id: sources[item.id] for item in kept}


def world_items(
    asked: Sequence[tuple[World, WorldQuestion]],
    folder: Path,
    held: ExitStack,
    *,
    embedder: Literal["installed"] | None,
    form: Literal["peel", "flat"] = "peel",
    passages: int = PASSAGES,
) -> tuple[list[Item], dict[str, Sequence[Source]]]:
    """Questions of worlds as items, and their sources by the items' ids; libraries in `folder`.

    Raises:
        LibraryError, OSError: the library of a world cannot be made or read.
    """
    from centerlm.evaluation.worlds import asked_worlds
    from centerlm.learning.world_questions import WorldSources, question_of

    worlds = held.enter_context(
        WorldSources(asked_worlds(asked), folder, form, embedder=embedder, passages=passages)
    )
    items: list[Item] = []
    sources: dict[str, Sequence[Source]] = {}
    for world, question in asked:
        texts = {text.id: text for text in world.documents}
        needed = {p for reading in question.readings if reading.answer for p in reading.passages}
        rollout = question_of(world, question, form=form)
        item = Item(
            id=question.id,
            data_set=WORLDS,
            objective=rollout.objective,
            accepted=rollout.gold.answers,
            plans=dict(rollout.plans),
            answers={
                normalise(reading.question): reading.answer
                for reading in question.readings
                if reading.answer and reading.answer not in rollout.gold.answers
            },
            support=frozenset(
                passage_key(texts[p].title, texts[p].text) for p in needed if p in texts
            )
            or None,
            splits={
                "set": WORLDS,
                "hops": str(question.hops),
                "type": question.kind,
                "held out": ", ".join(sorted(question.held_out)) or "nothing",
            },
        )
        items.append(item)
        sources[item.id] = worlds.sources_of(rollout)
    return items, sources
