"""Runs one program where it can reach nothing: the process that `sandbox` starts, by its path.

Only the standard library is used. All modules a program may import are loaded first; then the door
is closed: on Linux a root folder that is empty, namespaces of its own for users, processes,
network, mounts and IPC, no capabilities, and a filter of system calls; on macOS a sandbox profile
that denies everything. What cannot be closed is refused (`{"refused": reason}`), never left open.

Standard input is one line of JSON (the request), then a leash: when it is closed, the program is
killed. Standard output is one line of JSON (the result). Environment and other files are not there.
"""

from __future__ import annotations

import ast
import ctypes
import importlib
import json
import os
import platform
import resource
import select
import signal
import struct
import subprocess
import sys
import time
import traceback
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple, NoReturn, cast

MODULES = (
    "array", "bisect", "calendar", "cmath", "collections", "colorsys", "copy", "dataclasses",
    "datetime", "decimal", "difflib", "enum", "fractions", "functools", "graphlib", "hashlib",
    "heapq", "io", "itertools", "json", "math", "numbers", "operator", "random", "re", "statistics",
    "string", "textwrap", "time", "types", "typing", "unicodedata", "zlib",
    "encodings.ascii", "encodings.latin_1", "encodings.utf_16", "encodings.idna",
)  # fmt: skip
"""What a program can import: nothing can be loaded once the door is closed."""

REFUSED, TIMED_OUT = 70, 71
NOBODY, INSIDE = 65534, 1000
MAX_DIGITS = 4000
_SCRATCH = ("/tmp", "/var", "/mnt", "/proc")

_CLONE_NEWNS, _CLONE_NEWUTS, _CLONE_NEWIPC = 0x20000, 0x4000000, 0x8000000
_CLONE_NEWUSER, _CLONE_NEWPID, _CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REC, _MS_PRIVATE = 2, 4, 8, 0x4000, 1 << 18
_MNT_DETACH = 2
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP = 1, 4, 22
_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 24, 38

_CALLS = {
    # socket socketpair clone fork vfork execve execveat clone3 ptrace unshare setns mount umount2
    # pivot_root chroot shmget shmat msgget semget mq_open keyctl add_key request_key bpf
    # perf_event_open userfaultfd io_uring_setup memfd_create memfd_secret process_vm_readv
    # process_vm_writev open_by_handle_at init_module finit_module kexec_load
    "x86_64": (
        0xC000003E, 155,
        (41, 53, 56, 57, 58, 59, 322, 435, 101, 272, 308, 165, 166, 155, 161, 29, 30, 68, 64, 240,
         250, 248, 249, 321, 298, 323, 425, 319, 447, 310, 311, 304, 175, 313, 246),
    ),
    "aarch64": (
        0xC00000B7, 41,
        (198, 199, 220, 221, 281, 435, 117, 97, 268, 40, 39, 41, 51, 194, 196, 186, 190, 180,
         219, 217, 218, 280, 241, 282, 425, 279, 447, 270, 271, 265, 105, 273, 104),
    ),
}  # fmt: skip
"""By machine: the architecture as seccomp names it, pivot_root, and what a program may not call."""


class Quantity(NamedTuple):
    """A number with its unit, as a reference gives it."""

    number: Fraction | int
    unit: str


class RefusedError(Exception):
    """The door cannot be closed here."""


def main() -> NoReturn:
    request = json.loads(sys.stdin.buffer.readline())
    os.closerange(3, 4096)
    for name in MODULES:
        importlib.import_module(name)
    try:
        if sys.platform == "linux":
            _close_linux(request["limits"])
        elif sys.platform == "darwin":
            _close_macos(request["limits"])
        else:
            raise RefusedError(f"there is no isolation on {sys.platform}")
    except (RefusedError, OSError) as error:
        _say({"refused": str(error)})
        os._exit(REFUSED)
    os.environ.clear()
    _say(run(request["code"], request["values"], request["limits"]["output"]))
    os._exit(0)


def run(code: str, values: dict[str, Any], output: int) -> dict[str, Any]:
    """The value of a program's last expression, or else what it prints; or its error."""
    printed = _Printed(output)
    sys.stdout = sys.stderr = printed  # pyright: ignore[reportAttributeAccessIssue]
    space: dict[str, Any] = {"__name__": "__main__"}
    value: Any = None
    try:
        space |= {name: _decoded(item) for name, item in values.items()}
        tree = ast.parse(code, "program")
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, "program", "exec"), space)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), "program", "eval"), space)
        result = {"value": _encoded(value, 0)} if value is not None else {}
    except BaseException as error:  # noqa: BLE001 - a program's own code: all it raises is told
        return {"error": _told(error), "printed": printed.text}
    return {**result, "printed": printed.text}


