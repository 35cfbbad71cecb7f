"""What the tests of credit, rows and ratios share: a small world with gold, and models that give
token ids.

The question needs two lookups and a sum; `policy` makes a center that plans it in one of several
ways, the sensible one and perverse ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from centerlm.center import CenterLM
from centerlm.finding import Finding, Passage, Status
from centerlm.journal import MemoryJournal
from centerlm.learning.credit import Gold, NodeCredit, Weights, acts_of, credit
from centerlm.models.base import Prompt, Reply, Sampling
from centerlm.models.chat import render
from centerlm.models.scripted import ScriptedModel
from centerlm.objective import Budget, Objective
from centerlm.run import Options
from centerlm.solver import Solution, solve
from centerlm.sources.base import Source
from engine import Asks, script

QUESTION = "How many people live in the birthplaces of Ada and Ben together?"
FACTS = {
    "Where was Ada born?": "Ada was born in Norwick.",
    "How many people live in Norwick?": "Norwick has 400 inhabitants.",
    "Where was Ben born?": "Ben was born in Sutton.",
    "How many people live in Sutton?": "Sutton has 250 inhabitants.",
}
ANSWERS = {
    "Where was Ada born?": "Norwick",
    "How many people live in Norwick?": "400",
    "Where was Ben born?": "Sutton",
    "How many people live in Sutton?": "250",
}
GOLD = Gold(("650",), {q: (a,) for q, a in ANSWERS.items()})
SENSIBLE = """\
1 [documents] Where was Ada born?
2 [documents] How many people live in #1?
3 [documents] Where was Ben born?
4 [documents] How many people live in #3?
5 [calculator] #2 + #4"""
ALWAYS_SEARCH = """\
1 [documents] Where was Ada born?
2 [documents] Who is Ada?
3 [documents] How many people live in #1?
4 [documents] What is #1 known for?
5 [documents] Where was Ben born?
6 [documents] Who is Ben?
7 [documents] How many people live in #5?
8 [documents] What is #5 known for?
9 [calculator] #3 + #7"""
ONE_SOURCE = SENSIBLE.replace("[calculator] #2 + #4", "[documents] What is #2 plus #4?")
NEVER_STOP = "1 [center] Think of it once more: {}"


class ByteTokenizer:
    """One token a byte and the two of ChatML: what rows are decoded with."""

    special: ClassVar = {"<|im_start|>": 256, "<|im_end|>": 257}

    def encode(self, text: str) -> list[int]:
        return list(text.encode())

    def decode(self, ids: Sequence[int]) -> str:
        names = {number: name for name, number in self.special.items()}
        return b"".join(bytes([i]) if i < 256 else names[i].encode() for i in ids).decode()


TOKENIZER = ByteTokenizer()


def prompt_ids(prompt: Prompt) -> list[int]:
    return render(prompt, TOKENIZER)


@dataclass
class TokenModel:
    """A scripted model that also says which tokens it sampled, end of turn included."""

    model: ScriptedModel
    logprob: float | None = -0.5
    said: list[str] = field(default_factory=list[str])

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def count(self, prompt: Prompt) -> int:
        return len(prompt_ids(prompt))

    async def complete(self, prompt: Prompt, sampling: Sampling, **more: Any) -> Reply:
        reply = await self.model.complete(prompt, sampling, **more)
        self.said.append(reply.text)
        ids = (*TOKENIZER.encode(reply.text), 257)
        logprobs = None if self.logprob is None else (self.logprob,) * len(ids)
        choice = replace(reply.choices[0], token_ids=ids, logprobs=logprobs)
        return replace(reply, choices=(choice,))


def documents(facts: Mapping[str, str] = FACTS) -> Asks:
    def answer(seek: Any) -> Finding:
        text = facts.get(seek.text)
        if text is None:
            return Finding(Status.NOTHING)
        passages = (Passage("1", "Nothing of note."), Passage("2", text))
        return Finding(Status.FOUND, passages=passages)

    return Asks("documents", answer, typed=False)


def adder() -> Asks:
    def add(seek: Any) -> int:
        return sum(int(binding.value) for binding in seek.values.values())

    return Asks("calculator", add, computes=True)


def reads(answers: Mapping[str, str] = ANSWERS) -> Callable[[str], str]:
    """An absorb act that knows what the documents say; else that they do not."""

    def absorb(question: str) -> str:
        return f"{answers[question]} [2]" if question in answers else "nothing"

    return absorb


def policy(plan: str, absorb: Callable[[str], str] | None = None) -> Any:
    """A script that plans the question by `plan` ({} is the question itself)."""

    def plans(question: str) -> str:
        return plan.replace("{}", question[-80:])

    return script(plans, absorb=absorb or reads(), seek="ask otherwise")


@dataclass(frozen=True)
class Rolled:
    """A solved episode with its journal and model."""

    solution: Solution
    journal: MemoryJournal
    model: TokenModel

    @property
    def episode(self) -> str:
        return self.solution.episode

    def credits(
        self, gold: Gold = GOLD, weights: Weights | None = None, **more: Any
    ) -> tuple[NodeCredit, ...]:
        acts = acts_of(self.journal.events(self.episode))
        return credit(self.solution.tree, gold, weights, acts=acts, **more)

    def at(self, path: str, act: str, gold: Gold = GOLD) -> NodeCredit:
        found = [c for c in self.credits(gold) if (c.path, c.act) == (path, act)]
        assert len(found) == 1, (path, act, self.credits(gold))
        return found[0]


def roll(
    said: Any,
    *,
    sources: Sequence[Source] | None = None,
    question: str = QUESTION,
    budget: Budget | None = None,
    options: Options | None = None,
    episode: str = "e",
    journal: MemoryJournal | None = None,
    logprob: float | None = -0.5,
    constraint: Any = "gbnf",
) -> Rolled:
    """Solve with a scripted center that gives token ids."""
    model = TokenModel(ScriptedModel(said, constraint=constraint, context=100_000), logprob)
    journal = journal or MemoryJournal()
    solution = asyncio.run(
        solve(
            Objective(question, budget=budget or Budget(depth=3)),
            center=CenterLM(model, examples=()),
            sources=sources or [documents(), adder()],
            journal=journal,
            options=options or Options(reasks=False, splits=False, reopens=0),
            episode=episode,
        )
    )
    return Rolled(solution, journal, model)
