"""The events of an episode: the only record of a solve.

Everything else (screen, JSON, resume, replay, memory, training examples, reports) is derived from
them. An event is at most 2 KB as JSON (`fit`): long content (prompts, replies, findings) is named
by hash and kept once in the journal's blobs. `path` is where in the tree: "" is the root, "2" its
second step, "2.1" the first step (or item) under it.
"""

from __future__ import annotations

import hashlib
import json
import time
from typing import TypeAlias

import msgspec

from centerlm.finding import Usage

SCHEMA_VERSION = 4
MAX_EVENT_BYTES = 2048
MAX_FIELD = 300


class _Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind"):
    path: str = ""
    at: float = msgspec.field(default_factory=time.time)


class EpisodeStarted(_Event, frozen=True, tag="episode.started"):
    """`settings` names a blob: objective, budget, seed, cards, center."""

    question: str
    settings: str
    seed: int = 0


class EpisodeResumed(_Event, frozen=True, tag="episode.resumed"):
    """`lost` is what calls in flight at the kill may have spent."""

    lost: Usage = Usage()


class MemoryRecalled(_Event, frozen=True, tag="memory.recalled"):
    """What the seeking memory said for an act ("decompose", "seek"), as the "order" of a step's
    sources, or as those to ask "elsewhere", which no plan named.

    `recalled` names a blob: a JSON list of `lines` texts.
    """

    act: str
    attempt: int
    recalled: str
    lines: int = 0


class CallStarted(_Event, frozen=True, tag="call.started"):
    act: str
    attempt: int
    prompt: str
    bound: Usage = Usage()


class CallFinished(_Event, frozen=True, tag="call.finished"):
    """`reply` names the reply's blob; empty where the call failed with `error`."""

    act: str
    attempt: int
    reply: str = ""
    error: str = ""
    usage: Usage = Usage()


class StepPlanned(_Event, frozen=True, tag="step.planned"):
    """A line of the plan of the level above became known. `line` is in the plan language."""

    line: str
    by: str = "center"


class PlanFinished(_Event, frozen=True, tag="plan.finished"):
    """The plan of the level at `path` is whole. `plan` names the blob of its text.

    `by` is center, person (after an edit, `edited` names the original) or direct. `problem` says
    why the center's own plan was not used. `attempt` is that of the step that the level answers.
    """

    plan: str
    steps: int
    by: str = "center"
    edited: str = ""
    problem: str = ""
    attempt: int = 0


class PlanProposed(_Event, frozen=True, tag="plan.proposed"):
    """The center's root plan, before a person reviews it. `plan` names the blob of its text."""

    plan: str
    steps: int


GOOD = 4
"""The rating from which on a plan that a person left as it was is guidance."""


class PlanReviewed(_Event, frozen=True, tag="plan.reviewed"):
    """What a person said of a root plan. `verdict` is accepted, edited or rejected.

    `before` and `plan` name the blobs of the plan as the center had it and as it is now; `rating`
    is 1 (useless) to 5 (as I would have it), 0 where none was given. It may come after the end of
    the episode: nothing depends on it.
    """

    verdict: str
    before: str
    plan: str
    by: str = ""
    why: str = ""
    rating: int = 0


class StepStarted(_Event, frozen=True, tag="step.started"):
    """References are filled in. `text` is cut to 300 characters, `key` the whole's identity."""

    text: str
    sources: tuple[str, ...]
    key: str = ""
    attempt: int = 0


class StepJoined(_Event, frozen=True, tag="step.joined"):
    """The same sub-objective is already being answered at `to`."""

    to: str


class SeekStarted(_Event, frozen=True, tag="seek.started"):
    source: str
    attempt: int
    text: str
    write: bool = False
    bound: Usage = Usage()


class SeekFinished(_Event, frozen=True, tag="seek.finished"):
    source: str
    attempt: int
    finding: str
    status: str
    usage: Usage = Usage()


class StepReopened(_Event, frozen=True, tag="step.reopened"):
    reason: str


class StepFinished(_Event, frozen=True, tag="step.finished"):
    """The one final status of a step (of an attempt, where it was re-opened)."""

    status: str
    finding: str = ""
    answer: str = ""
    source: str = ""
    tried: tuple[str, ...] = ()
    cites: tuple[str, ...] = ()
    reason: str = ""
    key: str = ""
    attempt: int = 0


class EpisodeFinished(_Event, frozen=True, tag="episode.finished"):
    """`status` is answered | partial | nothing | failed | cancelled | out_of_budget."""

    status: str
    finding: str = ""
    answer: str = ""
    reason: str = ""


Event: TypeAlias = (
    EpisodeStarted
    | EpisodeResumed
    | MemoryRecalled
    | CallStarted
    | CallFinished
    | StepPlanned
    | PlanProposed
    | PlanReviewed
    | PlanFinished
    | StepStarted
    | StepJoined
    | SeekStarted
    | SeekFinished
    | StepReopened
    | StepFinished
    | EpisodeFinished
)

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


def encode_event(event: Event) -> bytes:
    """The event as JSON bytes; at most 2 KB of an event that went through `fit`."""
    return _encoder.encode(event)


def decode_event(data: bytes) -> Event:
    """Read an event.

    Raises:
        msgspec.DecodeError: not an event of this schema version.
    """
    return _decoder.decode(data)


_SHORTENED = ("why", "problem", "error", "reason", "cites", "text", "line", "question")
_LAST = ("tried", "sources", "answer")
_TIME_BYTES = 24


def fit(event: Event) -> Event:
    """The event, its texts cut where it would take more than 2 KB as JSON, the least needed first.

    How much is cut does not depend on the time of the event, so that a replay cuts alike.
    Lone surrogates, which JSON cannot hold, become question marks.
    """
    try:
        excess = _excess(event)
    except UnicodeEncodeError:
        event = _encodable(event)
        excess = _excess(event)
    for name in (*_SHORTENED, *_LAST):
        if excess <= 0:
            break
        if value := getattr(event, name, None):
            event = msgspec.structs.replace(event, **{name: _shorter(value, excess)})
            excess = _excess(event)
    return event


def _excess(event: Event) -> int:
    return len(_encoder.encode(event)) - len(repr(event.at)) + _TIME_BYTES - MAX_EVENT_BYTES


def _encodable(event: Event) -> Event:
    text = json.dumps(msgspec.to_builtins(event), ensure_ascii=False)
    return _decoder.decode(text.encode("utf-8", "replace"))


def _shorter(value: str | tuple[str, ...], excess: int) -> str | tuple[str, ...]:
    """The value with `excess` bytes of JSON less, or as short as it gets."""
    if not isinstance(value, str):
        while value and excess > 0:
            excess -= len(_encoder.encode(value[-1])) + 1
            value = value[:-1]
        return value
    wanted = len(_encoder.encode(value)) - excess - len("…".encode())
    low, high = 0, len(value)
    while low < high:
        middle = (low + high + 1) // 2
        if len(_encoder.encode(value[:middle])) <= wanted:
            low = middle
        else:
            high = middle - 1
    return value[:low] + "…"


def cut(text: str, limit: int = MAX_FIELD) -> str:
    """The text, or its first `limit` - 1 characters and an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def digest(data: bytes) -> str:
    """The name of a blob: 128 bits of BLAKE2b as 32 hexadecimal digits."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()
