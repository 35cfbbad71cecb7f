"""Running the command line in tests: in this process, or as a process of its own."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from centerlm.cli import main
from centerlm.models.fake_server import FakeServer

TESTS = Path(__file__).parent
MODULE = [sys.executable, "-m", "centerlm"]


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    def complaint(self) -> str:
        """The one sentence on standard error; fails where there is none, or more."""
        lines = [line for line in self.err.splitlines() if line.startswith("centerlm: ")]
        assert len(lines) == 1, self.err
        assert "Traceback" not in self.err + self.out
        return lines[0].removeprefix("centerlm: ")


Run = Callable[..., Result]


def runner(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`run("solve", ..., stdin=b"...")` calls the command line as its script does."""

    def run(*arguments: object, stdin: bytes | None = None) -> Result:
        monkeypatch.setattr(sys, "argv", ["centerlm", *map(str, arguments)])
        given = io.TextIOWrapper(io.BytesIO(stdin or b""), encoding="utf-8")
        monkeypatch.setattr(sys, "stdin", given)
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        return Result(int(end.value.code or 0), said.out, said.err)

    return run


def environment(home: Path, **more: str) -> dict[str, str]:
    paths = [str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {
        "CENTERLM_HOME": str(home),
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONIOENCODING": "utf-8",
        **more,
    }


def process(home: Path, *arguments: object, **more: Any) -> subprocess.Popen[str]:
    """The command line as a process; `env` adds to its environment."""
    env = environment(home, **more.pop("env", {}))
    options: dict[str, Any] = {
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
        "cwd": home,
    }
    return subprocess.Popen([*MODULE, *map(str, arguments)], env=env, **(options | more))


def finish(started: subprocess.Popen[str], timeout: float = 30) -> Result:
    try:
        out, err = started.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        started.kill()
        raise
    return Result(started.returncode, out or "", err or "")


@contextmanager
def serving(server: FakeServer) -> Iterator[FakeServer]:
    """The fake server, served by a thread."""
    loop = asyncio.new_event_loop()
    ready, done = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with server:
            ready.set()
            await done.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(10)
        loop.close()
