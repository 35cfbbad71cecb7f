"""All about one step, from its events: what was asked of whom, what came back, what it cites."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

from centerlm.acts import Experience
from centerlm.assembly import is_medium
from centerlm.episode import Blob, Node, citations, fold
from centerlm.events import (
    CallFinished,
    CallStarted,
    Event,
    MemoryRecalled,
    SeekFinished,
    SeekStarted,
    StepFinished,
)
from centerlm.finding import Finding, finding_from_json
from centerlm.models.base import Reply
from centerlm.recalling import recorded

_reply: msgspec.json.Decoder[Reply] = msgspec.json.Decoder(Reply)
_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif")
_SOUND = (".wav", ".mp3", ".flac", ".ogg", ".oga", ".opus", ".m4a", ".aac", ".aiff")

Medium = Literal["picture", "sound", "video"]


@dataclass(frozen=True, slots=True)
class Call:
    """A call of the center's model: the act, the prompt as (role, text), and the reply."""

    act: str
    prompt: Sequence[tuple[str, str]]
    reply: str
    error: str
    tokens: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Sought:
    """A request to a source, and what it gave; None while it is waited for."""

    source: str
    text: str
    finding: Finding | None


@dataclass(slots=True)
class Detail:
    """A step ("" is the objective itself)."""

    path: str
    node: Node
    calls: list[Call] = field(default_factory=list[Call])
    seeks: list[Sought] = field(default_factory=list[Sought])
    recalled: list[str] = field(default_factory=list[str])
    cites: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


@dataclass(frozen=True, slots=True)
class Cited:
    """A citation with its passage's text, cut at the words it cites; `kind` of a medium."""

    cite: dict[str, Any]
    before: str
    quote: str
    after: str
    path: Path
    kind: Medium | None


def detail_of(events: Sequence[Event], path: str, blob: Blob) -> Detail | None:
    """A step of an episode; None where it has no such step."""
    state = fold(events)
    node = state.nodes.get(path) if path else Node("", status=state.status, answer=state.answer)
    if node is None or not state.started:
        return None
    if not path:
        node.text, node.reason, node.finding = state.question, state.reason, state.finding
        node.started, node.finished = state.started, state.finished
    detail = Detail(path, node)
    begun: dict[tuple[str, int], CallStarted] = {}
    sought: dict[tuple[str, int], str] = {}
    for event in events:
        if event.path != path:
            continue
        match event:
            case CallStarted():
                begun[event.act, event.attempt] = event
            case CallFinished():
                detail.calls.append(_call(begun.pop((event.act, event.attempt), None), event, blob))
            case SeekStarted():
                sought[event.source, event.attempt] = event.text
            case SeekFinished():
                text = sought.pop((event.source, event.attempt), "")
                detail.seeks.append(Sought(event.source, text, _finding(event.finding, blob)))
            case MemoryRecalled():
                detail.recalled += _recalled(event.act, recorded(blob(event.recalled)))
            case _:
                pass
    detail.calls += [_call(event, None, blob) for event in begun.values()]
    detail.seeks += [Sought(source, text, None) for (source, _), text in sought.items()]
    detail.cites = citations(node.finding, blob)
    return detail


def _recalled(act: str, said: Experience) -> list[str]:
    """What the memory said, in lines to read."""
    names = ", ".join(said.lines)
    match act:
        case "order":
            return [f"Asked in this order: {names}"] if names else []
        case "elsewhere":
            return [f"May be asked though the plan does not name it: {names}"] if names else []
        case _:
            return [*said.lines, *(f"{one.objective}\n{one.plan}" for one in said.plans)]


def _call(started: CallStarted | None, ended: CallFinished | None, blob: Blob) -> Call:
    prompt: list[tuple[str, str]] = []
    if started is not None:
        prompt = msgspec.json.decode(blob(started.prompt), type=list[tuple[str, str]])
    reply = ""
    if ended is not None and ended.reply:
        reply = _reply.decode(blob(ended.reply)).choices[0].text
    one = ended or started
    assert one is not None  # each call has one of the two
    return Call(
        one.act,
        prompt,
        reply,
        ended.error if ended else "",
        ended.usage.tokens if ended else 0,
        ended.usage.seconds if ended else 0.0,
    )


def _finding(name: str, blob: Blob) -> Finding:
    return finding_from_json(msgspec.json.decode(blob(name)))


def cited_at(events: Sequence[Event], path: str, number: int, blob: Blob) -> Cited | None:
    """A citation of a step, by its number from 0; None where there is none."""
    detail = detail_of(events, path, blob)
    if detail is None or number >= len(detail.cites):
        return None
    cite = detail.cites[number]
    text = _passage(events, cite["passage"], blob) or cite["quote"]
    before, quote, after = _cut(text, cite["quote"])
    file = Path(cite["file"])
    seconds = cite["unit"] == "seconds" and is_medium(file)
    return Cited(cite, before, quote, after, file, medium_of(file) if seconds else None)


def medium_of(file: Path) -> Medium:
    """How a medium is shown."""
    suffix = file.suffix.lower()
    return "picture" if suffix in _PICTURES else "sound" if suffix in _SOUND else "video"


def _passage(events: Sequence[Event], wanted: str, blob: Blob) -> str:
    """The text of a passage that some step of the episode was given."""
    for event in events:
        if isinstance(event, SeekFinished | StepFinished) and event.finding:
            for passage in _finding(event.finding, blob).passages:
                if passage.id == wanted:
                    return passage.text
    return ""


def _cut(text: str, quote: str) -> tuple[str, str, str]:
    """The text before, of and after the words cited; spacing may differ."""
    words = quote.removesuffix("…").split()
    at, end = 0, 0
    if words:
        at = text.find(words[0])
        while at >= 0:
            end = at
            for word in words:
                next_ = text.find(word, end)
                if next_ < 0 or text[end:next_].strip():
                    break
                end = next_ + len(word)
            else:
                return text[:at], text[at:end], text[end:]
            at = text.find(words[0], at + 1)
    return text, "", ""
