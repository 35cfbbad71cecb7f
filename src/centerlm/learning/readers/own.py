"""The project's own guidance: one JSON object a line.

    {"objective": "...", "plan": "1 [documents] ...", "by": "person", "when": "2026-05-01T12:00Z",
     "edited_from": "1 [center] ...", "why": "...", "rating": 2,
     "answer": "...", "answers": {"1": "..."}}

`objective` and `plan` are needed; a plan is text in the plan language or its JSON object. Every
line that cannot be used is listed with its number and reason, the others are used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import msgspec

from centerlm.errors import PlanError
from centerlm.learning.guidance import Guidance, Read, Skipped
from centerlm.learning.readers.common import Made, Unusable, convert, json_lines
from centerlm.objective import MAX_OBJECTIVE_CHARACTERS
from centerlm.plan import CENTER, Plan, normalise, parse_plan, plan_from_json

SOURCES = (
    "documents", "calculator", "person", "experiment", "image", "audio", "video", "known", "book"
)  # fmt: skip
"""Sources every line may name, beside `center`, `expert:FIELD` and `mcp:SERVER.TOOL`."""

_FAMILIES = ("expert:", "mcp:")


class _Row(msgspec.Struct, forbid_unknown_fields=True):
    objective: str
    plan: str | dict[str, Any]
    by: str = ""
    when: str = ""
    edited_from: str | None = None
    why: str = ""
    rating: Annotated[int, msgspec.Meta(ge=0, le=5)] = 0
    answer: str | None = None
    answers: dict[int, str] = msgspec.field(default_factory=dict[int, str])


@dataclass(frozen=True, slots=True)
class _Kept:
    place: int
    guidance: Guidance


def read_own(path: Path, *, sources: Collection[str] = ()) -> Read:
    """Guidance from a file in the project's own format.

    `sources` are names that plans may use beside the built-in ones. Of two different plans that the
    same person gave for the same objective, the later counts (by `when` where both have it, else by
    line); the other is listed, as is a line that says the same again.

    Raises:
        InputError: the file is missing, cannot be read, or is UTF-16.
    """
    read = convert(path, json_lines(path, _Row), partial(_make, sources=frozenset(sources)))
    return _settled(read)


def _make(row: _Row, where: str, *, sources: Collection[str]) -> Made:
    if not row.objective.strip():
        raise Unusable("no objective", "the objective is empty")
    if len(row.objective) > MAX_OBJECTIVE_CHARACTERS:
        raise Unusable("too long", f"the objective has {len(row.objective):,} characters")
    plan = _plan(row.plan)
    _check_sources(plan, sources)
    if row.edited_from is not None:
        try:
            parse_plan(row.edited_from)
        except PlanError as error:
            raise Unusable("not a plan", f"edited_from is not a plan: {error}") from None
    if row.when and _time(row.when) is None:
        raise Unusable("not a record", f"when {row.when[:40]!r} is no ISO 8601 time")
    if wrong := [k for k in row.answers if not 1 <= k <= len(plan.steps)]:
        raise Unusable("not a record", f"answers name step {wrong[0]}, which the plan has not")
    return Made(
        Guidance(
            # The place is needed until contradictions are settled.
            id=where,
            objective=row.objective.strip(),
            plan=plan,
            by=row.by,
            when=row.when,
            edited_from=row.edited_from,
            answer=row.answer,
            answers=row.answers,
        )
    )


def _plan(given: str | dict[str, Any]) -> Plan:
    try:
        return parse_plan(given) if isinstance(given, str) else plan_from_json(given)
    except PlanError as error:
        cyclic = any(
            said in error.problem
            for said in ("depends on itself", "refers to itself", "refers to a later step")
        )
        raise Unusable("cyclic" if cyclic else "not a plan", f"the plan, {error}") from None


def _check_sources(plan: Plan, sources: Collection[str]) -> None:
    for step in plan.steps:
        for name in step.sources:
            known = name == CENTER or name in SOURCES or name in sources
            if not known and not name.startswith(_FAMILIES):
                named = ", ".join((*SOURCES, *sorted(sources), CENTER))
                raise Unusable(
                    "unknown source",
                    f"step {step.id} names unknown source {name!r}; known: {named}",
                )


def _time(text: str) -> datetime | None:
    """The time, one without a zone taken as UTC; None where it is none."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def guidance_id(objective: str, by: str) -> str:
    """The id of a person's guidance for an objective: "own-" and 16 digits of a SHA-1."""
    key = f"{by}\n{normalise(objective)}".encode()
    return f"own-{hashlib.sha1(key, usedforsecurity=False).hexdigest()[:16]}"


def _settled(read: Read) -> Read:
    """One plan for an objective and person, in the order of the lines; the others are listed."""
    kept: dict[str, _Kept] = {}
    skipped = list(read.skipped)
    for place, guidance in enumerate(read.guidance):
        id_ = guidance_id(guidance.objective, guidance.by)
        before = kept.get(id_)
        now = _Kept(place, guidance)
        if before is None:
            kept[id_] = now
            continue
        loser, winner = (now, before) if _is_later(before, now) else (before, now)
        same = loser.guidance.plan == winner.guidance.plan
        what = "says the same" if same else "gives another plan for the same objective, later"
        kept[id_] = winner
        skipped.append(
            Skipped(
                loser.guidance.id,
                f"line {_line(winner.guidance.id)} {what}",
                "repeated" if same else "contradictory",
            )
        )
    guidance = [
        replace(one.guidance, id=id_)
        for id_, one in sorted(kept.items(), key=lambda kv: kv[1].place)
    ]
    skipped.sort(key=lambda one: _line(one.where))
    return Read(tuple(guidance), tuple(skipped), _counts(guidance))


def _is_later(one: _Kept, other: _Kept) -> bool:
    """Whether `one` is later than `other`, which stands below it in the file."""
    first, second = _time(one.guidance.when), _time(other.guidance.when)
    return first is not None and second is not None and first > second


def _line(where: str) -> int:
    return int(where.rpartition(":")[2])


def _counts(guidance: Collection[Guidance]) -> Mapping[str, int]:
    edits = sum(one.edited_from is not None for one in guidance)
    return {"own: edit of another plan": edits} if edits else {}
