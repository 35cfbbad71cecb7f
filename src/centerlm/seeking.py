"""One seek of one source: budget, events and time limits around it, and the finding made safe.

What a source returns is data. It is cut and cleaned here, once, before anything else sees it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime
from fractions import Fraction
from math import ceil, inf
from typing import Any, Protocol, runtime_checkable

from centerlm.budget import Account
from centerlm.errors import CenterError, JournalError, OutOfBudgetError
from centerlm.events import SeekFinished, SeekStarted, cut, digest
from centerlm.finding import (
    Citation,
    Finding,
    Passage,
    Quantity,
    Status,
    Usage,
    Value,
    clean_text,
    failed,
    format_value,
    plain,
    short_answer,
)
from centerlm.recorder import Recorder, finding_blob
from centerlm.sources.base import Seek, Source

MAX_CONTENT = 20_000
MAX_PASSAGES = 32
MAX_PASSAGE = 4_000
MAX_ITEMS = 10_000
_BROKEN = (AttributeError, TypeError, ValueError, RecursionError, OverflowError)


@runtime_checkable
class KeyedSource(Protocol):
    """A source that can say what became of a request, by its idempotency key."""

    def lookup(self, key: str) -> Awaitable[Finding | None]: ...


async def seek_source(
    recorder: Recorder,
    account: Account,
    source: Source,
    seek: Seek,
    *,
    path: str,
    attempt: int,
    seconds: float | None,
) -> Finding:
    """Ask a source once, or take what the past holds. Never raises for what the source does.

    `seconds` is how long it may take. A `write` request that an earlier run started and never
    finished is not made again: it is looked up by its key, or failed with its outcome unknown.

    Raises:
        OutOfBudgetError: the account does not cover it; nothing was started.
    """
    card = source.card
    at = (path, card.name, attempt)
    if earlier := recorder.past.seeks.get(at):
        recorder.again(earlier)
        return recorder.finding(earlier.finding)
    if recorder.replaying:
        raise recorder.missing(f"finding of {card.name} at step {path}")
    if card.effect == "write" and at in recorder.past.begun:
        finding = await _outcome(source, recorder.key_of(path, attempt), seconds)
        return await _finish(recorder, at, finding)
    bound = _bound(source, seek)
    if isinstance(bound, Finding):
        return bound
    await account.acquire(bound)
    reserved, spent = bound, bound

    def spend(more: Usage) -> None:
        nonlocal reserved
        reserved = account.extend(reserved, _usable(more))

    try:
        recorder.emit(
            SeekStarted(
                path=path,
                source=card.name,
                attempt=attempt,
                text=cut(seek.text),
                write=card.effect == "write",
                bound=bound,
            )
        )
        await recorder.commit()
        key = recorder.key_of(path, attempt)
        finding = await _guarded(source, replace(seek, key=key, spend=spend), seconds)
        spent = _spent(finding, bound, reserved)
    finally:
        account.settle(reserved, spent)
    soon = card.effect == "read"  # what a write did must be known at once: it is not done again
    return await _finish(recorder, at, replace(finding, usage=spent), soon=soon)


def _spent(finding: Finding, bound: Usage, reserved: Usage) -> Usage:
    """What a request spent: as its finding says, its calls at least those of the bound. One that
    failed without saying may have spent all that was set aside for it.
    """
    said = finding.usage
    if said.calls:
        return replace(said, calls=max(said.calls, bound.calls))
    if finding.status is Status.FAILED:
        return Usage(*map(max, plain(said).values(), plain(reserved).values()))
    return replace(said, calls=reserved.calls)


async def _finish(
    recorder: Recorder, at: tuple[str, str, int], finding: Finding, *, soon: bool = False
) -> Finding:
    """Record what came back: with what follows from it (`soon`), or at once."""
    path, name, attempt = at
    try:
        data = finding_blob(finding)
    except _BROKEN as error:
        finding = _broken(finding, name, error)
        data = finding_blob(finding)
    recorder.emit(
        SeekFinished(
            path=path,
            source=name,
            attempt=attempt,
            finding=digest(data),
            status=str(finding.status),
            usage=finding.usage,
        ),
        finding=data,
    )
    if soon:
        recorder.commit_soon()
    else:
        await recorder.commit()
    return finding


def _bound(source: Source, seek: Seek) -> Usage | Finding:
    """The most a request may spend, or why the source cannot say."""
    name = source.card.name
    try:
        bound: Any = source.bound(seek)
    except Exception as error:  # noqa: BLE001 - a source's own code: all it raises is data
        return failed(f"{name} cannot say what it may spend: {_told(error)}", source=name)
    try:
        return _usable(bound)
    except ValueError:
        return failed(f"{name} cannot say what it may spend: {bound!r:.100}", source=name)


async def _outcome(source: Source, key: str, seconds: float | None) -> Finding:
    """What became of a `write` request that an earlier run began."""
    unknown = "outcome unknown: an earlier run was stopped while it was under way"
    name = source.card.name
    if not isinstance(source, KeyedSource):
        return _safe(failed(unknown), name)
    finding = await _called(lambda: source.lookup(key), name, seconds)
    if finding is None:
        finding = failed(unknown)
    elif finding.status is Status.FAILED:
        finding = replace(finding, reason=f"{unknown}; looking it up: {finding.reason}")
    return _safe(finding, name)


async def _guarded(source: Source, seek: Seek, seconds: float | None) -> Finding:
    name = source.card.name
    finding = await _called(lambda: source.seek(seek), name, seconds)
    if finding is None:
        finding = failed(f"{name} returned NoneType where a Finding belongs")
    return _safe(finding, name)


async def _called(
    ask: Callable[[], Awaitable[Any]], name: str, seconds: float | None
) -> Finding | None:
    """What a source's own code gives, within its time; what it raises is a failed finding.

    Raises:
        JournalError: events can no longer be written.
        asyncio.CancelledError: the engine stops this step.
    """
    task = asyncio.current_task()
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            finding = await ask()
    except asyncio.CancelledError as error:
        if task is None or task.cancelling():
            raise
        return failed(f"{name} raised {_told(error)}")  # its own; nobody stops the step
    except OutOfBudgetError as error:
        return Finding(Status.OUT_OF_BUDGET, reason=str(error))
    except JournalError:
        raise
    except CenterError as error:
        return failed(str(error))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a source's own code: data
        if isinstance(error, TimeoutError) and limit.expired():
            return failed(f"{name} did not answer within {seconds:g} seconds")
        return failed(f"{name} raised {_told(error)}")
    if finding is not None and not isinstance(finding, Finding):
        return failed(f"{name} returned {type(finding).__name__} where a Finding belongs")
    return finding


def _told(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - the exception's own code
        text = ""
    return f"{type(error).__name__}: {cut(text)}" if text else type(error).__name__


def _usable(usage: Any) -> Usage:
    """The usage in the types that a journal reads back: calls and tokens whole, rounded up.

    Raises:
        ValueError: not all its numbers are numbers, finite and not negative.
    """
    with suppress(*_BROKEN):
        calls, prompt, completion, seconds, cost = plain(usage).values()
        if all(0 <= number < inf for number in (calls, prompt, completion, seconds, cost)):
            return Usage(ceil(calls), ceil(prompt), ceil(completion), float(seconds), float(cost))
    raise ValueError("its usage is not made of numbers from zero up")


def _safe(finding: Finding, name: str) -> Finding:
    """The finding with bounded, printable content; its status agrees with what it holds."""
    try:
        return _cleaned(finding, name)
    except _BROKEN as error:
        return _broken(finding, name, error)


def _broken(finding: Finding, name: str, error: Exception) -> Finding:
    usage = Usage()
    with suppress(ValueError):
        usage = _usable(finding.usage)
    broken = failed(f"{name} returned a finding that cannot be used: {_told(error)}")
    return replace(broken, source=name, usage=usage)


def _cleaned(finding: Finding, name: str) -> Finding:
    usage = _usable(finding.usage)
    passages = tuple(_safe_passage(p) for p in finding.passages[:MAX_PASSAGES])
    text = cut(clean_text(finding.text[: MAX_CONTENT * 2]), MAX_CONTENT)
    value = _safe_value(finding.value, [MAX_ITEMS])
    answer = finding.answer
    if value is not None and answer is None:
        answer = format_value(value)
    answer = None if answer is None else short_answer(answer[:MAX_CONTENT])
    status, reason = Status(finding.status), cut(_line(finding.reason))
    if status is Status.CANCELLED:  # only the engine stops steps
        status, reason = Status.FAILED, reason or f"{name} gave up"
    if status is Status.FOUND and not (answer or text or passages):
        status, reason = Status.NOTHING, reason or f"{name} found nothing"
    confidence = finding.confidence
    return replace(
        finding,
        status=status,
        answer=answer,
        value=value,
        text=text,
        passages=passages,
        citations=tuple(_safe_citation(c) for c in finding.citations[:MAX_PASSAGES]),
        confidence=None if confidence is None else min(max(float(confidence), 0.0), 1.0),
        usage=usage,
        source=name,
        reason=reason,
    )


def _line(text: str) -> str:
    if len(text) <= MAX_CONTENT and text.isprintable():
        return text  # the usual case: names of files and passages
    return " ".join(clean_text(text[:MAX_CONTENT]).split())


def _safe_passage(passage: Passage) -> Passage:
    return replace(
        passage,
        id=_line(passage.id),
        text=cut(clean_text(passage.text[: MAX_PASSAGE * 2]), MAX_PASSAGE),
        title=short_answer(passage.title[:MAX_PASSAGE]),
        file=_line(passage.file),
    )


def _safe_citation(citation: Citation) -> Citation:
    return replace(
        citation,
        passage=_line(citation.passage),
        title=short_answer(citation.title[:MAX_PASSAGE]),
        file=_line(citation.file),
        quote=short_answer(citation.quote[:MAX_PASSAGE]),
    )


def _safe_value(value: Value, left: list[int]) -> Value:
    """The value with clean texts; of nested lists no more than `left` items in all.

    Raises:
        TypeError: it is none of the types of `Value`.
    """
    left[0] -= 1
    match value:
        case datetime():
            return value.isoformat(sep=" ")
        case None | bool() | int() | Fraction() | date():
            return value
        case str():
            return cut(clean_text(value[: MAX_CONTENT * 2]), MAX_CONTENT)
        case Quantity():
            return replace(value, unit=short_answer(value.unit))
        case tuple():
            return tuple(_safe_value(item, left) for item in value[:MAX_ITEMS] if left[0] > 0)
        case _:
            raise TypeError(f"{type(value).__name__} is not a type of value")
