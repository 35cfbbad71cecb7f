"""Gold plans through the real engine: its own sources and calculator, and the folds it asks for.

The model is told the gold plan of each level and the gold answer of each reading; what the engine
then asks it to absorb has to be exactly the folds of the question.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, cast

import pytest

from centerlm.acts import AbsorbView, Note
from centerlm.center import CenterLM
from centerlm.finding import Finding, Passage, Status
from centerlm.learning.worlds import World, WorldQuestion, make_world, questions_of, world_sources
from centerlm.learning.worlds.questions import FormName
from centerlm.learning.worlds.world import KINDS, Split
from centerlm.models import ScriptedModel
from centerlm.models.base import Prompt, Sampling
from centerlm.objective import Budget, Objective
from centerlm.plan import format_plan
from centerlm.solver import solve
from centerlm.sources.base import Seek, Source
from centerlm.sources.calculator import Calculator
from engine import PLAIN, Asks, act_of, finish, question_of


def solve_with_gold(world: World, question: WorldQuestion, form: FormName) -> list[str]:
    """Solve by the gold plans of a form; checks the answer and gives the absorb prompts seen."""
    plans = {d.objective: format_plan(d.plan) for d in question.decisions[form]}
    texts = {text.id: text for text in world.documents}
    readings = {r.question: r for r in question.readings}
    answers = {r.question: r.answer for r in (*question.readings, *question.hearings)}
    center = CenterLM(ScriptedModel({}), examples=())
    folds = {
        center.absorb(
            AbsorbView(f.objective, tuple(Note(q, a) for q, a in f.steps), f.root)
        ).prompt: f
        for f in question.folds[form]
        if f.answer is not None
    }
    asked: list[str] = []

    def say(prompt: Prompt, sampling: Sampling) -> str:
        del sampling
        text = question_of(prompt)
        if act_of(prompt) == "decompose":
            return plans[text]
        if fold := folds.get(prompt):
            asked.append(fold.id)
            return f"{fold.answer} [{fold.cited[0]}]"
        return f"{answers[text]} [1]"

    def search(seek: Any) -> Finding:
        passages = [texts[id_] for id_ in readings[seek.text].passages]
        shown = tuple(Passage(p.id, p.text, p.title) for p in passages)
        return Finding(Status.FOUND, passages=shown)

    names = [card.name for card in question.cards]
    sources: list[Any] = [Asks("documents", search, typed=False), Calculator()]
    sources += world_sources(world, names=names)
    # A child gets an equal share of the calls left, so that eight levels need many to share.
    budget = Budget(calls=10_000, tokens=None, depth=8 if form == "peel" else 1)
    center = CenterLM(ScriptedModel(say), examples=())
    objective = Objective(question.text, budget=budget)
    solution = finish(solve(objective, center=center, sources=sources, options=PLAIN))
    assert solution.status == "answered", (question.text, solution)
    assert solution.answer == question.answer
    expected = [f.id for f in question.folds[form] if f.answer is not None]
    assert sorted(asked) == sorted(expected)
    return asked


@pytest.mark.parametrize("form", ["flat", "peel"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_gold_plans_solve_every_kind_of_question(form: FormName, split: Split) -> None:
    world = make_world(11, split=split)
    kinds = Counter[str]()
    for question in questions_of(world, hops=[1, 2, 3], count=36, kinds=sorted({*KINDS})):
        solve_with_gold(world, question, form)
        kinds[question.kind] += 1
    assert {*kinds} == {*KINDS}


def test_an_8_hop_question_is_solved_level_by_level() -> None:
    world = make_world(3)
    (question,) = questions_of(world, hops=[8], kinds=["chain"], count=1)
    assert len(solve_with_gold(world, question, "peel")) == 7
    assert len(solve_with_gold(world, question, "flat")) == 1


def test_sources_answer_what_they_know_and_nothing_else() -> None:
    world = make_world(5)
    sources = {source.card.name: source for source in world_sources(world)}

    def ask(name: str, text: str, template: str = "") -> Finding:
        return finish(cast(Source, sources[name]).seek(Seek(text, template or text)))

    known = next(iter(world.secrets.experts.values()))
    heard = ask(f"expert:{known.field}", f"What of {known.thing}?")
    assert (heard.text, heard.typed) == (known.reply.text, False)
    assert ask(f"expert:{known.field}", "What of the sea?").status is Status.NOTHING
    assert ask("weather", f"What of {known.thing}?").status is Status.NOTHING
    answer, _ = world.secrets.private["my favourite book"]
    for said in ("What is your favourite book?", "what is my favourite book"):
        assert ask("person", said).value == answer
    assert ask("person", "What is the tallest tower?").status is Status.NOTHING
    machine = world.secrets.machine
    assert ask("experiment", f"{machine.name}(7)").value == machine.run(7)
    for bad in (
        f"{machine.name}(101)",
        f"{machine.name}(-1)",
        "other(7)",
        "7",
        f"{machine.name}(1.5)",
    ):
        assert ask("experiment", bad).status is Status.FAILED, bad
