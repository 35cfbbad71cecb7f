"""Expert iteration: from episodes that were tried, the acts that are worth learning.

A node's act is kept if gold says that the node is right, also where the root is wrong; of several
replies to one prompt the one with the most credit is kept (expert iteration, Anthony et al. 2017;
rejection sampling by verifiable reward). Prompts are those the center was asked, as the journal
has them, without shown examples; what an oracle told is never learned.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from centerlm.acts import AbsorbView
from centerlm.answering import REASK, REOPEN
from centerlm.center import DIRECT
from centerlm.events import PlanFinished
from centerlm.finding import short_answer
from centerlm.journal import Journal
from centerlm.learning.acting import absorbed
from centerlm.learning.calls import ModelCall, read_calls
from centerlm.learning.credit import NodeCredit, Weights, acts_of, credit, source_choices
from centerlm.learning.example import Act, TrainingExample
from centerlm.learning.recipe import RoundsSection
from centerlm.learning.relabelling import relabelled
from centerlm.learning.rollouts import (
    Question,
    Rollout,
)
from centerlm.learning.shown import notes_of, plain_prompt, question_of
from centerlm.models.base import Prompt
from centerlm.plan import CENTER, Plan, format_plan, normalise, parse_plan
from centerlm.protocols import Center
from centerlm.verify import contains

ORIGIN = "expert"
SUPPORT = 0.5
"""A plan is learned if the mean success of its steps is at least this; one that ends in yes or no,
which is often right by luck, only if all its steps are right."""
UNTIMED = Weights(parts=(0.45, 0.45, 0.0, 0.1))
"""Credit without seconds: those differ between equal episodes, and noise would pass for signal."""


def weights_of(rounds: RoundsSection) -> Weights:
    """The weights of credit that a recipe asks for.

    Raises:
        InputError: with them a wrong answer could be worth more than a right one.
    """
    return replace(UNTIMED, children=rounds.children, cost=rounds.cost, diversity=rounds.diversity)


_BOOLEAN = {"yes", "no", "true", "false"}
_LEVEL = 90


@dataclass(frozen=True, slots=True)
class Harvest:
    """The examples of a batch of episodes. `kinds` counts them: decompose, absorb (passages), fold
    (the findings of a level), reask, arguments. `right` of `episodes` roots are right; in `silent`
    of `groups` groups all roots are, or none is: nothing tells their plans apart.
    """

    examples: tuple[TrainingExample, ...]
    kinds: Mapping[str, int]
    episodes: int
    right: int
    groups: int
    silent: int

    @property
    def success(self) -> float:
        """The share of episodes with a right answer, in 0..1."""
        return self.right / self.episodes if self.episodes else 0.0


@dataclass(frozen=True, slots=True)
class Tried:
    """A model call of a credited episode that may be learned."""

    kind: str
    act: Act
    prompt: Prompt
    target: str
    worth: float
    id: str


def credits_of(
    groups: Sequence[Sequence[Rollout]], weights: Weights = UNTIMED
) -> list[list[tuple[NodeCredit, ...]]]:
    """The credit of every node of every episode; choices of sources are counted over all."""
    choices = source_choices(rollout.tree for group in groups for rollout in group)
    return [
        [
            credit(r.tree, r.question.gold, weights, acts=acts_of(r.events), choices=choices)
            for r in group
        ]
        for group in groups
    ]


def harvest(
    groups: Sequence[Sequence[Rollout]],
    center: Center,
    journal: Journal,
    *,
    weights: Weights = UNTIMED,
) -> Harvest:
    """The acts worth learning of these groups of episodes; `center` reads its replies.

    Raises:
        JournalError: the journal has lost some content of an episode.
    """
    best: dict[tuple[Act, Prompt], Tried] = {}
    right = silent = 0
    for group, credited in zip(groups, credits_of(groups, weights), strict=True):
        roots = [nodes[0].right for nodes in credited]
        right += sum(roots)
        silent += len(set(roots)) < 2
        for rollout, nodes in zip(group, credited, strict=True):
            for tried in worth_learning(rollout, nodes, center, journal):
                key = (tried.act, tried.prompt)
                if key not in best or _order(tried) > _order(best[key]):
                    best[key] = tried
    return Harvest(
        tuple(TrainingExample(t.act, t.prompt, t.target, t.id, ORIGIN) for t in best.values()),
        dict(Counter(tried.kind for tried in best.values())),
        sum(map(len, groups)),
        right,
        len(groups),
        silent,
    )


def _order(tried: Tried) -> tuple[float, int]:
    """More credit first, then the shorter reply."""
    return tried.worth, -len(tried.target)


def worth_learning(
    rollout: Rollout, nodes: Sequence[NodeCredit], center: Center, journal: Journal
) -> Iterator[Tried]:
    """The calls of one episode made at nodes that gold says are right."""
    right = {(node.path, node.act): node for node in nodes if node.right}
    plans = own_plans(rollout, journal)
    learned = relabelled(plans, rollout)
    calls = [c for c in read_calls(journal, rollout.episode).calls if c.reply.model != "oracle"]
    # A repaired or re-opened plan answers the last whole request for one.
    planned = {c.path: c for c in calls if c.act == "decompose" and c.attempt % 100 == 0}
    for call in calls:
        node = right.get((call.path, call.act))
        if node is None or call.prompt.messages[0].text == DIRECT:  # that is a guess
            continue
        target: str | None = None
        act: Act = "absorb"
        match call.act:
            case "decompose" if planned.get(call.path) is call and call.path in plans:
                act = kind = "decompose"
                if _carried(rollout, call, node, plans[call.path]):
                    target = format_plan(learned[call.path])
            case "absorb":
                kind = "fold" if call.attempt % 100 >= _LEVEL else "absorb"
                target = _absorb_target(rollout, call, center)
            case "seek":
                act, kind = "seek", "reask"
                if call.attempt % 100 not in (REASK, REOPEN):
                    kind, target = "arguments", call.reply.text.strip()
                elif _found_by(rollout, call, calls, center):
                    target = short_answer(call.reply.text)
            case _:
                continue
        if target:
            name = f"{rollout.question.id}:{rollout.episode}:{call.path or 'root'}"
            yield Tried(kind, act, plain_prompt(call.prompt), target, node.total, name)


def own_plans(rollout: Rollout, journal: Journal) -> dict[str, Plan]:
    """The center's own whole plan of each level, the last where a step was re-opened."""
    plans: dict[str, Plan] = {}
    for event in rollout.events:
        match event:
            case PlanFinished(by="center", problem="") if event.steps:
                plans[event.path] = parse_plan(journal.blob(event.plan).decode())
            case PlanFinished():
                plans.pop(event.path, None)
            case _:
                pass
    return plans


