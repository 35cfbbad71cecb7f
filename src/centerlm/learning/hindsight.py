"""Hindsight: a plan that did not answer its question is right guidance for the one it answers.

An executed level all of whose steps are known to be right ended somewhere: at the answer of another
question about the same things, or at that of the question its own chain spells out. That question
and the plan become a decision to learn (hindsight relabelling, Andrychowicz et al. 2017, with
questions for goals). Nothing is guessed: a level with one step that is wrong or unknown gives
nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from centerlm.acts import PlanView
from centerlm.center import plan_prompt
from centerlm.episode import Node
from centerlm.evaluation.metrics import normalise_answer
from centerlm.events import PlanFinished
from centerlm.journal import Journal
from centerlm.learning.credit import is_right
from centerlm.learning.example import TrainingExample
from centerlm.learning.records import Decision
from centerlm.learning.relabelling import relabelled
from centerlm.learning.rollouts import Known, Question, Rollout
from centerlm.plan import MAX_TEXT, Plan, escape, fill, format_plan, normalise, parse_plan
from centerlm.sources.base import Card

ORIGIN = "hindsight"

_NAME = re.compile(r"(?<=\s)[A-Z][\w'’-]*(?:\s+(?:of|the|de|van|von)?\s*[A-Z][\w'’-]*)*")
_PHRASES = (
    (re.compile(r"(?:who|what|which) (?:is|was|are|were) (the .+?)\??", re.IGNORECASE), "{}"),
    (re.compile(r"who ((?!is |was |are |were )[a-z].+?)\??", re.IGNORECASE), "the person who {}"),
    (re.compile(r"(?:what|which) (\w+) (is|was|does|did|has|had) (.+?)\??", re.IGNORECASE), ""),
)


def hindsight(
    groups: Iterable[Sequence[Rollout]],
    journal: Journal,
    *,
    known: Known,
    others: Sequence[Question] = (),
) -> tuple[Decision, ...]:
    """What the wrong levels of these episodes are right for; each decision once.

    `known` says what is known of sub-questions about the things at hand (a world, a library).
    `others` are questions about the same, the episodes' own among them.

    Raises:
        JournalError: the journal has lost some content of an episode.
    """
    found: dict[tuple[str, str], Decision] = {}
    for group in groups:
        for rollout in group:
            for decision in _decisions(rollout, journal, known, others):
                found.setdefault((decision.objective, format_plan(decision.plan)), decision)
    return tuple(found.values())


def decision_example(decision: Decision) -> TrainingExample:
    """The decision in the prompt of use, with its own cards."""
    view = PlanView(decision.objective, decision.cards, decision.recursion, decision.root)
    plan = format_plan(decision.plan)
    return TrainingExample("decompose", plan_prompt(view), plan, decision.id, decision.origin)


def _decisions(
    rollout: Rollout,
    journal: Journal,
    known: Known,
    others: Sequence[Question],
) -> Iterator[Decision]:
    cards = _cards(rollout, journal)
    computing = {card.name for card in cards if card.computes}
    for path, plan in relabelled(_executed(rollout, journal), rollout).items():
        above = rollout.tree.nodes.get(path)
        steps = _steps(rollout, path, plan)
        if steps is None or len(plan.steps) < 2 or len(plan.ends) != 1:
            continue
        if not all(_step_is_right(node, known, computing) for node in steps):
            continue
        asked = rollout.question.objective.text if above is None else above.text
        value = steps[plan.ends[0].id - 1].answer
        own = rollout.question.gold.answers if above is None else known(asked) or ()
        if is_right(value, own):
            continue
        recursion = rollout.question.objective.budget.depth > path.count(".") + 1 + bool(path)
        texts = [q.objective.text for q in others if _answers(q, value, steps)]
        if (spelled := spell_out(plan)) is not None and not texts:
            texts = [spelled]
        for text in texts:
            name = f"{ORIGIN}:{rollout.episode}:{path or 'root'}:{normalise(text)}"
            yield Decision(name, ORIGIN, text, plan, None, cards, recursion)


def _cards(rollout: Rollout, journal: Journal) -> tuple[Card, ...]:
    """The cards of the sources an episode had."""
    data: Any = msgspec.json.decode(journal.blob(rollout.tree.settings))
    return tuple(msgspec.convert(card, Card) for card in data["sources"])


def _executed(rollout: Rollout, journal: Journal) -> dict[str, Plan]:
    """The plans of the center by level; of a level planned twice, none: its steps are mixed."""
    plans: dict[str, list[PlanFinished]] = {}
    for event in rollout.events:
        if isinstance(event, PlanFinished):
            plans.setdefault(event.path, []).append(event)
    return {
        path: parse_plan(journal.blob(events[0].plan).decode())
        for path, events in plans.items()
        if len(events) == 1 and events[0].by == "center" and events[0].steps
    }


def _steps(rollout: Rollout, path: str, plan: Plan) -> list[Node] | None:
    """The nodes of a plan's steps, in order; None where one of them has no answer."""
    nodes = [rollout.tree.nodes.get(f"{path}.{s.id}" if path else str(s.id)) for s in plan.steps]
    done = [node for node in nodes if node is not None and node.status == "found" and node.answer]
    return done if len(done) == len(plan.steps) else None


def _step_is_right(node: Node, known: Known, computing: frozenset[str] | set[str]) -> bool:
    """Known to be right; or calculated, which is as right as what it was calculated from."""
    return node.source in computing or is_right(node.answer, known(node.text) or ())


def _answers(question: Question, value: str, steps: Sequence[Node]) -> bool:
    """Whether these steps answer the question: its answer, its findings, and about its things."""
    if not is_right(value, question.gold.answers) or not question.findings:
        return False
    reached = {normalise_answer(node.answer) for node in steps}
    if reached != {normalise_answer(answer) for _, answer in question.findings}:
        return False
    told = {normalise_answer(node.answer) for node in steps}
    names = {n for node in steps for n in _NAME.findall(node.text)}
    return all(
        name in question.objective.text for name in names if normalise_answer(name) not in told
    )


def spell_out(plan: Plan) -> str | None:
    """The question of a chain: each step's answer put in as words, "the mother of Ada Holt".

    None where the plan is no chain of questions (each step but the first asks about the one before
    it alone), where a question has no such words, or where the whole is too long.
    """
    words: dict[int, str] = {}
    text = ""
    for step in plan.steps:
        if step.each is not None or step.needs != tuple(range(step.id - 1, 0, -1))[:1]:
            return None
        text = fill(step.text, words)
        if step.id == len(plan.steps):
            break
        phrase = noun_phrase(text)
        if phrase is None:
            return None
        words[step.id] = phrase
    return text if len(escape(text)) <= MAX_TEXT else None


def noun_phrase(question: str) -> str | None:
    """What a question asks for, as words to put into another; None where it has no simple ones.

    "Who is the mother of Ada?" asks for "the mother of Ada", "Who wrote Salt?" for "the person who
    wrote Salt", "Which town is Ada in?" for "the town Ada is in".
    """
    for pattern, form in _PHRASES:
        if match := pattern.fullmatch(question.strip()):
            if form:
                return form.format(match[1])
            kind, verb, rest = match.groups()
            return _relative(kind, verb.lower(), rest)
    return None


def _relative(kind: str, verb: str, rest: str) -> str | None:
    """ "Which town is Ada in?" -> "the town Ada is in": only after is and was, before "in"."""
    if verb in ("is", "was") and rest.endswith((" in", " from")):
        subject, _, preposition = rest.rpartition(" ")
        return f"the {kind} {subject} {verb} {preposition}"
    return None
