"""What centerlm costs on top of the models and sources it calls, side by side with its peers.

    PYTHONPATH=src python benchmarks/overhead.py --peers DIR --venvs DIR --out docs/results

DIR of --peers holds the peers' scripts (b_*.py, harness.py, fake_server.py), DIR of --venvs one
virtual environment a peer, named as in PEERS; what is missing is left out and said. Everything is
measured in one run: rounds in which each client takes its turn, in a process of its own, against
one server with a fixed latency, also in a process of its own. A figure is the least of the rounds'
medians. Writes overhead.json and overhead.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from overhead import footprint, report
from overhead.growth import SIZES
from reporting import readable_json

ROOT = Path(__file__).parents[1]
PARTS = ("http", "graphs", "growth", "imports", "installs")
LOADS = "chain10,chain50,fan16_async,fan16_sync,experts16,load64"
QUIET = {
    # These packages call home otherwise.
    "HF_HUB_OFFLINE": "1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer's script, the folder of its virtual environment, and the loads to run."""

    script: str
    venv: str
    loads: str = LOADS


PEERS = (
    Peer("b_raw.py", "aiohttp"),
    Peer("b_bare.py", "aiohttp"),
    Peer("b_openai.py", "openai"),
    Peer("b_smolagents.py", "smolagents"),
    Peer("b_langgraph.py", "langgraph"),
    Peer("b_pydantic_ai.py", "pydantic-ai"),
    Peer("b_openai_agents.py", "openai-agents"),
    Peer("b_dspy.py", "dspy", "chain10,chain50,fan16_async,experts16,load64"),
)


def environment(more: dict[str, str]) -> dict[str, str]:
    path = f"{ROOT / 'src'}{os.pathsep}{ROOT / 'benchmarks'}"
    return os.environ | QUIET | {"PYTHONPATH": path} | more


