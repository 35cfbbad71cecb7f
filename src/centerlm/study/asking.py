"""Asking questions of its own: the center, shown passages on a subject, writes what it would ask.

A visit to a subject is one episode of the same engine: what is written here is its plan, a step a
question. Passages and what is known are shown as data, one quoted or numbered piece a line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from centerlm.acts import (
    Absorbed,
    AbsorbView,
    Asked,
    Note,
    PlanView,
    Request,
    SeekView,
    one_line,
)
from centerlm.errors import PlanError
from centerlm.finding import Passage, Usage, clean_text, short_answer
from centerlm.memory.noting import entities
from centerlm.models.base import Choice, LanguageModel, Message, Prompt, Reply, Sampling
from centerlm.models.watched import Watched
from centerlm.models.wrapped import WrappedModel
from centerlm.plan import FORBIDDEN, MAX_TEXT, Plan, Step, escape, make_plan, normalise
from centerlm.protocols import Center
from centerlm.reading import PlanReader

MAX_QUESTIONS = 6
MAX_NOTE = 700
QUESTION_TOKENS = 240
ASK = (
    "Write questions that the notes answer, one a line, each about one fact, each naming in full "
    "what it asks about. Ask nothing that is known already."
)
_SHOWN = (
    Message(
        "user",
        "[1] Grey Harbour: The Grey Harbour is a painting by Ada Brandt, made in 1901.\n"
        '- "known already: When was The Grey Harbour made? 1901"\n'
        "Subject: Grey Harbour",
    ),
    Message("assistant", "Who painted The Grey Harbour?\n"),
)
_FIRST, _REST = "[A-Z]", r"[^?#\n\r\x00-\x1f]{8,140}"
"""What a question is written with, in grammars and regular expressions alike."""
_GRAMMAR = f'root ::= line{{1,{MAX_QUESTIONS}}}\nline ::= {_FIRST} {_REST} "?\\n"\n'
_LINE = re.compile(rf"{_FIRST}{_REST}\?")
_MARK = re.compile(r"^\s*(?:[-*•]|\d{1,2}[.)]|Subject:)\s*")
"""What stands before a question and is no part of it; a small model copies the prompt's last label,
which was then a name to be studied.
"""
_QUESTION = re.compile(f"[{FORBIDDEN}]")


@dataclass(frozen=True, slots=True)
class Asking:
    """A center that plans a visit: its plan is questions of its own, each to be asked of `source`.

    `passages` are shown, `known` are lines on what is known already; `asked` are questions (as
    `normalise` gives them) not to be asked again, `questions` those that were asked. All other acts
    are the center's; the visit ends without a summary, which would cost a call and teach nothing. A
    model that stops answering ends the study (`EndpointError`): it says nothing of the subject.
    """

    center: Center
    subject: str
    source: str
    passages: Sequence[Passage]
    known: Sequence[str] = ()
    asked: frozenset[str] = frozenset()
    questions: set[str] = field(default_factory=set[str])
    _model: list[LanguageModel] = field(default_factory=list[LanguageModel])

    @property
    def model(self) -> LanguageModel:
        if not self._model:
            watched = Watched(self.center.model)
            self._model.append(_Unsummed(watched, self.center, objective(self.subject)))
        return self._model[0]

    def decompose(self, view: PlanView) -> Request:
        del view
        sampling = Sampling(max_tokens=QUESTION_TOKENS)
        if self.center.model.constraint == "gbnf":
            sampling = Sampling(max_tokens=QUESTION_TOKENS, grammar=_GRAMMAR)
        notes = [Note(passage.title, passage.text) for passage in self.passages]
        return Request(ask_prompt(self.subject, notes, self.known), sampling)

    def repair(self, view: PlanView, text: str, error: PlanError) -> Request:
        del text, error
        return self.decompose(view)

    def reader(self, view: PlanView) -> PlanReader | None:
        """None: which questions are new is known when all are there."""
        del view
        return None

    def read_plan(self, text: str, view: PlanView, *, cut: bool) -> Plan:
        """The new questions as a plan; without one, a plan without steps, which ends the visit."""
        del view
        steps = [
            Step(number, (self.source,), escape(question))
            for number, question in enumerate(self._new(text, cut), start=1)
        ]
        return make_plan(steps) if steps else Plan(())

    def _new(self, text: str, cut: bool) -> list[str]:
        lines = clean_text(text).split("\n")
        if cut:
            lines = lines[:-1]
        held = normalise(" ".join([self.subject, *(f"{p.title} {p.text}" for p in self.passages)]))
        new: dict[str, str] = {}
        for line in lines:
            question = " ".join(_QUESTION.sub(" ", _MARK.sub("", line)).split())
            key = normalise(question)
            if not question.endswith("?") or len(escape(question)) > MAX_TEXT:
                continue
            if key in self.asked or not _names_something(question, held):
                continue
            new.setdefault(key, question)
        chosen = dict(list(new.items())[:MAX_QUESTIONS])
        self.questions.update(chosen)
        return list(chosen.values())

    def seek(self, view: SeekView) -> Request:
        return self.center.seek(view)

    def read_seek(self, text: str, view: SeekView) -> Asked | None:
        return self.center.read_seek(text, view)

    def absorb(self, view: AbsorbView) -> Request:
        return self.center.absorb(view)

    def read_absorb(self, text: str, view: AbsorbView, *, cut: bool) -> Absorbed:
        return self.center.read_absorb(text, view, cut=cut)


def objective(subject: str) -> str:
    """What a visit to a subject is called."""
    return f"What is there to know about {short_answer(subject)[:100]}?"


def is_line(question: str) -> bool:
    """Whether the grammar of a visit lets a question through."""
    return _LINE.fullmatch(question) is not None


def ask_prompt(subject: str, notes: Sequence[Note], known: Sequence[str]) -> Prompt:
    """What the center is shown to ask about a subject."""
    shown = [one_line(f"{note.title}: {note.text}", MAX_NOTE) for note in notes]
    lines = [f"[{number}] {note}" for number, note in enumerate(shown, start=1)]
    lines += [f'- "{one_line(line, 200)}"' for line in known]
    lines.append(f"Subject: {one_line(subject, 100)}")
    return Prompt((Message("system", ASK), *_SHOWN, Message("user", "\n".join(lines))))


def _names_something(question: str, held: str) -> bool:
    """Whether a question is about something that the subject or the passages name."""
    names = entities(question)
    return not names or any(normalise(name) in held for name in names)


@dataclass(frozen=True, slots=True)
class _Unsummed(WrappedModel):
    """The model, but for the last call of a visit, which is answered here, at no cost."""

    center: Center
    asked: str

    async def complete(
        self,
        prompt: Prompt,
        sampling: Sampling,
        *,
        on_text: Callable[[str], None] | None = None,
        before_retry: Callable[[], None] | None = None,
    ) -> Reply:
        """See `LanguageModel.complete`."""
        last = prompt.messages[-1].text
        if last.endswith(f"Question: {self.asked}") and prompt.messages[0].text != ASK:
            return Reply((Choice("learned [1]"),), Usage(), "study")
        return await self.model.complete(
            prompt, sampling, on_text=on_text, before_retry=before_retry
        )
