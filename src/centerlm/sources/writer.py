"""The sources of a continuation: `outline` plans beats, `writer` writes one, `chapter` joins them.

They answer with typed text, so that nothing is shortened on its way. A writer looks at each draft
with the notes of the book and writes again, at most twice, what does not agree with them.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

from centerlm.books.checking import Known, check
from centerlm.books.continuing import (
    BEAT_WORDS,
    CHAPTER,
    OUTLINE,
    WRITER,
    Beat,
    beat_prompt,
    finished,
    outline_grammar,
    outline_prompt,
    read_outline,
    report,
    restate_prompt,
)
from centerlm.books.view import BookView
from centerlm.errors import ModelError
from centerlm.finding import Finding, Usage, Value, failed, found, short_answer
from centerlm.models.base import LanguageModel, Prompt, Sampling
from centerlm.sources.base import Card, Seek

DRAFTS = 3
_BEAT = re.compile(r"Write beat (\d+)")
_COUNT = re.compile(r"Plan (\d+) beats")
_TAIL = 220
_TOKENS_A_WORD = 1.6


@dataclass(frozen=True, slots=True)
class Desk:
    """What the three sources share: the book, what is known of it, a model, the length wanted."""

    view: BookView
    known: Known
    model: LanguageModel
    length: int

    @property
    def beats(self) -> int:
        return max(1, -(-self.length // BEAT_WORDS))

    @property
    def words(self) -> int:
        """Of a beat."""
        return -(-self.length // self.beats)


@dataclass(slots=True)
class _Asking:
    """Calls of a model for one request, each covered by the budget before it is made."""

    model: LanguageModel
    seek: Seek
    spent: Usage = Usage()  # noqa: RUF009 - frozen

    async def ask(self, prompt: Prompt, sampling: Sampling) -> tuple[str, bool]:
        """The reply, and whether its limit cut it.

        Raises:
            ModelError: the model did not answer.
            OutOfBudgetError: the call was not covered.
        """
        bound = _bound(self.model, prompt, sampling.max_tokens)
        self.seek.spend(bound)
        self.spent += bound
        reply = await self.model.complete(prompt, sampling)
        self.spent += replace(reply.usage, calls=0, prompt_tokens=0, completion_tokens=0, cost=0.0)
        unused = sampling.max_tokens - reply.usage.completion_tokens
        self.spent = replace(self.spent, completion_tokens=self.spent.completion_tokens - unused)
        return reply.text, reply.cut


def _bound(model: LanguageModel, prompt: Prompt, tokens: int) -> Usage:
    counted = model.count(prompt)
    return Usage(1, counted, tokens, cost=model.price.cost(counted, tokens))


def _text(value: Value) -> str:
    return value if isinstance(value, str) else ""


def _notes(seek: Seek) -> list[str]:
    """The findings a request refers to, as text."""
    return [_text(binding.value) for _, binding in sorted(seek.values.items())]


class _Source(ABC):
    """What the three have in common. Never joined: the same words may be written twice."""

    def __init__(self, desk: Desk, name: str, knows: str) -> None:
        self.desk = desk
        self._card = Card(name, knows, typed=True, shared=False, latency=30.0)

    @property
    def card(self) -> Card:
        return self._card

    def bound(self, seek: Seek) -> Usage:
        """Calls are reserved one by one, as they are made."""
        del seek
        return Usage()

    async def seek(self, seek: Seek) -> Finding:
        asking = _Asking(self.desk.model, seek)
        try:
            made = await self.make(seek, asking)
        except ModelError as error:
            made = failed(str(error), source=self._card.name)
        return replace(made, usage=asking.spent)

    @abstractmethod
    async def make(self, seek: Seek, asking: _Asking) -> Finding:
        """The finding, without what it cost."""


class Outline(_Source):
    """Plans the beats of what comes next, one line each."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk, OUTLINE, "plans the beats of the next chapter from notes")

    async def make(self, seek: Seek, asking: _Asking) -> Finding:
        counted = _COUNT.search(seek.template)
        beats = int(counted[1]) if counted else self.desk.beats
        grammar = outline_grammar(beats) if self.desk.model.constraint == "gbnf" else None
        prompt = outline_prompt(_notes(seek), self.desk.view.tail(_TAIL), beats)
        reply, _ = await asking.ask(
            prompt, Sampling(max_tokens=60 * beats, grammar=grammar, seed=seek.seed)
        )
        view = self.desk.view
        spare = [
            f"{o.subject}: {' '.join(view.text(o.start, o.end).split())}"
            for o in view.threads(beats)
        ]
        lines = read_outline(reply, beats, spare)
        return found(tuple(lines), source=OUTLINE)


