"""Absorbing: what a source gave becomes a short answer; what the steps gave becomes the level's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from centerlm.acts import MAX_NOTE, Absorbed, AbsorbView, Note
from centerlm.budget import Account
from centerlm.calling import call_model
from centerlm.copying import is_made_up
from centerlm.errors import ModelError, OutOfBudgetError
from centerlm.finding import Citation, Finding, Status, failed, nothing, short_answer
from centerlm.misfits import NO_COUNT, misfit, without
from centerlm.plan import Step
from centerlm.run import Level, Run
from centerlm.subjects import OF_ANOTHER, all_of_another, is_of_another, subject_of
from centerlm.verify import as_written, cite, contains

MAX_NOTES = 12
_ARTICLE = re.compile(r"^(?:the|an?)\s+", re.IGNORECASE)
LEVEL_ATTEMPT = 90
"""Attempts of a level's own absorb call count from here, those of a leaf at its path from 0."""


async def absorb_finding(
    run: Run, account: Account, finding: Finding, *, text: str, path: str, attempt: int
) -> Finding:
    """Absorb passages or free text into a short answer; a typed finding passes unchanged, and so
    does an answer that the words it cites bear already. What is of another kind than was asked for,
    or said of another subject, is no answer; what else the notes hold is then read again.

    Raises:
        OutOfBudgetError: the call was not covered.
    """
    if finding.typed or not finding.found or _is_absorbed(finding):
        return finding
    if finding.passages:
        notes = tuple(Note(p.title, p.text) for p in finding.passages)
    else:
        finding = replace(finding, text=finding.text or finding.answer or "")
        notes = (Note(finding.source, finding.text),)
    view = AbsorbView(text, notes)
    try:
        answer, cited = await _read(run, account, view, path=path, act="absorb", attempt=attempt)
        why, rest = _why_none(text, answer, cited, notes)
        if rest:
            view = AbsorbView(text, tuple(rest.values()))
            read, numbers = await _read(
                run, account, view, path=path, act="reread", attempt=attempt
            )
            if read and not misfit(text, read):
                kept = tuple(rest)
                answer, cited, why = read, tuple(kept[n - 1] for n in numbers), ""
    except ModelError as error:
        return failed(str(error), source=finding.source)
    if not answer:
        return nothing(f"what {finding.source} gave does not say", source=finding.source)
    if why:
        return nothing(f"{why}: {short_answer(answer)}", source=finding.source)
    return replace(
        finding,
        answer=short_answer(answer),
        citations=cite(finding.passages, cited, answer) or finding.citations,
        passages=(),
        text="" if finding.passages else finding.text,
    )


def _why_none(
    question: str, answer: str, cited: Sequence[int], notes: Sequence[Note]
) -> tuple[str, dict[int, Note]]:
    """Why an answer is none ("" where nothing says so), and by their numbers the notes that may
    hold the right one: the number asked for often stands beside a measure, and a passage on the
    subject beside those on others.
    """
    numbered = dict(enumerate(notes, start=1))
    why = misfit(question, answer)
    if why == NO_COUNT:
        return why, {
            n: replace(note, text=without(note.text, answer)) for n, note in numbered.items()
        }
    subject = subject_of(question)
    if why or not answer or not subject:
        return why, {}
    bare = _ARTICLE.sub("", answer)
    holding = [note for note in notes if contains(note.text, bare)]
    if not all_of_another(question, holding or [numbered[n] for n in cited]):
        return "", {}
    return OF_ANOTHER, {n: one for n, one in numbered.items() if not is_of_another(subject, one)}


async def _read(
    run: Run, account: Account, view: AbsorbView, *, path: str, act: str, attempt: int
) -> tuple[str, tuple[int, ...]]:
    """The answer that notes hold, as they write it, and the numbers of the notes it rests on; ""
    where they hold none. A name that none of them has is read again, held to their words.

    Raises:
        OutOfBudgetError: the call was not covered.
        ModelError: the center's model did not answer.
    """
    absorbed = await _absorbed(run, account, view, path=path, act=act, attempt=attempt)
    if absorbed.answer is None:
        return "", ()
    written = as_written(absorbed.answer, [note.text[:MAX_NOTE] for note in view.notes])
    if not is_made_up(written, [f"{note.title}: {note.text}" for note in view.notes]):
        return written, absorbed.cited
    held = replace(view, copying=True)
    if run.center.absorb(held) == run.center.absorb(view):  # its model cannot be held to them
        return written, absorbed.cited
    copied = await _absorbed(run, account, held, path=path, act=f"{act}-copying", attempt=attempt)
    return copied.answer or "", copied.cited


