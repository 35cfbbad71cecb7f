"""CenterLM: the three acts (decompose, seek, absorb), their prompts, and reading their replies.

Rendering is pure: a view becomes the same messages in use and in training, byte for byte. Text of
questions, cards, notes and experience is put in as data, quoted or labelled, one piece a line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, cast

from centerlm.acts import (
    MAX_NOTE,
    Absorbed,
    AbsorbView,
    Asked,
    Experience,
    Note,
    PlanView,
    Request,
    SeekView,
    ShownBudget,
    one_line,
)
from centerlm.copying import copied_rules
from centerlm.errors import PlanError
from centerlm.finding import clean_text, short_answer
from centerlm.grammar import plan_grammar, plan_schema, with_center
from centerlm.mending import mended
from centerlm.models.base import LanguageModel, Message, Prompt, Sampling
from centerlm.nesting import mend
from centerlm.plan import CENTER, Plan, Step, format_plan, parse_plan, plan_from_json
from centerlm.reading import PlanReader
from centerlm.sources.base import Card

MAX_CARD = 200
MAX_RECALLED = 300
PLAN_TOKENS, SEEK_TOKENS, ABSORB_TOKENS = 256, 48, 64

DECOMPOSE = (
    "Break the question into steps, one a line: number [source] what to find out. "
    "#1 stands for the answer of step 1. [source each #1] goes through the items of #1. "
    "[a | b] tries b if a finds nothing. If one step is enough, write one."
)
PARTED = "Asked as it is, this found nothing: break it into two steps or more."
SEEK = "This did not help when asked so. Ask the source in other words, in one line."
ARGUMENTS = "Write the arguments for the source as JSON."
ABSORB = (
    "Answer the question from the notes, in a few words, then the numbers of the notes used in "
    "brackets. If the notes do not say, write: nothing"
)
DIRECT = "Answer the question in a few words."

_EXPECTED = {
    "number": "a number",
    "date": "a date",
    "boolean": "yes or no",
    "list": "a list, separated by commas",
    "text": "a few words",
}

_CITES = re.compile(r"(?:\s*\[(\d{1,3})\][.,]?)+\s*$")
_STEP = re.compile(r"^\s*\d{1,3}\s*\[")
_ABSORB_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "answer": {"type": ["string", "null"]},
        "notes": {"type": "array", "items": {"type": "integer"}},
    },
    "required": ["answer", "notes"],
    "additionalProperties": False,
}
_QUERY_GRAMMAR = "root ::= [^ #\\n\\r\\x00-\\x1f] [^\\n\\r\\x00-\\x1f]{2,120}\n"


@dataclass(frozen=True, slots=True)
class Example:
    """A question and its plan, shown to a model that was not trained for planning."""

    question: str
    plan: str


EXAMPLES = (
    Example("Who painted The Grey Harbour?", "1 [documents] Who painted The Grey Harbour?"),
    Example(
        "How many more pupils has Tall Oak School than Elm School?",
        "1 [documents] How many pupils has Tall Oak School?\n"
        "2 [documents] How many pupils has Elm School?\n"
        "3 [calculator] #1 - #2",
    ),
    Example(
        "When was the founder of the Norland Opera born?",
        "1 [documents] Who founded the Norland Opera?\n2 [documents] When was #1 born?",
    ),
    Example(
        "Which is longer, the Grey River or the Blue River?",
        "1 [documents] How long is the Grey River?\n"
        "2 [documents] How long is the Blue River?\n"
        "3 [calculator] argmax(Grey River: #1, Blue River: #2)",
    ),
    Example(
        "Which of the lakes of the country where Ada Brandt was born is the deepest?",
        "1 [documents] In which country was Ada Brandt born?\n"
        "2 [documents] Which lakes are in #1?\n"
        "3 [documents each #2] How deep is #2?\n"
        "4 [calculator] argmax(#2, #3)",
    ),
)


@dataclass(frozen=True, slots=True)
class CenterLM:
    """A center on any language model.

    `examples` are shown in the decompose prompt, as earlier turns, where all their sources are
    offered: for models not trained by centerlm. A trained center needs none.
    """

    model: LanguageModel
    examples: tuple[Example, ...] = EXAMPLES

    def decompose(self, view: PlanView) -> Request:
        names, parted = _names(view), view.parted
        sampling = Sampling(max_tokens=PLAN_TOKENS)
        if self.model.constraint == "gbnf":
            grammar = plan_grammar(names, parted=parted)
            sampling = Sampling(max_tokens=PLAN_TOKENS, grammar=grammar)
            view = replace(view, parted=False)  # the grammar says it, in no word never trained
        elif self.model.constraint == "schema":
            schema = plan_schema(names, parted=parted)
            sampling = Sampling(max_tokens=PLAN_TOKENS * 3, schema=schema)
        return Request(plan_prompt(view, self.examples), sampling)

    def repair(self, view: PlanView, text: str, error: PlanError) -> Request:
        request = self.decompose(view)
        messages = (
            *request.prompt.messages,
            Message("assistant", clean_text(text)[:2000]),
            Message("user", f"That is not a plan: {error}. Write the whole plan again."),
        )
        return Request(Prompt(messages), request.sampling)

    def reader(self, view: PlanView) -> PlanReader | None:
        if self.model.constraint != "gbnf":
            return None
        return PlanReader(_names(view), question=view.objective)

    def read_plan(self, text: str, view: PlanView, *, cut: bool) -> Plan:
        names = _names(view)
        if self.model.constraint == "schema" and text.lstrip().startswith("{"):
            return plan_from_json(text, sources=names)
        lines = [line for line in text.split("\n") if _STEP.match(line)]
        if cut and text.split("\n")[-1:] == lines[-1:]:
            lines = lines[:-1]
        plan = parse_plan("\n".join(lines), sources=names)
        steps: list[Step] = []
        for step in plan.steps:
            steps.append(mended(step, steps, view.objective))
        return Plan(mend(tuple(steps), view.objective))

    def seek(self, view: SeekView) -> Request:
        prompt = seek_prompt(view)
        if view.card.schema is not None:
            schema = None if self.model.constraint == "none" else view.card.schema
            return Request(prompt, Sampling(max_tokens=PLAN_TOKENS, schema=schema))
        grammar = _QUERY_GRAMMAR if self.model.constraint == "gbnf" else None
        return Request(prompt, Sampling(max_tokens=SEEK_TOKENS, stop=("\n",), grammar=grammar))

    def read_seek(self, text: str, view: SeekView) -> Asked | None:
        if view.card.schema is None:
            query = short_answer(text)
            return Asked(query=query) if query else None
        try:
            arguments: Any = json.loads(text[text.find("{") : text.rfind("}") + 1])
        except (ValueError, RecursionError):
            return None
        if not isinstance(arguments, dict):
            return None
        return Asked(arguments=cast("dict[str, Any]", arguments))

    def absorb(self, view: AbsorbView) -> Request:
        prompt = absorb_prompt(view)
        match self.model.constraint:
            case "gbnf":
                shown = [_note_line(note) for note in view.notes] if view.copying else []
                grammar = absorb_grammar(len(view.notes), copied_rules(shown))
                return Request(prompt, Sampling(max_tokens=ABSORB_TOKENS, grammar=grammar))
            case "schema" if view.notes:
                return Request(
                    prompt, Sampling(max_tokens=ABSORB_TOKENS * 3, schema=_ABSORB_SCHEMA)
                )
            case _:
                return Request(prompt, Sampling(max_tokens=ABSORB_TOKENS * 2))

    def read_absorb(self, text: str, view: AbsorbView, *, cut: bool) -> Absorbed:
        if self.model.constraint == "schema" and text.lstrip().startswith("{"):
            return _absorbed_json(text)
        line = next((line.strip() for line in clean_text(text).split("\n") if line.strip()), "")
        cited: tuple[int, ...] = ()
        if match := _CITES.search(line):
            cited = tuple(int(n) for n in re.findall(r"\d+", match[0]))
            line = line[: match.start()].strip()
        elif cut:
            line = line.rpartition(" [")[0] or line
        return _absorbed(line, cited)


def plan_prompt(view: PlanView, examples: Sequence[Example] = ()) -> Prompt:
    """What the decompose act is asked; a trained center is shown no examples.

    Recalled plans of people are shown as earlier turns after the examples, in place of as many.
    """
    names = _names(view)
    system = [DECOMPOSE, "Sources:", *map(_card_line, view.cards)]
    if CENTER in names:
        system.append("center: takes over a part that needs steps of its own")
    fitting = [
        example
        for example in examples
        if all(name in names for name in re.findall(r"\[(\w+)", example.plan))
    ]
    shown = fitting[len(view.experience.plans) :] + _recalled(view.experience, names)
    turns = [
        message
        for example in shown
        for message in (
            Message("user", f"Question: {example.question}"),
            Message("assistant", example.plan),
        )
    ]
    user: list[str] = []
    if view.root is not None:
        user.append(f"Part of: {one_line(view.root, 300)}")
    if budget := _budget_line(view.budget):
        user.append(budget)
    user += _helped(view.experience)
    if view.parted:
        user.append(PARTED)
    user.append(f"Question: {one_line(view.objective, 8000)}")
    system_message = Message("system", "\n".join(system))
    return Prompt((system_message, *turns, Message("user", "\n".join(user))))


def seek_prompt(view: SeekView) -> Prompt:
    """What the seek act is asked: another query, or the arguments of a schema."""
    return Prompt((Message("system", _seek_system(view)), Message("user", _seek_user(view))))


def absorb_prompt(view: AbsorbView) -> Prompt:
    """What the absorb act is asked; without notes, to answer directly."""
    system = ABSORB if view.notes else DIRECT
    lines = [f"[{number}] {_note_line(note)}" for number, note in enumerate(view.notes, start=1)]
    if view.root is not None:
        lines.append(f"Part of: {one_line(view.root, 300)}")
    if view.answer_type != "any":
        lines.append(f"Expected: {_EXPECTED[view.answer_type]}")
    lines.append(f"Question: {one_line(view.objective, 8000)}")
    return Prompt((Message("system", system), Message("user", "\n".join(lines))))


def is_absorbing(prompt: Prompt) -> bool:
    """Whether a prompt is one of the absorb act."""
    return prompt.messages[0].text in (ABSORB, DIRECT)


def absorb_grammar(notes: int, copied: str = "") -> str:
    """GBNF of an absorbed answer: `nothing`, or a short line and one to three note numbers. The
    line is `copied` where there are rules of that (see `copying`).
    """
    text = r"[^ \[\n\r\x00-\x1f] [^\[\n\r\x00-\x1f]{0,119}"
    if notes == 0:
        return f"root ::= {text}\n"
    numbers = " | ".join(f'"{n}"' for n in range(1, notes + 1))
    return (
        'root ::= "nothing" | answer cite{1,3}\n'
        f"answer ::= {'copied' if copied else text}\n"
        'cite ::= " [" number "]"\n'
        f"number ::= {numbers}\n{copied}"
    )


def _absorbed(answer: str, cited: tuple[int, ...]) -> Absorbed:
    """An answer, unless it is empty or says that there is none."""
    if not answer or answer.casefold().rstrip(".") in {"nothing", "nothing found"}:
        return Absorbed(None)
    return Absorbed(answer, cited)


def _absorbed_json(text: str) -> Absorbed:
    try:
        data: Any = json.loads(text)
    except (ValueError, RecursionError):
        return Absorbed(None)
    match data:
        case {"answer": str(answer), "notes": [*notes]}:
            cited = tuple(n for n in notes if isinstance(n, int) and not isinstance(n, bool))
            return _absorbed(clean_text(answer).strip(), cited)
        case _:
            return Absorbed(None)


def _note_line(note: Note) -> str:
    title = one_line(note.title, MAX_CARD)
    return f"{title}: {one_line(note.text, MAX_NOTE)}" if title else one_line(note.text, MAX_NOTE)


def _recalled(experience: Experience, names: Sequence[str]) -> list[Example]:
    """People's plans as examples; what is no plan over these sources is not shown."""
    shown: list[Example] = []
    for one in experience.plans:
        with suppress(PlanError):
            plan = format_plan(parse_plan(one.plan, sources=names))
            shown.append(Example(one_line(one.objective, MAX_RECALLED), plan))
    return shown