class Writer(_Source):
    """Writes a beat: states its goal again after what is written, drafts, checks, mends."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk, WRITER, "writes a beat of the outline in the manner of the book")

    async def make(self, seek: Seek, asking: _Asking) -> Finding:
        beat, outline, written = _beat_of(seek)
        goal = outline[beat - 1] if beat <= len(outline) else "The scene goes on."
        if written:
            reply, _ = await asking.ask(
                restate_prompt(goal, written[-1]),
                Sampling(max_tokens=60, stop=("\n",), seed=seek.seed),
            )
            goal = short_answer(reply) or goal
        return self._finding(await self._write(seek, asking, goal, written))

    async def _write(self, seek: Seek, asking: _Asking, goal: str, written: Sequence[str]) -> Beat:
        desk, view = self.desk, self.desk.view
        tail = view.tail(_TAIL)
        if written:
            tail = " ".join(" ".join([tail, *written]).split()[-_TAIL:])
        notes = _facts(view)
        tokens = int(_TOKENS_A_WORD * desk.words) + 16
        best: Beat | None = None
        least = (True, 0)
        problems: list[str] = []
        for draft in range(1, DRAFTS + 1):
            reply, cut = await asking.ask(
                beat_prompt(goal, notes, tail, desk.known.voice, desk.words, problems),
                Sampling(tokens, temperature=0.7, top_p=0.95, seed=seek.seed + draft),
            )
            text = finished(reply, cut)
            wrong = check(text, desk.known, wanted=desk.words)
            problems = [problem.sentence for problem in wrong]
            # Nothing written is one problem, and worse than any number of others.
            rank = (any(problem.check == "empty" for problem in wrong), len(wrong))
            if best is None or rank < least:
                best, least = Beat(goal, text, draft, tuple(problems)), rank
            best = replace(best, drafts=draft)
            if not problems:
                break
        assert best is not None  # at least one draft was made
        return best

    def _finding(self, beat: Beat) -> Finding:
        if not beat.text:
            return failed("the model wrote nothing for this beat", source=WRITER)
        about = {"goal": beat.goal, "drafts": beat.drafts, "problems": list(beat.problems)}
        return found(beat.text, source=WRITER, text=json.dumps(about))


def _beat_of(seek: Seek) -> tuple[int, tuple[str, ...], list[str]]:
    """The number of a beat, the outline, and the beats written before it, in order."""
    number = _BEAT.search(seek.template)
    outline: tuple[str, ...] = ()
    written: list[str] = []
    for _, binding in sorted(seek.values.items()):
        if isinstance(binding.value, tuple):
            outline = tuple(_text(line) for line in binding.value)
        elif isinstance(binding.value, str):
            written.append(binding.value)
    return int(number[1]) if number else 1, outline, written


def _facts(view: BookView) -> list[str]:
    """Short notes for every beat: who is here and where, who is dead."""
    here = [o.subject for o in view.present()[:5]]
    places = [f"{name} at {at.data['place']}" for name in here if (at := view.where(name))]
    dead = [o.subject for o in view.dead()[:5]]
    return [
        f"present: {', '.join(here)}" if here else "",
        f"last seen: {', '.join(places)}" if places else "",
        f"dead: {', '.join(dead)}" if dead else "",
    ]


class Chapter(_Source):
    """Puts the beats together, with the consistency report as its free text."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk, CHAPTER, "puts beats together and checks the whole")

    async def make(self, seek: Seek, asking: _Asking) -> Finding:
        del asking
        texts = [text for text in _notes(seek) if text]
        if not texts:
            return failed("there are no beats to put together", source=CHAPTER)
        checked = report(texts, self.desk.known, self.desk.length)
        return found("\n\n".join(texts), source=CHAPTER, text=json.dumps(checked))
