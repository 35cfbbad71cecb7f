"""On a real terminal: the tree is drawn, people are asked, Ctrl-C is a key."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from pathlib import Path

import pytest

from cli_run import MODULE, environment


class Terminal:
    """A command on a pseudo terminal of its own; `text` is what it wrote, without colours."""

    def __init__(self, home: Path, *arguments: str, rows: int = 20, columns: int = 60) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        env = {**environment(home), "TERM": "xterm-256color"}
        for name in ("NO_COLOR", "COLUMNS", "LINES"):
            env.pop(name, None)

        def own_terminal() -> None:
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self._process = subprocess.Popen(
            [*MODULE, *arguments],
            stdin=slave, stdout=slave, stderr=slave, env=env, cwd=home, preexec_fn=own_terminal,
        )  # fmt: skip
        os.close(slave)
        self.raw = b""

    @property
    def text(self) -> str:
        return self._written().replace("\r", "")

    @property
    def lines(self) -> list[str]:
        """What was written from the left edge on; a frame over a frame is lines of its own."""
        return re.split(r"[\r\n]+", self._written())

    def _written(self) -> str:
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.raw.decode("utf-8", "replace"))

    def write(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def until(self, words: str, timeout: float = 30) -> None:
        limit = time.monotonic() + timeout
        while words not in self.text:
            assert time.monotonic() < limit, self.text
            assert self._read(limit) or words in self.text, self.text

    def end(self, timeout: float = 30) -> int:
        limit = time.monotonic() + timeout
        while self._read(limit):
            assert time.monotonic() < limit, self.text
        code = self._process.wait(timeout)
        os.close(self._master)
        return code

    def _read(self, limit: float) -> bool:
        if not select.select([self._master], [], [], max(limit - time.monotonic(), 0))[0]:
            return True
        try:
            piece = os.read(self._master, 65536)
        except OSError:  # Linux: everybody else has closed the terminal
            return False
        self.raw += piece
        return bool(piece)


def test_the_tree_is_drawn_on_a_narrow_terminal(home: Path) -> None:
    terminal = Terminal(home, "solve", "What is it?", "--model", "scripted:cli_parts:sums")
    assert terminal.end() == 0
    drawn = terminal.text
    assert "What is it?\n├── ✓ 1 [calculator] 2 + 3\n│       → 5" in drawn
    assert "└── ✓ 2 [calculator] 5 * 2\n        → 10" in drawn
    assert "\n10\nepisode " in drawn
    assert terminal.raw.rstrip().count(b"\x1b[?25h") >= 1  # the cursor is back
    assert max(map(len, terminal.lines)) <= 60


def test_control_c_is_one_sentence_below_the_tree(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLI_PARTS_SECONDS", "60")
    terminal = Terminal(
        home, "solve", "Slowly?", "--source", "cli_parts:note", "--source", "cli_parts:slow",
        "--model", "scripted:cli_parts:steps",
    )  # fmt: skip
    terminal.until("● 2 [slow …]")
    terminal.write("\x03")
    assert terminal.end() == 130
    assert "– 2 [slow]" in terminal.text
    assert "centerlm: interrupted; go on with: centerlm resume " in terminal.text
    assert terminal.raw.rindex(b"\x1b[?25h") > terminal.raw.rindex(b"\x1b[?25l")


def test_a_person_is_asked_and_answers(home: Path) -> None:
    terminal = Terminal(
        home, "solve", "Which town?", "--source", "person", "--model", "scripted:cli_parts:asks"
    )
    terminal.until("? Where were you born?\n> ")
    terminal.write("Norburg\n")
    assert terminal.end() == 0
    assert "✓ 1 [person] Where were you born? -> Norburg" in terminal.text


def test_a_person_who_stops_at_the_question_can_answer_later(home: Path) -> None:
    asked = ("--source", "person", "--model", "scripted:cli_parts:asks")
    first = Terminal(home, "solve", "Which town?", *asked)
    first.until("\n> ")
    first.write("\x03")
    assert first.end() == 130
    name = first.text.split("centerlm resume ")[1].split()[0]
    again = Terminal(home, "resume", name)
    again.until("? Where were you born?\n> ")
    again.write("Suderia\n")
    assert again.end() == 0
    assert "\nSuderia\n" in again.text


def test_no_question_on_a_terminal_is_not_waited_for(home: Path) -> None:
    terminal = Terminal(home, "solve", "--model", "scripted:cli_parts:sums", columns=120)
    assert terminal.end() == 2
    assert (
        'centerlm: no question; write: centerlm solve "QUESTION", or pipe one in' in terminal.text
    )
