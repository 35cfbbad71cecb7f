"""What a person sees of an episode: a live tree on a terminal, plain lines elsewhere.

Both are drawn from the folded events alone. All text of models and sources is shown as text: no
markup, no control characters.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from centerlm.episode import Episode, Node
from centerlm.events import EpisodeStarted, Event, MemoryRecalled, StepFinished
from centerlm.finding import clean_text

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.segment import Segment
    from rich.tree import Tree

Listener = Callable[[Event], None]

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


def remembered(lines: int) -> str:
    """What the seeking memory recalled for the plan."""
    return f"memory: {lines} line{'' if lines == 1 else 's'} recalled"


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


def draw(episode: Episode, *, folded: bool = False) -> RenderableType:
    """The tree of an episode as a rich renderable; `folded` hides what is below ended steps."""
    from rich.text import Text
    from rich.tree import Tree

    head = Text(one_line(episode.question), style="bold")
    if episode.recalled:
        head.append(f"  {remembered(episode.recalled)}", style="dim")
    tree = Tree(head, guide_style="dim")
    for node in sorted_nodes(episode.roots):
        _draw_node(tree, node, folded)
    return tree


def _draw_node(tree: Tree, node: Node, folded: bool) -> None:
    hide = folded and bool(node.children) and node.status not in ("planned", "running")
    branch = tree.add(_label(node, f"+{_size(node)} steps" if hide else ""))
    for child in () if hide else sorted_nodes(node.children):
        _draw_node(branch, child, folded)


def _size(node: Node) -> int:
    return sum(1 + _size(child) for child in node.children)


def _label(node: Node, more: str) -> RenderableType:
    """What is asked, and below it what came back, with what it cost; `more` follows."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    mark, style = MARKS.get(node.status, ("?", ""))
    asked = Text.assemble(
        (f"{mark} ", style),
        (f"{node.path} ", "bold"),
        (f"[{bracket(node)}] ", "cyan"),
        one_line(objective_of(node)),
    )
    last, shown = asked, [asked]
    if text := outcome(node):
        last = Text("→ ", style="dim")
        last.append(one_line(text), style="green" if node.status == "found" else style)
        if node.cites:
            last.append("  (" + "; ".join(one_line(c, 50) for c in node.cites) + ")", style="dim")
        shown.append(last)
    if notes := ", ".join(filter(None, (cost_of(node), more))):
        last.append(f"  {notes}", style="dim")
    return Group(asked, *(Padding(text, (0, 0, 0, 4)) for text in shown[1:]))


@dataclass(slots=True)
class _Fitted:
    """The tree of an episode in no more lines than the screen has, until it is `whole`.

    Higher than the screen, a drawing cannot be drawn over: every refresh would scroll it. So ended
    steps are folded first, then the lines around the last running step are kept.
    """

    episode: Episode
    whole: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.segment import Segment

        room = max(console.size.height - 1, 3)
        lines = console.render_lines(draw(self.episode), options, pad=False)
        if len(lines) > room and not self.whole:
            folded = draw(self.episode, folded=True)
            lines = _window(console.render_lines(folded, options, pad=False), room)
        for number, line in enumerate(lines):
            if number:
                yield Segment.line()
            yield from line


def _window(lines: list[list[Segment]], room: int) -> list[list[Segment]]:
    """At most `room` lines: the head, and those around the last running step."""
    from rich.segment import Segment

    if len(lines) <= room:
        return lines
    mark = MARKS["running"][0]
    running = [n for n, line in enumerate(lines) if any(mark in part.text for part in line)]
    end = min(max((running[-1] if running else 0) + room // 3, room - 1), len(lines))
    start = end - (room - 3)
    above = [Segment(f"  … {start - 1} lines above")]
    below = [Segment(f"  … {len(lines) - end} lines below")] if end < len(lines) else []
    return [lines[0], above, *lines[start:end], *([below] if below else [])]


@contextmanager
def live_tree(console: Console) -> Generator[Callable[[Event], None]]:
    """Draw the tree while events come in, 10 times a second; at the end the whole of it stays."""
    from rich.live import Live

    drawing = _Fitted(Episode())
    with Live(console=console, refresh_per_second=10, get_renderable=lambda: drawing):
        try:
            yield drawing.episode.apply
        finally:
            drawing.whole = True


@contextmanager
def plain_lines(out: TextIO | None = None) -> Generator[Callable[[Event], None]]:
    """One line for each step that ends, as it ends, to `out` (default: standard error).

    A reader who has gone away does not end the solving.
    """
    stream = sys.stderr if out is None else out
    episode = Episode()

    def say(line: str) -> None:
        with suppress(BrokenPipeError):
            print(line, file=stream, flush=True)

    def show(event: Event) -> None:
        episode.apply(event)
        match event:
            case EpisodeStarted():
                say(one_line(event.question))
            case MemoryRecalled(path="", act="decompose", lines=lines) if lines:
                say(remembered(lines))
            case StepFinished():
                say(plain_line(episode.nodes[event.path]))
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


def screen(quiet: bool, *, asks: bool = False) -> AbstractContextManager[Listener]:
    """A live tree on a terminal, plain lines on standard error elsewhere, nothing for JSON.

    Also plain lines where somebody is asked (`asks`): a drawing would run over question and editor.
    """
    if quiet:
        return nullcontext(_ignore)
    if sys.stdout and sys.stdout.isatty() and not asks:
        from rich.console import Console

        console = Console()
        if not console.is_dumb_terminal:
            return live_tree(console)
    return plain_lines()


def _ignore(event: Event) -> None:
    del event
