"""What the reports of the benchmarks share: tables, figures with intervals, versions, files."""

from __future__ import annotations

import json
import platform
import shlex
import sqlite3
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

from centerlm.errors import CenterError
from centerlm.evaluation.statistics import Interval

_Arguments = TypeVar("_Arguments")

PACKAGES = ("centerlm", "numpy", "onnxruntime", "tokenizers", "xllamacpp")


def write(out: Path, name: str, report: Mapping[str, Any], page: str) -> Path:
    """Write NAME.json and NAME.md; returns the latter."""
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(report, indent=1, ensure_ascii=False) + "\n"
    (out / f"{name}.json").write_text(text, encoding="utf-8")
    markdown = out / f"{name}.md"
    markdown.write_text(page, encoding="utf-8")
    return markdown


def run_benchmark(run: Callable[[], Path], *, interrupted: str) -> int:
    """Run a benchmark that writes a page, and print the page; the exit code of the command."""
    try:
        page = run()
    except KeyboardInterrupt:
        print(f"interrupted; {interrupted}", file=sys.stderr)
        return 130
    except CenterError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"{error.filename}: {error.strerror}; choose another folder", file=sys.stderr)
        return 2
    print(page.read_text(encoding="utf-8"))
    return 0


def main_of(parse: Callable[[Sequence[str]], _Arguments], run: Callable[[_Arguments], Path]) -> int:
    """The program of a benchmark that keeps what takes long: options, run, and the page shown."""
    arguments = parse(sys.argv[1:])
    return run_benchmark(
        lambda: run(arguments), interrupted="the same command goes on where it stopped"
    )


def command_line() -> str:
    """The command as it can be shown: absolute paths are cut to their last part."""
    words = [Path(sys.argv[0]).name, *sys.argv[1:]]
    shown = [Path(word).name if Path(word).is_absolute() else word for word in words]
    return f"python benchmarks/{shlex.join(shown)}"


def versions(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
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
    return f"{interval['value']:.2f} ({interval['low']:.2f} to {interval['high']:.2f})"


def config_lines(config: Mapping[str, Any]) -> list[str]:
    """The section that says how to measure it again."""
    lines = ["", "## How", "", "```", str(config["command"]), "```", ""]
    for name, value in config.items():
        if name == "command":
            continue
        if isinstance(value, Mapping):
            value = ", ".join(f"{k} {v}" for k, v in value.items())
        elif isinstance(value, list | tuple):
            value = ", ".join(map(str, value))
        lines.append(f"- {name.replace('_', ' ')}: {value}")
    return lines


def _cells(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
