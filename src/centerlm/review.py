"""Letting a person edit the center's plan in an editor before it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import click

from centerlm.errors import InputError, PlanError
from centerlm.plan import CENTER, Plan, format_plan, parse_plan
from centerlm.protocols import Review

MAX_TRIES = 20
_NOTE = "!"


def editor_review(sources: Collection[str]) -> Review:
    """A review in $VISUAL or $EDITOR, again until the plan is valid; left as it is, it runs so.

    The review raises InputError where the plan was emptied or left invalid, or the editor fails:
    nothing has run then.
    """

    async def review(plan: Plan) -> Plan:
        return await asyncio.to_thread(_edit, plan, sources)

    return review


def _edit(plan: Plan, sources: Collection[str]) -> Plan:
    text, problem = format_plan(plan), ""
    before: str | None = None
    for _ in range(MAX_TRIES):
        edited = _open_editor(_notes(sources, problem) + text + "\n")
        if edited is None and not problem:
            return plan
        if edited is None or (edited == before and problem):
            raise InputError(f"the edited plan was left invalid ({problem}); nothing was run")
        before = edited
        lines = [line for line in edited.split("\n") if not line.startswith(_NOTE)]
        text = "\n".join(lines).strip("\n")
        if not text.strip():
            raise InputError("the plan was emptied, so nothing was run")
        try:
            return parse_plan(text, sources=sources)
        except PlanError as error:
            problem = str(error)
    raise InputError(f"the plan was still invalid after {MAX_TRIES} edits ({problem})")


def _notes(sources: Collection[str], problem: str) -> str:
    notes = [
        "The plan, a step a line: number [source] what to find out. #1 is the answer of step 1.",
        f"Sources: {', '.join([*sources, CENTER])}",
        "Save and leave to run it; empty it to run nothing. Lines with ! are left out.",
    ]
    if problem:
        notes.append(f"Not a plan yet: {problem}")
    return "".join(f"{_NOTE} {note}\n" for note in notes)


def _open_editor(text: str) -> str | None:
    """The text as it was saved; None if it was not saved."""
    try:
        return click.edit(text, extension=".plan")
    except click.ClickException as error:
        raise InputError(
            f"the plan cannot be edited ({error.format_message()}); set EDITOR to an editor"
        ) from None
