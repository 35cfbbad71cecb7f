"""Asking a person: through a callable, and on a real (pseudo) terminal."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time

import pytest

from centerlm.finding import Finding, Status
from centerlm.sources.base import Seek
from centerlm.sources.person import Person

pty = pytest.importorskip("pty", reason="needs a system with pseudo terminals")

CODE = """
import asyncio
from centerlm.sources.base import Seek
from centerlm.sources.person import Person

async def main():
    person = Person()
    for finding in await asyncio.gather(person.seek(Seek("Name\\x1b?")), person.seek(Seek("Age?"))):
        print("GOT", finding.status, finding.answer, finding.reason)

asyncio.run(main())
"""


def seek(person: Person, text: str = "Who?") -> Finding:
    return asyncio.run(person.seek(Seek(text)))


def answering(answer: str | None) -> Person:
    async def ask(question: str) -> str | None:
        return answer

    return Person(ask)


def test_an_answer_is_typed_and_never_shared() -> None:
    person = answering("  Ann\x00 \n")
    finding = seek(person)
    assert (finding.status, finding.value) == (Status.FOUND, "Ann")
    assert person.card.typed and not person.card.shared


@pytest.mark.parametrize("answer", [None, "", "  \n"])
def test_no_answer_is_nothing(answer: str | None) -> None:
    assert seek(answering(answer)).status is Status.NOTHING


def test_questions_wait_their_turn_in_one_loop_after_another() -> None:
    running = peak = 0

    async def ask(question: str) -> str:
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        await asyncio.sleep(0.01)
        running -= 1
        return question

    person = Person(ask)

    async def main() -> None:
        await asyncio.gather(*(person.seek(Seek(str(n))) for n in range(3)))

    asyncio.run(main())
    asyncio.run(main())
    assert peak == 1


def test_without_a_terminal_it_fails_in_a_sentence() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE], input="x\n", capture_output=True, text=True, timeout=20
    )
    assert done.stdout.count("failed None there is nobody to ask") == 2, done.stderr


class Terminal:
    """A process on a pseudo terminal; its standard output is a pipe."""

    def __init__(self) -> None:
        self.master, slave = os.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", CODE],
            stdin=slave,
            stderr=slave,
            stdout=subprocess.PIPE,
            start_new_session=True,
            # A shell's background jobs ignore interrupts, and so would what the tests start there.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        os.close(slave)
        self.shown = ""

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + 20
        while text not in self.shown:
            assert time.monotonic() < deadline, self.shown
            self.shown += os.read(self.master, 4096).decode()

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def output(self) -> str:
        out, _ = self.process.communicate(timeout=60)
        os.close(self.master)
        return out.decode()


def test_on_a_terminal() -> None:
    terminal = Terminal()
    terminal.wait_for("? Name?")
    assert "\x1b" not in terminal.shown
    terminal.type("Zoë\n")
    terminal.wait_for("? Age?")
    terminal.type("\x04")  # end of input
    assert terminal.output().splitlines() == [
        "GOT found Zoë ",
        "GOT nothing None the person gave no answer",
    ]


def test_control_c_ends_it_at_once() -> None:
    terminal = Terminal()
    terminal.wait_for("? Name?")
    os.kill(terminal.process.pid, signal.SIGINT)
    begin = time.monotonic()
    terminal.output()
    assert terminal.process.returncode != 0
    assert time.monotonic() - begin < 30
