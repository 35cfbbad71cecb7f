"""The source `person` on a page: its questions wait on the page of their episode."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from dataclasses import dataclass, field

from centerlm.finding import Finding
from centerlm.serving.order import Refused
from centerlm.serving.parts import Parts
from centerlm.sources.base import Seek
from centerlm.sources.person import Person

_key: ContextVar[str] = ContextVar("key of the question that is asked")


@dataclass(frozen=True, slots=True)
class Question:
    """A question to a person; `key` names its episode, step and attempt."""

    key: str
    text: str
    answer: asyncio.Future[str]


@dataclass(slots=True)
class Desk:
    """The questions that wait for a person."""

    waiting: dict[str, Question] = field(default_factory=dict[str, Question])

    def of(self, episode: str) -> list[Question]:
        """Those of an episode, in the order in which they came."""
        return [q for q in self.waiting.values() if q.key.startswith(f"{episode}/")]

    def say(self, key: str, answer: str) -> None:
        """Answer a question; an empty answer says that there is none.

        Raises:
            Refused: it does not wait any more.
        """
        question = self.waiting.get(key)
        if question is None or question.answer.done():
            raise Refused(
                409, "this question does not wait for an answer any more; reload the page"
            )
        question.answer.set_result(answer)

    async def ask(self, text: str) -> str:
        question = Question(_key.get(), text, asyncio.get_running_loop().create_future())
        self.waiting[question.key] = question
        try:
            return await question.answer
        finally:
            self.waiting.pop(question.key, None)


class PagePerson(Person):
    """Asks whoever looks at the page of the episode."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk.ask, knows="what only the person in front of the page can say")

    def _lock(self) -> asyncio.Lock:
        # Each question stands on the page of its episode: none waits for the answer to another.
        return asyncio.Lock()

    async def seek(self, seek: Seek) -> Finding:
        _key.set(seek.key)
        return await super().seek(seek)


def seat(parts: Parts) -> Desk:
    """A desk, put where the sources would ask on the terminal."""
    desk = Desk()
    parts.sources = tuple(
        PagePerson(desk) if type(source) is Person else source for source in parts.sources
    )
    return desk
