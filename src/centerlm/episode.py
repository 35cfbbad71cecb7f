"""Folding events into the state of an episode: the tree that screen, JSON and resume show.

`apply` is called for each event, live or from the journal; it never does I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import msgspec

from centerlm.events import (
    CallFinished,
    EpisodeFinished,
    EpisodeResumed,
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
from centerlm.finding import Citation, Usage

Blob = Callable[[str], bytes]


@dataclass(slots=True)
class Node:
    """A step, or an item of one. `status` is planned, running, or the step's final status."""

    path: str
    line: str = ""
    text: str = ""
    sources: tuple[str, ...] = ()
    status: str = "planned"
    answer: str = ""
    source: str = ""
    tried: tuple[str, ...] = ()
    cites: tuple[str, ...] = ()
    finding: str = ""
    reason: str = ""
    joined: str = ""
    seeking: str = ""
    reopened: int = 0
    usage: Usage = field(default_factory=Usage)
    started: float = 0.0
    finished: float = 0.0
    children: list[Node] = field(default_factory=list["Node"])


@dataclass(slots=True)
class Episode:
    """The state of an episode after the events applied so far."""

    question: str = ""
    settings: str = ""
    seed: int = 0
    status: str = "running"
    answer: str = ""
    finding: str = ""
    reason: str = ""
    plan: str = ""
    plan_by: str = ""
    started: float = 0.0
    finished: float = 0.0
    resumed: int = 0
    recalled: int = 0
    usage: Usage = field(default_factory=Usage)
    events: int = 0
    nodes: dict[str, Node] = field(default_factory=dict[str, Node])
    roots: list[Node] = field(default_factory=list[Node])

    def apply(self, event: Event) -> None:
        """Fold one event in."""
        self.events += 1
        match event:
            case MemoryRecalled():
                if not event.path and event.act == "decompose":
                    self.recalled = event.lines
            case StepPlanned():
                self.node(event.path).line = event.line
            case StepStarted():
                node = self.node(event.path)
                node.status, node.text, node.sources = "running", event.text, event.sources
                node.started = node.started or event.at
            case SeekStarted():
                self.node(event.path).seeking = event.source
            case SeekFinished() | CallFinished():
                self.usage += event.usage
                if event.path:
                    self.node(event.path).usage += event.usage
            case StepJoined():
                self.node(event.path).joined = event.to
            case StepReopened():
                node = self.node(event.path)
                node.status, node.reopened = "running", node.reopened + 1
            case StepFinished():
                node = self.node(event.path)
                node.status, node.answer, node.source = event.status, event.answer, event.source
                node.tried, node.cites, node.reason = event.tried, event.cites, event.reason
                node.finding, node.finished = event.finding, event.at
                node.seeking = ""
            case PlanFinished():
                if not event.path:
                    self.plan, self.plan_by = event.plan, event.by
            case EpisodeStarted():
                self.question, self.settings = event.question, event.settings
                self.seed, self.started = event.seed, event.at
            case EpisodeResumed():
                self.resumed += 1
                self.status = "running"
                self.usage += event.lost
            case EpisodeFinished():
                self.status, self.answer, self.finding = event.status, event.answer, event.finding
                self.reason, self.finished = event.reason, event.at
            case _:
                pass

    def node(self, path: str) -> Node:
        """The node at a path, made (with those above it) if it is new."""
        if path in self.nodes:
            return self.nodes[path]
        node = self.nodes[path] = Node(path)
        above, _, _ = path.rpartition(".")
        siblings = self.node(above).children if above else self.roots
        siblings.append(node)
        return node


def fold(events: Iterable[Event]) -> Episode:
    """The state after all these events."""
    episode = Episode()
    for event in events:
        episode.apply(event)
    return episode


def _order(path: str) -> tuple[int, ...]:
    return tuple(int(part) for part in path.split("."))


def episode_to_json(episode: Episode, name: str, blob: Blob) -> dict[str, Any]:
    """The object that `solve --json` prints. Steps stand in path order, so that it depends on
    what was found and not on which step happened to end first.
    """
    seconds = max(episode.finished - episode.started, 0.0) if episode.finished else 0.0
    usage = asdict(episode.usage)
    usage["seconds"] = round(seconds, 3)
    usage["cost"] = round(episode.usage.cost, 12)  # its last digits depend on the order of calls
    return {
        "answer": episode.answer or None,
        "status": episode.status,
        "reason": episode.reason or None,
        "episode": name,
        "plan": blob(episode.plan).decode() if episode.plan else "",
        "steps": _steps_to_json(episode.roots, blob),
        "citations": citations(episode.finding, blob),
        "usage": usage,
    }


def _steps_to_json(nodes: list[Node], blob: Blob) -> list[dict[str, Any]]:
    return [
        {
            "id": node.path,
            "source": node.source or (node.sources[0] if node.sources else None),
            "tried": list(node.tried),
            "objective": node.text or node.line,
            "answer": node.answer or None,
            "status": "answered" if node.status == "found" else node.status,
            "reason": node.reason or None,
            "citations": citations(node.finding, blob),
            "steps": _steps_to_json(node.children, blob),
        }
        for node in sorted(nodes, key=lambda node: _order(node.path))
    ]


def citations(finding: str, blob: Blob) -> list[dict[str, Any]]:
    """The citations of a stored finding."""
    if not finding:
        return []
    stored: dict[str, Any] = msgspec.json.decode(blob(finding))
    return [asdict(Citation(**c)) for c in stored.get("citations", ())]