def lines_of(command: list[str], more: dict[str, str], cwd: str) -> list[dict[str, Any]]:
    """Run a client to its end; the JSON lines it printed. What fails is told and left out."""
    try:
        done = subprocess.run(
            command,
            env=environment(more),
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        print(f"left out: {command[1]}: {type(error).__name__}", file=sys.stderr)
        return []
    if done.returncode:
        end = done.stderr.strip().rpartition("\n")[2]
        print(f"left out in part: {' '.join(command[1:3])}: {end}", file=sys.stderr)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


@contextmanager
def server(peers: Path | None, latency: float) -> Generator[int]:
    """A fixed-latency server in its own process: the peers' (it knows their dialects), or ours."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    script = peers / "fake_server.py" if peers else None
    if script is not None and script.is_file():
        command = [sys.executable, str(script), str(port), f"{latency:g}"]
    else:
        module = "centerlm.models.fake_server"
        command = [sys.executable, "-m", module, "--port", str(port)]
        command += ["--latency-ms", f"{latency:g}"]
    process = subprocess.Popen(command, env=environment({}), stdout=subprocess.DEVNULL)
    try:
        for _ in range(200):
            time.sleep(0.05)
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
        else:
            raise SystemExit("the server did not start; run its command to see why")
        yield port
    finally:
        process.terminate()
        process.wait()


def clients(peers: Path | None, venvs: Path | None) -> Iterable[tuple[str, list[str]]]:
    """Name and command of each client that can run here: ours, and the peers that are installed."""
    for module in ("raw_client", "centerlm_client"):
        yield module, [sys.executable, "-m", f"overhead.{module}"]
    for peer in PEERS if peers and venvs else ():
        python = Path(venvs or "") / peer.venv / "bin" / "python"
        script = Path(peers or "") / peer.script
        if python.is_file() and script.is_file():
            yield peer.script, [str(python), str(script), peer.loads]
        else:
            print(f"left out: {peer.script}: no {python} or no script", file=sys.stderr)


def measure_http(given: argparse.Namespace) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    with server(given.peers, given.latency_ms) as port, TemporaryDirectory() as folder:
        more = {"FAKE_PORT": str(port), "RUNS": str(given.runs)}
        for number in range(1, given.rounds + 1):
            for name, command in clients(given.peers, given.venvs):
                load = os.getloadavg()[0]
                for row in lines_of(command, more, folder):
                    row["client"] = row.pop("fw", None) or row["client"]
                    rows.append(row | {"round": number, "machine_load": round(load, 2)})
                print(f"round {number}: {name} (machine load {load:.1f})", file=sys.stderr)
    return rows


def measure_graphs(given: argparse.Namespace) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    more = {"RUNS": str(given.runs)}
    script, python = Path(given.peers or "") / "b_dag.py", Path(given.venvs or "") / "langgraph"
    with TemporaryDirectory() as folder:
        for number in range(1, given.rounds + 1):
            ours = lines_of([sys.executable, "-m", "overhead.graphs"], more, folder)
            rows += [row | {"round": number} for row in ours]
            if given.peers and (python / "bin" / "python").is_file():
                theirs = lines_of([str(python / "bin" / "python"), str(script)], more, folder)
                rows += [row | {"round": number, "graph": "uneven DAG"} for row in theirs]
    return rows


def measure_growth(given: argparse.Namespace) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    with TemporaryDirectory() as folder:
        for number in range(1, given.rounds + 1):
            for kind in ("chain", "each"):
                for size in SIZES:
                    command = [sys.executable, "-m", "overhead.growth", kind, str(size)]
                    rows += [row | {"round": number} for row in lines_of(command, {}, folder)]
    return rows


def versions(venvs: Path | None) -> dict[str, dict[str, str]]:
    """By environment (ours: "centerlm") the versions of a client and of what carries its calls."""
    code = "import importlib.metadata as m; [print(d.name, d.version) for d in m.distributions()]"
    carriers = {"aiohttp", "httpx", "openai", "msgspec", "langchain-openai"}
    pythons = {"centerlm": Path(sys.executable)}
    for peer in PEERS if venvs else ():
        pythons[peer.venv] = Path(venvs or "") / peer.venv / "bin" / "python"
    found: dict[str, dict[str, str]] = {"python": {"python": platform.python_version()}}
    for name, python in pythons.items():
        if not python.is_file():
            continue
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
        pairs = dict(line.lower().split(" ", 1) for line in done.stdout.splitlines())
        wanted = carriers | {name, f"{name}-slim"}
        found[name] = {key: pairs[key] for key in sorted(wanted & set(pairs))}
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--peers", type=Path, help="folder of the peers' scripts")
    parser.add_argument("--venvs", type=Path, help="folder of the peers' virtual environments")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=10, help="runs a load and round")
    parser.add_argument("--latency-ms", type=float, default=20.0)
    parser.add_argument("--parts", default=",".join(PARTS), help="which to measure")
    parser.add_argument("--nice", type=int, default=0, help="priority of all processes alike")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results")
    given = parser.parse_args()
    parts = given.parts.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"unknown parts {', '.join(sorted(unknown))}; use {', '.join(PARTS)}")
    if given.nice:
        os.nice(given.nice)
    given.out.mkdir(parents=True, exist_ok=True)
    path: Path = given.out / "overhead.json"
    result: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    config = {
        "date": time.strftime("%Y-%m-%d"),
        "rounds": given.rounds,
        "runs": given.runs,
        "latency_ms": given.latency_ms,
        "nice": given.nice,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores (shared)",
        "server": "fake_server.py of the peers" if given.peers else "centerlm.models.fake_server",
        "versions": versions(given.venvs),
    }
    measures = {"http": measure_http, "graphs": measure_graphs, "growth": measure_growth}
    for name, measure in measures.items():
        if name in parts:
            load = [round(number, 2) for number in os.getloadavg()]
            result[name] = {"config": config | {"machine_load": load}, "rows": measure(given)}
    if "imports" in parts:
        result["imports"] = {"least": footprint.imports(9), "help_cpu_ms": footprint.help_cpu(7)}
    if "installs" in parts:
        result["installs"] = {
            "core": footprint.install(()),
            "core and local": footprint.install(("local",)),
        }
    path.write_text(readable_json(result) + "\n", encoding="utf-8")
    (given.out / "overhead.md").write_text(report.write(result), encoding="utf-8")
    print(path.with_suffix(".md").read_text(encoding="utf-8"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
