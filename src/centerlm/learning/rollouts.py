"""Rollouts: k sampled episodes of each question, by the solver that is used for everything else.

Every episode has a name made from what determines it (policy, settings, question, sample), so the
journal is all the state there is: finished episodes are read from it, ones that a kill cut short
are gone on with, and asking for the same rollouts again runs nothing. Questions that the policy
was trained on are refused (cross-fit): success on them would say nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from centerlm.acts import Absorbed, AbsorbView, Asked, PlanView, Request, SeekView
from centerlm.episode import Episode, fold
from centerlm.errors import InputError, PlanError
from centerlm.evaluation.oracle import OracleCenter
from centerlm.events import Event
from centerlm.journal import Journal
from centerlm.learning.credit import Gold
from centerlm.many import OpenedJournal, each_of, is_finished
from centerlm.models.base import LanguageModel
from centerlm.objective import Objective
from centerlm.plan import Plan, normalise
from centerlm.protocols import Center
from centerlm.reading import PlanReader
from centerlm.run import Options
from centerlm.solver import solve
from centerlm.sources.base import Source

ACTS = frozenset({"decompose", "seek", "absorb"})


@dataclass(frozen=True, slots=True)
class Question:
    """A question with a known answer, to learn from by trying.

    `records` are the ids of the records it is made of (decisions, readings, folds): it is fresh
    only if none of them was trained on. `plans` are right plans by objective, the root's and those
    of [center] steps. `findings` are the right findings in the order they are found: the filled-in
    step, or [center] step of several, and its answer. `world` names what it shares sources with
    ("": nothing).
    """

    id: str
    objective: Objective
    gold: Gold
    origin: str = "worlds"
    world: str = ""
    records: frozenset[str] = frozenset()
    plans: Mapping[str, Plan] = field(default_factory=dict[str, Plan])
    findings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class RolloutSettings:
    """How to sample. `k` episodes a question, `concurrency` episodes at a time.

    Calls of `acts` are sampled at `temperature` (above 0), all others are greedy; with
    `greedy_first`, so is all of the first episode of a group. `logprobs` also records token ids and
    log-probabilities of what was sampled, for policy gradients: such calls are not streamed.
    `options` are those of each solve, but for the seed, which is made from `seed`.

    Raises:
        InputError: a number is out of its range, or there is no such act.
    """

    k: int = 4
    seed: int = 0
    concurrency: int = 4
    temperature: float = 0.7
    top_p: float = 1.0
    acts: frozenset[str] = ACTS
    greedy_first: bool = True
    logprobs: bool = False
    options: Options = field(default_factory=Options)

    def __post_init__(self) -> None:
        if self.k < 1 or self.concurrency < 1:
            raise InputError("rollouts need k and concurrency of at least 1")
        if not self.temperature > 0 or not 0 < self.top_p <= 1:
            raise InputError("rollouts need a temperature above 0 and a top_p in 0..1 (0 excluded)")
        if unknown := self.acts - ACTS:
            raise InputError(f"there is no act {min(unknown)!r}; use {', '.join(sorted(ACTS))}")


@dataclass(frozen=True, slots=True)
class Rollout:
    """One finished episode; `episode` is its name in the journal, where its content is.

    `kept` says that the journal held it already. `left` is how many findings were left to the
    center (None: all, and the plans).
    """

    question: Question
    sample: int
    episode: str
    tree: Episode
    events: tuple[Event, ...]
    left: int | None = None
    kept: bool = False


SourcesOf = Callable[[Question], Sequence[Source]]

Known = Callable[[str], "tuple[str, ...] | None"]
"""Accepted answers of a sub-question in any words; () where it is known to have none, None where
nothing is known of it."""


@dataclass(frozen=True, slots=True)
class SampledCenter:
    """`center`, its calls of `acts` sampled rather than greedy. Prompts are the same."""

    center: Center
    temperature: float
    top_p: float = 1.0
    acts: frozenset[str] = ACTS
    logprobs: bool = False

    @property
    def model(self) -> LanguageModel:
        return self.center.model

    def decompose(self, view: PlanView) -> Request:
        return self._sampled("decompose", self.center.decompose(view))

    def repair(self, view: PlanView, text: str, error: PlanError) -> Request:
        return self._sampled("decompose", self.center.repair(view, text, error))

    def reader(self, view: PlanView) -> PlanReader | None:
        return self.center.reader(view)

    def read_plan(self, text: str, view: PlanView, *, cut: bool) -> Plan:
        return self.center.read_plan(text, view, cut=cut)

    def seek(self, view: SeekView) -> Request:
        return self._sampled("seek", self.center.seek(view))

    def read_seek(self, text: str, view: SeekView) -> Asked | None:
        return self.center.read_seek(text, view)

    def absorb(self, view: AbsorbView) -> Request:
        return self._sampled("absorb", self.center.absorb(view))

    def read_absorb(self, text: str, view: AbsorbView, *, cut: bool) -> Absorbed:
        return self.center.read_absorb(text, view, cut=cut)

    def _sampled(self, act: str, request: Request) -> Request:
        sampling = replace(request.sampling, logprobs=self.logprobs)
        if act in self.acts:
            sampling = replace(sampling, temperature=self.temperature, top_p=self.top_p)
        return Request(request.prompt, sampling)


def reveal(center: Center, question: Question, left: int | None) -> Center:
    """`center`, told the right plans and all right findings of the question but the last `left`.

    Starting from the end (`left` = 1, then 2, ...) makes every round's task solvable with what the
    round before taught (reverse curriculum, Florensa et al. 2017). None: told nothing.

    Raises:
        InputError: the question comes without plans, or `left` is negative.
    """
    if left is None:
        return center
    if left < 0 or not question.plans:
        raise InputError(
            f"question {question.id} cannot be begun near its end: that needs right plans, and at "
            "least 0 findings left"
        )
    told = question.findings[: max(len(question.findings) - left, 0)]
    return OracleCenter(center, question.plans, {normalise(asked): a for asked, a in told})


def fresh(
    questions: Sequence[Question], used_ids: Collection[str]
) -> tuple[tuple[Question, ...], tuple[Question, ...]]:
    """The questions of which nothing was trained on, and the others."""
    used = frozenset(used_ids)
    kept = [q for q in questions if not _used(q, used)]
    return tuple(kept), tuple(q for q in questions if _used(q, used))


def _used(question: Question, used: frozenset[str]) -> bool:
    return question.id in used or not used.isdisjoint(question.records)


async def rollouts(
    questions: Sequence[Question],
    center: Center,
    sources_of: SourcesOf,
    settings: RolloutSettings,
    *,
    journal: Journal,
    used_ids: Collection[str] = (),
    left: int | None = None,
    on_rollout: Callable[[Rollout], None] | None = None,
    elsewhere: Elsewhere | None = None,
) -> tuple[tuple[Rollout, ...], ...]:
    """k episodes of every question: one group a question, in order.

    `used_ids` are the ids of all records behind the policy. `left` begins near the end (`reveal`).
    What was finished stays in `journal` whatever ends this call; the same call takes it from there.
    With `elsewhere`, nothing is solved in this process.

    Raises:
        InputError: a question was trained on, two have one id, or one cannot be begun near its end.
        JournalError: episodes cannot be written, or another process runs them.
    """
    _check(questions, used_ids)

    async def work(trial: Trial) -> Rollout:
        rollout = await _rollout(trial, center, sources_of, journal, elsewhere)
        if on_rollout is not None:
            on_rollout(rollout)
        return rollout

    trials = [Trial(q, sample, settings, left) for q in questions for sample in range(settings.k)]
    done = await each_of(trials, work, concurrency=settings.concurrency)
    return tuple(tuple(done[at : at + settings.k]) for at in range(0, len(done), settings.k))


def _check(questions: Sequence[Question], used_ids: Collection[str]) -> None:
    seen: set[str] = set()
    for question in questions:
        if question.id in seen:
            raise InputError(f"two questions have the id {question.id}; give each its own")
        seen.add(question.id)
    _, trained = fresh(questions, used_ids)
    if trained:
        shown = ", ".join(question.id for question in trained[:3])
        raise InputError(
            f"{len(trained)} of {len(questions)} questions were trained on ({shown}): what the "
            "center does there says nothing; roll out on fresh ones"
        )


def episode_name(
    question: Question, sample: int, center: Center, settings: RolloutSettings, left: int | None
) -> str:
    """The episode's name: it changes with all that its outcome depends on but the sources."""
    s = settings
    greedy = s.greedy_first and sample == 0
    way = "greedy" if greedy else f"{s.temperature:g} {s.top_p:g} {sorted(s.acts)} {s.seed}"
    parts = (
        center.model.identity,
        question.id,
        question.objective,
        way,
        s.logprobs,
        replace(s.options, seed=0),
        left,
    )
    return f"x{hashlib.blake2b(repr(parts).encode(), digest_size=12).hexdigest()}-{sample}"


