"""The help: one screen each, an example, nothing cut off; and that it is quick."""

from __future__ import annotations

import json
import re
import resource
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from cli_reference import commands, help_of, reference
from cli_run import MODULE, Run, environment

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"
COMMANDS = dict(commands())
HEAVY = {"numpy", "onnxruntime", "xllamacpp", "aiohttp", "pint", "lark", "pypdf", "rich", "msgspec",
         "selectolax", "tokenizers", "asyncio", "sqlite3"}  # fmt: skip


def test_every_command_of_the_design_is_there() -> None:
    assert list(COMMANDS) == [
        "centerlm", "centerlm solve", "centerlm plan", "centerlm ingest", "centerlm episodes",
        "centerlm episodes rm", "centerlm show", "centerlm resume", "centerlm replay",
        "centerlm study", "centerlm learn", "centerlm evaluate", "centerlm models",
        "centerlm models get",
        "centerlm models list", "centerlm guide", "centerlm memory", "centerlm memory list",
        "centerlm memory show", "centerlm memory plans", "centerlm memory web",
        "centerlm memory export",
        "centerlm memory import",
        "centerlm memory forget", "centerlm adapter", "centerlm adapter export",
        "centerlm adapter import", "centerlm adapter mean", "centerlm serve", "centerlm mcp",
        "centerlm studio", "centerlm doctor",
    ]  # fmt: skip


@pytest.mark.parametrize("path", list(COMMANDS))
def test_help_fits_a_screen_and_is_whole(run: Run, path: str) -> None:
    done = run(*path.split()[1:], "--help")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0].startswith(f"Usage: {path} ")
    assert len(lines) <= 36
    assert max(map(len, lines)) <= 80
    assert "..." not in re.sub(r"(\[ARGS\]|PATHS|PEFT)\.\.\.", "", done.out)


@pytest.mark.parametrize("path", [path for path, c in COMMANDS.items() if c.params[:-1]])
def test_help_has_an_example_that_the_command_accepts(path: str) -> None:
    text = help_of(path, COMMANDS[path])
    examples = re.findall(r"^ +(centerlm .+)$", text, flags=re.MULTILINE)
    assert examples or path in ("centerlm models list", "centerlm doctor")
    for example in examples:
        words, command = shlex.split(example)[1:], COMMANDS["centerlm"]
        while isinstance(command, click.Group) and words[0] in command.commands:
            command = command.commands[words.pop(0)]
        command.make_context("example", words)  # raises where an option or argument is wrong


def test_every_option_says_what_it_is() -> None:
    for path, command in COMMANDS.items():
        for option in command.params:
            if isinstance(option, click.Option):
                assert option.help, (path, option.name)


def test_the_reference_is_the_help() -> None:
    assert REFERENCE.read_text() == reference(), (
        "python tests/cli_reference.py > docs/reference/cli.md"
    )


def test_without_a_command_the_help_is_shown(run: Run) -> None:
    for arguments, shows in (([], "solve  "), (["models"], "get   ")):
        done = run(*arguments)
        assert done.code in (0, 2)
        assert shows in done.out + done.err


def test_version(run: Run) -> None:
    assert re.fullmatch(r"centerlm \d+\.\d+\.\S+\n", run("--version").out)


def test_help_imports_nothing_heavy_and_is_quick(home: Path) -> None:
    code = (
        "import sys, json\nsys.argv = ['centerlm', '--help']\nimport centerlm.cli\n"
        "try: centerlm.cli.main()\nexcept SystemExit: pass\n"
        "json.dump(sorted(m.partition('.')[0] for m in sys.modules), sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(home), capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    assert not HEAVY & set(json.loads(done.stderr))
    used: list[float] = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([*MODULE, "--help"], env=environment(home), capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(used) <= 0.2
