"""The plan language: one format for people, prompts, training targets, storage and screens.

    1 [documents] Which county is Van Hook Township in?
    2 [documents | expert:history] What is the seat of #1?
    3 [calculator] 1998 - #2

A line is `id [name( | name)*( each #k)?] text`. Dependencies are exactly the `#k` in bracket and
text, and nothing else orders steps; `##` is a literal `#`. The notation is QDMR (Wolfson et al.,
2020, "Break It Down") with a source on every line. Pure: no I/O, no model, no engine. The grammars
that constrain decoding to this language are in `grammar.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, cast

from centerlm.errors import PlanError

CENTER = "center"
MAX_TEXT = 200
MAX_STEPS = 32

FORBIDDEN = r"\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff"
"""Characters no step text may hold: control, invisible and direction characters."""

_NAME_HINT = "a letter, then letters, digits and _ . : -, at most 64"

_Error = Callable[[str, int, str], PlanError]
"""Makes an error from a problem, a column (from 0, in the stripped line) and a hint."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]{0,63}")
_FORBIDDEN = re.compile(f"[{FORBIDDEN}]")
_HASH = re.compile(r"##|#([0-9]{1,4})(?![0-9])|#")
_HEAD = re.compile(r"([0-9]{1,4})(?![0-9])[ \t]*")
_EACH = re.compile(r"(?:^|[ \t])each[ \t]+#([0-9]{1,4})[ \t]*$")


