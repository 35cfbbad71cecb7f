"""The file of a memory: what is refused, and that it survives a kill at any moment."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from centerlm.errors import MemoryFileError
from centerlm.memory.store import APPLICATION_ID, VERSION
from centerlm.memory.views import list_kinds
from remembered import opened, teach

TESTS = Path(__file__).parents[1]


def test_a_newer_file_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "m.sqlite"
    opened(file).close()
    with sqlite3.connect(file) as db:
        db.execute(f"PRAGMA user_version={VERSION + 1}")
    before = file.read_bytes()
    with pytest.raises(MemoryFileError, match=r"made by a newer centerlm .*pip install -U"):
        opened(file)
    assert file.read_bytes() == before


def test_a_file_that_is_something_else_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "m.sqlite"
    with sqlite3.connect(file) as db:
        db.execute("CREATE TABLE things(x)")
    with pytest.raises(MemoryFileError, match="no seeking memory"):
        opened(file)
    file.write_text("not a database at all, but text" * 100)
    with pytest.raises(MemoryFileError, match=r"cannot be used .*move the file away"):
        opened(file)
    with pytest.raises(MemoryFileError, match="cannot be used"):
        opened(tmp_path)


def test_a_half_written_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "m.sqlite"
    memory = opened(file)
    teach(memory, "docs", [1] * 50)
    memory.settle()
    memory.close()
    whole = file.read_bytes()
    assert whole[68:72] == APPLICATION_ID.to_bytes(4, "big")
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises((MemoryFileError, sqlite3.DatabaseError)):
        list_kinds(opened(file))
    assert file.stat().st_size == len(whole) // 2


KILLED = """
import os, sys
from remembered import opened, outcome
memory = opened(sys.argv[1])
for number in range(10_000):
    memory.remember(f"e{number}", [outcome("docs", 1.0), outcome("mirror", 0.0, entry="1/1")])
    memory.settle()
    os.write(1, b"%d\\n" % number)
"""


def test_what_was_learned_survives_a_kill(tmp_path: Path) -> None:
    file = tmp_path / "m.sqlite"
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])}
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(file)], stdout=subprocess.PIPE, env=env
    )
    assert process.stdout is not None
    told = [int(process.stdout.readline()) for _ in range(15)][-1]
    process.send_signal(signal.SIGKILL)
    process.wait()
    memory = opened(file)
    (kind,) = list_kinds(memory)
    (episodes,) = memory.connection.execute("SELECT count(*) FROM episodes").fetchone()
    assert episodes > told
    assert kind.asked == 2 * episodes
    assert {s.source: (s.found, s.asked) for s in kind.sources} == {
        "docs": (episodes, episodes),
        "mirror": (0, episodes),
    }
