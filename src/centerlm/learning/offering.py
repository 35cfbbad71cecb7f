"""Which sources a decision is shown: sets of cards, alias names, and recalled experience.

Choice must follow the card, not the name, and evidence where cards do not decide. So part of the
sets have alias names, distractor cards and two sources of one card (twins: experience says which);
experience is true, empty and misleading in turn. A set serves many decisions, because trainers
share equal beginnings of prompts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from centerlm.acts import Experience, PlanView
from centerlm.errors import InputError
from centerlm.experience import experience_line
from centerlm.learning.records import Decision
from centerlm.learning.sample_cards import (
    ALIASES,
    DISTRACTORS,
    OPAQUE,
    calculator_card,
    documents_card,
)
from centerlm.plan import CENTER, Plan, references
from centerlm.sources.base import Card

DOCUMENTS, CALCULATOR = "documents", "calculator"


@dataclass(frozen=True, slots=True)
class CardSet:
    """Cards as they are shown. `names` maps the names in plans of decisions to those shown; a
    source with a `twin` has a second card that says the same, under that name.
    """

    cards: tuple[Card, ...]
    names: Mapping[str, str]
    twin: str | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """A decision as it is shown, and its plan in the names shown."""

    decision: Decision
    view: PlanView
    plan: Plan


def card_sets(
    seed: int, n: int = 40, *, aliases: bool = True, experience: bool = True
) -> tuple[CardSet, ...]:
    """Sets of documents and calculator: a third under aliases (with `aliases`), half with
    distractors, one in eight with twin documents (with `experience`, which tells them apart), one
    in eight without the calculator.
    """
    return tuple(
        _card_set(Random(f"{seed}:{number}"), number, aliases=aliases, twins=experience)
        for number in range(n)
    )


def _card_set(rng: Random, number: int, *, aliases: bool, twins: bool) -> CardSet:
    cards = [documents_card(rng)]
    if number % 8 != 7:
        cards.append(calculator_card())
    if number % 2:
        cards += rng.sample(DISTRACTORS, rng.randint(1, 3))
    aliased, twin = aliases and number % 3 == 2, twins and number % 8 == 3
    return shown(cards, rng, aliased=aliased, twin=twin)


def shown(
    cards: Sequence[Card], rng: Random, *, aliased: bool = False, twin: bool = False
) -> CardSet:
    """Cards in an order of their own, under aliases and with twin documents where wanted."""
    taken: set[str] = {CENTER}
    names: dict[str, str] = {}
    for card in cards:
        name = card.name
        if aliased:
            kinds = [*ALIASES.get(card.name, ()), *OPAQUE]
            name = rng.choice([kind for kind in kinds if kind not in taken])
        taken.add(name)
        names[card.name] = name
    out = [replace(card, name=names[card.name]) for card in cards]
    second: str | None = None
    if twin and DOCUMENTS in names:
        second = rng.choice([name for name in ALIASES[DOCUMENTS] if name not in taken])
        out.append(replace(out[[card.name for card in cards].index(DOCUMENTS)], name=second))
    rng.shuffle(out)
    return CardSet(tuple(out), names, second)


def offers(
    decisions: Iterable[Decision],
    *,
    cards: Sequence[CardSet],
    seed: int,
    aliases: bool = True,
    experience: bool = True,
) -> Iterator[Offer]:
    """Every decision with cards, names and, if wanted, `experience`, those of one set beside each
    other; with `aliases`, a third of those with cards of their own are shown under other names.

    Raises:
        InputError: no set, or not the decision's own cards, has all sources of a plan.
    """
    rng = Random(seed)
    groups: dict[tuple[int, str, bool], list[tuple[Decision, CardSet]]] = {}
    own: dict[tuple[tuple[str, str, str], ...], CardSet] = {}
    all_decisions = list(decisions)
    for decision in all_decisions:
        needed = {name for step in decision.plan.steps for name in step.sources} - {CENTER}
        if decision.cards:
            key = tuple((c.name, c.knows, c.limits) for c in decision.cards)
            if key not in own:
                mine = Random(f"{seed}:{key}")
                own[key] = shown(decision.cards, mine, aliased=aliases and mine.random() < 1 / 3)
            chosen, group = own[key], (len(cards), str(key), decision.recursion)
            fits = needed <= set(chosen.names)
        else:
            fitting = [n for n, set_ in enumerate(cards) if needed <= set(set_.names)]
            fits = bool(fitting)
            place = rng.choice(fitting) if fits else 0
            chosen, group = cards[place] if fits else None, (place, "", decision.recursion)
        if chosen is None or not fits:
            raise InputError(
                f"decision {decision.id} names sources that no card offers "
                f"({', '.join(sorted(needed))}); give it cards of its own"
            )
        groups.setdefault(group, []).append((decision, chosen))
    likes = _likes(all_decisions) if experience else None
    for group in sorted(groups):
        for decision, chosen in groups[group]:
            yield _offer(decision, chosen, likes, rng)


def _offer(
    decision: Decision, chosen: CardSet, likes: Mapping[str, Sequence[str]] | None, rng: Random
) -> Offer:
    names = dict(chosen.names)
    kinds = _kinds(decision.plan)
    if likes is None:
        lines = ()
    elif chosen.twin is not None:
        lines, better = _twin_lines(chosen.twin, names[DOCUMENTS], likes, rng)
        names[DOCUMENTS] = better
    else:
        turn = rng.randrange(3)
        if turn == 0 and kinds:
            lines = _true_lines(kinds, names, likes, rng)
        elif turn == 1:
            lines = _misleading_lines(set(kinds), chosen, likes, rng)
        else:
            lines = ()
    steps = tuple(
        replace(step, sources=tuple(names.get(name, name) for name in step.sources))
        for step in decision.plan.steps
    )
    view = PlanView(
        decision.objective,
        chosen.cards,
        recursion=decision.recursion,
        root=decision.root,
        experience=Experience(lines),
    )
    return Offer(decision, view, Plan(steps))


def _kinds(plan: Plan) -> tuple[str, ...]:
    """The plan's sources, each once."""
    names = (name for step in plan.steps for name in step.sources)
    return tuple(dict.fromkeys(name for name in names if name != CENTER))


