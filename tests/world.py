"""A small made-up world to solve in: a scripted center and sources whose answers depend on the
question alone, so that every run of an episode gives the same.

Sources and model may keep a log: one line of a file a request, written before it is answered.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from centerlm.calling import prompt_blob
from centerlm.center import CenterLM
from centerlm.events import digest
from centerlm.finding import Finding, Passage, Status, Usage, found, nothing
from centerlm.models.base import Price, Prompt, Sampling
from centerlm.models.scripted import ScriptedModel
from centerlm.sources.base import Card, Seek

QUESTION = "What became of the machine?"

PLANS = {
    QUESTION: """\
1 [lister] List the parts of the machine
2 [documents each #1] Who made #1?
3 [empty | documents] Where are #1 kept?
4 [center] Find the owner of #3
5 [writer] record #4
6 [documents] What came of #2 after #4?""",
    "Find the owner": """\
1 [documents] Who bought it?
2 [documents] Who sold it?
3 [center] Find the heir of #1 and #2
4 [documents] Did #3 keep it?""",
    "Find the heir": """\
1 [documents] Whose will was it?
2 [empty | documents] Which court settled #1?""",
}


def told(question: str) -> str:
    """What the documents of this world say to a question."""
    return "Name" + hashlib.sha256(question.encode()).hexdigest()[:8]


def say(prompt: Prompt, plans: Mapping[str, str] = PLANS) -> str:
    """What the center's model writes: a plan known by its question, or what the notes say."""
    system, user = prompt.messages[0].text, prompt.messages[-1].text
    question = user.rpartition("Question: ")[2]
    if system.startswith("Break"):
        return next((plan for key, plan in plans.items() if key in question), "1 [documents] Who?")
    if system.startswith("Answer the question from the notes"):
        stated = re.search(r"^\[(\d+)\].*The answer is (\w+)\.", user, re.M)
        if stated:
            return f"{stated[2]} [{stated[1]}]"
        return f"{told(user.rpartition('Part of:')[0] or user)} [1] [2]"
    return told(user)


@dataclass(slots=True)
class Log:
    """Lines appended to a file, each in one write."""

    file: Path | None = None

    def add(self, line: str) -> None:
        if self.file is not None:
            handle = os.open(self.file, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
            os.write(handle, line.encode() + b"\n")
            os.close(handle)

    def lines(self) -> list[str]:
        if self.file is None or not self.file.exists():
            return []
        return self.file.read_text().splitlines()


@dataclass(slots=True)
class Documents:
    """Answers every question with passages; `latency` seconds, `price` money a call."""

    log: Log
    latency: float = 0.0
    name: str = "documents"
    price: float = 0.0
    asked: int = 0
    flying: int = 0
    most: int = 0

    @property
    def card(self) -> Card:
        return Card(self.name, "what stands in the documents", price=self.price)

    def bound(self, seek: Seek) -> Usage:
        return Usage(calls=1, cost=self.price)

    async def seek(self, seek: Seek) -> Finding:
        self.log.add(f"{self.name} {seek.key}")
        self.asked += 1
        self.flying += 1
        self.most = max(self.most, self.flying)
        try:
            await asyncio.sleep(self.latency)
        finally:
            self.flying -= 1
        texts = ("Nothing of note.", f"It is known. The answer is {told(seek.text)}.")
        passages = tuple(
            Passage(
                f"{told(seek.text)}-{n}", text, title=f"Page {n}", file="book.txt", end=len(text)
            )
            for n, text in enumerate(texts)
        )
        return Finding(Status.FOUND, passages=passages, usage=Usage(1, cost=self.price))


@dataclass(slots=True)
class Empty(Documents):
    """Finds nothing."""

    name: str = "empty"

    async def seek(self, seek: Seek) -> Finding:
        self.log.add(f"{self.name} {seek.key}")
        await asyncio.sleep(self.latency)
        return nothing("no such entry")


@dataclass(slots=True)
class Lister:
    """Answers with a typed list."""

    log: Log
    latency: float = 0.0
    items: tuple[str, ...] = ("wheel", "boiler", "frame")

    @property
    def card(self) -> Card:
        return Card("lister", "lists of things", typed=True)

    def bound(self, seek: Seek) -> Usage:
        return Usage(calls=1)

    async def seek(self, seek: Seek) -> Finding:
        self.log.add(f"lister {seek.key}")
        await asyncio.sleep(self.latency)
        return found(self.items)


@dataclass(slots=True)
class Writer:
    """Appends a line to a file: an effect that must happen once. Can look its key up."""

    log: Log
    file: Path
    latency: float = 0.0

    @property
    def card(self) -> Card:
        return Card("writer", "keeps a record", effect="write", typed=True)

    def bound(self, seek: Seek) -> Usage:
        return Usage(calls=1)

    async def seek(self, seek: Seek) -> Finding:
        self.log.add(f"writer {seek.key}")
        await asyncio.sleep(self.latency)
        handle = os.open(self.file, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        os.write(handle, f"{seek.key} {seek.text}\n".encode())
        os.fsync(handle)
        os.close(handle)
        await asyncio.sleep(self.latency)
        return found("recorded")

    async def lookup(self, key: str) -> Finding | None:
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        return found("recorded") if any(line.split()[0] == key for line in lines) else None


def center(
    log: Log | None = None,
    *,
    latency: float = 0.0,
    price: Price | None = None,
    plans: Mapping[str, str] = PLANS,
) -> CenterLM:
    """A center on a model of this world; its log holds the digests of the prompts it was asked."""

    def script(prompt: Prompt, sampling: Sampling) -> str:
        if log is not None:
            log.add(f"model {digest(prompt_blob(prompt))}")
        return say(prompt, plans)

    return CenterLM(ScriptedModel(script, latency=latency, price=price or Price()), examples=())