def _helped(experience: Experience) -> list[str]:
    """What was recalled, each line quoted."""
    if not experience.lines:
        return []
    return ["Helped before:", *(f'- "{one_line(line, 200)}"' for line in experience.lines)]


def _names(view: PlanView) -> tuple[str, ...]:
    names = tuple(card.name for card in view.cards)
    return with_center(names) if view.recursion or not names else names


def _card_line(card: Card) -> str:
    limits = f" ({card.limits})" if card.limits else ""
    return f"{card.name}: {one_line(card.knows + limits, MAX_CARD)}"


def _seek_system(view: SeekView) -> str:
    if view.card.schema is None:
        return SEEK
    return f"{ARGUMENTS}\nSchema: {json.dumps(view.card.schema, sort_keys=True)[:2000]}"


def _seek_user(view: SeekView) -> str:
    lines = [f"Source: {_card_line(view.card)}"]
    if view.root and view.root != view.objective:
        lines.append(f"Part of: {one_line(view.root, 300)}")
    lines += _helped(view.experience)
    lines += [f"Asked: {one_line(query, 200)}" for query in view.asked]
    lines.append(f"Question: {one_line(view.objective, 2000)}")
    return "\n".join(lines)


def _budget_line(budget: ShownBudget) -> str:
    parts: list[str] = []
    if budget.calls is not None:
        parts.append(f"{budget.calls} calls")
    if budget.tokens is not None:
        parts.append(f"{budget.tokens} tokens")
    if budget.seconds is not None:
        parts.append(f"{budget.seconds:g} seconds")
    if budget.money is not None:
        parts.append(f"{budget.money:.4g} money")
    if not parts:
        return ""
    return f"Budget: {', '.join(parts)}, {budget.depth} levels"