def _carried(rollout: Rollout, call: ModelCall, node: NodeCredit, plan: Plan) -> bool:
    """Whether the steps of a plan carry it, and it plans something."""
    boolean = _answer_at(rollout, call.path).casefold() in _BOOLEAN
    supported = node.children >= (1.0 if boolean else SUPPORT)
    return supported and not plans_nothing(plan, question_of(call.prompt), rollout.question)


def plans_nothing(plan: Plan, objective: str, question: Question) -> bool:
    """Whether a plan hands the objective on as it is: to [center], or, where a right plan is known
    to have more steps, to a source. It can be right by luck alone.
    """
    known = question.plans.get(objective)
    composed = known is not None and len(known.steps) > 1
    return any(
        normalise(step.text) == normalise(objective)
        for step in plan.steps
        if composed or CENTER in step.sources
    )


def _answer_at(rollout: Rollout, path: str) -> str:
    return rollout.tree.nodes[path].answer if path else rollout.tree.answer


def _absorb_target(rollout: Rollout, call: ModelCall, center: Center) -> str | None:
    """The reply in its one form; None if it is not the node's answer, or no note supports it."""
    view = AbsorbView(question_of(call.prompt), ())
    read = center.read_absorb(call.reply.text, view, cut=call.reply.cut)
    if read.answer is None or short_answer(read.answer) != _answer_at(rollout, call.path):
        return None
    notes = notes_of(call.prompt)
    holding = [n for n, note in enumerate(notes, start=1) if contains(note, read.answer)]
    cited = [n for n in dict.fromkeys(read.cited) if n in holding] or holding[:1]
    if not cited:
        folded = call.attempt % 100 >= _LEVEL or read.answer.casefold() in _BOOLEAN
        cited = [n for n in dict.fromkeys(read.cited) if 1 <= n <= len(notes)] if folded else []
    return absorbed(short_answer(read.answer), cited) if cited else None


def _found_by(
    rollout: Rollout, call: ModelCall, calls: Sequence[ModelCall], center: Center
) -> bool:
    """Whether the answer of the node came from what was asked in these words."""
    return any(
        other.path == call.path
        and other.act.startswith(("absorb", "reread"))
        and other.attempt == call.attempt
        and _absorb_target(rollout, other, center) is not None
        for other in calls
    )
