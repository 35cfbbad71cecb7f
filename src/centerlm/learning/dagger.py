"""DAgger for absorb: the center reads what its own answers led it to, and is told the label.

The center runs questions with known sub-answers by right plans. Its own answers fill the
references and its sources answer what it then asks, so it meets the states it will meet in use:
wrong names in questions, passages about someone else, steps that found nothing. Every reading is
labelled for the state it is in (Ross et al. 2011, "DAgger"): with the answer to what was really
asked where the notes hold it, else with "nothing". Two rounds, training between them, are usual.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from centerlm.acts import AbsorbView
from centerlm.center import DIRECT
from centerlm.finding import short_answer
from centerlm.journal import Journal
from centerlm.learning.acting import absorbed
from centerlm.learning.calls import ModelCall, read_calls
from centerlm.learning.credit import is_right
from centerlm.learning.example import TrainingExample
from centerlm.learning.rollouts import (
    Elsewhere,
    Known,
    Question,
    Rollout,
    RolloutSettings,
    SourcesOf,
    rollouts,
)
from centerlm.learning.shown import notes_of, plain_prompt, question_of
from centerlm.models.base import Prompt
from centerlm.plan import normalise
from centerlm.protocols import Center
from centerlm.verify import contains

ORIGIN = "dagger"
_LEVEL = 90
_ALL = 1 << 16


@dataclass(frozen=True, slots=True)
class State:
    """A reading the center made. `reply` is its answer (None: nothing), `answer` the right one.

    `cited` are the numbers of the notes that hold it. `drifted` says that the question is none the
    right answers lead to; `fold` that the notes are the findings of a level, not passages.
    """

    id: str
    prompt: Prompt
    reply: str | None
    answer: str | None
    cited: tuple[int, ...]
    drifted: bool
    fold: bool

    @property
    def right(self) -> bool:
        if self.answer is None or self.reply is None:
            return self.answer is self.reply
        return is_right(self.reply, (self.answer,))


@dataclass(frozen=True, slots=True)
class Report:
    """What the states of a round show. Rates are in 0..1, 0 where there is nothing to divide by.

    `unknown` states could not be labelled: what they ask is not known.
    """

    states: int
    right: int
    answerable: int
    false_nothing: int
    false_answers: int
    drifted: int
    unknown: int

    @property
    def false_nothing_rate(self) -> float:
        """Of the states whose notes hold the answer, the share that were left unanswered."""
        return self.false_nothing / self.answerable if self.answerable else 0.0

    @property
    def false_answer_rate(self) -> float:
        """Of the states whose notes do not hold it, the share that were answered all the same."""
        rest = self.states - self.answerable
        return self.false_answers / rest if rest else 0.0


@dataclass(frozen=True, slots=True)
class Visited:
    """The labelled states of a round, their examples, and what they show."""

    states: tuple[State, ...]
    examples: tuple[TrainingExample, ...]
    report: Report


async def dagger_round(
    questions: Sequence[Question],
    center: Center,
    sources_of: SourcesOf,
    known: Callable[[Question], Known],
    settings: RolloutSettings,
    *,
    journal: Journal,
    used_ids: Collection[str] = (),
    on_rollout: Callable[[Rollout], None] | None = None,
    elsewhere: Elsewhere | None = None,
) -> Visited:
    """Run the center greedily once a question, and label what it read.

    Raises:
        InputError: see `rollouts`.
        JournalError: the journal cannot be written or read.
    """
    groups = await rollouts(
        questions,
        center,
        sources_of,
        replace(settings, k=1, greedy_first=True),
        journal=journal,
        used_ids=used_ids,
        left=_ALL,
        on_rollout=on_rollout,
        elsewhere=elsewhere,
    )
    return visited((group[0] for group in groups), center, known, journal)


def visited(
    episodes: Iterable[Rollout],
    center: Center,
    known: Callable[[Question], Known],
    journal: Journal,
) -> Visited:
    """The readings of finished episodes, labelled; of equal prompts one.

    Raises:
        JournalError: the journal has lost some content of an episode.
    """
    states: dict[Prompt, State] = {}
    unknown = 0
    for rollout in episodes:
        for call in _readings(rollout, journal):
            state = _label(rollout, call, center, known(rollout.question))
            if state is None:
                unknown += 1
            else:
                states.setdefault(state.prompt, state)
    kept = tuple(states.values())
    examples = tuple(
        TrainingExample("absorb", s.prompt, absorbed(s.answer, s.cited), s.id, ORIGIN) for s in kept
    )
    return Visited(kept, examples, _report(kept, unknown))


def _readings(rollout: Rollout, journal: Journal) -> Iterator[ModelCall]:
    for call in read_calls(journal, rollout.episode).calls:
        told = call.reply.model == "oracle" or call.prompt.messages[0].text == DIRECT
        if call.act == "absorb" and not told:
            yield call


def _label(rollout: Rollout, call: ModelCall, center: Center, known: Known) -> State | None:
    """The state of a reading; None where the right answer to what it asks is not known."""
    asked, notes = question_of(call.prompt), notes_of(call.prompt)
    fold = call.attempt % 100 >= _LEVEL
    if fold:
        label = _fold_label(rollout, call.path, asked, notes)
    else:
        accepted = known(asked)
        label = None if accepted is None else _held(notes, accepted)
    if label is None:
        return None
    answer, cited = label
    read = center.read_absorb(call.reply.text, AbsorbView(asked, ()), cut=call.reply.cut)
    reply = None if read.answer is None else short_answer(read.answer)
    right_way = {normalise(asked) for asked, _ in rollout.question.findings}
    drifted = not fold and bool(right_way) and normalise(asked) not in right_way
    name = f"{rollout.question.id}:{rollout.episode}:{call.path or 'root'}:{call.attempt}"
    return State(name, plain_prompt(call.prompt), reply, answer, cited, drifted, fold)


def _held(notes: Sequence[str], accepted: Sequence[str]) -> tuple[str | None, tuple[int, ...]]:
    """The first accepted answer that a note holds, and the numbers of the notes that do."""
    for answer in accepted:
        holding = tuple(n for n, note in enumerate(notes, start=1) if contains(note, answer))
        if holding:
            return answer, holding
    return None, ()


def _fold_label(
    rollout: Rollout, path: str, asked: str, notes: Sequence[str]
) -> tuple[str | None, tuple[int, ...]] | None:
    """What a level answers by a right plan: what its last step found, right or wrong, else nothing.

    From the findings alone nobody can tell that one of them is wrong.
    """
    plan = rollout.question.plans.get(asked)
    if plan is None or len(plan.ends) != 1:
        return None
    last = plan.ends[0].id
    node = rollout.tree.nodes.get(f"{path}.{last}" if path else str(last))
    if node is None or node.status != "found" or not node.answer:
        return None, ()
    holding = [n for n, note in enumerate(notes, start=1) if contains(note, node.answer)]
    return (node.answer, (holding[-1],)) if holding else None


def _report(states: Sequence[State], unknown: int) -> Report:
    held = [s for s in states if s.answer is not None]
    return Report(
        states=len(states),
        right=sum(s.right for s in states),
        answerable=len(held),
        false_nothing=sum(s.reply is None for s in held),
        false_answers=sum(s.answer is None and s.reply is not None for s in states),
        drifted=sum(s.drifted for s in states),
        unknown=unknown,
    )
