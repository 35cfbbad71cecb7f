"""What knowledge.py asks the trained models: single facts, then compositions in five ways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from centerlm.center import DIRECT, CenterLM
from centerlm.evaluation.metrics import exact_match
from centerlm.events import PlanFinished
from centerlm.finding import Usage
from centerlm.journal import MemoryJournal
from centerlm.learning.world_questions import Carded
from centerlm.many import Advance, each_of
from centerlm.models import RecordingModel
from centerlm.models.base import LanguageModel, Sampling
from centerlm.models.llama_cpp import LlamaCppModel
from centerlm.models.llama_server import Adapter
from centerlm.objective import Budget, Objective
from centerlm.plan import format_plan
from centerlm.run import Options
from centerlm.solver import solve
from centerlm.sources.expert import Expert
from knowledge_training import (
    ANSWERS,
    ANSWERS_CENTER,
    CENTER,
    CHAINS,
    CHAINS_CENTER,
    STEP_BY_STEP,
    WHOLE,
    School,
    Taught,
    question_prompt,
)
from knowledge_world import CARDS, FIELDS, Composition, SingleFact, concluded
from world_runs import CALLS, DEPTH, Rationed

ARMS: Mapping[str, str] = {
    "a": "the model that knows the facts, asked directly",
    "b": "the same, trained on questions and answers",
    "c": "the same, trained on chains of thought",
    "d": "the center asks that same model",
    "e": "the center asks three experts",
    "f": "a center trained on questions and answers asks that same model",
    "g": "a center trained on chains of thought asks that same model",
}
CENTERS: Mapping[str, str] = {
    "d": CENTER,
    "e": CENTER,
    "f": ANSWERS_CENTER,
    "g": CHAINS_CENTER,
}
"""By arm of the solver, the model that plans."""
SHORT, LONG = 24, 320
"""Tokens of an answer, and of a chain of thought of 8 hops."""
CONTEXT = 2048


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one question ended in one arm; `planned`, of the center, says whether the plans of all
    its levels are word for word the right ones.
    """

    arm: str
    id: str
    hops: int
    right: float
    answer: str
    gold: str
    usage: Usage
    planned: bool | None = None


@dataclass(frozen=True, slots=True)
class Recall:
    """Single facts that a model answers right, in a wording trained and one that was not."""

    model: str
    trained: tuple[bool, ...]
    held_out: tuple[bool, ...]


class Models:
    """The trained models on llama.cpp. Every answer is kept in the school's folder, so that a run
    that was stopped goes on where it was.
    """

    def __init__(
        self, taught: Mapping[str, Taught], school: School, *, slots: int, threads: int
    ) -> None:
        self._taught = taught
        self._school = school
        self._slots = slots
        self._threads = threads

    def open(self, name: str) -> RecordingModel:
        model = LlamaCppModel(
            self._school.gguf,
            adapters=(Adapter(self._taught[name].gguf),),
            context=CONTEXT,
            slots=self._slots,
            threads=self._threads,
            name=name,
        )
        return RecordingModel(model, self._school.folder / "answers-kept")


async def recall_of(
    models: Models,
    name: str,
    facts: Sequence[SingleFact],
    *,
    slots: int,
    held_out: bool = True,
    advance: Advance,
) -> Recall:
    """Ask a model for facts, in the wording whose phrases compositions nest and in the held-out."""
    async with AsyncExitStack() as stack:
        model = models.open(name)
        stack.push_async_callback(model.close)

        async def one(asked: tuple[str, str]) -> bool:
            return exact_match(await _reply(model, asked[0], DIRECT, SHORT), (asked[1],)) > 0

        trained = await each_of(
            [(f.asked[0], f.answer) for f in facts], one, concurrency=slots, advance=advance
        )
        unseen = await each_of(
            [(f.held_out, f.answer) for f in facts if held_out],
            one,
            concurrency=slots,
            advance=advance,
        )
    return Recall(name, tuple(trained), tuple(unseen))


async def ask_arm(
    models: Models, arm: str, questions: Sequence[Composition], *, slots: int, advance: Advance
) -> list[Outcome]:
    """All questions in one arm."""
    async with AsyncExitStack() as stack:

        def opened(name: str) -> RecordingModel:
            model = models.open(name)
            stack.push_async_callback(model.close)
            return model

        if arm in CENTERS:
            names = {field: field if arm == "e" else WHOLE for field in FIELDS}
            by_name = {name: opened(name) for name in dict.fromkeys(names.values())}
            experts = {field: by_name[name] for field, name in names.items()}
            center = CenterLM(opened(CENTERS[arm]), examples=())

            async def one(question: Composition) -> Outcome:
                return await solved(arm, question, center, experts)
        else:
            model = opened({"a": WHOLE, "b": ANSWERS, "c": CHAINS}[arm])

            async def one(question: Composition) -> Outcome:
                return await _answered(arm, question, model)

        return await each_of(questions, one, concurrency=slots, advance=advance)


async def _reply(model: LanguageModel, question: str, instruction: str, tokens: int) -> str:
    sampling = Sampling(max_tokens=tokens, temperature=0.0)
    reply = await model.complete(question_prompt(question, instruction), sampling)
    return reply.text.strip()


async def _answered(arm: str, question: Composition, model: LanguageModel) -> Outcome:
    """One call: the answer, or a chain of thought that ends in it."""
    chained = arm == "c"
    prompt = question_prompt(question.text, STEP_BY_STEP if chained else DIRECT)
    sampling = Sampling(max_tokens=LONG if chained else SHORT, temperature=0.0)
    reply = await model.complete(prompt, sampling)
    answer = concluded(reply.text) if chained else reply.text.strip()
    return _outcome(arm, question, answer, reply.usage)


async def solved(
    arm: str, question: Composition, center: CenterLM, experts: Mapping[str, LanguageModel]
) -> Outcome:
    """The solver, with an expert of each field and nothing else."""
    cards = {card.name: card for card in CARDS}
    calls, journal = iter(range(CALLS * question.hops)), MemoryJournal()
    rationed = CenterLM(Rationed(center.model, calls), examples=())
    solution = await solve(
        Objective(question.text, budget=Budget(depth=DEPTH)),
        center=rationed,
        sources=[
            Carded(
                Expert(field, model, max_tokens=SHORT, instruction=DIRECT, short=True),
                cards[f"expert:{field}"],
            )
            for field, model in experts.items()
        ],
        journal=journal,
        options=Options(seek_seconds=None),
    )
    outcome = _outcome(arm, question, solution.answer or "", solution.usage)
    return replace(outcome, planned=_planned(question, journal, solution.episode))


def _planned(question: Composition, journal: MemoryJournal, episode: str) -> bool:
    """Whether the plan at every level ("", "1", "1.1" and so on) is the right one."""
    made = {
        event.path: journal.blob(event.plan).decode()
        for event in journal.events(episode)
        if isinstance(event, PlanFinished)
    }
    right = {
        ".".join("1" * depth): format_plan(plan) for depth, (_, plan) in enumerate(question.levels)
    }
    return made == right


def _outcome(arm: str, question: Composition, answer: str, usage: Usage) -> Outcome:
    right = exact_match(answer, (question.answer,))
    return Outcome(arm, question.id, question.hops, right, answer, question.answer, usage)
