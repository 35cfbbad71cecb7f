"""A whole run of learning, from recipe to adapter, in a folder that can be resumed at any point.

What is done is not done again: material is stored before training, a round is done when it is
scored, and the training of a round continues from its last whole checkpoint.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from centerlm.center import CenterLM
from centerlm.errors import InputError
from centerlm.learning.curves import gather_curves
from centerlm.learning.example import TrainingExample
from centerlm.learning.guidance import Skipped
from centerlm.learning.problems import resumable
from centerlm.learning.recipe import Recipe
from centerlm.learning.rounds import Result, Teacher, first_round, next_round
from centerlm.learning.run_folder import RunFolder, claim, read_json, write_json
from centerlm.learning.stored import read_examples, write_examples
from centerlm.learning.training import OnProgress, Stop, data_hash

ACTS_OF: Mapping[str, tuple[str, ...]] = {
    "decompose": ("decompose",),
    "absorb": ("absorb",),
    "seek": ("decompose", "seek", "absorb"),
    "all": ("decompose", "seek", "absorb"),
}
SHOWN_SKIPPED = 3


@dataclass(frozen=True, slots=True)
class Job:
    """What a run is asked to do.

    `given`: the recipe was named, not taken by default. `replay` is the folder of another run,
    whose recipe, examples and rounds are used again: neither data nor model calls are needed.
    `match` is a run whose processed tokens this one takes too. `pairs` are files for an expert.
    """

    stage: str
    recipe: Recipe
    out: Path
    data: Path | None = None
    start: Path | None = None
    replay: Path | None = None
    match: Path | None = None
    pairs: tuple[Path, ...] = ()
    given: bool = True
    resume: bool = False
    force: bool = False


@dataclass(frozen=True, slots=True)
class Listener:
    """Who is told of a run: phases with (what, done, of), updates, and lines worth printing."""

    phase: Callable[[str, int, int], None]
    update: OnProgress
    line: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Learned:
    """A finished run. `adapter` is a PEFT folder, or a model where all weights were trained.

    `gguf` are files for llama.cpp by part (none for bases that llama.cpp does not run here).
    """

    folder: Path
    adapter: Path
    gguf: Mapping[str, Path]
    rounds: tuple[Result, ...]
    statistics: Mapping[str, Mapping[str, int]]
    base: str
    recipe: Recipe
    skipped: Mapping[str, int] = field(default_factory=dict[str, int])


def learn(job: Job, *, listener: Listener, stop: Stop) -> Learned:
    """Do a run, or go on with it.

    Raises:
        InputError: what was given cannot be used.
        StoppedError: it was stopped, or memory or disk ran out; it can be resumed.
    """
    from centerlm.learning.base import base_name

    with resumable(job.out):
        recipe = _recipe(job)
        base = base_name(recipe.base)
        folder, recipe, record = claim(
            job.out,
            job.stage,
            recipe,
            resume=job.resume,
            given=job.given,
            base=base,
            data=str(job.data.resolve()) if job.data else None,
            start=str(job.start.resolve()) if job.start else None,
            pairs=[str(path.resolve()) for path in job.pairs],
        )
        if record["base"] != base:
            raise InputError(
                f"{job.out} was begun on {record['base']}, not on {base}; resume it with the same"
            )
        examples, held = _material(job, folder, recipe, record, listener)
        done = _rounds(job, folder, recipe, record, examples, held, listener, stop)
        return _finish(job, folder, recipe, record, done, listener)


def _recipe(job: Job) -> Recipe:
    import msgspec

    from centerlm.learning.recipe import load_recipe

    recipe = job.recipe
    begun = RunFolder(job.out).recipe
    if job.resume and not job.given and begun.is_file():
        return load_recipe(begun, Recipe())
    if job.replay is not None:
        replayed = RunFolder(job.replay)
        if not replayed.examples.is_file():
            raise InputError(f"{job.replay} holds no run to replay; name the folder of one")
        recipe = load_recipe(replayed.recipe, Recipe())
    if job.match is not None:
        tokens = _processed(job.match)
        train = msgspec.structs.replace(recipe.train, max_tokens=tokens, max_updates=None)
        recipe = msgspec.structs.replace(recipe, train=train)
    return recipe


def _processed(run: Path) -> int:
    """The tokens that a finished run computed, over all its rounds."""
    record = read_json(RunFolder(run).record) or {}
    if "tokens" not in record:
        raise InputError(f"{run} is no finished run of learning; --match needs one")
    return int(record["tokens"])


def _material(
    job: Job, folder: RunFolder, recipe: Recipe, record: Mapping[str, Any], listener: Listener
) -> tuple[list[TrainingExample], list[TrainingExample]]:
    """The examples of the first round and those held out: stored ones, or made now."""
    if read_json(folder.statistics) is None:
        if job.replay is not None:
            source = RunFolder(job.replay)
            examples, held = read_examples(source.examples), read_examples(source.held)
            table = read_json(source.statistics) or {}
        else:
            examples, held, table = _made(job, recipe, record, listener)
        write_examples(folder.examples, examples)
        write_examples(folder.held, held)
        write_json(folder.statistics, table)  # last: it says that the others are whole
        return examples, held
    return read_examples(folder.examples), read_examples(folder.held)


def _made(
    job: Job, recipe: Recipe, record: Mapping[str, Any], listener: Listener
) -> tuple[list[TrainingExample], list[TrainingExample], dict[str, Any]]:
    from centerlm.learning import arms
    from centerlm.learning.material import (
        collect,
        examples_of,
        is_held,
        skipped_by_kind,
        statistics,
    )

    seed = recipe.data.seed
    if job.stage == "expert":
        examples: list[TrainingExample] = []
        skipped: list[Skipped] = []
        for path in record["pairs"]:
            more, bad = arms.read_pairs(Path(path))
            examples += more
            skipped += bad
        held = [e for e in examples if is_held(e.id, recipe.data.held, seed)]
        examples = [e for e in examples if not is_held(e.id, recipe.data.held, seed)]
    else:
        data = Path(record["data"]) if record["data"] else None
        collected = collect(recipe, data, say=listener.phase)
        if data is not None:
            from centerlm.learning.guard import check_no_test_ids

            check_no_test_ids(collected.ids, data, questions=collected.questions, force=job.force)
        skipped = list(collected.skipped)
        if job.stage in ("fragmentation", "cot"):
            make = arms.fragmentation if job.stage == "fragmentation" else arms.cot
            examples, held = make(collected.train), make(collected.held)
        else:
            acts = [act for act in ACTS_OF[job.stage] if recipe.shares().get(act)]
            examples = examples_of(collected.train, seed=seed, acts=acts)
            held = examples_of(collected.held, seed=seed + 1, acts=acts)
    kinds = skipped_by_kind(skipped)
    for kind, items in kinds.items():
        listener.line(f"left out, {kind}: {len(items):,}")
        for item in items[:SHOWN_SKIPPED]:
            listener.line(f"  {item.where}: {item.reason}")
    table = {
        "examples": statistics(examples),
        "held": statistics(held),
        "skipped": {kind: [[i.where, i.reason] for i in items] for kind, items in kinds.items()},
    }
    return examples, _guarded(held, recipe.data.guard), table


def _guarded(held: Sequence[TrainingExample], most: int) -> list[TrainingExample]:
    """At most `most` of each act, evenly from all of them."""
    by_act: dict[str, list[TrainingExample]] = {}
    for example in held:
        by_act.setdefault(example.act, []).append(example)
    chosen: list[TrainingExample] = []
    for examples in by_act.values():
        step = max(1.0, len(examples) / most) if most else 0.0
        chosen += [examples[int(i * step)] for i in range(min(most, len(examples)))]
    return chosen


def _rounds(
    job: Job,
    folder: RunFolder,
    recipe: Recipe,
    record: Mapping[str, Any],
    examples: Sequence[TrainingExample],
    held: Sequence[TrainingExample],
    listener: Listener,
    stop: Stop,
) -> list[Result]:
    number = 0
    teacher = Teacher(
        load=lambda: _loaded(recipe),
        base=record["base"],
        recipe=recipe,
        on_progress=listener.update,
        stop=stop,
        say=lambda what: listener.phase(f"round {number}: {what}" if number else what, 0, 0),
    )
    start = _start(folder, recipe, record)
    done = [first_round(teacher, folder.round(0), examples, held, start)]
    listener.line(_scored(0, done[0]))
    for number in range(1, _count(job, recipe) + 1):
        if recipe.rounds.method == "policy":
            done.append(_policy(job, folder, number, done[-1], teacher, held, listener))
            listener.line(_scored(number, done[-1]))
            continue
        fresh = _fresh(job, folder, recipe, number, done[-1], listener)
        if not fresh:
            listener.line(f"round {number}: no episode gave anything to learn from")
            continue
        done.append(
            next_round(teacher, folder.round(number), number, fresh, examples, held, done[-1])
        )
        listener.line(_scored(number, done[-1]))
    return done


def _count(job: Job, recipe: Recipe) -> int:
    """Rounds of experience: those of stages that seek."""
    return recipe.rounds.count if job.stage in ("seek", "all") else 0


def _scored(number: int, result: Result) -> str:
    scores = ", ".join(f"{act} {score:.1%}" for act, score in result.scores.items())
    line = f"round {number}: held-out replies right: {scores or 'none held out'}"
    if not result.kept:
        line += f"; not kept, because it lost: {', '.join(result.lost)}"
    return line


def _fresh(
    job: Job, folder: RunFolder, recipe: Recipe, number: int, before: Result, listener: Listener
) -> list[TrainingExample]:
    """The examples a round adds: stored ones, those of the run replayed, or made by rolling out."""
    path = folder.round(number) / "examples.jsonl"
    if not path.is_file():
        if job.replay is not None:
            theirs = RunFolder(job.replay).round(number) / "examples.jsonl"
            fresh = read_examples(theirs) if theirs.is_file() else []
        else:
            fresh = _tried(folder, recipe, number, before, listener)
        write_examples(path, fresh)
    return read_examples(path)


def _tried(
    folder: RunFolder, recipe: Recipe, number: int, before: Result, listener: Listener
) -> list[TrainingExample]:
    """Episodes of the policy so far on fresh worlds, and what is worth learning of them."""
    from centerlm.learning.experience_rounds import gather

    center = _so_far(folder, recipe, number, before)
    trained = read_examples(folder.examples)
    for earlier in range(1, number):
        trained += read_examples(folder.round(earlier) / "examples.jsonl")
    return gather(number, folder.round(number), recipe, center, trained, listener)


def _so_far(folder: RunFolder, recipe: Recipe, number: int, before: Result) -> CenterLM:
    """The center that round `number` rolls out."""
    from centerlm.learning.policy import policy

    base = gguf_base(recipe.base)
    if base is None:
        raise InputError(
            "rounds of experience run on llama.cpp, which needs a GGUF base: take base = "
            '"default" or a .gguf file, or set [rounds] count = 0'
        )
    adapters = {
        part: _exported(folder, recipe, peft, part, f"rounds/{number}/policy-{part}")[part]
        for part, peft in before.adapters.items()
    }
    return policy(base, adapters)


def _policy(
    job: Job,
    folder: RunFolder,
    number: int,
    before: Result,
    teacher: Teacher,
    held: Sequence[TrainingExample],
    listener: Listener,
) -> Result:
    """A round of policy gradient, on rows of its own or those of the run replayed."""
    from centerlm.learning.policy_rounds import gather_rows, policy_round, take_rows

    recipe, place = teacher.recipe, folder.round(number)
    if job.replay is not None:
        take_rows(RunFolder(job.replay).round(number), place)
    trained = read_examples(folder.examples)
    center = _so_far(folder, recipe, number, before)
    batch = gather_rows(number, place, recipe, center, trained, listener)
    return policy_round(teacher, place, number, batch, held, before, listener)


def _loaded(recipe: Recipe) -> tuple[Any, Any]:
    from centerlm.learning.base import load_base
    from centerlm.models.transformers import PlainEncoder

    model, tokenizer = load_base(recipe.base)
    return model, PlainEncoder(tokenizer)


def _start(folder: RunFolder, recipe: Recipe, record: Mapping[str, Any]) -> dict[str, Path]:
    """The adapters to go on from: those of a run, a PEFT folder, or a GGUF file, turned to PEFT."""
    if not record["start"]:
        return {}
    given = Path(record["start"])
    if given.suffix == ".gguf":
        from centerlm.learning.adapters import to_peft
        from centerlm.models.lora import check_base

        place = folder.path / "start"
        if not place.exists():
            if base := gguf_base(recipe.base):
                check_base(given, base)
            to_peft(given, place)
        return {"all": place}
    from centerlm.learning.adapters import read_peft

    place = given / "adapter" if (given / "learn.json").is_file() else given
    read_peft(place)
    return {"all": place}


def gguf_base(source: str) -> Path | None:
    """The GGUF file that llama.cpp runs of a base; None for one that is only there for torch."""
    from centerlm.models.weights import find

    if source == "default":
        return find("default")
    path = Path(source).expanduser()
    return path if path.suffix == ".gguf" else None


def _finish(
    job: Job,
    folder: RunFolder,
    recipe: Recipe,
    record: dict[str, Any],
    done: Sequence[Result],
    listener: Listener,
) -> Learned:
    """Put the result in its place, for torch and for llama.cpp, and draw the curves."""
    last = done[-1]
    gguf: dict[str, Path] = {}
    for part, made in last.adapters.items():
        name = "adapter" if part in ("all", "plan") else f"adapter-{part}"
        target = folder.path / (name if recipe.train.rank else "model")
        if target.exists():
            shutil.rmtree(target)
        shutil.copytree(made, target, ignore=shutil.ignore_patterns("training_args.bin"))
        gguf |= _exported(folder, recipe, target, part, name)
    totals = {
        name: sum(getattr(result, name) for result in done)
        for name in ("updates", "tokens", "plain_tokens", "trained_tokens")
    }
    rounds = [{"scores": dict(r.scores), "kept": r.kept, "lost": list(r.lost)} for r in done]
    examples = read_examples(folder.examples)
    write_json(
        folder.record,
        record | totals | {"rounds": rounds, "data_hash": data_hash(examples), "finished": True},
    )
    for problem in gather_curves(folder):
        listener.line(problem)
    table = read_json(folder.statistics) or {}
    skipped = {kind: len(items) for kind, items in table.get("skipped", {}).items()}
    adapter = folder.adapter if recipe.train.rank else folder.path / "model"
    return Learned(
        folder.path,
        adapter,
        gguf,
        tuple(done),
        table.get("examples", {}),
        record["base"],
        recipe,
        skipped,
    )


def _exported(
    folder: RunFolder, recipe: Recipe, peft: Path, part: str, name: str
) -> dict[str, Path]:
    from centerlm.learning.adapters import to_gguf

    base = gguf_base(recipe.base)
    if base is None or not recipe.train.rank:
        return {}
    notes = f"centerlm learn; part {part}; worlds of at most {recipe.worlds.max_hops} hops"
    if recipe.data.sets:
        notes += f"; {', '.join(recipe.data.sets)}"
    return {part: to_gguf(peft, folder.path / f"{name}.gguf", base=base, notes=notes)}
