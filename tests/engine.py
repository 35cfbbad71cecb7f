"""What the tests of the engine share: sources made of functions, a scripted center, one `run`.

`run` solves with the public API and checks what holds for every episode: no task is left behind,
and every step that was planned or started has exactly one final status.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from centerlm.center import CenterLM
from centerlm.events import (
    CallStarted,
    Event,
    PlanFinished,
    SeekStarted,
    StepFinished,
    StepPlanned,
    StepStarted,
)
from centerlm.finding import Finding, Status, Usage, Value, found
from centerlm.journal import MemoryJournal
from centerlm.learning.shown import question_of
from centerlm.models.base import Constraint, Prompt, Sampling
from centerlm.models.scripted import Answer, ScriptedModel
from centerlm.objective import Budget, Objective
from centerlm.run import Options
from centerlm.solver import Solution, solve
from centerlm.sources.base import Card, Seek

Reply = Callable[[Seek], Any]
T = TypeVar("T")

PLAIN = Options(reasks=False, splits=False, reopens=0)
"""Options under which a step asks its sources once and nothing else happens."""


@dataclass
class Raw:
    """Something a source returns as it is, though it is no finding."""

    thing: Any


@dataclass
class Asks:
    """A source made of a function or of fixed answers by text; remembers what it was asked."""

    name: str
    reply: Reply | Mapping[str, Any]
    typed: bool = True
    effect: Any = "read"
    computes: bool = False
    shared: bool = True
    schema: Mapping[str, Any] | None = None
    seconds: float = 0.0
    asked: list[Seek] = field(default_factory=list[Seek])

    @property
    def card(self) -> Card:
        return Card(
            self.name,
            f"knows {self.name}",
            effect=self.effect,
            computes=self.computes,
            typed=self.typed,
            shared=self.shared,
            schema=self.schema,
        )

    @property
    def texts(self) -> list[str]:
        return [seek.text for seek in self.asked]

    def bound(self, seek: Seek) -> Usage:
        del seek
        return Usage(calls=1)

    async def seek(self, seek: Seek) -> Finding:
        self.asked.append(seek)
        if self.seconds:
            await asyncio.sleep(self.seconds)
        if isinstance(self.reply, Mapping):
            said = self.reply.get(seek.text, Finding(Status.NOTHING))
        else:
            said = self.reply(seek)
        if inspect.isawaitable(said):
            said = await said
        if isinstance(said, Raw):
            return said.thing
        return said if isinstance(said, Finding) else _finding(said, self.typed)


def _finding(said: Value, typed: bool) -> Finding:
    return found(said) if typed else Finding(Status.FOUND, text=str(said))


def echo(seek: Seek) -> Finding:
    """A typed finding that repeats the question."""
    return found(f"<{seek.text}>")


def act_of(prompt: Prompt) -> str:
    """Which act a prompt is for: decompose, repair, seek, arguments, absorb or direct."""
    system = prompt.messages[0].text
    if system.startswith("Break the question"):
        repairs = prompt.messages[-1].text.startswith("That is not a plan")
        return "repair" if repairs else "decompose"
    starts = {
        "This did not help": "seek",
        "Write the arguments": "arguments",
        "Answer the question from": "absorb",
        "Answer the question in": "direct",
    }
    return next(act for start, act in starts.items() if system.startswith(start))


Said = Callable[[str], Answer]


def script(plans: Mapping[str, Answer] | Said, **acts: Answer | Said) -> Any:
    """A script: `plans` by question, and what the other acts answer (a text, or a function of the
    question). Absorbing repeats the last note by default.
    """

    def say(prompt: Prompt, sampling: Sampling) -> Answer:
        del sampling
        act, question = act_of(prompt), question_of(prompt)
        if act == "decompose":
            said = plans(question) if callable(plans) else plans.get(question, "")
        elif act == "absorb" and act not in acts:
            notes = [x for x in prompt.messages[1].text.split("\n") if x.startswith("[")]
            return f"{notes[-1].rpartition(': ')[2]} [{len(notes)}]"
        else:
            chosen = acts.get(act, "")
            said = chosen(question) if callable(chosen) else chosen
        return said

    return say


@dataclass
class Outcome:
    """A solved episode with everything it left behind."""

    solution: Solution
    events: list[Event]
    model: ScriptedModel
    blob: Callable[[str], bytes]

    def status(self, path: str) -> str:
        return self.solution.tree.nodes[path].status

    def answer(self, path: str) -> str:
        return self.solution.tree.nodes[path].answer

    def reason(self, path: str) -> str:
        return self.solution.tree.nodes[path].reason

    @property
    def paths(self) -> list[str]:
        return sorted(self.solution.tree.nodes)

    def acts(self) -> list[str]:
        return [act_of(prompt) for prompt in self.model.prompts]

    def prompts(self, act: str) -> list[Prompt]:
        return [prompt for prompt in self.model.prompts if act_of(prompt) == act]


def run(
    question: str,
    plans: Any,
    sources: list[Any],
    *,
    budget: Budget | None = None,
    options: Options = PLAIN,
    constraint: Constraint = "gbnf",
    latency: float = 0.0,
    journal: MemoryJournal | None = None,
    episode: str = "e",
    answer_type: Any = "any",
    **more: Any,
) -> Outcome:
    """Solve and check the invariants. `plans` is what `script` takes, or a script."""
    chosen = script(plans) if isinstance(plans, Mapping) else plans
    model = ScriptedModel(chosen, constraint=constraint, latency=latency)
    journal = journal or MemoryJournal()
    objective = Objective(question, answer_type=answer_type, budget=budget or Budget())
    before = len(journal.events(episode))
    solution = finish(
        solve(
            objective,
            center=CenterLM(model),
            sources=sources,
            journal=journal,
            options=options,
            episode=episode,
            **more,
        )
    )
    events = journal.events(episode)[before:]
    check(events, resumed=before > 0)
    return Outcome(solution, events, model, journal.blob)


def finish(work: Coroutine[Any, Any, T], seconds: float = 20) -> T:
    """Run to the end; fails if it hangs or leaves a task behind."""

    async def bounded() -> T:
        async with asyncio.timeout(seconds):
            result = await work
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, f"tasks left behind: {left}"
        return result

    return asyncio.run(bounded())


def check(events: list[Event], *, resumed: bool = False) -> None:
    """Every step has one plan line and one final status an attempt; nothing runs after it ends."""
    ended = Counter((e.path, e.attempt) for e in events if isinstance(e, StepFinished))
    twice = {key: n for key, n in ended.items() if n > 1}
    assert not twice, f"more than one final status: {twice}"
    begun = {(e.path, e.attempt) for e in events if isinstance(e, StepStarted)}
    planned = {e.path for e in events if isinstance(e, StepPlanned)}
    if not resumed:
        assert not begun - set(ended), f"started and never ended: {begun - set(ended)}"
        assert not planned - {path for path, _ in ended}, "planned and never ended"
        levels = {e.path for e in events if isinstance(e, PlanFinished)}
        sought = {e.path for e in events if isinstance(e, SeekStarted)}
        assert sought <= {path for path, _ in ended} | levels


def finished(events: list[Event]) -> dict[str, list[str]]:
    """The final statuses of each path, in order."""
    statuses: dict[str, list[str]] = {}
    for event in events:
        if isinstance(event, StepFinished):
            statuses.setdefault(event.path, []).append(event.status)
    return statuses


def told(outcome: Any) -> list[str]:
    """Calls and seeks in order, e.g. "docs: a" and "seek 1"."""
    lines: list[str] = []
    for event in outcome.events:
        if isinstance(event, SeekStarted):
            lines.append(f"{event.source}: {event.text}")
        elif isinstance(event, CallStarted):
            lines.append(f"{event.act} {event.path}".strip())
    return lines


def prose(name: str, reply: Any = None) -> Asks:
    return Asks(name, reply or {}, typed=False)