class _Printed:
    """Standard output of a program, up to a number of characters."""

    def __init__(self, limit: int) -> None:
        self.text = ""
        self._limit = limit

    def write(self, text: str) -> int:
        self.text += text[: self._limit - len(self.text)]
        if len(self.text) >= self._limit:
            raise RuntimeError(f"printed more than {self._limit:,} characters")
        return len(text)

    def flush(self) -> None:
        pass


def _told(error: BaseException) -> str:
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == "program"]
    at = f" (line {lines[-1]})" if lines and lines[-1] else ""
    return f"{type(error).__name__}: {str(error)[:500]}{at}"


def _decoded(item: Any) -> Any:
    if isinstance(item, list):
        return [_decoded(one) for one in cast("list[Any]", item)]
    if not isinstance(item, dict):
        return item
    item = cast("dict[str, str]", item)
    if "date" in item:
        return date.fromisoformat(item["date"])
    if "int" in item:
        return int(item["int"])
    number: Fraction | int = Fraction(item["number"])
    if number.denominator == 1:
        number = number.numerator
    return Quantity(number, item["unit"]) if "unit" in item else number


def _encoded(value: Any, depth: int) -> Any:
    if depth > 8:
        return "..."
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        if abs(value).bit_length() > MAX_DIGITS:
            raise ValueError(f"a number of {abs(value).bit_length():,} bits is too large")
        return {"int": str(int(value))}
    if isinstance(value, (float, Decimal)):
        return {"number": str(Fraction(str(value)))} if abs(value) < 1e300 else str(value)
    if isinstance(value, Quantity):
        return {"number": str(Fraction(value.number)), "unit": str(value.unit)}
    if isinstance(value, Fraction):
        return {"number": str(value)}
    if isinstance(value, date):
        return {"date": value.isoformat()[:10]}
    if isinstance(value, (list, tuple, set, frozenset, range)):
        items = list(cast("list[Any]", value))
        items = sorted(items, key=str) if isinstance(value, (set, frozenset)) else items
        return [_encoded(item, depth + 1) for item in items[:10_000]]
    if isinstance(value, dict):
        pairs = cast("dict[Any, Any]", value).items()
        return [[_encoded(k, depth + 2), _encoded(v, depth + 2)] for k, v in pairs]
    return str(value)


def _say(result: dict[str, Any]) -> None:
    data = (json.dumps(result) + "\n").encode("utf-8", "replace")
    while data:
        data = data[os.write(1, data) :]


def _close_linux(limits: dict[str, Any]) -> None:
    """Close the door; only the program's process returns, the one outside guards it."""
    machine = platform.machine()
    if machine not in _CALLS:
        raise RefusedError(f"system calls of the machine {machine} are not known")
    _, pivot_root, _ = _CALLS[machine]
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        _check(libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0), "its own process")
    uid, gid = os.getuid(), os.getgid()
    spaces = _CLONE_NEWUSER | _CLONE_NEWNS | _CLONE_NEWPID | _CLONE_NEWNET
    _check(libc.unshare(spaces | _CLONE_NEWIPC | _CLONE_NEWUTS), "namespaces")
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{INSIDE} {uid} 1")
    _write("/proc/self/gid_map", f"{INSIDE} {gid} 1")
    alive = _forked(limits, follow=True)
    _check(libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "the end of its process")
    if select.select([alive], [], [], 0)[0]:
        os._exit(REFUSED)  # the guard died before it could be followed
    os.setsid()
    os.dup2(alive, 0)
    os.close(alive)
    _empty_root(libc, pivot_root, limits)
    for capability in range(64):
        libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    header, none = struct.pack("Ii", 0x20080522, 0), bytes(24)
    _check(libc.capset(header, none), "capabilities")
    _check(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "privileges")
    _limit(limits)
    _filter(libc, machine)


def _empty_root(libc: Any, pivot_root: int, limits: dict[str, Any]) -> None:
    """An empty folder in memory as the root; nothing of the machine's files is below it."""
    _check(libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None), "mounts of its own")
    target = next((path for path in _SCRATCH if os.path.isdir(path)), None)  # noqa: PTH112
    if target is None:
        raise RefusedError("there is no folder to mount on")
    options = f"size={limits['files']},nr_inodes=256,mode=0777".encode()
    flags = _MS_NOSUID | _MS_NODEV | _MS_NOEXEC
    _check(libc.mount(b"tmpfs", target.encode(), b"tmpfs", flags, options), "an empty root folder")
    os.chdir(target)
    os.mkdir("old")  # noqa: PTH102
    _check(libc.syscall(pivot_root, b".", b"old"), "an empty root folder")
    os.chdir("/")
    _check(libc.umount2(b"/old", _MNT_DETACH), "the machine's folders")
    os.rmdir("/old")  # noqa: PTH106
    if os.listdir("/"):  # noqa: PTH208
        raise RefusedError("the root folder is not empty")


