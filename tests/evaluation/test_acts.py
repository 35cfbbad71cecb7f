"""Single acts over records, with a scripted model and the center's own rendering."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from centerlm.center import CenterLM
from centerlm.errors import ModelError
from centerlm.evaluation.acts import (
    Answered,
    Decided,
    each_of,
    score_decisions,
    score_folds,
    score_readings,
)
from centerlm.evaluation.summary import answer_metrics, grouped, plan_metrics, source_metrics
from centerlm.evaluation.unconstrained import Unconstrained
from centerlm.learning.records import Decision, Fold, Reading, Text
from centerlm.models import ScriptedModel
from centerlm.plan import parse_plan
from centerlm.sources.base import Card

DOCUMENTS = Card("documents", "passages about people")
CALCULATOR = Card("calculator", "computes", computes=True, typed=True)
PLAN = parse_plan("1 [documents] Who composed the waltz?\n2 [documents] When was #1 born?")
NOTES = (Text("a", "Waltz", "Ada wrote it."), Text("b", "Ada", "Ada was born in 1832."))


@dataclass(frozen=True)
class Question:
    reading: Reading
    answer: str | None
    cited: tuple[int, ...] = ()


@dataclass(frozen=True)
class Notes:
    notes: tuple[Text, ...]
    questions: tuple[Question, ...]


def decision(id_: str, objective: str, **fields: object) -> Decision:
    return Decision(id_, "made", objective, PLAN, cards=(DOCUMENTS,), **fields)  # pyright: ignore[reportArgumentType]


def reading(id_: str, question: str, answer: str | None) -> Reading:
    return Reading(id_, "made", question, answer, ("b",) if answer else ())


def decided(model: ScriptedModel, *decisions: Decision) -> list[Decided]:
    return asyncio.run(score_decisions(CenterLM(model, examples=()), decisions))


def test_decisions_are_asked_as_in_use_and_scored_in_order() -> None:
    model = ScriptedModel(
        {
            "Question: first": str(PLAN),
            "Question: second": "1 [documents] Who composed the waltz?",
            "Question: third": "I do not know.",
        }
    )
    first, second, third = decided(model, *(decision(t, t) for t in ("first", "second", "third")))
    assert (first.valid, first.scores.graph, first.plan) == (True, 1.0, str(PLAN))
    assert (second.valid, second.scores.steps) == (True, 0.0)
    assert (third.valid, third.scores.steps, third.plan) == (False, 0.0, "")
    metrics = plan_metrics([first, second, third])
    assert metrics["valid"].value == pytest.approx(2 / 3)
    assert metrics["graph"].value == pytest.approx(1 / 3)
    assert metrics["sources"].value == pytest.approx((1 + 0.5 + 0) / 3)
    assert metrics["aligned_sources"].value == 1
    assert source_metrics([first, second, third])["documents"].value == pytest.approx(3 / 6)


def test_the_view_of_a_decision_is_complete() -> None:
    model = ScriptedModel({"": str(PLAN)})
    offered = Decision("x", "made", "inner?", PLAN, root="the whole?", recursion=False)
    asyncio.run(
        score_decisions(CenterLM(model, examples=()), [offered], cards=[DOCUMENTS, CALCULATOR])
    )
    text = "\n".join(m.text for m in model.prompts[0].messages)
    assert "Part of: the whole?" in text
    assert "calculator: computes" in text
    assert "center:" not in text


def test_without_a_grammar_none_is_sent() -> None:
    constrained = ScriptedModel({"": str(PLAN)})
    free = ScriptedModel({"": str(PLAN)})
    decided(constrained, decision("a", "q"))
    asyncio.run(score_decisions(CenterLM(Unconstrained(free), examples=()), [decision("a", "q")]))
    assert constrained.calls[0].sampling.grammar
    assert free.calls[0].sampling.grammar is None
    assert free.calls[0].prompt == constrained.calls[0].prompt


def test_readings() -> None:
    model = ScriptedModel(
        {
            "Question: When": "1832 [2]",
            "Question: In which year": "1832 [1]",
            "Question: Who": "nothing",
            "Question: Where": "Norhaven [1]",
            "Question: Why": "nothing",
        }
    )
    asked = Notes(
        NOTES,
        (
            Question(reading("when", "When?", "1832"), "1832", (2,)),
            Question(reading("year", "In which year?", "1832"), "1832", (2,)),
            Question(reading("who", "Who?", "Ada"), "Ada", (1,)),
            Question(reading("where", "Where?", None), None, ()),
            Question(reading("why", "Why?", None), None, ()),
        ),
    )
    scores = asyncio.run(score_readings(CenterLM(model), [asked]))
    assert [(s.id, s.known, s.em, s.cited_right) for s in scores] == [
        ("when", True, 1.0, True),
        ("year", True, 1.0, False),
        ("who", True, 0.0, None),
        ("where", False, 0.0, None),
        ("why", False, 1.0, None),
    ]
    metrics = answer_metrics(scores)
    assert metrics["em"].value == pytest.approx(2 / 3)
    assert metrics["false_nothing"].value == pytest.approx(1 / 3)
    assert metrics["cited_right"].value == pytest.approx(1 / 2)
    assert metrics["false_answer"].value == pytest.approx(1 / 2)
    assert metrics["right"].value == pytest.approx(3 / 5)


def test_folds_show_the_steps_as_notes() -> None:
    model = ScriptedModel({"": "1832 [1]"})
    fold = Fold("f", "made", "Whole?", (("When was Ada born?", "1832"),), "1832", (1,), "root?")
    (score,) = asyncio.run(score_folds(CenterLM(model), [fold]))
    assert (score.em, score.cited_right) == (1.0, True)
    text = model.prompts[0].messages[-1].text
    assert "[1] When was Ada born?: 1832" in text
    assert "Part of: root?" in text


def test_what_the_model_refuses_is_a_wrong_answer_with_its_reason() -> None:
    model = ScriptedModel({"Question: q": ModelError("too long"), "": "nothing"})
    (plan,) = decided(model, decision("a", "q"))
    assert (plan.valid, plan.scores.sari, plan.problem) == (False, 0.0, "too long")
    sets = [
        Notes(
            NOTES,
            (
                Question(reading("n", "q", None), None, ()),
                Question(reading("m", "r", None), None, ()),
            ),
        )
    ]
    refused, silent = asyncio.run(score_readings(CenterLM(model), sets))
    # A call that failed did not say "nothing".
    assert (refused.em, refused.problem) == (0.0, "too long")
    assert (silent.em, silent.problem) == (1.0, "")


def test_no_more_than_so_many_at_once_and_all_are_counted() -> None:
    running = peak = 0
    done: list[int] = []

    async def work(item: int) -> int:
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        await asyncio.sleep(0)
        running -= 1
        return item * 2

    results = asyncio.run(each_of(range(20), work, concurrency=3, advance=done.append))
    assert results == [item * 2 for item in range(20)]
    assert (peak, sum(done)) == (3, 20)


def test_metrics_leave_out_what_was_not_asked() -> None:
    unknown = Answered("a", "made", False, None, 1.0, 1.0, None)
    assert set(answer_metrics([unknown])) == {"false_answer", "right"}
    assert answer_metrics([]) == {}
    assert grouped([unknown], lambda s: s.origin) == {"made": [unknown]}
    with pytest.raises(ValueError, match="no share"):
        plan_metrics([])
