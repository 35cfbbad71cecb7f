"""The tree of an episode as rows of HTML, and which of them changed since they were last sent.

A tree of thousands of steps is shown as its upper levels: what is below a step is asked for when it
is opened. A small one is shown whole.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from centerlm.episode import Episode, Node
from centerlm.events import Event
from centerlm.screen import sorted_nodes

WHOLE = 60
"""A tree of at most so many steps is shown whole."""
_OPEN = ("planned", "running")


@dataclass(slots=True)
class Below:
    """The steps under a step: how many have ended, of how many."""

    ended: int = 0
    all: int = 0


@dataclass(slots=True)
class Tree:
    """An episode, folded, and what changed of it."""

    state: Episode = field(default_factory=Episode)
    below: defaultdict[str, Below] = field(default_factory=lambda: defaultdict(Below))
    changed: set[str] = field(default_factory=set[str])
    seen: int = 0
    _known: set[str] = field(default_factory=set[str])
    _ended: set[str] = field(default_factory=set[str])

    @property
    def whole(self) -> bool:
        return len(self.state.nodes) <= WHOLE

    def take(self, event: Event) -> None:
        """Fold an event in."""
        self.state.apply(event)
        self.seen += 1
        if not event.path or event.path not in self.state.nodes:
            return
        line = [*ancestors(event.path), event.path]
        for path in line:
            if path not in self._known:
                self._known.add(path)
                for above in ancestors(path):
                    self.below[above].all += 1
        ended = self.state.nodes[event.path].status not in _OPEN
        if ended != (event.path in self._ended):
            (self._ended.add if ended else self._ended.discard)(event.path)
            for above in ancestors(event.path):
                self.below[above].ended += 1 if ended else -1
        self.changed.update(line)

    def take_all(self, events: Iterable[Event]) -> Tree:
        for event in events:
            self.take(event)
        self.changed.clear()
        return self

    def level(self, path: str) -> list[Node]:
        """The steps under a step ("": of the root's plan), in order; none where it is unknown."""
        if not path:
            return sorted_nodes(self.state.roots)
        node = self.state.nodes.get(path)
        return sorted_nodes(node.children) if node else []

    def news(self) -> list[Node]:
        """The steps that changed since this was last asked, each after what is above it."""
        nodes = [self.state.nodes[path] for path in self.changed]
        self.changed.clear()
        return sorted_nodes(nodes)


def ancestors(path: str) -> Iterator[str]:
    """The paths above a path, the root's steps first."""
    parts = path.split(".")
    for length in range(1, len(parts)):
        yield ".".join(parts[:length])


def facts(state: Episode, now: float) -> dict[str, Any]:
    """What an episode has spent so far."""
    running = state.status == "running" and state.started > 0
    return {
        "calls": state.usage.calls,
        "tokens": state.usage.tokens,
        "cost": state.usage.cost,
        "seconds": max((now if running else state.finished) - state.started, 0.0),
        "steps": len(state.nodes),
        "ended": sum(node.status not in _OPEN for node in state.nodes.values()),
        "running": running,
        "started": state.started,
    }