@dataclass(frozen=True, slots=True)
class Trial:
    """An episode to be solved somewhere else."""

    question: Question
    sample: int
    settings: RolloutSettings
    left: int | None


Elsewhere = Callable[[Trial, str], Awaitable[None]]
"""Solves a trial's episode of that name somewhere else; then the journal holds it."""


async def _rollout(
    trial: Trial,
    center: Center,
    sources_of: SourcesOf,
    journal: Journal,
    elsewhere: Elsewhere | None,
) -> Rollout:
    question, sample, left = trial.question, trial.sample, trial.left
    name = episode_name(question, sample, center, trial.settings, left)
    opened = OpenedJournal(journal)
    if kept := is_finished(opened.events(name)):
        pass
    elif elsewhere is not None:
        await elsewhere(trial, name)
    else:
        await solve_trial(trial, center, sources_of, opened)
    events = opened.events(name)
    return Rollout(question, sample, name, fold(events), tuple(events), left, kept=kept)


async def solve_trial(
    trial: Trial, center: Center, sources_of: SourcesOf, journal: Journal
) -> None:
    """Solve the episode of a trial into `journal`, or go on with it."""
    question, sample, settings = trial.question, trial.sample, trial.settings
    name = episode_name(question, sample, center, settings, trial.left)
    policy: Center = reveal(center, question, trial.left)
    if settings.logprobs or not (settings.greedy_first and sample == 0):
        acts = frozenset[str]() if settings.greedy_first and sample == 0 else settings.acts
        policy = SampledCenter(
            policy, settings.temperature, settings.top_p, acts, settings.logprobs
        )
    seed = int.from_bytes(hashlib.blake2b(f"{settings.seed} {name}".encode()).digest()[:6])
    await solve(
        question.objective,
        center=policy,
        sources=sources_of(question),
        journal=journal,
        options=replace(settings.options, seed=seed),
        episode=name,
    )
