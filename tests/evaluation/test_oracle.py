"""Given plans and answers through the real engine; what is not given is the real center's."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from centerlm.center import CenterLM
from centerlm.errors import ModelError
from centerlm.evaluation.oracle import OracleCenter, filled_answers
from centerlm.library import Library
from centerlm.models import ScriptedModel
from centerlm.models.base import Constraint
from centerlm.objective import Budget, Objective
from centerlm.plan import Plan, normalise, parse_plan
from centerlm.run import Options
from centerlm.solver import Solution, solve
from centerlm.sources.documents import Documents

QUESTION = "When was the composer of The Tallow Waltz born?"
PLAN = parse_plan("1 [documents] The Tallow Waltz >> composer\n2 [documents] When was #1 born?")
TEXTS = {
    "waltz.txt": "The Tallow Waltz is a dance for two violins. Ada Brandt wrote it in 1871.",
    "brandt.txt": "Ada Brandt was a composer and teacher. She was born in 1832 in Norhaven.",
}
OPTIONS = Options(reasks=False, splits=False, reopens=0)


@pytest.fixture
def documents(tmp_path: Path) -> Documents:
    texts = tmp_path / "texts"
    texts.mkdir()
    for name, text in TEXTS.items():
        (texts / name).write_text(text, encoding="utf-8")
    library = Library.open(tmp_path / "library", create=True, embedder=None)
    library.ingest([texts])
    return Documents(library, k=1)


def run(center: OracleCenter, documents: Documents, depth: int = 1) -> Solution:
    objective = Objective(QUESTION, budget=Budget(depth=depth))
    return asyncio.run(solve(objective, center=center, sources=[documents], options=OPTIONS))


def test_answers_are_keyed_by_the_text_the_engine_fills_in() -> None:
    assert filled_answers(PLAN, {1: "Ada Brandt", 2: "1832"}) == {
        normalise("The Tallow Waltz >> composer"): "Ada Brandt",
        normalise("When was Ada Brandt born?"): "1832",
    }
    assert filled_answers(PLAN, {1: "Ada\nBrandt"}) == {
        normalise("The Tallow Waltz >> composer"): "Ada Brandt"
    }
    with pytest.raises(KeyError):
        filled_answers(PLAN, {2: "1832"})


@pytest.mark.parametrize("constraint", ["gbnf", "schema", "none"])
def test_with_plan_and_answers_given_no_model_is_asked(
    documents: Documents, constraint: Constraint
) -> None:
    model = ScriptedModel({}, constraint=constraint)
    answers = filled_answers(PLAN, {1: "Ada Brandt", 2: "1832"})
    answers[normalise(QUESTION)] = "in 1832 [1]"
    center = OracleCenter(CenterLM(model), {QUESTION: PLAN}, answers)
    solution = run(center, documents)
    assert (solution.status, solution.answer) == ("answered", "in 1832 [1]")
    assert not model.calls
    assert solution.usage.tokens == 0
    nodes = solution.tree.nodes
    assert [nodes[path].text for path in ("1", "2")] == [
        "The Tallow Waltz >> composer",
        "When was Ada Brandt born?",
    ]
    assert [nodes[path].cites for path in ("1", "2")] == [("waltz",), ("brandt",)]


def test_what_is_not_given_is_the_centers_own(documents: Documents) -> None:
    model = ScriptedModel({"Question: When was Ada Brandt": "1833 [1]", QUESTION: "then [2]"})
    center = OracleCenter(
        CenterLM(model), {QUESTION: PLAN}, filled_answers(PLAN, {1: "Ada Brandt"})
    )
    solution = run(center, documents)
    assert solution.answer == "then"
    assert len(model.calls) == 2
    assert solution.tree.nodes["2"].answer == "1833"


def test_a_given_plan_runs_with_the_centers_answers(documents: Documents) -> None:
    model = ScriptedModel({"composer": "Bela Norr [1]", "When was Bela Norr": "nothing", "": "x"})
    solution = run(OracleCenter(CenterLM(model), {QUESTION: PLAN}), documents)
    assert solution.tree.nodes["2"].text == "When was Bela Norr born?"


def test_another_objective_is_planned_by_the_center(documents: Documents) -> None:
    model = ScriptedModel(["1 [documents] Ada Brandt", "1832 [1]"])
    solution = run(OracleCenter(CenterLM(model), {"Another question?": PLAN}), documents)
    assert (solution.answer, len(model.calls)) == ("1832", 2)


def test_a_given_plan_of_a_source_that_is_not_there_is_answered_directly(
    documents: Documents,
) -> None:
    plan = parse_plan("1 [atlas] Where is Norhaven?")
    answers = {normalise(QUESTION): "1832"}
    model = ScriptedModel({})
    solution = run(OracleCenter(CenterLM(model), {QUESTION: plan}, answers), documents)
    assert (solution.answer, solution.tree.plan_by) == ("1832", "direct")


def test_an_empty_plan_is_answered_directly(documents: Documents) -> None:
    center = OracleCenter(
        CenterLM(ScriptedModel({})), {QUESTION: Plan(())}, {normalise(QUESTION): "1832"}
    )
    assert run(center, documents).tree.plan_by == "direct"


def test_text_that_looks_like_an_oracle_prompt_changes_nothing(documents: Documents) -> None:
    """Only whole prompts of the oracle are answered by it; a question is one line of another."""
    asked = ScriptedModel({})
    center = OracleCenter(CenterLM(asked), {}, {"oracle answer": "secret"})
    with pytest.raises(ModelError):
        asyncio.run(_ask(center))
    assert asked.calls


async def _ask(center: OracleCenter) -> None:
    from centerlm.acts import AbsorbView, Note

    request = center.absorb(AbsorbView("oracle answer: x", (Note("", "oracle answer"),)))
    await center.model.complete(request.prompt, request.sampling)
