"""A person as a knowledge source: the question is shown, the answer is a finding.

Asks on the terminal, or through any async `ask` that a studio supplies. Answers are never shared
between equal questions. One question stands at a time; the others wait their turn.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TextIO, TypeAlias

from centerlm.errors import SourceError
from centerlm.finding import Finding, Usage, clean_text, failed, found, nothing
from centerlm.sources.base import Card, Seek
from centerlm.sources.bounded import bounded_text
from centerlm.sources.naming import check_name
from centerlm.sources.threads import DaemonThreads

Ask: TypeAlias = Callable[[str], Awaitable[str | None]]
"""Shows a question and gives the answer; None where the person has none."""

MAX_ANSWER_CHARACTERS = 10_000
_USAGE = Usage(calls=1)
_MAX_LINE_BYTES = 4 * MAX_ANSWER_CHARACTERS


class Person:
    """Asks somebody. `ask` defaults to a line on the terminal; make one Person a terminal."""

    def __init__(
        self,
        ask: Ask | None = None,
        *,
        name: str = "person",
        knows: str = "what only the person in front of the screen can say",
    ) -> None:
        self.card = Card(
            check_name(name), knows, limits="slow", typed=True, shared=False, latency=30.0
        )
        self._ask = ask or ask_on_terminal
        self._turn: tuple[asyncio.AbstractEventLoop, asyncio.Lock] | None = None

    def bound(self, seek: Seek) -> Usage:
        del seek
        return _USAGE

    async def seek(self, seek: Seek) -> Finding:
        name = self.card.name
        try:
            async with self._lock():
                answer = await self._ask(clean_text(seek.text))
        except SourceError as error:
            return replace(failed(str(error), source=name), usage=_USAGE)
        text = bounded_text(answer or "", MAX_ANSWER_CHARACTERS)[0].strip()
        if not text:
            return replace(nothing("the person gave no answer", source=name), usage=_USAGE)
        return replace(found(text, source=name), usage=_USAGE)

    def _lock(self) -> asyncio.Lock:
        """One lock a loop: a source may outlive the loop it was first used in."""
        loop = asyncio.get_running_loop()
        if self._turn is None or self._turn[0] is not loop:
            self._turn = (loop, asyncio.Lock())
        return self._turn[1]


async def ask_on_terminal(question: str) -> str | None:
    """Ask on standard error and read one line of standard input; None at its end.

    Nothing blocks meanwhile, and cancelling leaves the next line to the next reader.

    Raises:
        SourceError: standard input is not a terminal.
    """
    stream = sys.stdin
    # Standard input is None in a process without one.
    if stream is None or stream.closed or not stream.isatty():  # pyright: ignore[reportUnnecessaryComparison]
        raise SourceError(
            "there is nobody to ask: standard input is not a terminal; run the command in a "
            "terminal or leave this source out"
        )
    print(f"\n? {question}\n> ", end="", file=sys.stderr, flush=True)  # noqa: T201 (asking is its work)
    try:
        return await _read_line(stream.fileno())
    except NotImplementedError:
        # Windows' event loop cannot watch a console.
        return await DaemonThreads(1).run(lambda: _blocking_line(stream))


async def _read_line(descriptor: int) -> str | None:
    loop = asyncio.get_running_loop()
    done: asyncio.Future[bytes] = loop.create_future()
    got = bytearray()

    def readable() -> None:
        if done.done():
            return
        try:
            # A terminal hands over whole lines, so nothing of the next one is taken.
            piece = os.read(descriptor, 4096)
        except OSError:
            piece = b""
        got.extend(piece)
        if not piece or b"\n" in piece or len(got) > _MAX_LINE_BYTES:
            done.set_result(bytes(got))

    loop.add_reader(descriptor, readable)
    try:
        line = await done
    finally:
        loop.remove_reader(descriptor)
    return line.decode("utf-8", "replace") if line else None


def _blocking_line(stream: TextIO) -> str | None:
    return stream.readline() or None
