"""What goes wrong with a machine while it trains, as one sentence: memory, disk, a second Ctrl-C.

Checkpoints are whole or passed over, so the run can always be resumed.
"""

from __future__ import annotations

import asyncio
import errno
import re
import signal
from collections.abc import Coroutine, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from centerlm.errors import ExhaustedError, StoppedError

_Result = TypeVar("_Result")

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_MEMORY = re.compile(r"out of memory|can't allocate memory|DefaultCPUAllocator", re.IGNORECASE)
_WRITING = re.compile(
    r"no space left|file too large|disk quota|PytorchStreamWriter|inline_container|iostream error",
    re.IGNORECASE,
)


@contextmanager
def resumable(out: Path) -> Generator[None]:
    """Run a part of a run whose state is in `out`.

    Raises:
        ExhaustedError: memory or disk ran out.
        StoppedError: it was interrupted.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise StoppedError("interrupted") from None
    except MemoryError:
        raise ExhaustedError(_memory()) from None
    except (OSError, RuntimeError) as error:
        if sentence := exhausted(error, out):
            raise ExhaustedError(sentence) from None
        raise
    except Exception as error:
        # safetensors has an exception of its own, which cannot be named without importing it here
        if type(error).__name__ == "SafetensorError" and (sentence := exhausted(error, out)):
            raise ExhaustedError(sentence) from None
        raise


def exhausted(error: Exception, out: Path) -> str | None:
    """A sentence, where an error says that memory or disk ran out."""
    text = str(error)
    if isinstance(error, OSError):
        return _disk(out) if error.errno in _FULL else None
    if _MEMORY.search(text):
        return _memory()
    return _disk(out) if _WRITING.search(text) else None


def _disk(out: Path) -> str:
    return f"no room is left on the disk of {out}; make some"


def _memory() -> str:
    return (
        "there is not enough memory; close other programs, or take another recipe: a smaller "
        "row_tokens in [train] needs less, and begins a new run"
    )


def run_async(work: Coroutine[Any, Any, _Result]) -> _Result:
    """Run `work` to its end. Ctrl-C cancels it, so that what it opened is closed in order.

    Raises:
        KeyboardInterrupt: it was interrupted.
    """
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # asyncio minds this one alone
    try:
        return asyncio.run(work)
    finally:
        signal.signal(signal.SIGINT, before)
