"""Running a program in a process of its own that can reach nothing (`jail`), within limits.

Linux and macOS. Where the process cannot be closed off, nothing is run.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from centerlm.errors import InputError, SourceError
from centerlm.finding import Value, value_from_json, value_to_json
from centerlm.sources.experiment import jail

SYSTEMS = ("linux", "darwin")
MAX_CODE = 100_000
_JAIL = Path(jail.__file__)
_GRACE = 5.0
_ANSWER = 4_000_000

_PROBE = """
import os, sys
reached = []
def attempt(what, action):
    try:
        action()
    except BaseException:
        return
    reached.append(what)
attempt("files", lambda: open(file).read())
attempt("folders", lambda: os.listdir(folder)[0])
def connect():
    import _socket
    _socket.socket().connect(("127.0.0.1", port))
attempt("the network", connect)
attempt("other processes", lambda: os.kill(process, 0))
attempt("processes of its own", lambda: os.fork() or os._exit(0))
attempt("memory without end", lambda: bytearray(memory))
", ".join(reached)
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a program may use: `seconds` of time and `cpu` seconds of work, bytes of `memory` (at
    least 64 MiB) and `files`, characters of `output`.

    Raises:
        InputError: one is too small to run anything.
    """

    seconds: float = 10.0
    cpu: int = 10
    memory: int = 256 << 20
    files: int = 1 << 20
    output: int = 20_000

    def __post_init__(self) -> None:
        if self.seconds <= 0 or self.cpu < 1 or self.output < 1 or self.files < 4096:
            raise InputError("limits of experiments must be above zero (files: at least 4096)")
        if self.memory < 64 << 20:
            raise InputError(
                f"experiments need 64 MiB of memory or more, not {self.memory:,} bytes"
            )


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of a program: the value of its last expression (None: it has none), what it
    printed, and its error ("" if it ended well).
    """

    value: Value = None
    printed: str = ""
    error: str = ""


async def run_program(
    code: str, values: Mapping[str, Value] | None = None, limits: Limits | None = None
) -> Ran:
    """Run a Python program with these variables, closed off from all else.

    Raises:
        SourceError: this system cannot close it off; nothing was run.
    """
    limits = limits or Limits()
    if sys.platform not in SYSTEMS:
        raise SourceError(
            f"experiments need Linux or macOS to be closed off; this is {sys.platform}"
        )
    if len(code) > MAX_CODE:
        return Ran(error=f"the program has {len(code):,} characters, more than {MAX_CODE:,}")
    request = {
        "code": code,
        "values": {name: _plain(value) for name, value in (values or {}).items()},
        "limits": asdict(limits),
    }
    # The environment stays here. Only where shared libraries of Python itself are is passed on.
    kept = {k: v for k, v in os.environ.items() if k in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", "-B", str(_JAIL)),
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        env=kept,
        cwd="/",
        start_new_session=True,
        limit=_ANSWER,
    )
    try:
        async with asyncio.timeout(limits.seconds + _GRACE):
            data = await _talk(process, json.dumps(request).encode() + b"\n")
            code_ = await process.wait()
    except TimeoutError:
        return Ran(error=f"it took more than {limits.seconds:g} seconds")
    finally:
        await asyncio.shield(_end(process))
    return _read(data, code_, limits)


async def _talk(process: Process, request: bytes) -> bytes | None:
    """Hand the request over and read the answer; None where there is too much of it."""
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(request)
    data = b""
    while piece := await process.stdout.read(65_536):
        data += piece
        if len(data) > _ANSWER:
            process.stdin.close()  # the leash
            return None
    return data


async def _end(process: Process) -> None:
    """Let go of the leash, which ends the program; then end the process that held it."""
    if process.stdin is not None:
        process.stdin.close()
    if process.returncode is not None:
        return
    try:
        async with asyncio.timeout(2):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _read(data: bytes | None, code: int, limits: Limits) -> Ran:
    if code == jail.TIMED_OUT:
        return Ran(error=f"it took more than {limits.seconds:g} seconds")
    if data is None:
        return Ran(error="it wrote without end")
    try:
        result: Any = json.loads(data)
        if code == jail.REFUSED:
            raise SourceError(
                f"experiments cannot be closed off here: {str(result['refused'])[:300]}; allow "
                "user namespaces, or leave the source out"
            )
        printed = str(result.get("printed", ""))[: limits.output]
        if "error" in result:
            return Ran(None, printed, " ".join(str(result["error"])[:1000].split()))
        return Ran(value_from_json(result.get("value")), printed)
    except (ValueError, KeyError, AttributeError, TypeError, ZeroDivisionError, RecursionError):
        pass
    if code >= 128:
        return Ran(error=f"it was stopped (signal {code - 128}): CPU time or memory ran out")
    return Ran(error="it gave no result")


def _plain(value: Value) -> Any:
    """A value as plain JSON for the program; whole numbers stay whole."""
    if isinstance(value, Fraction) and value.denominator == 1:
        return {"int": str(value.numerator)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value_to_json(value)


def _canary(folder: str) -> Path:
    """A file that anyone on this machine may read."""
    canary = Path(folder) / "canary"
    canary.write_text("seen")
    canary.parent.chmod(0o755)
    return canary


async def why_unavailable(limits: Limits | None = None) -> str | None:
    """Why nothing can be run here, or None: tries what a program must not reach, in the sandbox."""
    limits = limits or Limits()
    with tempfile.TemporaryDirectory() as folder, socket.socket() as server:
        canary = _canary(folder)
        server.bind(("127.0.0.1", 0))
        server.listen()
        values: dict[str, Value] = {
            "file": str(canary),
            "folder": folder,
            "port": server.getsockname()[1],
            "process": os.getpid(),
            "memory": 2 * limits.memory,
        }
        try:
            ran = await run_program(_PROBE, values, limits)
        except SourceError as error:
            return str(error)
    if ran.error:
        return f"experiments do not run here: {ran.error}"
    if ran.value:
        return f"experiments are not closed off here: they reach {ran.value}"
    return None
