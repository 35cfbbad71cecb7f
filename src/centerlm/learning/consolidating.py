"""Consolidation: what a seeking memory knows to have gone well becomes examples of the next round.

Episodes have no known answers. One is good if it was answered with every step found and borne by
its citations; its acts are then learned as if its answers were known, at half weight, for it may be
wrong all the same. Memory says which episodes count (none that was forgotten), and which choices
are still good ones: a plan that asks a source which has broken since is not learned.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from centerlm.center import CenterLM
from centerlm.episode import Episode, fold
from centerlm.errors import InputError
from centerlm.events import Event
from centerlm.journal import Journal
from centerlm.learning.credit import Gold, acts_of, credit
from centerlm.learning.example import TrainingExample
from centerlm.learning.expert import UNTIMED, worth_learning
from centerlm.learning.rollouts import Question, Rollout
from centerlm.memory import SeekingMemory
from centerlm.memory.outcomes import Outcome, outcomes
from centerlm.models.scripted import ScriptedModel
from centerlm.solver import stored_objective

ORIGIN = "remembered"
WEIGHT = 0.5
GOOD = 0.5
"""The least success at which an outcome, or a source on a kind, counts as good."""


@dataclass(frozen=True, slots=True)
class Consolidated:
    """Examples of the good ones of `episodes`; `left_out` counts the others by what was wrong."""

    examples: tuple[TrainingExample, ...]
    episodes: int
    left_out: Mapping[str, int]


def consolidate(memory: SeekingMemory, journal: Journal) -> Consolidated:
    """The acts of the good episodes that a memory was taught by and `journal` still has.

    Raises:
        JournalError: the journal has lost some content of an episode.
        sqlite3.Error: the memory cannot be read.
    """
    names = memory.taught_by()
    left_out: Counter[str] = Counter()
    examples: dict[tuple[str, object], TrainingExample] = {}
    for name in names:
        try:
            events = journal.events(name)
        except InputError:
            left_out["removed from the journal"] += 1
            continue
        tree, told = fold(events), outcomes(events, journal.blob)
        if why := _why_not(memory, tree, told):
            left_out[why] += 1
            continue
        for example in _examples(name, tree, events, told, journal):
            examples.setdefault((example.act, example.prompt), example)
    return Consolidated(tuple(examples.values()), len(names), dict(left_out))


def _why_not(memory: SeekingMemory, tree: Episode, told: Sequence[Outcome]) -> str:
    """Why an episode is not good; "" if it is."""
    if tree.status != "answered" or tree.plan_by == "direct":
        return "not answered by a plan"
    good = {_path(one) for one in told if one.success >= GOOD}
    if any(_path(one) not in good for one in told):
        return "a step was not borne out"
    for one in told:
        if one.success >= GOOD:
            (view,) = memory.views(one.text, [one.source])
            if view.posterior.mean < GOOD:
                return "a source has broken since"
    return ""


def _path(outcome: Outcome) -> str:
    return outcome.entry.rpartition("/")[0]


def _examples(
    name: str,
    tree: Episode,
    events: Sequence[Event],
    told: Sequence[Outcome],
    journal: Journal,
) -> list[TrainingExample]:
    settings = journal.blob(tree.settings)
    data: Any = msgspec.json.decode(settings)
    good = {_path(one) for one in told}
    gold = Gold(
        (tree.answer,),
        {
            node.text: (node.answer,)
            for path, node in tree.nodes.items()
            if node.text and node.answer and (path in good or node.children)
        },
    )
    question = Question(f"{ORIGIN}:{name}", stored_objective(settings), gold, ORIGIN)
    rollout = Rollout(question, 0, name, tree, tuple(events))
    nodes = credit(tree, gold, UNTIMED, acts=acts_of(events))
    # Only reads replies, as a model of that constraint writes them.
    center = CenterLM(ScriptedModel({}, constraint=data["constraint"]), examples=())
    return [
        TrainingExample(tried.act, tried.prompt, tried.target, tried.id, ORIGIN, WEIGHT)
        for tried in worth_learning(rollout, nodes, center, journal)
    ]