def _likes(decisions: Iterable[Decision]) -> dict[str, list[str]]:
    """Steps without references, by the source that is right for them."""
    likes: dict[str, list[str]] = {}
    for decision in decisions:
        for step in decision.plan.steps:
            if not references(step.text) and len(likes.setdefault(step.sources[0], [])) < 2000:
                likes[step.sources[0]].append(step.text)
    return likes


def _true_lines(
    kinds: Sequence[str], names: Mapping[str, str], likes: Mapping[str, Sequence[str]], rng: Random
) -> tuple[str, ...]:
    """What is so: the plan's sources answered most of what was like their steps."""
    known = [kind for kind in kinds if kind in likes]
    chosen = rng.sample(known, min(len(known), 2))
    return tuple(_line(names[kind], rng.choice(likes[kind]), rng, good=True) for kind in chosen)


def _twin_lines(
    twin: str, first: str, likes: Mapping[str, Sequence[str]], rng: Random
) -> tuple[tuple[str, ...], str]:
    """Of two sources with one card, which answered; both are named, in any order."""
    better, worse = rng.sample([twin, first], 2)
    like = rng.choice(likes.get(DOCUMENTS) or ("Who was it?",))
    lines = [_line(better, like, rng, good=True), _line(worse, like, rng, good=False)]
    rng.shuffle(lines)
    return tuple(lines), better


def _misleading_lines(
    kinds: set[str], chosen: CardSet, likes: Mapping[str, Sequence[str]], rng: Random
) -> tuple[str, ...]:
    """Praise of a source that the plan does not need, for questions its card does not know."""
    others = [name for kind, name in chosen.names.items() if kind not in kinds]
    known = sorted(kinds & set(likes))
    if not others or not known:
        return ()
    like = rng.choice(likes[rng.choice(known)])
    return (_line(rng.choice(others), like, rng, good=True),)


def _line(source: str, like: str, rng: Random, *, good: bool) -> str:
    asked = rng.randint(3, 40)
    share = rng.uniform(0.75, 1.0) if good else rng.uniform(0.0, 0.3)
    return experience_line(source, round(share * asked), asked, like)
