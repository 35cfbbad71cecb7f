"""What importing costs: in time, and in modules pulled in."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import centerlm

HEAVY = (
    *("aiohttp", "click", "lark", "msgspec", "numpy", "onnxruntime", "pint", "pypdf", "rich"),
    *("selectolax", "sqlite3", "tokenizers", "torch", "transformers", "xllamacpp"),
)
ENGINE = "CenterLM, solve, Objective, Budget, Plan, parse_plan, ScriptedModel, OpenAIModel, source"
ALLOWED_MS = 80
SLACK = 5  # a busy machine is not a slow import


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.strip()


def loaded_by(statement: str) -> set[str]:
    """The heavy modules in `sys.modules` after a statement."""
    names = run(f"{statement}\nimport sys\nprint(*sys.modules)").split()
    return set(HEAVY) & set(names)


def test_importing_the_package_pulls_in_nothing() -> None:
    assert loaded_by("import centerlm") == set()


def test_the_engine_pulls_in_no_heavy_module() -> None:
    assert loaded_by(f"from centerlm import {ENGINE}") <= {"msgspec", "sqlite3"}


def test_a_library_pulls_in_no_reader_and_no_model() -> None:
    allowed = {"msgspec", "sqlite3"}
    assert loaded_by("from centerlm import Library") <= allowed


def test_help_pulls_in_the_command_line_alone() -> None:
    help_ = "import sys\nsys.argv = ['centerlm', '--help']\nimport centerlm.cli\n"
    help_ += "try:\n    centerlm.cli.main()\nexcept SystemExit:\n    pass"
    assert loaded_by(help_) <= {"click", "msgspec", "sqlite3"}


def test_importing_takes_milliseconds() -> None:
    code = "import time\nt = time.process_time()\nimport centerlm\nprint(time.process_time() - t)"
    best = min(float(run(code)) for _ in range(3))
    assert 1e3 * best <= ALLOWED_MS * SLACK


@pytest.mark.parametrize("name", centerlm.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(centerlm, name) is not None
    assert name in dir(centerlm)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Unheard"):
        _ = centerlm.Unheard


def test_what_type_checkers_see_is_what_is_public() -> None:
    path = centerlm.__file__
    assert path is not None
    tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    seen = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("centerlm.")
        for alias in node.names
    }
    assert seen == set(centerlm.__all__)
