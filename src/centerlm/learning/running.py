"""A whole run of learning, from recipe to adapter, in a folder that can be resumed at any point.

What is done is not done again: material is stored before training, a round is done when it is
scored, and the training of a round continues from its last whole checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from centerlm.center import CenterLM
from centerlm.errors import InputError
from centerlm.learning.data_sets import check_sets
from centerlm.learning.example import TrainingExample
from centerlm.learning.experience_rounds import Gathered, gather, left_after
from centerlm.learning.expert import weights_of
from centerlm.learning.job import Job, Learned, Listener
from centerlm.learning.preferences import Preference
from centerlm.learning.preferring import prefer
from centerlm.learning.problems import resumable
from centerlm.learning.recipe import Recipe
from centerlm.learning.replaying import LEAST_ROWS
from centerlm.learning.rollout_worker import Remote
from centerlm.learning.rounds import Result, Teacher, first_round, next_round
from centerlm.learning.run_folder import EXAMPLES, PREFERENCES, RunFolder, claim, read_json
from centerlm.learning.run_material import Lessons, lessons, read_preferences_in
from centerlm.learning.run_result import exported, finish, gguf_base, start
from centerlm.learning.stored import read_examples, write_examples, write_preferences
from centerlm.learning.watching import Stop


def learn(job: Job, *, listener: Listener, stop: Stop) -> Learned:
    """Do a run, or go on with it.

    Raises:
        InputError: what was given cannot be used.
        StoppedError: it was stopped, or memory or disk ran out; it can be resumed.
    """
    from centerlm.learning.base import base_name

    with resumable(job.out):
        recipe = _recipe(job)
        if job.data is not None and job.replay is None and not job.resume:
            check_sets(job.data, recipe.data.sets)
        _check_rounds(job, recipe)
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
            field=job.field,
        )
        if record["base"] != base:
            raise InputError(
                f"{job.out} was begun on {record['base']}, not on {base}; resume it with the same"
            )
        first = lessons(job, folder, recipe, record, listener)
        done = _rounds(job, folder, recipe, record, first, listener, stop)
        return finish(folder, recipe, record, done, listener)


def _recipe(job: Job) -> Recipe:
    import msgspec

    from centerlm.learning.recipe import load_recipe

    recipe = job.recipe
    begun = RunFolder(job.out).recipe
    if job.resume and not job.given and begun.is_file():
        return load_recipe(begun, Recipe())
    if job.replay is not None:
        _replayed(job.replay)
    if job.match is not None:
        tokens = _processed(job.match)
        train = msgspec.structs.replace(recipe.train, max_tokens=tokens, max_updates=None)
        recipe = msgspec.structs.replace(recipe, train=train)
    return recipe


def replayed_recipe(run: Path) -> Recipe:
    """The recipe of a run that is to be replayed.

    Raises:
        InputError: `run` holds none.
    """
    from centerlm.learning.recipe import load_recipe

    return load_recipe(_replayed(run).recipe, Recipe())


def _replayed(run: Path) -> RunFolder:
    folder = RunFolder(run)
    if not folder.examples.is_file():
        raise InputError(f"{run} holds no run to replay; name the folder of one")
    return folder


def _processed(run: Path) -> int:
    """The tokens that a finished run computed, over all its rounds."""
    record = read_json(RunFolder(run).record) or {}
    if "tokens" not in record:
        raise InputError(f"{run} is no finished run of learning; --match needs one")
    return int(record["tokens"])


def _check_rounds(job: Job, recipe: Recipe) -> None:
    """Refuse rounds of experience that cannot be run, before anything is trained.

    Raises:
        InputError: says what to change.
    """
    if not _count(job, recipe):
        if job.ray is not None:
            raise InputError(
                "--ray is for the rollouts of rounds, and this run has none; leave it out, or set "
                "[rounds] count for the stage seek or all"
            )
        return
    if not recipe.train.rank:
        raise InputError(
            "rounds of experience go on from an adapter, and [train] rank = 0 trains none; give a "
            "rank, or set [rounds] count = 0"
        )
    weights_of(recipe.rounds)
    by_policy = recipe.rounds.method == "policy"
    if by_policy and recipe.train.split:
        raise InputError(
            "policy gradient trains one adapter; set [train] split = false, or take [rounds] "
            'method = "experience"'
        )
    if not _stored(job, recipe) and gguf_base(recipe.base) is None:
        raise InputError(
            "rounds of experience run on llama.cpp, which needs a GGUF base: take base = "
            '"default" or a .gguf file, or set [rounds] count = 0'
        )
    bound, least = recipe.rounds.max_tokens, LEAST_ROWS * recipe.train.row_tokens
    if bound is not None and bound < least and not by_policy:
        raise InputError(
            f"[rounds] max_tokens = {bound:,} is less than {LEAST_ROWS} rows ({least:,} tokens), "
            "too little for fresh and replayed examples; raise it, or lower row_tokens in [train]"
        )


def _stored(job: Job, recipe: Recipe) -> bool:
    """Whether all that rounds learn from is there, or comes from the run replayed."""
    numbers = range(1, _count(job, recipe) + 1)
    runs = [RunFolder(path) for path in (job.out, job.replay) if path is not None]
    if recipe.rounds.method == "policy":
        from centerlm.learning.policy_rounds import FIGURES

        return all(any((run.round(n) / FIGURES).is_file() for run in runs) for n in numbers)
    return job.replay is not None or all((runs[0].round(n) / EXAMPLES).is_file() for n in numbers)


def _rounds(
    job: Job,
    folder: RunFolder,
    recipe: Recipe,
    record: Mapping[str, Any],
    lessons: Lessons,
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
    examples, held = lessons.examples, lessons.held
    begun = start(folder, recipe, record)
    first = first_round(teacher, folder.round(0), examples, held, begun)
    done = [prefer(teacher, folder.round(0), lessons.pairs, held, first)]
    _tell(0, done[-1], listener)
    for number in range(1, _count(job, recipe) + 1):
        if recipe.rounds.method == "policy":
            done.append(_by_policy(job, folder, record, number, done[-1], teacher, held, listener))
            _tell(number, done[-1], listener)
            continue
        place = folder.round(number)
        fresh, pairs = _fresh(job, folder, recipe, record, number, done[-1], listener)
        if not fresh:
            listener.line(f"round {number}: no episode gave anything to learn from")
            continue
        after = next_round(teacher, place, number, fresh, examples, held, done[-1])
        done.append(prefer(teacher, place, pairs, held, after))
        _tell(number, done[-1], listener)
    return done


def _count(job: Job, recipe: Recipe) -> int:
    """Rounds of experience: those of stages that seek."""
    return recipe.rounds.count if job.stage in ("seek", "all") else 0


def _tell(number: int, result: Result, listener: Listener) -> None:
    scores = ", ".join(f"{act} {score:.1%}" for act, score in result.scores.items())
    line = f"round {number}: held-out replies right: {scores or 'none held out'}"
    if not result.kept:
        line += f"; not kept, because it lost: {', '.join(result.lost)}"
    listener.line(line)
    if (made := result.preferred) is not None:
        line = f"round {number}: {made.pairs:,} preferences"
        if not made.kept:
            line += f"; what they taught is not kept, because it lost: {', '.join(made.lost)}"
        listener.line(line)


def _fresh(
    job: Job,
    folder: RunFolder,
    recipe: Recipe,
    record: Mapping[str, Any],
    number: int,
    before: Result,
    listener: Listener,
) -> tuple[list[TrainingExample], list[Preference]]:
    """The examples and preferences that a round adds: stored ones, those of the run replayed, or
    made by rolling out.
    """
    place = folder.round(number)
    if not (place / EXAMPLES).is_file():
        if job.replay is not None:
            theirs = RunFolder(job.replay).round(number)
            stored = read_examples(theirs / EXAMPLES) if (theirs / EXAMPLES).is_file() else []
            made = Gathered(tuple(stored), tuple(read_preferences_in(theirs)))
        else:
            made = _tried(job, folder, recipe, record, number, before, listener)
        write_preferences(place / PREFERENCES, made.pairs)
        write_examples(place / EXAMPLES, made.examples)  # last: it says that both are there
    return read_examples(place / EXAMPLES), read_preferences_in(place)


def _tried(
    job: Job,
    folder: RunFolder,
    recipe: Recipe,
    record: Mapping[str, Any],
    number: int,
    before: Result,
    listener: Listener,
) -> Gathered:
    """Episodes of the policy so far on fresh worlds, and what is worth learning of them."""
    so_far = _so_far(folder, recipe, number, before)
    return gather(
        number,
        folder.round(number),
        recipe,
        so_far(),
        [*_trained_before(record), *_trained(folder, number)],
        listener,
        left=left_after(folder.round(number - 1)),
        remote=Remote(job.ray, so_far) if job.ray else None,
    )


def _so_far(
    folder: RunFolder, recipe: Recipe, number: int, before: Result
) -> Callable[[], CenterLM]:
    """What opens the center that round `number` rolls out."""
    from centerlm.learning.policy import policy

    base = gguf_base(recipe.base)
    assert base is not None  # `_check_rounds` refuses others
    adapters = {
        part: exported(folder, recipe, peft, part, f"rounds/{number}/policy-{part}")[part]
        for part, peft in before.adapters.items()
    }
    return partial(policy, base, adapters)


def _by_policy(
    job: Job,
    folder: RunFolder,
    record: Mapping[str, Any],
    number: int,
    before: Result,
    teacher: Teacher,
    held: Sequence[TrainingExample],
    listener: Listener,
) -> Result:
    """A round of policy gradient, on stored rows, those of the run replayed, or new ones."""
    from centerlm.learning.policy_rounds import batch_in, gather_rows, policy_round, take_rows

    recipe, place = teacher.recipe, folder.round(number)
    if job.replay is not None:
        take_rows(RunFolder(job.replay).round(number), place)
    if (batch := batch_in(place)) is None:
        trained = [*_trained_before(record), *_trained(folder, number)]
        so_far = _so_far(folder, recipe, number, before)
        remote = Remote(job.ray, so_far) if job.ray else None
        batch = gather_rows(number, place, recipe, so_far(), trained, listener, remote=remote)
    return policy_round(teacher, place, number, batch, held, before, listener)


def _trained(folder: RunFolder, before: int) -> list[TrainingExample]:
    """What a run trains on in its rounds before number `before`."""
    files = [folder.examples, *(folder.round(n) / EXAMPLES for n in range(1, before))]
    return [example for path in files if path.is_file() for example in read_examples(path)]


def _trained_before(record: Mapping[str, Any]) -> list[TrainingExample]:
    """What the runs trained on that this one goes on from, as far as it goes on from runs."""
    examples: list[TrainingExample] = []
    seen: set[str] = set()
    given = record.get("start")
    while given and given not in seen:
        seen.add(given)
        folder = RunFolder(Path(given))
        examples += _trained(folder, 1 + len(folder.rounds()))
        given = (read_json(folder.record) or {}).get("start")
    return examples


def _loaded(recipe: Recipe) -> tuple[Any, Any]:
    from centerlm.learning.base import load_base
    from centerlm.models.transformers import PlainEncoder

    model, tokenizer = load_base(recipe.base)
    return model, PlainEncoder(tokenizer)
