"""What the tests of the knowledge web share: a small library, and solving over it with a memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from centerlm.library import Library
from centerlm.memory import SeekingMemory
from centerlm.models.base import Prompt, Sampling
from centerlm.models.scripted import ScriptedModel
from centerlm.sources.base import Source
from centerlm.sources.calculator import Calculator
from centerlm.sources.documents import Documents
from engine import Outcome, run

RIVER, LENGTH = "Which river flows through Norburg?", "How long is Ister?"
WHOLE = "How long is twice the river of Norburg in km?"
PLANS = {
    WHOLE: f"1 [documents] {RIVER}\n2 [documents] How long is #1?\n3 [calculator] #2 * 2",
    RIVER: f"1 [documents] {RIVER}",
    LENGTH: f"1 [documents] {LENGTH}",
}
READ = {RIVER: "Ister [1]", LENGTH: "420 km [1]"}
ARTICLES = {
    "norburg.md": "# Norburg\nThe river Ister flows through Norburg, a town of the north.\n",
    "ister.md": "# Ister\nIt is 420 km long and flows north. The Ister is a river.\n",
}


class Shelf:
    """A library of a few articles that tests change, as a source."""

    def __init__(self, folder: Path, articles: dict[str, str] | None = None) -> None:
        self.folder = folder / "articles"
        self.folder.mkdir()
        self.library = Library.open(folder / "library", create=True, embedder=None)
        for name, text in (articles or ARTICLES).items():
            self.write(name, text, ingest=False)
        self.library.ingest([self.folder])

    @property
    def source(self) -> Documents:
        return Documents(self.library)

    def write(self, name: str, text: str, *, ingest: bool = True) -> None:
        (self.folder / name).write_text(text)
        if ingest:
            self.library.ingest([self.folder])

    def remove(self, name: str) -> None:
        (self.folder / name).unlink()
        self.library.ingest([self.folder])


def solved(
    memory: SeekingMemory,
    shelf: Shelf,
    question: str = WHOLE,
    *,
    web: bool = False,
    answers: Mapping[str, str] | None = None,
    sources: Sequence[Source] | None = None,
    reader: str | None = None,
    plans: Mapping[str, str] = PLANS,
    **more: Any,
) -> Outcome:
    """Solve over the shelf; with `web` what is known is used, by the center named `reader`."""
    given: list[Any] = list(sources or (shelf.source, Calculator()))
    if web:
        given.append(memory.open_web(given, reader or ScriptedModel({}).identity))
    return run(question, says(plans, answers), given, memory=memory, **more)


def says(plans: Mapping[str, str], answers: Mapping[str, str] | None = None) -> Any:
    """A script of the center: plans by question, and what it reads by question."""

    def say(prompt: Prompt, sampling: Sampling) -> str:
        del sampling
        question = prompt.messages[-1].text.rpartition("Question: ")[2]
        if prompt.messages[0].text.startswith("Break the question"):
            return plans.get(question, "")
        return {**READ, **(answers or {})}.get(question, "nothing")

    return say


def shown(outcome: Outcome, start: str) -> list[str]:
    """What the center was told, of prompts whose system message starts like this."""
    prompts = (prompt.messages for prompt in outcome.model.prompts)
    return [told[-1].text for told in prompts if told[0].text.startswith(start)]
