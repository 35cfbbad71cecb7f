"""Composed questions as trees, and what they say of every level: plans, folds and readings.

A node is a question with its answer. `Ask` is one request to a source; `Peel` takes the outermost
relation off a nested question; `Compute` puts the answers of its parts together by calculation.
From a tree follow both forms of guidance: *flat* (all steps in one plan, for levels where
recursion is not offered) and *peel* (every part that is a question of its own is handed to
[center], whatever it takes to answer it; only what refers to other steps goes to a source).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from centerlm.plan import CENTER, MAX_TEXT, Plan, Step, escape, fill, make_plan


@dataclass(frozen=True, slots=True)
class Lookup:
    """A request to a source as it is really made, and what it gives.

    `passages` are ids of the texts that hold the answer; `more` are other wordings of the request.
    """

    question: str
    answer: str
    passages: tuple[str, ...] = ()
    more: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ask:
    """A question of one request: plan `1 [source] request`."""

    text: str
    answer: str
    source: str
    request: str
    lookup: Lookup | None = None

    @property
    def hops(self) -> int:
        return 1


@dataclass(frozen=True, slots=True)
class Peel:
    """The outermost relation (`form`, with `{}` for the inner answer) of a nested question.

    `as_part` and `part_form` are its text and form as the inner part of a longer question ("Who is
    the mayor of ...?"), where it can be one.
    """

    text: str
    answer: str
    inner: Node
    source: str
    form: str
    lookup: Lookup | None = None
    as_part: str = ""
    part_form: str = ""

    @property
    def hops(self) -> int:
        return self.inner.hops + 1


@dataclass(frozen=True, slots=True)
class Follow:
    """A step after the parts: `text` refers to parts and earlier such steps by `#k`, from 1.

    `each` is the step gone through item by item, `lookups` the requests that it makes of documents.
    """

    source: str
    text: str
    each: int | None = None
    lookups: tuple[Lookup, ...] = ()


@dataclass(frozen=True, slots=True)
class Compute:
    """Parts, and steps over their answers, the last of which is calculated."""

    text: str
    answer: str
    parts: tuple[Node, ...]
    follow: tuple[Follow, ...]

    @property
    def hops(self) -> int:
        """The longest run of requests that wait for each other; calculations are not counted.

        Requests after the parts wait for these alone.
        """
        return max(p.hops for p in self.parts) + any(f.lookups for f in self.follow)


Node: TypeAlias = "Ask | Peel | Compute"


@dataclass(frozen=True, slots=True)
class LevelOf:
    """One level of a solve: its objective, plan, and the (question, answer) of its steps.

    `steps` is empty where no model is asked to absorb them: one step, or one calculated end.
    """

    text: str
    answer: str
    plan: Plan
    steps: tuple[tuple[str, str], ...]


def peel_levels(node: Node) -> tuple[LevelOf, ...]:
    """The levels of the peel form, the root's first."""
    levels = dict[str, LevelOf]()
    for level in _peel(node):
        levels.setdefault(level.text, level)  # equal questions are one
    return tuple(levels.values())


def part_levels(node: Node) -> Iterator[LevelOf]:
    """The nested questions in a tree as they read as inner parts of longer ones."""
    match node:
        case Ask():
            return
        case Peel():
            if node.as_part:
                yield next(_peel(replace(node, text=node.as_part, form=node.part_form)))
            yield from part_levels(node.inner)
        case Compute():
            for part in node.parts:
                yield from part_levels(part)


def flat_level(node: Node) -> LevelOf:
    """The one level of the flat form."""
    steps: list[Step] = []
    notes: list[tuple[str, str]] = []
    _flatten(node, steps, notes)
    plan = make_plan(steps)
    typed = isinstance(node, Compute) or len(plan.steps) == 1
    return LevelOf(node.text, node.answer, plan, () if typed else tuple(notes))


def lookups(node: Node) -> Iterator[Lookup]:
    """All requests to documents and experts, in order."""
    match node:
        case Ask():
            if node.lookup:
                yield node.lookup
        case Peel():
            yield from lookups(node.inner)
            if node.lookup:
                yield node.lookup
        case Compute():
            for part in node.parts:
                yield from lookups(part)
            for follow in node.follow:
                yield from follow.lookups


def sources(node: Node) -> tuple[str, ...]:
    """The sources that the steps of the flat plan name, each once."""
    return tuple(dict.fromkeys(s for step in flat_level(node).plan.steps for s in step.sources))


def too_long(node: Node) -> bool:
    """Whether a text of the tree is too long to be a step; asked before plans are made."""
    match node:
        case Ask():
            return len(escape(node.request)) > MAX_TEXT or len(escape(node.text)) > MAX_TEXT
        case Peel():
            return len(escape(node.inner.text)) > MAX_TEXT or too_long(node.inner)
        case Compute():
            long = any(len(follow.text) > MAX_TEXT for follow in node.follow)
            return long or any(len(p.text) > MAX_TEXT or too_long(p) for p in node.parts)


def _peel(node: Node) -> Iterator[LevelOf]:
    match node:
        case Ask():
            plan = make_plan([Step(1, (node.source,), escape(node.request))])
            yield LevelOf(node.text, node.answer, plan, ())
        case Peel():
            plan = make_plan(
                [
                    Step(1, (CENTER,), escape(node.inner.text)),
                    Step(2, (node.source,), node.form.replace("{}", "#1")),
                ]
            )
            notes = (
                (node.inner.text, node.inner.answer),
                (node.form.replace("{}", node.inner.answer), node.answer),
            )
            yield LevelOf(node.text, node.answer, plan, notes)
            yield from _peel(node.inner)
        case Compute():
            steps = [_part_step(k, part) for k, part in enumerate(node.parts, start=1)]
            steps += _follow_steps(node.follow, list(range(1, len(steps) + 1)))
            yield LevelOf(node.text, node.answer, make_plan(steps), ())
            for part in node.parts:
                if not _is_call(part):
                    yield from _peel(part)


def _part_step(k: int, part: Node) -> Step:
    if isinstance(part, Ask) and _is_call(part):
        return Step(k, (part.source,), escape(part.request))
    return Step(k, (CENTER,), escape(part.text))


def _is_call(node: Node) -> bool:
    """Whether a part is written in the language of its source ("machine(7)"): no question."""
    return not node.text.endswith("?")


def _flatten(node: Node, steps: list[Step], notes: list[tuple[str, str]]) -> int:
    """Add the steps of a node; the id of its last one."""
    match node:
        case Ask():
            steps.append(Step(len(steps) + 1, (node.source,), escape(node.request)))
            notes.append((node.request, node.answer))
        case Peel():
            inner = _flatten(node.inner, steps, notes)
            text = node.form.replace("{}", f"#{inner}")
            steps.append(Step(len(steps) + 1, (node.source,), text))
            notes.append((node.form.replace("{}", node.inner.answer), node.answer))
        case Compute():
            ends = [_flatten(part, steps, notes) for part in node.parts]
            steps += _follow_steps(node.follow, ends)
    return len(steps)


def _follow_steps(follow: Sequence[Follow], ends: Sequence[int]) -> list[Step]:
    """The steps after the parts; `ends` are the ids of the parts' last steps."""
    ids = list(ends)
    made: list[Step] = []
    last = max(ends)
    for item in follow:
        last += 1
        text = fill(item.text, {k: f"#{id_}" for k, id_ in enumerate(ids, start=1)})
        each = None if item.each is None else ids[item.each - 1]
        made.append(Step(last, (item.source,), text, each))
        ids.append(last)
    return made
