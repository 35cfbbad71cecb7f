"""A round of policy gradient: episodes of the policy so far, credit at every node, rows.

Where expert iteration learns what worked, this also unlearns what did not: every act of an episode
is made likelier or less likely by how much better it was than its like on the same question
(GRPO, Shao et al. 2024, per kind of node). Rollouts run on llama.cpp, as in rounds of experience
and on the same worlds; rows are trained in torch.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from math import log2
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from centerlm.center import CenterLM
from centerlm.errors import InputError
from centerlm.evaluation.worlds import journal_in
from centerlm.journal import Journal
from centerlm.learning.advantage import Key, Signal, advantages, signal_of
from centerlm.learning.calls import EpisodeCalls, read_calls
from centerlm.learning.credit import Weights, source_choices
from centerlm.learning.example import TrainingExample
from centerlm.learning.experience_rounds import OPTIONS, SLOTS, counting, fresh_worlds
from centerlm.learning.expert import UNTIMED, credits_of, weights_of
from centerlm.learning.material import embedder
from centerlm.learning.policy_training import train_policy
from centerlm.learning.policy_updates import PolicySettings, no_signal
from centerlm.learning.problems import run_async
from centerlm.learning.recipe import Recipe
from centerlm.learning.rollout_worker import Remote, rolling
from centerlm.learning.rollouts import Rollout, RolloutSettings, rollouts
from centerlm.learning.rounds import COUNTS, SCORES, WHOLE, Result, Teacher
from centerlm.learning.row_files import read_rows, write_rows
from centerlm.learning.rows import PromptIds, Row, episode_rows
from centerlm.learning.run_folder import EXAMPLES, read_json, write_json
from centerlm.learning.score import exact_replies, lost
from centerlm.learning.stored import read_examples, write_examples
from centerlm.learning.watching import OnUpdate
from centerlm.learning.world_questions import WorldSources, trained_ids
from centerlm.learning.worlds import World

if TYPE_CHECKING:
    from centerlm.learning.job import Listener

FIGURES = "policy.json"
"""What the rollouts of a round were like; written last, so that its rows are whole."""
ROWS = "rows.jsonl"
ORIGIN = "policy"


@dataclass(frozen=True, slots=True)
class PolicyBatch:
    """The rows of a batch of groups. `left_out` counts calls that gave none.

    `examples` are the acts behind the rows, weighted by how much better than their like they were
    (0: not better): what the round learns from, for the record. `figures`: `reward` (the mean
    credit of roots), `success` (0..1), `no_signal` (the share of groups without), `routing_entropy`
    (bits, over the sources that plans named first).
    """

    rows: tuple[Row, ...]
    signal: Signal
    left_out: int
    figures: Mapping[str, float]
    examples: tuple[TrainingExample, ...] = ()


def policy_batch(
    groups: Sequence[Sequence[Rollout]],
    journal: Journal,
    prompt_ids: PromptIds,
    *,
    weights: Weights = UNTIMED,
) -> PolicyBatch:
    """Rows with advantages of groups of episodes, which were rolled out with log-probabilities.

    Raises:
        JournalError: the journal has lost some content of an episode.
    """
    rows: list[Row] = []
    examples: list[TrainingExample] = []
    left_out = 0
    credited = credits_of(groups, weights)
    relative = [advantages(group) for group in credited]
    for group, credits_, values in zip(groups, credited, relative, strict=True):
        for rollout, nodes, mine in zip(group, credits_, values.values, strict=True):
            calls = read_calls(journal, rollout.episode)
            examples += _examples(rollout, calls, mine)
            made = episode_rows(
                calls,
                nodes,
                group_id=rollout.question.id,
                prompt_ids=prompt_ids,
                advantages=mine,
            )
            rows += made.rows
            left_out += len(made.left_out)
    signal = signal_of(relative)
    roots = [nodes[0] for group in credited for nodes in group]
    figures = {
        "reward": sum(root.total for root in roots) / max(len(roots), 1),
        "success": sum(root.right for root in roots) / max(len(roots), 1),
        "no_signal": signal.share,
        "routing_entropy": entropy(source_choices(r.tree for group in groups for r in group)),
    }
    return PolicyBatch(tuple(rows), signal, left_out, figures, tuple(examples))


def _examples(
    rollout: Rollout, calls: EpisodeCalls, relative: Mapping[Key, float]
) -> Iterator[TrainingExample]:
    for call in calls.calls:
        if call.act in ("decompose", "seek", "absorb"):
            yield TrainingExample(
                call.act,
                call.prompt,
                call.reply.text,
                f"{rollout.question.id}:{rollout.episode}:{call.path or 'root'}",
                ORIGIN,
                max(relative.get((call.path, call.act), 0.0), 0.0),
            )


def entropy(choices: Mapping[str, int]) -> float:
    """Of a choice of sources, in bits: 0 where all are the same."""
    total = sum(choices.values())
    shares = [count / total for count in choices.values() if count]
    return -sum(share * log2(share) for share in shares) if total else 0.0


def gather_rows(
    number: int,
    folder: Path,
    recipe: Recipe,
    center: CenterLM,
    trained: Sequence[TrainingExample],
    listener: Listener,
    *,
    remote: Remote | None = None,
) -> PolicyBatch:
    """The rows of round `number` (from 1), kept in `folder` for `batch_in`.

    `center` is the policy on a local model, closed at the end; `trained` are the examples behind,
    of whose worlds none is asked about. With `remote` the episodes are solved there.

    Raises:
        InputError: the policy has no token ids; the recipe trains on worlds of rounds; the cluster
            cannot be used.
        ModelError: it cannot be run.
    """
    prompt_ids: PromptIds | None = getattr(center.model, "prompt_ids", None)
    if prompt_ids is None:
        raise InputError(
            "policy gradient needs one adapter and a local model: set [train] split = false"
        )
    listener.phase(f"round {number}: making worlds", 0, 0)
    used = trained_ids(trained)
    worlds = fresh_worlds(number, recipe, used)
    batch = run_async(
        _rolled(number, folder, recipe, center, prompt_ids, worlds, used, listener, remote)
    )
    write_rows(folder / ROWS, batch.rows)
    write_examples(folder / EXAMPLES, batch.examples)
    write_json(
        folder / FIGURES,
        {
            "groups": batch.signal.groups,
            "without": batch.signal.without,
            "left_out": batch.left_out,
            "figures": dict(batch.figures),
        },
    )
    return batch


def batch_in(folder: Path) -> PolicyBatch | None:
    """What `gather_rows` kept in the folder of a round; None where it did not come to its end."""
    if (done := read_json(folder / FIGURES)) is None:
        return None
    rows = read_rows(folder / ROWS).items
    signal = Signal(done["groups"], done["without"])
    examples = tuple(read_examples(folder / EXAMPLES)) if (folder / EXAMPLES).is_file() else ()
    return PolicyBatch(rows, signal, done["left_out"], done["figures"], examples)


def take_rows(source: Path, folder: Path) -> None:
    """Take the rows of a round of another run, where it has any.

    Raises:
        OSError: they cannot be copied.
    """
    if (source / FIGURES).is_file() and not (folder / FIGURES).is_file():
        folder.mkdir(parents=True, exist_ok=True)
        for name in (ROWS, EXAMPLES, FIGURES):  # the last says that the others are whole
            if name == EXAMPLES and not (source / name).is_file():
                continue  # a run of before they were kept
            shutil.copyfile(source / name, folder / name)


async def _rolled(
    number: int,
    folder: Path,
    recipe: Recipe,
    center: CenterLM,
    prompt_ids: PromptIds,
    worlds: Sequence[World],
    used: Collection[str],
    listener: Listener,
    remote: Remote | None,
) -> PolicyBatch:
    rounds = recipe.rounds
    settings = RolloutSettings(
        k=rounds.k,
        seed=recipe.train.seed + number,
        concurrency=SLOTS,
        temperature=rounds.temperature,
        greedy_first=False,
        logprobs=True,
        options=OPTIONS,
    )
    journal = journal_in(folder)
    try:
        async with AsyncExitStack() as held:
            sources = held.enter_context(
                WorldSources(worlds, folder / "worlds", embedder=embedder())
            )
            settings, elsewhere = await held.enter_async_context(
                rolling(remote, sources, settings, journal, listener.line)
            )
            questions = sources.questions[: rounds.questions]
            total = len(questions) * rounds.k
            groups = await rollouts(
                questions,
                center,
                sources.sources_of,
                settings,
                journal=journal,
                used_ids=used,
                on_rollout=counting(listener, f"round {number}: trying", total),
                elsewhere=elsewhere,
            )
            return policy_batch(groups, journal, prompt_ids, weights=weights_of(rounds))
    finally:
        journal.close()
        await center.model.close()


def policy_round(
    teacher: Teacher,
    folder: Path,
    number: int,
    batch: PolicyBatch,
    held: Sequence[TrainingExample],
    before: Result,
    listener: Listener,
) -> Result:
    """Go on from `before` with a batch of rows. If it is not kept, its adapters are those of
    `before`; a batch without any signal is not trained on, and the run says why.

    Raises:
        StoppedError: it was stopped; the same call goes on.
    """
    if (done := read_json(folder / SCORES)) is None:

        def on_update(update: int, updates: int) -> None:
            listener.phase(f"round {number}: training on rows", update, updates)

        done = _trained(teacher, folder, batch, held, before, on_update)
        write_json(folder / SCORES, done)
    listener.line(f"round {number}: {told(done['figures'])}")
    if done["problem"]:
        listener.line(f"round {number}: {done['problem']}")
    counts: dict[str, Any] = {name: int(done.get(name, 0)) for name in COUNTS}
    taken = not done["problem"] and not done["lost"]
    adapters = {WHOLE: folder / WHOLE / "adapter"} if taken else before.adapters
    scores = done["scores"] if taken else before.scores
    return Result(adapters, scores, not done["lost"], tuple(done["lost"]), **counts)


def bounded(rows: Sequence[Row], most: int, seed: int) -> tuple[Row, ...]:
    """The rows, of which those with an advantage have at most `most` tokens in all (at least one
    has): which keep theirs is drawn by lot. All stay, so that every episode counts as before.
    """
    heard = [number for number, row in enumerate(rows) if row.advantage]
    kept: set[int] = set()
    for number in Random(seed).sample(heard, len(heard)):
        most -= len(rows[number].input_ids)
        if kept and most < 0:
            break
        kept.add(number)
    return tuple(
        row if number in kept else replace(row, advantage=0.0) for number, row in enumerate(rows)
    )


def told(figures: Mapping[str, float]) -> str:
    """The figures of a round in a line."""
    shares = ("success", "no_signal", "policy/clipped", "importance/capped")
    return ", ".join(
        f"{name.rpartition('/')[2].replace('_', ' ')} "
        + (f"{value:.1%}" if name in shares else f"{value:.3g}")
        for name, value in figures.items()
        if not name.startswith("importance/q") or name == "importance/q50"
    )


def _trained(
    teacher: Teacher,
    folder: Path,
    batch: PolicyBatch,
    held: Sequence[TrainingExample],
    before: Result,
    on_update: OnUpdate,
) -> dict[str, Any]:
    figures = dict(batch.figures)
    heard = [row for row in batch.rows if row.advantage]
    if not heard:
        problem = no_signal(len(batch.rows), len(batch.rows), 0)
        return {"figures": figures, "problem": problem, "scores": {}, "lost": []}
    recipe = teacher.recipe
    teacher.say("training on rows")
    model, encoder = teacher.load()
    names = ("rank", "alpha", "seed", "save_every", "device", "dtype", "threads")
    settings = PolicySettings(
        **{name: getattr(recipe.train, name) for name in names},
        learning_rate=recipe.rounds.learning_rate,
    )
    place = folder / WHOLE
    most = recipe.rounds.max_tokens
    trained = train_policy(
        batch.rows if most is None else bounded(batch.rows, most // settings.epochs, settings.seed),
        model,
        place,
        settings,
        base=teacher.base,
        start=before.adapters[WHOLE],
        resume=(place / "run.json").is_file(),
        stop=teacher.stop,
        on_update=on_update,
    )
    teacher.say("scoring held-out replies")
    row_tokens = recipe.train.row_tokens
    scores = exact_replies(trained.model, encoder, held, row_tokens=row_tokens)
    return {
        "figures": figures | dict(trained.figures),
        "problem": "",
        "scores": scores,
        "lost": lost(before.scores, scores, recipe.rounds.tolerance),
        "updates": trained.updates,
        "examples": trained.rows,
        "tokens": trained.tokens,
        "plain_tokens": trained.tokens,
        "trained_tokens": trained.trained_tokens,
    }