@dataclass(frozen=True, slots=True)
class Step:
    """One sub-objective of a plan.

    `text` is as written (references `#k`, literal `##`); `sources` are tried in order; `each` is
    the step whose items are gone through one by one.
    """

    id: int
    sources: tuple[str, ...]
    text: str
    each: int | None = None

    @property
    def needs(self) -> tuple[int, ...]:
        """The steps this one depends on, ascending."""
        named = set(references(self.text))
        if self.each is not None:
            named.add(self.each)
        return tuple(sorted(named))


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps with ids 1..n, each depending on earlier ones only, no two the same."""

    steps: tuple[Step, ...]

    @property
    def ends(self) -> tuple[Step, ...]:
        """The steps no other step needs, in order."""
        needed = {k for step in self.steps for k in step.needs}
        return tuple(step for step in self.steps if step.id not in needed)

    def __str__(self) -> str:
        return format_plan(self)


def is_source_name(name: str) -> bool:
    """Whether plans can name it: a letter, then letters, digits and `_ . : -`, at most 64."""
    return _NAME.fullmatch(name) is not None


def references(text: str) -> tuple[int, ...]:
    """The `#k` of a text, in order of appearance, repeated ones once."""
    return tuple(dict.fromkeys(int(m[1]) for m in _HASH.finditer(text) if m[1]))


def fill(text: str, answers: Mapping[int, str]) -> str:
    """Put answers in place of references, once: `#` inside an answer is never expanded.

    Raises:
        KeyError: a reference has no answer.
    """

    def put(match: re.Match[str]) -> str:
        return answers[int(match[1])] if match[1] else "#"

    return _HASH.sub(put, text)


def escape(text: str) -> str:
    """Plain text as step text: each `#` doubled."""
    return text.replace("#", "##")


def format_step(step: Step) -> str:
    each = f" each #{step.each}" if step.each is not None else ""
    return f"{step.id} [{' | '.join(step.sources)}{each}] {step.text}"


def format_plan(plan: Plan) -> str:
    """The plan as text, one line a step, no line break at the end."""
    return "\n".join(format_step(step) for step in plan.steps)


def parse_plan(
    text: str, *, sources: Collection[str] | None = None, max_steps: int = MAX_STEPS
) -> Plan:
    """Read a plan; blank lines are skipped, duplicate steps merged and references renumbered.

    With `sources`, only these and `center` may be named.

    Raises:
        PlanError: with the line, the column and how to mend it.
    """
    steps: list[Step] = []
    line = 0
    for line, raw in enumerate(text.split("\n"), start=1):
        if raw.strip(" \t\r"):
            steps.append(parse_line(raw, len(steps) + 1, sources=sources, line=line))
        if len(steps) > max_steps:
            raise too_many(max_steps, line)
    if not steps:
        raise PlanError("the plan is empty", line=max(line, 1), hint="write '1 [center] ...'")
    return merge_duplicates(steps)


def too_many(max_steps: int, line: int) -> PlanError:
    """The error of a plan that has more steps than it may."""
    hint = "plan fewer steps; hand a larger part to [center]"
    return PlanError(f"more than {max_steps} steps", line=line, hint=hint)


def parse_line(
    raw: str, expected: int, *, sources: Collection[str] | None = None, line: int = 1
) -> Step:
    """Read one line whose id has to be `expected`.

    Raises:
        PlanError: the line is not a step, or it names what does not exist.
    """
    body = raw.strip(" \t\r")
    offset = len(raw) - len(raw.lstrip(" \t\r"))

    def error(problem: str, at: int, hint: str) -> PlanError:
        return PlanError(problem, line=line, column=offset + at + 1, hint=hint)

    head = _HEAD.match(body)
    if not head:
        raise error("a step starts with its number", 0, f"write '{expected} [source] text'")
    if int(head[1]) != expected:
        raise error(
            f"step {head[1]} stands where step {expected} belongs", 0, "number steps 1, 2, 3, ..."
        )
    close = body.find("]", head.end())
    if head.end() >= len(body) or body[head.end()] != "[" or close < 0:
        raise error("a source in brackets follows the number", head.end(), "write e.g. [documents]")
    names, each = _read_bracket(body[head.end() + 1 : close], head.end() + 1, sources, error)
    text = body[close + 1 :].strip(" \t")
    start = len(body) - len(body[close + 1 :].lstrip(" \t"))
    _check_text(text, start, error)
    step = Step(expected, names, text, each)
    for k in step.needs:
        if not 1 <= k < expected:
            kind = "itself" if k == expected else "a later step" if k > expected else "no step"
            raise error(
                f"#{k} in step {expected} refers to {kind}",
                _place_of(k, body),
                "refer to earlier steps only",
            )
    return step


def _place_of(k: int, body: str) -> int:
    """Where the first reference to step `k` stands."""
    return next(m.start() for m in _HASH.finditer(body) if m[1] and int(m[1]) == k)


def _read_bracket(
    inside: str, at: int, sources: Collection[str] | None, error: _Error
) -> tuple[tuple[str, ...], int | None]:
    each = None
    if match := _EACH.search(inside):
        each, inside = int(match[1]), inside[: match.start()]
    names: list[str] = []
    position = at
    for part in inside.split("|"):
        name = part.strip(" \t")
        column = position + len(part) - len(part.lstrip(" \t"))
        if not is_source_name(name):
            shown = f"{name[:40]!r} is not a source name" if name else "a source name is missing"
            raise error(shown, column, "write [name], [a | b] or [name each #k]")
        if sources is not None and name != CENTER and name not in sources:
            close = get_close_matches(name, [*sources, CENTER], n=1)
            known = ", ".join([*sorted(sources), CENTER])
            hint = f"did you mean {close[0]}? known: {known}" if close else f"known: {known}"
            raise error(f"unknown source {name!r}", column, hint)
        if name not in names:
            names.append(name)
        position += len(part) + 1
    return tuple(names), each


def _check_text(text: str, at: int, error: _Error) -> None:
    if not text:
        raise error("the step has no text", at, "say what is to be found out")
    if len(text) > MAX_TEXT:
        raise error(
            f"the text has {len(text)} characters, more than {MAX_TEXT}",
            at + MAX_TEXT,
            "shorten it or split the step",
        )
    if bad := _FORBIDDEN.search(text):
        raise error(f"character U+{ord(bad[0]):04X} is not allowed", at + bad.start(), "remove it")
    for match in _HASH.finditer(text):
        if match[0] == "#":
            raise error("a lone '#'", at + match.start(), "write #1 for a reference, ## for '#'")


def make_plan(
    steps: Iterable[Step], *, sources: Collection[str] | None = None, max_steps: int = MAX_STEPS
) -> Plan:
    """A checked plan from steps made in code.

    Raises:
        PlanError: as `parse_plan`, on the text the steps would have.
    """
    parsed: list[Step] = []
    for line, step in enumerate(steps, start=1):
        if line > max_steps:
            raise too_many(max_steps, line)
        for name in step.sources:
            if not is_source_name(name):  # one with a bracket or a line break would parse
                raise PlanError(f"{name[:40]!r} is not a source name", line=line, hint=_NAME_HINT)
        parsed.append(parse_line(format_step(step), line, sources=sources, line=line))
    if not parsed:
        raise PlanError("the plan is empty", hint="give at least one step")
    return merge_duplicates(parsed)


class Merger:
    """Numbers steps 1..n as they come: each distinct sub-objective once, references following."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._new: dict[int, int] = {}
        self._seen: dict[tuple[tuple[str, ...], str, int | None], int] = {}

    def add(self, step: Step) -> Step | None:
        """The step under its new number; None if an equal one came before."""
        text = renumber(step.text, self._new)
        each = None if step.each is None else self._new[step.each]
        key = (step.sources, text, each)
        if key in self._seen:
            self._new[step.id] = self._seen[key]
            return None
        kept = Step(len(self.steps) + 1, step.sources, text, each)
        self._new[step.id] = self._seen[key] = kept.id
        self.steps.append(kept)
        return kept


