"""What a person sees of an episode: a live tree on a terminal, plain lines elsewhere.

Both are drawn from the folded events alone. All text of models and sources is shown as text: no
markup, no control characters.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from centerlm.episode import Episode, Node
from centerlm.events import EpisodeStarted, Event, StepFinished
from centerlm.finding import clean_text

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

MARKS = {
    "planned": ("·", "dim"),
    "running": ("●", "yellow"),
    "found": ("✓", "green"),
    "nothing": ("∅", "magenta"),
    "failed": ("✗", "red"),
    "cancelled": ("–", "dim"),
    "out_of_budget": ("$", "red"),
}
_WIDTH = 90


def one_line(text: str, limit: int = _WIDTH) -> str:
    line = " ".join(clean_text(text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def sorted_nodes(nodes: list[Node]) -> list[Node]:
    return sorted(nodes, key=lambda node: [int(part) for part in node.path.split(".")])


def bracket(node: Node) -> str:
    """Who answers the step: the source that did, or all that may."""
    if node.source:
        return node.source
    if node.seeking:
        return f"{node.seeking} …"
    return " | ".join(node.sources) or one_line(node.line.partition("[")[2].partition("]")[0])


def objective_of(node: Node) -> str:
    return node.text or node.line.partition("] ")[2]


def outcome(node: Node) -> str:
    if node.answer:
        return node.answer
    if node.status in ("planned", "running"):
        return ""
    return f"{node.status.replace('_', ' ')}: {node.reason}" if node.reason else node.status


def cost_of(node: Node) -> str:
    parts: list[str] = []
    if node.started:
        parts.append(f"{max((node.finished or time.time()) - node.started, 0):.1f} s")
    if node.usage.tokens:
        parts.append(f"{node.usage.tokens} tokens")
    if node.joined:
        parts.append(f"= {node.joined}")
    if node.reopened:
        parts.append("re-opened")
    return ", ".join(parts)


def draw(episode: Episode) -> RenderableType:
    """The tree of an episode as a rich renderable."""
    from rich.text import Text
    from rich.tree import Tree

    head = Text(one_line(episode.question), style="bold")
    tree = Tree(head, guide_style="dim")
    for node in sorted_nodes(episode.roots):
        _draw_node(tree, node)
    return tree


def _draw_node(tree: object, node: Node) -> None:
    from rich.tree import Tree

    assert isinstance(tree, Tree)
    branch = tree.add(_label(node))
    for child in sorted_nodes(node.children):
        _draw_node(branch, child)


def _label(node: Node) -> Text:
    from rich.text import Text

    mark, style = MARKS.get(node.status, ("?", ""))
    label = Text.assemble(
        (f"{mark} ", style),
        (f"{node.path} ", "bold"),
        (f"[{bracket(node)}] ", "cyan"),
        one_line(objective_of(node)),
    )
    if text := outcome(node):
        label.append("\n    → ", style="dim")
        label.append(one_line(text), style="green" if node.status == "found" else style)
        if node.cites:
            label.append("  (" + "; ".join(one_line(c, 50) for c in node.cites) + ")", style="dim")
    if cost := cost_of(node):
        label.append(f"  {cost}", style="dim")
    return label


@contextmanager
def live_tree(console: Console) -> Generator[Callable[[Event], None]]:
    """Draw the tree while events come in, at most 10 times a second; the last state stays."""
    from rich.live import Live

    episode = Episode()
    with Live(console=console, refresh_per_second=10, get_renderable=lambda: draw(episode)):
        yield episode.apply


@contextmanager
def plain_lines(out: TextIO = sys.stderr) -> Generator[Callable[[Event], None]]:
    """One line for each step that ends, as it ends."""
    episode = Episode()

    def show(event: Event) -> None:
        episode.apply(event)
        match event:
            case EpisodeStarted():
                print(one_line(event.question), file=out)
            case StepFinished():
                print(plain_line(episode.nodes[event.path]), file=out, flush=True)
            case _:
                pass

    yield show


def plain_line(node: Node) -> str:
    mark, _ = MARKS.get(node.status, ("?", ""))
    cites = f"  ({'; '.join(one_line(c, 50) for c in node.cites)})" if node.cites else ""
    cost = f"  {cost_of(node)}" if cost_of(node) else ""
    text = f"{mark} {node.path} [{bracket(node)}] {one_line(objective_of(node))}"
    return f"{text} -> {one_line(outcome(node))}{cites}{cost}"


def plain_tree(episode: Episode) -> str:
    """The whole tree as plain lines, children indented."""
    lines: list[str] = []

    def add(nodes: list[Node], depth: int) -> None:
        for node in sorted_nodes(nodes):
            lines.append("  " * depth + plain_line(node))
            add(node.children, depth + 1)

    add(episode.roots, 0)
    return "\n".join(lines)
