"""What a run of learning learns from first: stored, made from data, or taken from another run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from centerlm.learning.example import TrainingExample
from centerlm.learning.guidance import Skipped
from centerlm.learning.job import Job, Listener
from centerlm.learning.preferences import Preference
from centerlm.learning.recipe import Recipe
from centerlm.learning.run_folder import PREFERENCES, RunFolder, read_json, write_json
from centerlm.learning.shown import question_of
from centerlm.learning.stored import (
    read_examples,
    read_preferences,
    write_examples,
    write_preferences,
)

ACTS_OF: Mapping[str, tuple[str, ...]] = {
    "decompose": ("decompose",),
    "absorb": ("absorb",),
    "seek": ("decompose", "seek", "absorb"),
    "all": ("decompose", "seek", "absorb"),
}
SHOWN_SKIPPED = 3


@dataclass(frozen=True, slots=True)
class Lessons:
    """The examples of the first round, those held out, and people's preferences (edits)."""

    examples: list[TrainingExample]
    held: list[TrainingExample]
    pairs: list[Preference]


def lessons(
    job: Job, folder: RunFolder, recipe: Recipe, record: Mapping[str, Any], listener: Listener
) -> Lessons:
    """What the first round learns from: stored, or made now."""
    if read_json(folder.statistics) is None:
        if job.replay is not None:
            source = RunFolder(job.replay)
            made = _stored(source)
            table = read_json(source.statistics) or {}
        else:
            made, table = _made(job, recipe, record, listener)
        _store(folder, made, table)
        return made
    return _stored(folder)


def place_lessons(path: Path, given: Lessons) -> None:
    """Put lessons into the folder of a run that is to begin (with `resume`): it learns from these,
    whatever its recipe's data. Nothing is done where some are there.

    Raises:
        OSError: they cannot be written.
    """
    from centerlm.learning.material import statistics

    folder = RunFolder(path)
    if read_json(folder.statistics) is None:
        counts = {"examples": statistics(given.examples), "held": statistics(given.held)}
        _store(folder, given, counts)


def _store(folder: RunFolder, made: Lessons, table: Mapping[str, Any]) -> None:
    write_examples(folder.examples, made.examples)
    write_examples(folder.held, made.held)
    write_preferences(folder.path / PREFERENCES, made.pairs)
    write_json(folder.statistics, table)  # last: it says that the others are whole


def _stored(folder: RunFolder) -> Lessons:
    return Lessons(
        read_examples(folder.examples),
        read_examples(folder.held),
        read_preferences_in(folder.path),
    )


def read_preferences_in(folder: Path) -> list[Preference]:
    """The preferences of a run or of one of its rounds; none where there is no such file."""
    path = folder / PREFERENCES
    return read_preferences(path) if path.is_file() else []


def _made(
    job: Job, recipe: Recipe, record: Mapping[str, Any], listener: Listener
) -> tuple[Lessons, dict[str, Any]]:
    from centerlm.learning import arms
    from centerlm.learning.edits import edit_preferences
    from centerlm.learning.material import (
        collect,
        examples_of,
        is_held,
        skipped_by_kind,
        statistics,
    )

    seed = recipe.data.seed
    pairs: tuple[Preference, ...] = ()
    if job.stage == "expert":
        examples: list[TrainingExample] = []
        skipped: list[Skipped] = []
        for path in record["pairs"]:
            more, bad = arms.read_pairs(Path(path), record.get("field"))
            examples += more
            skipped += bad
        held = [e for e in examples if is_held(e.id, recipe.data.held, seed)]
        examples = [e for e in examples if not is_held(e.id, recipe.data.held, seed)]
    else:
        data = Path(record["data"]) if record["data"] else None
        collected = collect(recipe, data, say=listener.phase)
        remembered = _remembered(job, recipe)
        if data is not None:
            from centerlm.learning.guard import check_no_test_ids

            ids = [*collected.ids, *(e.id for e in remembered)]
            # An episode of an evaluation may be remembered: it asks a record without naming it.
            questions = [*collected.questions, *(question_of(e.prompt) for e in remembered)]
            check_no_test_ids(ids, data, questions=questions, force=job.force)
        skipped = list(collected.skipped)
        if job.stage in ("fragmentation", "cot"):
            make = arms.fragmentation if job.stage == "fragmentation" else arms.cot
            examples, held = make(collected.train), make(collected.held)
        else:
            acts = _acts(job, recipe)
            how = {"aliases": recipe.data.aliases, "experience": recipe.data.experience}
            examples = examples_of(collected.train, seed=seed, acts=acts, **how)
            examples += remembered
            held = examples_of(collected.held, seed=seed + 1, acts=acts, **how)
            if "decompose" in acts:
                pairs, bad = edit_preferences(collected.edits, seed=seed)
                skipped += bad
    kinds = skipped_by_kind(skipped)
    for kind, items in kinds.items():
        listener.line(f"left out, {kind}: {len(items):,}")
        for item in items[:SHOWN_SKIPPED]:
            listener.line(f"  {item.where}: {item.reason}")
    table = {
        "examples": statistics(examples),
        "held": statistics(held),
        "preferences": len(pairs),
        "skipped": {kind: [[i.where, i.reason] for i in items] for kind, items in kinds.items()},
    }
    return Lessons(examples, evenly(held, recipe.data.guard), list(pairs)), table


def _acts(job: Job, recipe: Recipe) -> list[str]:
    """The acts that a stage trains."""
    return [act for act in ACTS_OF[job.stage] if recipe.shares().get(act)]


def _remembered(job: Job, recipe: Recipe) -> list[TrainingExample]:
    """What the recipe takes from memories; nothing for stages that train no act."""
    if job.stage not in ACTS_OF:
        return []
    acts = _acts(job, recipe)
    read = (read_examples(Path(file).expanduser()) for file in recipe.data.remembered)
    return [example for some in read for example in some if example.act in acts]


def evenly(held: Sequence[TrainingExample], most: int) -> list[TrainingExample]:
    """At most `most` of each act, evenly from all of them."""
    by_act: dict[str, list[TrainingExample]] = {}
    for example in held:
        by_act.setdefault(example.act, []).append(example)
    chosen: list[TrainingExample] = []
    for examples in by_act.values():
        step = max(1.0, len(examples) / most) if most else 0.0
        chosen += [examples[int(i * step)] for i in range(min(most, len(examples)))]
    return chosen