def merge_duplicates(steps: Iterable[Step]) -> Plan:
    """Number steps 1..n, each distinct sub-objective once, references following along."""
    merger = Merger()
    for step in steps:
        merger.add(step)
    return Plan(tuple(merger.steps))


def renumber(text: str, new: Mapping[int, int]) -> str:
    """The text with each reference `#k` turned into `#new[k]`."""

    def put(match: re.Match[str]) -> str:
        return f"#{new[int(match[1])]}" if match[1] else match[0]

    return _HASH.sub(put, text)


def normalise(text: str) -> str:
    """A filled-in text without case, spacing, quotation marks and closing punctuation."""
    return " ".join(text.casefold().replace('"', "").split()).rstrip(" .?!")


def plan_from_json(
    data: Any, *, sources: Collection[str] | None = None, max_steps: int = MAX_STEPS
) -> Plan:
    """Read `{"steps": [{"id", "sources", "text", "each"?}]}`, steps in any order.

    `data` is the object or its JSON text. Steps are put into an order in which every reference
    points back, and numbered anew.

    Raises:
        PlanError: not such an object, a reference to no step, or a cycle. The line is the step's
            place in the list.
    """
    if isinstance(data, str):
        try:
            data = json.loads(data)
        except (ValueError, RecursionError):
            raise PlanError("the plan is not JSON", hint='give {"steps": [...]}') from None
    items = cast("dict[str, Any]", data).get("steps") if isinstance(data, dict) else None
    if not isinstance(items, list) or not items:
        raise PlanError("the JSON has no list 'steps'", hint='give {"steps": [...]}')
    items = cast("list[Any]", items)
    if len(items) > max_steps:
        raise too_many(max_steps, max_steps + 1)
    steps: dict[int, Step] = {}
    place: dict[int, int] = {}
    for line, item in enumerate(items, start=1):
        step = _step_from_json(item, line)
        if step.id in steps:
            raise PlanError(f"two steps have id {step.id}", line=line, hint="number them 1, 2, 3")
        steps[step.id], place[step.id] = step, line
    ordered = _in_order(steps, place)
    new = {step.id: position for position, step in enumerate(ordered, start=1)}
    renamed = [
        replace(
            step,
            id=new[step.id],
            text=renumber(step.text, new),
            each=None if step.each is None else new[step.each],
        )
        for step in ordered
    ]
    return make_plan(renamed, sources=sources, max_steps=max_steps)


def _step_from_json(item: Any, line: int) -> Step:
    match item:
        case {"id": int(id_), "sources": [*names], "text": str(text)} if names:
            each = cast("dict[str, Any]", item).get("each")
        case _:
            raise PlanError("a step is not complete", line=line, hint="give id, sources and text")
    if isinstance(id_, bool):
        raise PlanError("'id' is not a number", line=line, hint="number the steps 1, 2, 3")
    if not all(isinstance(name, str) for name in names):
        raise PlanError("a source is not a text", line=line, hint="name registered sources")
    if each is not None and (isinstance(each, bool) or not isinstance(each, int)):
        raise PlanError("'each' is not a step id", line=line, hint="give a number or null")
    if "\n" in text:
        raise PlanError("the text has more than one line", line=line, hint="write it in one line")
    return Step(id_, tuple(names), text, each)


def _in_order(steps: Mapping[int, Step], place: Mapping[int, int]) -> list[Step]:
    """Topological order (Kahn, 1962, "Topological sorting of large networks"), stable."""
    waiting: dict[int, set[int]] = {}
    for id_, step in steps.items():
        for k in step.needs:
            if k not in steps:
                raise PlanError(f"#{k} refers to no step", line=place[id_], hint="mend the number")
        waiting[id_] = set(step.needs)
    ordered: list[Step] = []
    while waiting:
        ready = next((id_ for id_, needs in waiting.items() if not needs), None)
        if ready is None:
            first = min(waiting, key=lambda id_: place[id_])
            raise PlanError(
                f"step {first} depends on itself through its references",
                line=place[first],
                hint="remove one reference of the cycle",
            )
        ordered.append(steps[ready])
        del waiting[ready]
        for needs in waiting.values():
            needs.discard(ready)
    return ordered


def plan_to_json(plan: Plan) -> dict[str, Any]:
    return {
        "steps": [
            {"id": s.id, "sources": list(s.sources), "each": s.each, "text": s.text}
            for s in plan.steps
        ]
    }
