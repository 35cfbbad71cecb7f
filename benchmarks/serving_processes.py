"""What serving.py runs beside its clients: `centerlm serve`, a model server, a peer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from centerlm.errors import InputError

HERE = Path(__file__).parent


class Serving:
    """`centerlm serve` as a process group in a folder, on one port over all its lives."""

    def __init__(self, folder: Path, base_url: str, **environment: str) -> None:
        self._folder = folder
        self._arguments = [
            *("--model", "openai:fake", "--base-url", base_url, "--no-memory"),
            *("--source", "serving_script:lookup", "--config", str(folder / "centerlm.toml")),
        ]
        self._environment = os.environ | environment
        paths = [str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._environment |= {"PYTHONPATH": os.pathsep.join(paths), "CENTERLM_HOME": str(folder)}
        self._process: subprocess.Popen[str] | None = None
        self.port = 0
        (folder / "centerlm.toml").write_text(
            "[serve]\nconcurrency = 64\nwaiting = 4096\nwaiting_each = 4096\n"
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1/chat/completions"

    def start(self) -> None:
        command = [sys.executable, "-m", "centerlm", "serve", "--port", str(self.port)]
        self._process = subprocess.Popen(
            [*command, *self._arguments],
            env=self._environment,
            cwd=self._folder,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line:
            raise InputError("centerlm serve did not start; run it by hand to see why")
        self.port = int(line.rpartition(":")[2].partition("/")[0])

    def kill(self) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid


def used(pid: int) -> tuple[float, float]:
    """Seconds that a process has run, and has waited for a CPU, so far; zeros but on Linux."""
    ran = waited = 0
    for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        first, second, _ = task.read_text().split()
        ran, waited = ran + int(first), waited + int(second)
    return ran / 1e9, waited / 1e9


@dataclass(frozen=True, slots=True)
class Fake:
    """The fake model server: where it is, and its process."""

    url: str
    pid: int


@contextmanager
def fake_model(latency_ms: float) -> Generator[Fake]:
    """The fake model server as a process of its own."""
    command = [sys.executable, "-m", "centerlm.models.fake_server"]
    paths = [str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
    process = subprocess.Popen(
        [*command, "--latency-ms", str(latency_ms), "--script", "serving_script:model"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield Fake(process.stdout.readline().strip(), process.pid)
    finally:
        process.kill()
        process.wait()


@contextmanager
def peer(base_url: str, folder: Path) -> Generator[Fake]:
    """The LangGraph server as a process of its own."""
    command = [sys.executable, str(HERE / "serving_peer.py"), "--base-url", base_url]
    process = subprocess.Popen(
        [*command, "--folder", str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        url = process.stdout.readline().strip()
        if not url:
            raise InputError("the LangGraph server did not start; run serving_peer.py by hand")
        yield Fake(url, process.pid)
    finally:
        process.kill()
        process.wait()


def body_of(question: str) -> dict[str, Any]:
    return {"model": "centerlm", "messages": [{"role": "user", "content": question}]}
