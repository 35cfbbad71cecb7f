"""The floor: HTTP/1.1 written by hand over asyncio streams, connections kept, nothing else.

    FAKE_PORT=8123 PYTHONPATH=benchmarks python -m overhead.raw_client [chain10,load64]

It makes the calls that an episode makes, in the same order, each with a body of the size centerlm
sends, and decodes the answers.
"""

from __future__ import annotations

import asyncio
import json
from functools import partial

from overhead.timing import CHAINS, PORT, TOOL_SECONDS, at_once, measure

BODY = json.dumps(
    {
        "model": "fake",
        "messages": [
            {"role": "system", "content": "You are an expert. Answer in a few words. " * 4},
            {"role": "user", "content": "What does the work of step 7 give, after DONE?"},
        ],
        "max_tokens": 64,
        "temperature": 0,
        "seed": 12345,
    }
).encode()


class Floor:
    """A pool of kept connections."""

    def __init__(self) -> None:
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def post(self) -> str:
        reader, writer = (
            self._idle.pop() if self._idle else await asyncio.open_connection("127.0.0.1", PORT)
        )
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
        )
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        answer = json.loads(await reader.readexactly(length))
        self._idle.append((reader, writer))
        return answer["choices"][0]["message"]["content"]

    async def chain(self, steps: int) -> None:
        for _ in range(steps + 1):
            await self.post()

    async def fan(self, width: int) -> None:
        await self.post()
        await asyncio.gather(*(asyncio.sleep(TOOL_SECONDS) for _ in range(width)))
        await self.post()


async def main() -> None:
    floor = Floor()
    loads = {f"chain{n}": partial(floor.chain, n) for n in CHAINS}
    await measure(
        "raw sockets",
        {
            **loads,
            "fan16": partial(floor.fan, 16),
            "experts16": partial(at_once, floor.post, 16),
            "load64": partial(at_once, loads["chain10"], 64),
        },
    )


if __name__ == "__main__":
    asyncio.run(main())
