"""What the commands print: answers, trees and JSON on standard output, complaints on the other."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import click

from centerlm.episode import Episode
from centerlm.finding import clean_text
from centerlm.screen import one_line, plain_tree

_LESS = {
    "partial": "some steps have no answer",
    "nothing": "no source had an answer",
    "failed": "a part did not work",
    "cancelled": "it was stopped",
    "out_of_budget": "the budget is used up",
    "running": "another process is solving it, or it was killed",
}
_REMEDY = {
    "failed": "try again with: centerlm resume {name}",
    "cancelled": "go on with: centerlm resume {name}",
    "out_of_budget": "allow more with: centerlm resume {name} --budget LIMITS",
    "running": "go on with: centerlm resume {name}",
}


def complain(sentence: str) -> None:
    """One sentence on standard error."""
    click.echo(f"centerlm: {' '.join(clean_text(sentence).split())}", err=True)


def now_and_then(say: Callable[[str], None], seconds: float = 5.0) -> Callable[[str], None]:
    """Says a line of progress at most every so many seconds, and any other line at once."""
    last = time.monotonic()

    def told(line: str) -> None:
        nonlocal last
        if line.startswith("watching ") and time.monotonic() - last < seconds:
            return
        last = time.monotonic()
        say(line)

    return told


def print_json(data: Any) -> None:
    """One JSON value; escaped where the output cannot hold every character."""
    encoding = (getattr(sys.stdout, "encoding", None) or "ascii").lower().replace("-", "")
    click.echo(json.dumps(data, ensure_ascii=encoding != "utf8", indent=2))


def wide_console() -> Any:
    """A console for tables: where nobody watches a terminal, nothing is cut off."""
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console.width = 200
    return console


def print_solution(data: Mapping[str, Any], *, as_json: bool, journal: str = "") -> int:
    """Print what `episode_to_json` gives; say on standard error why it is less than an answer.

    `journal` is the option that resuming needs to find the episode. Returns the exit code.
    """
    if as_json:
        print_json(data)
    else:
        print_answer(data)
    status = str(data["status"])
    if status == "answered":
        return 0
    why = str(data["reason"] or _LESS.get(status, "")).rstrip(".")
    remedy = _REMEDY.get(status, "").format(name=f"{data['episode']}{journal}")
    complain(f"{status.replace('_', ' ')}: {why}" + (f"; {remedy}" if remedy else ""))
    return 1


def print_answer(data: Mapping[str, Any]) -> None:
    click.echo(f"\n{clean_text(data['answer'] or 'no answer')}")
    for number, cite in enumerate(data["citations"], start=1):
        where = cite["file"] or cite["title"]
        unit = " s" if cite["unit"] == "seconds" else ""
        span = f" {cite['start']:g}-{cite['end']:g}{unit}" if cite["end"] else ""
        title = f"{one_line(cite['title'], 60)}: " if cite["title"] else ""
        click.echo(f"  [{number}] {title}{one_line(cite['quote'], 120)}")
        if where:
            click.echo(f"      {one_line(where, 400)}{span}")
    usage = data["usage"]
    cost = f", cost {usage['cost']:.4g}" if usage["cost"] else ""
    click.echo(
        f"episode {data['episode']}: {usage['calls']} calls, "
        f"{usage['prompt_tokens'] + usage['completion_tokens']:,} tokens, "
        f"{usage['seconds']:.1f} s{cost}"
    )


def print_tree(state: Episode) -> None:
    """The whole tree: drawn on a terminal, plain lines elsewhere."""
    if sys.stdout and sys.stdout.isatty():
        from rich.console import Console

        from centerlm.screen import draw

        Console().print(draw(state))
    else:
        click.echo(plain_tree(state))
