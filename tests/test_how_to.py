"""The how-to guides: their Python runs, their settings load, their commands exist."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from centerlm.cli import cli
from centerlm.config import load_settings

HOW_TO = Path(__file__).parents[1] / "docs" / "how-to"
GUIDES = (
    *("use-your-own-model.md", "resume-and-replay.md", "write-a-source.md", "memory.md"),
    "serve.md",
    "books.md",
    "study.md",
)
WITHOUT_PYTHON = (*GUIDES, "evaluate.md", "compare.md", "mcp.md", "studio.md")


def _blocks(guide: str, language: str) -> list[str]:
    text = (HOW_TO / guide).read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


@pytest.mark.parametrize("guide", GUIDES)
def test_its_python_runs(guide: str, tmp_path: Path) -> None:
    """Each block as a file of its own, beside those that the guide names in a first comment."""
    blocks = _blocks(guide, "python")
    assert blocks
    calls: list[str] = []
    for number, block in enumerate(blocks):
        named = re.match(r"# (\w+\.py)\n", block)
        name = named[1] if named else f"block_{number}.py"
        (tmp_path / name).write_text(block)
        calls.append(f"import {name.removesuffix('.py')}")
    subprocess.run([sys.executable, "-c", "\n".join(calls)], cwd=tmp_path, check=True, timeout=60)


@pytest.mark.parametrize("guide", WITHOUT_PYTHON)
def test_its_settings_load(guide: str, tmp_path: Path) -> None:
    for block in _blocks(guide, "toml"):
        if "[project." not in block:
            (tmp_path / "centerlm.toml").write_text(block)
            load_settings(tmp_path / "centerlm.toml")


@pytest.mark.parametrize("guide", WITHOUT_PYTHON)
def test_its_commands_exist(guide: str) -> None:
    lines = [line for block in _blocks(guide, "sh") for line in block.splitlines()]
    commands = [line for line in lines if line.startswith("centerlm ")]
    assert commands
    for line in commands:
        words = shlex.split(line, comments=True)[1:]
        command: click.Command = cli
        while isinstance(command, click.Group) and words and words[0] in command.commands:
            command = command.commands[words.pop(0)]
        command.make_context("example", words, **cli.context_settings)


def test_its_sources_answer_at_the_command_line(tmp_path: Path) -> None:
    (source, *_) = _blocks("write-a-source.md", "python")
    (tmp_path / "my_sources.py").write_text(source)
    (tmp_path / "script.py").write_text(
        'plan = "1 [population] How many people live in Norland?\\n2 [calculator] #1 / 2\\n"\n'
        'model = {"Break the question": plan}\n'
    )
    done = subprocess.run(
        [sys.executable, "-m", "centerlm", "solve", "Half of Norland?", "--source", "calculator",
         "--source", "my_sources:population", "--model", "scripted:script:model",
         "--journal", "journal.sqlite"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60,
        env={**os.environ, "CENTERLM_HOME": str(tmp_path / "home")},
    )  # fmt: skip
    assert done.stdout.splitlines()[1:2] == ["2700000"], done.stderr
