"""Result pages: a JSON file and a Markdown page beside it, with tables, intervals and versions."""

from __future__ import annotations

import json
import platform
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any, cast

from centerlm.evaluation.statistics import Interval

PACKAGES = ("centerlm", "numpy", "onnxruntime", "tokenizers", "xllamacpp")
TRAINING = ("centerlm", "torch", "transformers", "peft", "numpy", "tokenizers", "xllamacpp")
"""What matters where models were trained for the page."""
_LINE = 100


def write(out: Path, name: str, report: Mapping[str, Any], page: str) -> Path:
    """Write NAME.json and NAME.md; returns the latter.

    Raises:
        OSError: they cannot be written.
    """
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{name}.json").write_text(readable_json(report) + "\n", encoding="utf-8")
    markdown = out / f"{name}.md"
    markdown.write_text(page, encoding="utf-8")
    return markdown


def readable_json(data: Any) -> str:
    """JSON where what fits on one line has one line: a row of figures is no page of its own."""
    return _lines(json.loads(json.dumps(data)), 0)


def _lines(data: Any, indent: int) -> str:
    line = json.dumps(data, ensure_ascii=False)
    if indent + len(line) <= _LINE or not isinstance(data, dict | list):
        return line
    if isinstance(data, list):
        parts = [_lines(item, indent + 1) for item in cast("list[Any]", data)]
    else:
        pairs = cast("dict[str, Any]", data).items()
        parts = [f"{json.dumps(k, ensure_ascii=False)}: {_lines(v, indent + 1)}" for k, v in pairs]
    inner = "\n" + " " * (indent + 1)
    return f"{line[0]}{inner}{f',{inner}'.join(parts)}{inner[:-1]}{line[-1]}"


def versions(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Of Python, SQLite and these packages, by name."""
    found = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    for name in packages:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def intervals(metrics: Mapping[str, Interval]) -> dict[str, dict[str, float]]:
    return {name: asdict(interval) for name, interval in metrics.items()}


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table, one line a row."""
    return [_cells(heads), _cells(["---"] * len(heads)), *map(_cells, rows)]


def percent(interval: Mapping[str, float] | None, *, sign: str = "") -> str:
    """A share as per cent with its interval; "" where there is none."""
    if interval is None:
        return ""
    value, low, high = (interval[k] * 100 for k in ("value", "low", "high"))
    return f"{value:{sign}.1f} ({low:{sign}.1f} to {high:{sign}.1f})"


def number(interval: Mapping[str, float] | None) -> str:
    """A figure with its interval, two digits after the point."""
    if interval is None:
        return ""
    value, low, high = (f"{interval[name]:z.2f}" for name in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


def config_lines(config: Mapping[str, Any]) -> list[str]:
    """The section that says how to measure it again."""
    lines = ["", "## How", "", "```", str(config["command"]), "```", ""]
    lines += [
        f"- {name.replace('_', ' ')}: {_told(value)}"
        for name, value in config.items()
        if name != "command"
    ]
    return lines


def _told(value: Any) -> str:
    if isinstance(value, Mapping):
        pairs = cast("Mapping[str, Any]", value).items()
        return ", ".join(f"{name} {each}" for name, each in pairs)
    if isinstance(value, list | tuple):
        return ", ".join(map(str, cast("Sequence[Any]", value)))
    return str(value)


def _cells(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
