"""A center that knows worlds: it plans as the right plans and reads what is in its notes."""

from __future__ import annotations

from collections.abc import Iterable

from centerlm.center import DECOMPOSE, CenterLM
from centerlm.learning.worlds import WorldQuestion
from centerlm.models.base import Prompt, Sampling
from centerlm.models.scripted import ScriptedModel
from centerlm.plan import format_plan
from centerlm.verify import contains


def knowing(questions: Iterable[WorldQuestion]) -> CenterLM:
    """By the peel form of these questions; what it was not told about it does not find."""
    plans: dict[str, str] = {}
    answers: dict[str, str] = {}
    for question in questions:
        plans |= {d.objective: format_plan(d.plan) for d in question.decisions["peel"]}
        read = (*question.readings, *question.hearings)
        answers |= {r.question: r.answer for r in read if r.answer is not None}
        answers |= {f.objective: f.answer for f in question.folds["peel"] if f.answer is not None}

    def reply(prompt: Prompt, sampling: Sampling) -> str:
        del sampling
        system, user = prompt.messages[0].text, prompt.messages[-1].text
        *notes, asked = user.split("\n")
        asked = asked.removeprefix("Question: ")
        if system.startswith(DECOMPOSE[:20]):
            return plans.get(asked, f"1 [documents] {asked}")
        answer = answers.get(asked)
        for number, note in enumerate((n for n in notes if n.startswith("[")), start=1):
            if answer is not None and contains(note, answer):
                return f"{answer} [{number}]"
        return "nothing"

    return CenterLM(ScriptedModel(reply), examples=())
