"""Programs run, and reach nothing: escapes are tried for real."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path

import pytest

from centerlm.errors import InputError, SourceError
from centerlm.finding import Quantity, Value, value_from_json
from centerlm.sources.experiment import Limits, Ran, run_program, sandbox, why_unavailable

MB = 1 << 20
UNAVAILABLE = asyncio.run(why_unavailable()) if sys.platform == "linux" else "not tried here"
pytestmark = pytest.mark.skipif(bool(UNAVAILABLE), reason=str(UNAVAILABLE))


def run(code: str, values: Mapping[str, Value] | None = None, limits: Limits | None = None) -> Ran:
    return asyncio.run(run_program(code, values, limits))


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("1 + 1", 2),
        ("x = 3\nx ** 2", 9),
        ("0.1 + 0.2", Fraction("0.30000000000000004")),
        ("from decimal import Decimal; Decimal('1.5')", Fraction(3, 2)),
        ("import math; math.comb(52, 5)", 2598960),
        ("[1, 'a', True, None, (2, 3)]", (1, "a", True, None, (2, 3))),
        ("{3, 1, 2}", (1, 2, 3)),
        ("'é' * 3", "ééé"),
        ("x = 1", None),
    ],
)
def test_a_program_has_the_value_of_its_last_expression(code: str, value: Value) -> None:
    assert run(code) == Ran(value)


def test_what_it_prints_is_kept_apart() -> None:
    assert run("print('a'); print('b'); 3") == Ran(3, "a\nb\n")


def test_variables_keep_their_types() -> None:
    values: dict[str, Value] = {
        "n": 4, "half": Fraction(1, 2), "names": ("b", "a"), "far": Quantity(Fraction(3), "km"),
    }  # fmt: skip
    assert run("[n * half, sorted(names), far.number + 1, far.unit]", values).value == (
        Fraction(2), ("a", "b"), 4, "km",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero (line 1)"),
        ("x = 1\nraise SystemExit(3)", "SystemExit: 3 (line 2)"),
        ("def f(): return f()\nf()", "RecursionError"),
        ("10 ** 10 ** 5", "too large"),
        ("import requests", "No module named 'requests'"),
        ("import os; os._exit(0)", "no result"),
        ("import os; os.close(1)", "no result"),
        ('import os; os.write(1, b\'{"value": {"number": "1/0"}}\\n\'); os._exit(0)', "no result"),
        ("import os; os.abort()", "stopped"),
    ],
)
def test_what_goes_wrong_is_told(code: str, told: str) -> None:
    assert told in run(code).error


ESCAPES = {
    "a file": "open('/etc/hostname').read()",
    "a folder": "import os; os.listdir('/etc')",
    "the canary": "open(canary).read()",
    "above the root": "open('../' * 20 + canary.lstrip('/')).read()",
    "a link to it": "import os; os.symlink(canary, 'link'); open('link').read()",
    "a hard link to it": "import os; os.link(canary, 'link'); open('link').read()",
    "its processes": "open('/proc/1/environ').read()",
    "a device": "open('/dev/null')",
    "the shell": "import os; os.execv('/bin/sh', ['sh', '-c', 'true'])",
    "a subprocess": "import sys; sys.modules['subprocess'].run(['/bin/true'])",
    "a fork": "import os; os.fork()",
    "a thread": "import _thread; _thread.start_new_thread(print, ())",
    "a socket": "import _socket; _socket.socket()",
    "the guard": "import os; os.kill(os.getppid() or 999999, 9)",
    "the parent": "import os; os.kill(parent, 9)",
    "everyone": "import os; os.kill(-1, 9)",
    "another user": "import os; os.setuid(0)",
    "the root again": "import os; os.chroot('/')",
    "more memory": "import resource; resource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
    "more time": "import resource; resource.setrlimit(resource.RLIMIT_CPU, (-1, -1))",
    "the environment": "import os; os.environ['SECRET_KEY']",
    "its own environment": "import os; os.environb[b'PATH']",
    "an inherited file": "import os; [os.fstat(fd) for fd in (3, 4, 5, 6)]",
    "a module of the project": "import centerlm",
}


@pytest.mark.parametrize("what", list(ESCAPES))
def test_a_program_cannot_reach(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "sesame")
    canary = tmp_path / "canary"
    canary.write_text("sesame")
    ran = run(ESCAPES[what], {"canary": str(canary), "parent": os.getpid()})
    assert ran.error and "sesame" not in f"{ran}"


def test_system_calls_of_processes_network_and_mounts_are_refused() -> None:
    code = (
        "import sys\nlibc = sys.modules['ctypes'].CDLL(None, use_errno=True)\n"
        "[libc.unshare(0x10000000), libc.socket(2, 1, 0), libc.socketpair(1, 1, 0, b'12345678'),"
        " libc.ptrace(0, 0, 0, 0), libc.mount(b'none', b'/', b'tmpfs', 0, None), libc.vfork(),"
        " libc.shmget(0, 4096, 0o1600), libc.syscall(435, 0, 0), libc.syscall(425, 1, 0)]"
    )
    assert run(code).value == (-1,) * 9


def test_without_the_filter_the_network_is_still_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unfiltered = tmp_path / "jail.py"
    source = Path(sandbox.jail.__file__).read_text()
    unfiltered.write_text(source.replace("    _filter(libc, machine)\n", ""))
    monkeypatch.setattr(sandbox, "_JAIL", unfiltered)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        code = (
            "import sys\nlibc = sys.modules['ctypes'].CDLL(None)\nfd = libc.socket(2, 1, 0)\n"
            "address = b'\\2\\0' + port.to_bytes(2, 'big') + bytes([127, 0, 0, 1]) + bytes(8)\n"
            "[fd >= 0, libc.connect(fd, address, 16)]"
        )
        assert run(code, {"port": server.getsockname()[1]}).value == (True, -1)
        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("while True: pass", "stopped"),
        ("import time; time.sleep(60)", "more than 1 seconds"),
        ("import signal, time\nsignal.pthread_sigmask(0, range(1, 65))\ntime.sleep(60)", "seconds"),
        ("x = []\nwhile True: x.append(bytearray(1 << 20))", "MemoryError"),
        ("while True: print('x' * 100)", "printed more than"),
        ("import os\nwhile True: os.write(1, b'x' * 65536)", "without end"),
        ("import os\nwhile True: os.write(2, b'x' * 65536)", "seconds"),
        ("open('f', 'w').write('x' * (1 << 22))", "File too large"),
        ("for n in range(1000): open(f'f{n}', 'w').close()", "No space left"),
        ("for n in range(9): open(f'f{n}', 'wb').write(bytes(1 << 19))", "No space left"),
        ("import re; re.match('(a+)+$', 'a' * 40 + 'b')", "stopped"),
    ],
)
def test_endless_things_end(code: str, told: str) -> None:
    began = time.monotonic()
    seconds = 5.0 if told in ("stopped", "without end", "MemoryError") else 1.0
    ran = run(code, limits=Limits(seconds=seconds, cpu=1, memory=128 * MB))
    assert told in ran.error or (told == "seconds" and "stopped" in ran.error)
    assert time.monotonic() - began < seconds + 4


@pytest.mark.parametrize("number", ["1e5", "1.5", "1e999999999", "9" * 5000, "1/0", "", "x"])
def test_a_number_that_a_program_writes_itself_is_not_worked_out(number: str) -> None:
    """What the sandbox says is read outside of it: a few characters may stand for a gigabyte."""
    with pytest.raises((ValueError, ZeroDivisionError)):
        value_from_json({"number": number})
    said = json.dumps({"value": {"number": number}}).encode()
    ran = run(f"import os; os.write(1, {said!r}); os._exit(0)")
    assert (ran.value, ran.error) == (None, "it gave no result")


def test_what_one_program_leaves_the_next_does_not_see() -> None:
    assert not run("open('left', 'w').write('x')").error
    assert run("import os; os.listdir('/')").value == ()


def _children() -> set[str]:
    done = subprocess.run(["ps", "-ewwo", "pid,args"], capture_output=True, text=True, check=True)
    return {line.split()[0] for line in done.stdout.splitlines() if "experiment/jail.py" in line}


@pytest.fixture
def nothing_left() -> Iterator[None]:
    before = _children()
    yield
    until = time.monotonic() + 5
    while (left := _children() - before) and time.monotonic() < until:
        time.sleep(0.05)
    assert not left


@pytest.mark.usefixtures("nothing_left")
def test_cancelling_ends_the_program() -> None:
    async def main() -> None:
        task = asyncio.create_task(run_program("import time; time.sleep(60)"))
        await asyncio.sleep(0.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


@pytest.mark.usefixtures("nothing_left")
def test_killing_the_process_that_asked_ends_the_program() -> None:
    code = (
        "import asyncio\nfrom centerlm.sources.experiment import run_program\n"
        "asyncio.run(run_program('import time; time.sleep(60)'))"
    )
    asking = subprocess.Popen([sys.executable, "-c", code])
    until = time.monotonic() + 10
    while not _children() and time.monotonic() < until:
        time.sleep(0.05)
    assert _children()
    asking.send_signal(signal.SIGKILL)
    asking.wait()


def test_elsewhere_nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox.sys, "platform", "win32")
    with pytest.raises(SourceError, match="need Linux or macOS"):
        run("1 + 1")
    assert "this is win32" in str(asyncio.run(why_unavailable()))


def test_where_it_cannot_be_closed_off_nothing_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A system that refuses namespaces: the program must not run in the open instead."""
    source = Path(sandbox.jail.__file__).read_text()
    open_jail = tmp_path / "jail.py"
    open_jail.write_text(source.replace("libc.unshare(spaces", "libc.unshare(-1 | spaces"))
    monkeypatch.setattr(sandbox, "_JAIL", open_jail)
    with pytest.raises(SourceError, match="does not give it namespaces"):
        run("1 + 1")
    assert "closed off" in str(asyncio.run(why_unavailable()))


def test_a_guard_that_comes_late_guards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By then there is no file left where it is: the root folder is empty."""
    source = Path(sandbox.jail.__file__).read_text()
    told = '"""Wait for the program; kill it when its time is up or the leash is gone."""\n'
    assert told in source
    late = tmp_path / "jail.py"
    late.write_text(source.replace(told, f"{told}    time.sleep(0.5)\n"))
    monkeypatch.setattr(sandbox, "_JAIL", late)
    assert run("1 + 1").value == 2
    assert "it took more than" in run("while True: pass", limits=Limits(seconds=1.0)).error


def test_a_sandbox_that_leaks_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Path(sandbox.jail.__file__).read_text()
    leaking = tmp_path / "jail.py"
    leaking.write_text(source.replace("_close_linux(request", "str(request"))
    monkeypatch.setattr(sandbox, "_JAIL", leaking)
    problem = str(asyncio.run(why_unavailable()))
    assert "files" in problem and "other processes" in problem


@pytest.mark.parametrize("bad", [{"seconds": 0}, {"cpu": 0}, {"memory": 1}, {"files": 0}])
def test_limits_that_run_nothing_are_refused(bad: dict[str, int]) -> None:
    with pytest.raises(InputError):
        Limits(**bad)
