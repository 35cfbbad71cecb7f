"""What is learned of asking: people's questions on passages, in the prompts of a study."""

from __future__ import annotations

import json
from pathlib import Path

from centerlm.acts import PlanView
from centerlm.center import CenterLM
from centerlm.finding import Passage
from centerlm.learning.material import collect, examples_of
from centerlm.learning.recipe import DataSection, Recipe, WorldsSection
from centerlm.learning.records import Reading, Text
from centerlm.learning.studied import MOST_KNOWN, studied, studied_examples
from centerlm.models.scripted import ScriptedModel
from centerlm.study.asking import MAX_QUESTIONS, Asking

FACTS = {
    "Who built the mill at Elm?": "Ada Brandt",
    "When was the mill at Elm built?": "1871",
    "What does the mill at Elm grind?": "rye",
    "Who bought the mill at Elm?": "the Norland Bank",
    "How tall is the mill at Elm?": "12 metres",
}
"""Questions with a name in them, and their answers."""
OTHERS = {"who owns it": "x", "When was it sold?": "y", "Mill at Elm >> owner": "z"}
"""What a study would not ask so: not a line of its own, without a name, no sentence."""
TEXT = Text("p", "The mill at Elm", "The mill at Elm was built by Ada Brandt in 1871.")


def readings(asked: dict[str, str], passage: str = "p") -> list[Reading]:
    return [
        Reading(f"{passage}:{n}", "made", question, answer, (passage,))
        for n, (question, answer) in enumerate(asked.items())
    ]


def test_people_s_questions_are_the_plan_of_a_study() -> None:
    seen: set[int] = set()
    for seed in range(20):
        (record,) = studied(readings(OTHERS | FACTS), {"p": TEXT}, n=9, seed=seed)
        asked, known = set(record.questions), dict(record.known)
        assert asked | set(known) == set(FACTS)
        assert not asked & set(known)
        assert all(FACTS[question] == answer for question, answer in known.items())
        assert len(known) <= MOST_KNOWN
        seen.add(len(known))
        (example,) = studied_examples([record])
        passage = Passage("p", TEXT.text, TEXT.title)
        lines = [f"known already: {question} {answer}" for question, answer in record.known]
        asking = Asking(CenterLM(ScriptedModel({})), TEXT.title, "documents", [passage], lines)
        view = PlanView("What is there to know?", ())
        assert example.prompt == asking.decompose(view).prompt
        plan = asking.read_plan(example.target, view, cut=False)
        assert [step.text for step in plan.steps] == list(record.questions)
    assert seen == {0, 1, 2}


def test_too_few_questions_an_answer_twice_and_so_many_groups() -> None:
    few = dict(list(FACTS.items())[:2])
    assert not list(studied(readings(few), {"p": TEXT}, n=9, seed=0))
    again = few | {"Which year saw the mill at Elm built?": "1871"}
    assert not list(studied(readings(again), {"p": TEXT}, n=9, seed=0))

    many = {f"Who owned the mill at Elm in {1800 + n}?": f"owner {n}" for n in range(20)}
    texts = {f"p{n}": Text(f"p{n}", f"Mill {n}", "...") for n in range(5)}
    all_readings = [reading for id_ in texts for reading in readings(many, id_)]
    groups = list(studied(all_readings, texts, n=3, seed=0))
    assert len(groups) == 3
    assert all(len(group.questions) == MAX_QUESTIONS for group in groups)


def test_a_recipe_asks_for_them(tmp_path: Path) -> None:
    text = TEXT.text + " It grinds rye, the Norland Bank bought it, and it is 12 metres tall."
    qas = [
        {"id": f"q{n}", "question": question, "answers": [{"text": answer, "answer_start": 0}]}
        for n, (question, answer) in enumerate(FACTS.items())
    ]
    path = tmp_path / "mine.json"
    articles = [{"title": TEXT.title, "paragraphs": [{"context": text, "qas": qas}]}]
    path.write_text(json.dumps({"data": articles}), encoding="utf-8")

    def plans(n: int) -> list[str]:
        data = DataSection(sets=(), squad=(str(path),), held=0, atomic=0, studied=n)
        recipe = Recipe(data=data, worlds=WorldsSection(count=0))
        made = collect(recipe, None, say=lambda what, done, of: None)
        return [e.target for e in examples_of(made.train, seed=0, acts=("decompose",))]

    assert plans(0) == []
    (target,) = plans(5)
    assert set(target.splitlines()) <= set(FACTS)
