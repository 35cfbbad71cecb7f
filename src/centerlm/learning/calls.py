"""The model calls of an episode, read back from its journal: what was asked, and what came.

The journal keeps prompts as messages and replies with the token ids and log-probabilities that the
model gave. Only calls of the center are here: what sources ask of other models is not trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from centerlm.errors import JournalError
from centerlm.events import CallFinished, CallStarted, EpisodeStarted
from centerlm.finding import Usage
from centerlm.journal import Journal
from centerlm.models.base import Message, Prompt, Reply

_replies: msgspec.json.Decoder[Reply] = msgspec.json.Decoder(Reply)
_prompts: msgspec.json.Decoder[list[tuple[str, str]]] = msgspec.json.Decoder(list[tuple[str, str]])


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One call of the center's model: act and place, prompt, and the reply it gave."""

    path: str
    act: str
    attempt: int
    prompt: Prompt
    reply: Reply
    usage: Usage


@dataclass(frozen=True, slots=True)
class EpisodeCalls:
    """The answered model calls of an episode, in the order they were begun.

    `model` is the identity of the center's model (weights and adapter hash, or endpoint and name);
    `unanswered` counts the calls that failed or never came back.
    """

    episode: str
    question: str
    model: str
    calls: tuple[ModelCall, ...]
    unanswered: int = 0


def read_calls(journal: Journal, episode: str) -> EpisodeCalls:
    """The model calls of an episode.

    A call that failed and was made again by a resumed run is there once, as it was answered.

    Raises:
        InputError: the journal has no such episode.
        JournalError: the journal has lost some of its content.
    """
    begun: dict[tuple[str, str, int], str] = {}
    ended: dict[tuple[str, str, int], CallFinished] = {}
    question = settings = ""
    for event in journal.events(episode):
        match event:
            case EpisodeStarted():
                question, settings = event.question, event.settings
            case CallStarted():
                begun[event.path, event.act, event.attempt] = event.prompt
            case CallFinished() if event.reply:
                ended[event.path, event.act, event.attempt] = event
            case _:
                pass
    data: Any = msgspec.json.decode(_blob(journal, settings)) if settings else {}
    calls = tuple(
        ModelCall(
            path=path,
            act=act,
            attempt=attempt,
            prompt=_prompt(_blob(journal, prompt)),
            reply=_replies.decode(_blob(journal, ended[path, act, attempt].reply)),
            usage=ended[path, act, attempt].usage,
        )
        for (path, act, attempt), prompt in begun.items()
        if (path, act, attempt) in ended
    )
    return EpisodeCalls(
        episode, question, str(data.get("center", "")), calls, len(begun) - len(calls)
    )


def _blob(journal: Journal, name: str) -> bytes:
    try:
        return journal.blob(name)
    except KeyError:  # a journal in memory
        raise JournalError(
            f"the journal has lost content {name}; its episode cannot be trained on"
        ) from None


def _prompt(data: bytes) -> Prompt:
    return Prompt(tuple(_message(role, text) for role, text in _prompts.decode(data)))


def _message(role: str, text: str) -> Message:
    match role:
        case "system" | "user" | "assistant":
            return Message(role, text)
        case _:
            raise JournalError(f"the journal holds a message of the unknown role {role[:40]!r}")
