"""ReAct (Yao et al., ICLR 2023) as a way of solving a level: think, act, observe, over and over.

A baseline to compare plans with: the same model, sources, budget and journal, but one action at a
time, decided from all that was seen before, in one growing prompt.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from centerlm.acts import Request
from centerlm.calling import call_model
from centerlm.errors import ModelError, OutOfBudgetError
from centerlm.evaluation.direct_steps import ask_source
from centerlm.finding import Finding, Status, clean_text, failed, nothing, short_answer
from centerlm.models.base import LanguageModel, Message, Prompt, Sampling
from centerlm.run import Level, Run
from centerlm.screen import one_line
from centerlm.sources.base import Card
from centerlm.verify import cite

TURNS = 8
MAX_OBSERVED = 900

SYSTEM = (
    "Answer the question by acting. Each turn write one line, Thought: and what you think, then "
    "one line: Action: source[what to ask], or Action: finish[the answer in a few words]. You are "
    "then told what was found."
)
_ACTION = re.compile(r"Action:\s*([\w:.-]+)\s*\[(.*?)\]?\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Turn:
    """What was written, and what came of it."""

    written: str
    observed: str


def react_prompt(objective: str, cards: Sequence[Card], turns: Sequence[Turn]) -> Prompt:
    """The whole conversation so far."""
    lines = [SYSTEM, "Sources:", *(f"{c.name}: {clean_text(c.knows)[:200]}" for c in cards)]
    messages = [
        Message("system", "\n".join(lines)),
        Message("user", f"Question: {' '.join(clean_text(objective).split())}"),
    ]
    for turn in turns:
        messages.append(Message("assistant", turn.written))
        messages.append(Message("user", f"Observation: {turn.observed}"))
    return Prompt(tuple(messages))


def react_grammar(names: Sequence[str]) -> str:
    """GBNF of one turn."""
    sources = " | ".join(f'"{name}"' for name in (*names, "finish"))
    return (
        'root ::= "Thought: " text "\\nAction: " name "[" text "]"\n'
        f"name ::= {sources}\n"
        "text ::= [^\\[\\]\\n\\r\\x00-\\x1f]{1,160}\n"
    )


async def react_level(run: Run, level: Level) -> Finding:
    """Solve a level by acting; ends with a finding, whatever the model writes."""
    cards = [card for card in run.cards(level) if card.schema is None]
    turns: list[Turn] = []
    seen: list[Finding] = []
    for turn in range(TURNS):
        try:
            written = await _write(run, level, cards, turns, turn)
        except ModelError as error:
            return failed(str(error))
        except OutOfBudgetError as error:
            return _best(seen, str(error))
        name, asked = read_action(written)
        if name is None or name == "finish":
            answer = short_answer(asked)
            return _finished(answer, seen) if answer else nothing("no answer was written")
        if name not in {card.name for card in cards}:
            turns.append(Turn(written, f"there is no source {name}"))
            continue
        try:
            text = " ".join(asked.split())[:2000]
            finding = await ask_source(run, level, name, text, turn + 1, by="react", key="react")
        except OutOfBudgetError as error:
            return _best(seen, str(error))
        seen.append(finding)
        turns.append(Turn(written, observation(finding)))
    return nothing(f"no answer after {TURNS} turns")


def read_action(written: str) -> tuple[str | None, str]:
    """The source and what to ask it; "finish" and the answer; None and a line where neither."""
    match = _ACTION.search(written)
    if match:
        return match[1], match[2].strip()
    lines = [line.strip() for line in clean_text(written).split("\n") if line.strip()]
    last = lines[-1] if lines else ""
    return None, re.sub(r"^(?:Thought|Answer|Action)\s*:\s*", "", last)


def observation(finding: Finding) -> str:
    """What a source gave, on one line."""
    if not finding.found:
        return finding.reason or "nothing"
    if finding.passages:
        share = MAX_OBSERVED // len(finding.passages)
        return " ".join(one_line(f"{p.title}: {p.text}", share) for p in finding.passages)
    return one_line(finding.answer or finding.text, MAX_OBSERVED)


async def _write(
    run: Run, level: Level, cards: Sequence[Card], turns: Sequence[Turn], turn: int
) -> str:
    model = run.center.model
    grammar = react_grammar([card.name for card in cards]) if model.constraint == "gbnf" else None
    sampling = Sampling(max_tokens=128, stop=("Observation:",), grammar=grammar)
    kept = _fitting(model, level.objective, cards, turns, sampling.max_tokens)
    request = Request(react_prompt(level.objective, cards, kept), sampling)
    reply = await call_model(
        run.recorder, level.account, model, request, path=level.path, act="react", attempt=turn
    )
    return clean_text(reply.text)[:2000]


def _fitting(
    model: LanguageModel, objective: str, cards: Sequence[Card], turns: Sequence[Turn], room: int
) -> Sequence[Turn]:
    """The turns, the oldest observations left out where the model has no room for all."""
    kept = list(turns)
    for at in range(len(kept)):
        if model.count(react_prompt(objective, cards, kept)) + room <= model.context:
            break
        kept[at] = replace(kept[at], observed="(left out)")
    return kept


def _finished(answer: str, seen: Sequence[Finding]) -> Finding:
    """The answer, citing the passages seen that contain it."""
    passages = [p for finding in seen for p in finding.passages]
    return Finding(
        Status.FOUND, answer=answer, citations=cite(passages, (), answer), source="center"
    )


def _best(seen: Sequence[Finding], reason: str) -> Finding:
    last = next((f.answer for f in reversed(seen) if f.found and f.answer), None)
    return Finding(Status.OUT_OF_BUDGET, answer=last, reason=reason)
