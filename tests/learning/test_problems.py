"""What goes wrong with a machine is one sentence; Ctrl-C closes what is open."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
from pathlib import Path

import pytest

from centerlm.errors import ExhaustedError, StoppedError
from centerlm.learning.problems import resumable, run_async

OUT = Path("my-run")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (MemoryError(), "not enough memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "row_tokens"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "row_tokens"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk of my-run"),
        (OSError(errno.EFBIG, "File too large"), "disk of my-run"),
        (RuntimeError("[enforce fail at inline_container.cc:664] unexpected pos"), "disk"),
    ],
)
def test_what_ran_out_is_said(error: Exception, says: str) -> None:
    with pytest.raises(ExhaustedError) as said, resumable(OUT):
        raise error
    assert says in str(said.value)
    assert said.value.exit_code == 1


def test_an_interruption_can_be_resumed() -> None:
    with pytest.raises(StoppedError, match="interrupted") as said, resumable(OUT):
        raise KeyboardInterrupt
    assert said.value.exit_code == 130


@pytest.mark.parametrize("error", [ValueError("a bug"), OSError(errno.EACCES, "denied")])
def test_what_is_none_of_these_stays_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as said, resumable(OUT):
        raise error
    assert said.value is error


def test_ctrl_c_cancels_and_closes_and_gives_the_handler_back() -> None:
    closed: list[str] = []

    async def work() -> None:
        asyncio.get_running_loop().call_later(0.05, os.kill, os.getpid(), signal.SIGINT)
        try:
            await asyncio.sleep(20)
        finally:
            closed.append("closed")

    mine: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: mine.append(number))
    try:
        with pytest.raises(KeyboardInterrupt):
            run_async(work())
        os.kill(os.getpid(), signal.SIGINT)
        assert mine == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, before)
    assert closed == ["closed"]