async def _absorbed(
    run: Run, account: Account, view: AbsorbView, *, path: str, act: str, attempt: int
) -> Absorbed:
    """What the center's model says of a view, citing notes that are there; raises as `_read`."""
    center, request = run.center, run.center.absorb(view)
    reply = await call_model(
        run.recorder, account, center.model, request, path=path, act=act, attempt=attempt
    )
    absorbed = center.read_absorb(reply.text, view, cut=reply.cut)
    cited = (n for n in absorbed.cited if 1 <= n <= len(view.notes))
    return replace(absorbed, cited=tuple(dict.fromkeys(cited)))


def _is_absorbed(finding: Finding) -> bool:
    answer = finding.answer
    if not answer or finding.passages or finding.text:
        return False
    return any(contains(citation.quote, answer) for citation in finding.citations)


def passing(level: Level, done: Sequence[tuple[Step, Finding]]) -> Finding | None:
    """The finding that is the level's answer as it stands: that of its only step, or of its one
    final step where that is typed.
    """
    if len(level.steps) == 1 and done:
        return done[0][1]
    needed = {k for step in level.steps for k in step.needs}
    ends = [(step, finding) for step, finding in done if step.id not in needed]
    if len(ends) == 1 and ends[0][1].found and ends[0][1].typed:
        finding = ends[0][1]
        return replace(finding, citations=finding.citations or _citations(f for _, f in done))
    return None


def _citations(findings: Iterable[Finding]) -> tuple[Citation, ...]:
    """All citations of the findings, each once, in order."""
    return tuple({(c.passage, c.quote): c for f in findings for c in f.citations}.values())


async def absorb_level(run: Run, level: Level, *, absorbed: int = 0) -> Finding:
    """The level's answer from its steps' findings.

    `absorbed` counts how often that was done before. Only the root is answered from a part of its
    findings; a child needs all its final steps.
    """
    done = level.done()
    if (finding := passing(level, done)) is not None:
        return finding
    found = [(step, finding) for step, finding in done if finding.found and finding.answer]
    if level.steps and not found:
        return without_answer(done)
    if not level.is_root and len(level.steps) > 1:
        needed = {k for step in level.steps for k in step.needs}
        for step, finding in done:
            if step.id not in needed and not finding.found:
                reason = f"nothing (needs #{step.id})"
                short = any(f.status is Status.OUT_OF_BUDGET for _, f in done)
                status = Status.OUT_OF_BUDGET if short else finding.status
                return replace(nothing(reason), status=status)
    attempt = level.generation * 100 + LEVEL_ATTEMPT + absorbed
    return await _absorb_findings(run, level, found[-MAX_NOTES:], attempt)


async def _absorb_findings(
    run: Run,
    level: Level,
    found: Sequence[tuple[Step, Finding]],
    attempt: int,
) -> Finding:
    notes = tuple(Note(level.texts.get(s.id, s.text), f.answer or "") for s, f in found)
    root = None if level.is_root else run.objective.text
    view = AbsorbView(level.objective, notes, root, level.answer_type)
    try:
        absorbed = await _absorbed(
            run, level.account, view, path=level.path, act="absorb", attempt=attempt
        )
    except ModelError as error:
        return failed(str(error))
    except OutOfBudgetError as error:
        return best_of(found, str(error))
    if absorbed.answer is None:
        return nothing("the findings do not hold the answer")
    cited = [found[number - 1][1] for number in absorbed.cited]
    cited = cited or [finding for _, finding in found]
    return Finding(
        Status.FOUND,
        answer=short_answer(absorbed.answer),
        citations=_citations(cited),
        source="center",
    )


def without_answer(done: Sequence[tuple[Step, Finding]]) -> Finding:
    """The finding of a level none of whose steps has an answer: the gravest status of them."""
    for status in (Status.OUT_OF_BUDGET, Status.FAILED):
        for step, finding in done:
            if finding.status is status:
                return Finding(status, reason=f"step {step.id}: {finding.reason}")
    if not done:
        return nothing("nothing was asked")
    return nothing("; ".join(f"step {s.id}: {f.reason}" for s, f in done if f.reason)[:300])


def best_of(found: Sequence[tuple[Step, Finding]], reason: str) -> Finding:
    """The best answer so far, marked as out of budget: that of the last step that has one."""
    for _, finding in reversed(found):
        if finding.found and finding.answer:
            return replace(finding, status=Status.OUT_OF_BUDGET, reason=reason)
    return Finding(Status.OUT_OF_BUDGET, reason=reason)