def _filter(libc: Any, machine: str) -> None:
    """Refuse system calls that compute nothing: sockets, processes, mounts, shared memory."""
    arch, _, denied = _CALLS[machine]
    code = [
        (0x20, 0, 0, 4),  # load the architecture
        (0x15, 1, 0, arch),
        (0x06, 0, 0, 0x80000000),  # another one: kill
        (0x20, 0, 0, 0),  # load the number of the call
    ]
    if machine == "x86_64":
        code += [(0x35, 0, 1, 0x40000000), (0x06, 0, 0, 0x80000000)]  # x32 has other numbers
    for number in denied:
        code += [(0x15, 0, 1, number), (0x06, 0, 0, 0x50001)]  # EPERM
    code.append((0x06, 0, 0, 0x7FFF0000))
    packed = b"".join(struct.pack("HBBI", *line) for line in code)
    held = ctypes.create_string_buffer(packed, len(packed))
    program = ctypes.create_string_buffer(
        struct.pack("HxxxxxxQ", len(code), ctypes.addressof(held))
    )
    _check(libc.prctl(_PR_SET_SECCOMP, 2, program, 0, 0), "a filter of system calls")


def _close_macos(limits: dict[str, Any]) -> None:
    """Close the door by a profile that denies all: files, network, processes, signals."""
    system = ctypes.CDLL("/usr/lib/libSystem.dylib", use_errno=True)
    alive = _forked(limits, follow=False)
    os.setsid()
    os.dup2(alive, 0)
    os.close(alive)
    os.chdir("/")
    _limit(limits)
    profile = b"(version 1)\n(deny default)\n"
    error = ctypes.c_char_p()
    if system.sandbox_init(profile, ctypes.c_uint64(0), ctypes.byref(error)):
        raise RefusedError(f"the sandbox cannot be entered: {error.value!r}")


def _limit(limits: dict[str, Any]) -> None:
    pairs = (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, limits["files"]),
        (resource.RLIMIT_NOFILE, 16),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_CPU, limits["cpu"]),
        (resource.RLIMIT_AS, limits["memory"]),
    )
    for kind, most in pairs:
        if sys.platform == "darwin" and kind == resource.RLIMIT_AS:
            continue  # not heeded there: the guard watches
        resource.setrlimit(kind, (most, most))


def _forked(limits: dict[str, Any], *, follow: bool) -> int:
    """Split off the program's process, the only one that returns; the other guards it, by a handle
    of the system if it can `follow` so. Gives what can be read from when the guard has ended.
    """
    alive, held = os.pipe()
    # Not in the guard: its root folder is that of the program's process, which empties it at once.
    null = os.open(os.devnull, os.O_WRONLY)
    pid = os.fork()
    if pid:
        os.close(alive)
        os.dup2(null, 1)
        _guard(pid, limits, os.pidfd_open(pid) if follow else None)
    os.close(held)
    os.close(null)
    return alive


def _guard(pid: int, limits: dict[str, Any], handle: int | None) -> NoReturn:
    """Wait for the program; kill it when its time is up or the leash is gone."""
    until = time.monotonic() + limits["seconds"]
    poller = select.poll()
    poller.register(0, select.POLLIN | select.POLLHUP)
    if handle is not None:
        poller.register(handle, select.POLLIN)
    code = 0
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            break
        left = until - time.monotonic()
        heard = poller.poll(1000 * min(max(left, 0), 1 if handle is not None else 0.01))
        let_go = any(fd == 0 for fd, _ in heard)
        large = handle is None and _resident(pid) > limits["memory"]
        if left > 0 and not let_go and not large:
            continue
        code = TIMED_OUT if left <= 0 else -signal.SIGKILL
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        break
    os._exit(code if code >= 0 else 128 - code)


def _resident(pid: int) -> int:
    """Bytes of memory in use."""
    done = subprocess.run(["/bin/ps", "-o", "rss=", "-p", str(pid)], capture_output=True)
    return 1024 * int(done.stdout.strip() or 0)


def _check(result: int, what: str) -> None:
    if result:
        reason = os.strerror(ctypes.get_errno())
        raise RefusedError(f"the system does not give it {what} ({reason})")


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:  # noqa: PTH123
        file.write(text)


if __name__ == "__main__":
    main()
