"""One seek of one source: budget, events and time limits around it, and the finding made safe.

What a source returns is data. It is cut and cleaned here, once, before anything else sees it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

from centerlm.budget import Account
from centerlm.errors import CenterError, JournalError, OutOfBudgetError
from centerlm.events import SeekFinished, SeekStarted, cut, digest
from centerlm.finding import (
    Citation,
    Finding,
    Passage,
    Status,
    Usage,
    Value,
    clean_text,
    failed,
    format_value,
    short_answer,
)
from centerlm.recorder import Recorder, finding_blob
from centerlm.sources.base import Seek, Source

MAX_CONTENT = 20_000
MAX_PASSAGES = 32
MAX_PASSAGE = 4_000
MAX_ITEMS = 10_000


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
        finding = _safe(await _outcome(source, recorder.key_of(path, attempt)), card.name)
        return await _finish(recorder, at, finding)
    bound = source.bound(seek)
    await account.acquire(bound)
    reserved, spent = bound, bound

    def spend(more: Usage) -> None:
        nonlocal reserved
        reserved = account.extend(reserved, more)

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
        given = await _guarded(source, replace(seek, key=key, spend=spend), seconds)
        finding = _safe(given, card.name)
        ended = bound if given.usage.calls else reserved  # one that failed does not say: all of it
        spent = replace(finding.usage, calls=max(finding.usage.calls, ended.calls))
    finally:
        account.settle(reserved, spent)
    return await _finish(recorder, at, replace(finding, usage=spent))


async def _finish(recorder: Recorder, at: tuple[str, str, int], finding: Finding) -> Finding:
    path, name, attempt = at
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
    await recorder.commit()
    return finding


async def _outcome(source: Source, key: str) -> Finding:
    unknown = "outcome unknown: an earlier run was stopped while it was under way"
    if not isinstance(source, KeyedSource):
        return failed(unknown)
    try:
        return await source.lookup(key) or failed(unknown)
    except Exception as error:  # noqa: BLE001 - a source's own code: all it raises is data
        return failed(f"{unknown}; looking it up raised {type(error).__name__}: {error}")


async def _guarded(source: Source, seek: Seek, seconds: float | None) -> Finding:
    name = source.card.name
    try:
        async with asyncio.timeout(seconds):
            finding: Any = await source.seek(seek)
    except TimeoutError:
        return failed(f"{name} did not answer within {seconds:g} seconds" if seconds else name)
    except OutOfBudgetError as error:
        return Finding(Status.OUT_OF_BUDGET, reason=str(error))
    except JournalError:
        raise
    except CenterError as error:
        return failed(str(error))
    except Exception as error:  # noqa: BLE001 - a source's own code: all it raises is data
        return failed(f"{name} raised {type(error).__name__}: {cut(str(error))}")
    if not isinstance(finding, Finding):
        return failed(f"{name} returned {type(finding).__name__} where a Finding belongs")
    return finding


def _safe(finding: Finding, name: str) -> Finding:
    """The finding with bounded, printable content; its status agrees with what it holds."""
    passages = tuple(_safe_passage(p) for p in finding.passages[:MAX_PASSAGES])
    text = cut(clean_text(finding.text[: MAX_CONTENT * 2]), MAX_CONTENT)
    value = _safe_value(finding.value)
    answer = finding.answer
    if value is not None:
        answer = format_value(value) if answer is None else answer
    answer = None if answer is None else short_answer(answer[:MAX_CONTENT])
    status, reason = finding.status, cut(clean_text(finding.reason[:MAX_CONTENT]))
    if status is Status.FOUND and not (answer or text or passages):
        status, reason = Status.NOTHING, reason or f"{name} found nothing"
    return replace(
        finding,
        status=status,
        answer=answer,
        value=value,
        text=text,
        passages=passages,
        citations=tuple(_safe_citation(c) for c in finding.citations[:MAX_PASSAGES]),
        source=name,
        reason=reason,
    )


def _safe_passage(passage: Passage) -> Passage:
    text = cut(clean_text(passage.text[: MAX_PASSAGE * 2]), MAX_PASSAGE)
    return replace(passage, text=text, title=short_answer(passage.title[:MAX_PASSAGE]))


def _safe_citation(citation: Citation) -> Citation:
    return replace(
        citation,
        title=short_answer(citation.title[:MAX_PASSAGE]),
        quote=short_answer(citation.quote[:MAX_PASSAGE]),
    )


def _safe_value(value: Value) -> Value:
    if isinstance(value, str):
        return cut(clean_text(value[: MAX_CONTENT * 2]), MAX_CONTENT)
    if isinstance(value, tuple):
        return tuple(_safe_value(item) for item in value[:MAX_ITEMS])
    return value
