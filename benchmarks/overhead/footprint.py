"""What it costs to have centerlm: import time, `--help`, distributions and megabytes.

Installs go into fresh virtual environments, from the requirements of pyproject.toml; sizes are of
installed files without byte code, and without pip and setuptools.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]

_LISTING = """
import importlib.metadata as m, json
rows = []
for d in m.distributions():
    if d.name.lower() in ("pip", "setuptools", "wheel"):
        continue
    files = [f.locate() for f in d.files or () if f.suffix != ".pyc"]
    size = sum(f.stat().st_size for f in files if f.is_file())
    rows.append({"name": d.name, "version": d.version, "mb": round(size / 1e6, 2)})
print(json.dumps(sorted(rows, key=lambda row: row["name"].lower())))
"""

_TIMED = """
import sys, time
modules = set(sys.modules)
wall, cpu = time.perf_counter(), time.process_time()
{statement}
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
print(wall * 1e3, cpu * 1e3, len(set(sys.modules) - modules))
"""


def imports(runs: int) -> dict[str, Any]:
    """Least milliseconds (wall and CPU) of `runs` imports in fresh interpreters."""
    statements = {
        "import centerlm": "import centerlm",
        "from centerlm import CenterLM, solve": "from centerlm import CenterLM, solve",
        "pass": "pass",
    }
    return {name: _least(_TIMED.format(statement=code), runs) for name, code in statements.items()}


def _least(code: str, runs: int) -> dict[str, float]:
    rows = [
        [float(word) for word in _python(sys.executable, "-c", code).split()] for _ in range(runs)
    ]
    return {
        "wall_ms": round(min(row[0] for row in rows), 2),
        "cpu_ms": round(min(row[1] for row in rows), 2),
        "modules": rows[0][2],
    }


def _python(python: str, *arguments: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [python, *arguments], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


def help_cpu(runs: int) -> float | None:
    """Least CPU milliseconds of a whole `centerlm --help`; None where there is no command line."""
    if not (ROOT / "src" / "centerlm" / "cli.py").is_file():
        return None
    code = "import sys; sys.argv = ['centerlm', '--help']; from centerlm.cli import main; main()"
    least = float("inf")
    for _ in range(runs):
        before = os.times()
        _python(sys.executable, "-c", code)
        after = os.times()
        spent = after.children_user + after.children_system
        least = min(least, spent - before.children_user - before.children_system)
    return round(1e3 * least, 1)


def install(extras: tuple[str, ...]) -> dict[str, Any]:
    """Install the requirements of the core and these extras; count and weigh what came."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted: list[str] = list(project["dependencies"])
    for extra in extras:
        wanted += project["optional-dependencies"][extra]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python = str(Path(folder) / "bin" / "python")
        subprocess.run([python, "-m", "pip", "install", "-q", *wanted], check=True)
        rows: list[dict[str, Any]] = json.loads(_python(python, "-c", _LISTING))
    own = sum(p.stat().st_size for p in (ROOT / "src").rglob("*.py")) / 1e6
    rows.append({"name": "centerlm", "version": project["version"], "mb": round(own, 2)})
    return {
        "distributions": len(rows),
        "megabytes": round(sum(row["mb"] for row in rows), 1),
        "each": sorted(rows, key=lambda row: row["name"].lower()),
    }
