"""What clients are told of an episode: its events as plain objects, as lines of text, and its end.

Files are named by their path inside the library's folder, or by their name alone: how this machine
is laid out is nobody's business. All text has been cleaned of control characters by the engine; it
is data, and pages that show it have to escape it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

import msgspec

from centerlm.episode import Blob, Episode, citations, episode_to_json
from centerlm.events import (
    CallFinished,
    CallStarted,
    EpisodeStarted,
    Event,
    MemoryRecalled,
    PlanFinished,
    SeekFinished,
    SeekStarted,
    StepFinished,
    StepJoined,
    StepPlanned,
    StepReopened,
    StepStarted,
)
from centerlm.models.base import Message, Prompt, Reply, Role
from centerlm.screen import plain_line

_reply: msgspec.json.Decoder[Reply] = msgspec.json.Decoder(Reply)
_turns: msgspec.json.Decoder[list[tuple[Role, str]]] = msgspec.json.Decoder(list[tuple[Role, str]])
PromptIds = Callable[[Prompt], Sequence[int]]


@dataclass(slots=True)
class Teller:
    """Folds the events of one episode and tells them; `roots` are folders that files are named in.

    `prompt_ids` renders a prompt to token ids, where the center's model can.
    """

    name: str
    blob: Blob
    roots: Sequence[PurePath] = ()
    prompt_ids: PromptIds | None = None
    state: Episode = field(default_factory=Episode)
    _events: list[Event] = field(default_factory=list[Event])

    def take(self, event: Event) -> None:
        self.state.apply(event)
        self._events.append(event)

    def told(self, event: Event) -> dict[str, Any] | None:
        """The event as a client gets it; None for those that say nothing to clients."""
        data: dict[str, Any]
        match event:
            case EpisodeStarted():
                data = {"question": event.question}
            case MemoryRecalled(act="decompose"):
                data = {"lines": event.lines}
            case StepPlanned():
                data = {"line": event.line, "by": event.by}
            case PlanFinished():
                data = {"plan": self.blob(event.plan).decode(), "by": event.by}
                if event.problem:
                    data["problem"] = event.problem
            case StepStarted():
                data = {"objective": event.text, "sources": list(event.sources)}
            case StepJoined():
                data = {"to": event.to}
            case StepReopened():
                data = {"reason": event.reason}
            case SeekStarted():
                data = {"source": event.source, "text": event.text}
            case SeekFinished():
                data = {"source": event.source, "status": event.status}
            case StepFinished():
                data = {
                    "status": "answered" if event.status == "found" else event.status,
                    "answer": event.answer or None,
                    "source": event.source or None,
                    "tried": list(event.tried),
                    "reason": event.reason or None,
                    "citations": self._named(citations(event.finding, self.blob)),
                }
            case _:
                return None
        kind: str = type(event).__struct_config__.tag  # pyright: ignore[reportAssignmentType]
        return {"kind": kind, "path": event.path, "at": event.at, **data}

    def line(self, event: Event) -> str:
        """The event as a line of reasoning; "" for those that are none."""
        match event:
            case PlanFinished(path=""):
                plan = self.blob(event.plan).decode()
                return f"Plan:\n{plan.rstrip()}\n" if plan.strip() else ""
            case StepFinished():
                return plain_line(self.state.nodes[event.path]) + "\n"
            case _:
                return ""

    def end(self) -> dict[str, Any]:
        """The outcome, as `centerlm solve --json` prints it."""
        data = episode_to_json(self.state, self.name, self.blob)
        data["citations"] = self._named(data["citations"])
        self._name_steps(data["steps"])
        return data

    def reasoning(self) -> str:
        """Plan and steps as text."""
        return "".join(map(self.line, self._events))

    def calls(self) -> list[dict[str, Any]]:
        """The center's calls, in order, with what it takes to train on them.

        `prompt_token_ids`, `token_ids` and `logprobs` (natural log, one a token) are null where the
        model does not have them.
        """
        prompts = {
            (e.path, e.act, e.attempt): e.prompt for e in self._events if isinstance(e, CallStarted)
        }
        return [
            self._call(event, prompts.get((event.path, event.act, event.attempt), ""))
            for event in self._events
            if isinstance(event, CallFinished) and event.reply
        ]

    def _call(self, event: CallFinished, prompt: str) -> dict[str, Any]:
        choice = _reply.decode(self.blob(event.reply)).choices[0]
        turns = _turns.decode(self.blob(prompt)) if prompt else []
        shown = Prompt(tuple(Message(role, text) for role, text in turns))
        ids = list(self.prompt_ids(shown)) if self.prompt_ids and turns else None
        return {
            "path": event.path,
            "act": event.act,
            "attempt": event.attempt,
            "messages": [{"role": m.role, "content": m.text} for m in shown.messages],
            "prompt_token_ids": ids,
            "text": choice.text,
            "finish_reason": choice.finish,
            "token_ids": None if choice.token_ids is None else list(choice.token_ids),
            "logprobs": None if choice.logprobs is None else list(choice.logprobs),
        }

    def _name_steps(self, steps: list[dict[str, Any]]) -> None:
        for step in steps:
            step["citations"] = self._named(step["citations"])
            self._name_steps(step["steps"])

    def _named(self, cites: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**cite, "file": public_file(cite["file"], self.roots)} for cite in cites]


def public_file(file: str, roots: Sequence[PurePath]) -> str:
    """A file as clients may know it: its path under a root, or its name."""
    if not file:
        return ""
    path = PurePath(file)
    for root in roots:
        if path.is_relative_to(root):
            return str(path.relative_to(root))
    return path.name


def by_name(text: str, files: Sequence[str]) -> str:
    """A sentence about files as clients may know it: with their names, without their folders."""
    for file in files:
        for path in (file, str(Path(file).resolve())):
            text = text.replace(path, PurePath(file).name)
    return text


def none_yet(name: str) -> Mapping[str, Any]:
    """The outcome of a request that was cancelled before it began."""
    return {
        "answer": None,
        "status": "cancelled",
        "reason": "it was cancelled before it began",
        "episode": name,
        "plan": "",
        "steps": [],
        "citations": [],
        "usage": {
            "calls": 0,
            "prompt_tokens": 0,
            "completion_tokens": 0,
            "seconds": 0.0,
            "cost": 0.0,
        },
    }
