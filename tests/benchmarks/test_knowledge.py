"""The benchmark of knowledge in weights: what is asked is fair, and the whole of it runs."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from centerlm.center import CenterLM
from centerlm.errors import InputError
from centerlm.models.base import LanguageModel, Prompt, Sampling
from centerlm.models.scripted import ScriptedModel
from centerlm.plan import parse_plan
from learning.tiny import tiny_gguf, tiny_model

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module", autouse=True)
def path() -> Iterator[None]:
    """Benchmarks are programs, not a package: their folder is on the path while they run."""
    sys.path.insert(0, str(BENCHMARKS))
    yield
    sys.path.remove(str(BENCHMARKS))


HOPS = {1: 6, 2: 6, 4: 6, 8: 6}


def test_compositions_are_of_known_facts_and_tested_joins_are_never_trained() -> None:
    from knowledge_world import make_knowledge

    made = make_knowledge(1, people=20, tested=HOPS, trained={1: 20, 2: 20, 3: 20, 4: 20})
    assert made == make_knowledge(1, people=20, tested=HOPS, trained={1: 20, 2: 20, 3: 20, 4: 20})
    assert Counter(c.hops for c in made.tested) == HOPS
    known = {asked: (f.id, f.answer) for f in made.facts for asked in f.asked}
    assert len(known) == 3 * len(made.facts)
    assert not {f.held_out for f in made.facts} & set(known)
    joins: dict[str, set[tuple[str, str]]] = {"test": set(), "train": set()}
    for composition in (*made.tested, *made.trained):
        ids = [known[question][0] for question, _ in composition.steps]
        assert all(known[question][1] == answer for question, answer in composition.steps)
        assert len(ids) == composition.hops
        assert composition.steps[-1][1] == composition.answer
        side = composition.id.partition("-")[0]
        joins[side] |= set(pairwise(ids))
    assert joins["test"] and joins["train"]
    assert not joins["test"] & joins["train"]


def test_plans_ask_the_expert_of_the_field_that_knows_the_fact() -> None:
    from centerlm.plan import CENTER, fill
    from knowledge_world import CARDS, make_knowledge

    made = make_knowledge(1, people=20, tested=HOPS, trained={})
    fields = {asked: f"expert:{f.field}" for f in made.facts for asked in f.asked}
    assert {card.name for card in CARDS} == set(fields.values())
    for composition in made.tested:
        assert len(composition.levels) == composition.hops
        for (_, plan), (_, answer), (question, _) in zip(
            composition.levels,
            (*composition.steps[-2::-1], ("", "")),
            composition.steps[::-1],
            strict=True,
        ):
            last = plan.steps[-1]
            assert fill(last.text, {1: answer}) == question
            assert last.sources == (fields[question],)
            assert len(plan.steps) == 1 or plan.steps[0].sources == (CENTER,)


def test_a_chain_of_thought_ends_in_its_answer() -> None:
    from knowledge_world import chain_of_thought, concluded

    steps = (("Who is the mother of A?", "B"), ("Where did B live?", "C"))
    said = chain_of_thought(steps)
    assert said.splitlines() == ["Who is the mother of A? B", "Where did B live? C", "Answer: C"]
    assert concluded(said) == "C"
    assert concluded("Who is the mother of A? B") == ""


def test_a_chain_in_the_language_of_plans_has_all_levels_in_one() -> None:
    from knowledge_training import flat_plan, part_examples, planned_chain_examples
    from knowledge_world import make_knowledge

    made = make_knowledge(1, people=20, tested={}, trained=HOPS)
    for composition, example in zip(
        made.trained, planned_chain_examples(made.trained), strict=True
    ):
        plan = parse_plan(flat_plan(composition))
        assert len(plan.steps) == composition.hops
        assert [step.needs for step in plan.steps[1:]] == [(n,) for n in range(1, composition.hops)]
        lines = example.target.splitlines()
        assert lines[-1] == f"Answer: {composition.answer}"
        assert [line.rpartition(" = ")[2] for line in lines[:-1]] == [
            a for _, a in composition.steps
        ]
    parts = {e.prompt.messages[-1].text: e.target for e in part_examples(made.trained)}
    assert parts.items() >= {part for c in made.trained for part in c.steps}
    assert parts.items() >= {(c.text, c.answer) for c in made.trained}


def test_right_plans_and_experts_that_know_answer_every_question() -> None:
    """Through the real solver: two calls a hop, and what fails is what an expert does not know."""
    from knowledge_runs import solved
    from knowledge_world import make_knowledge

    made = make_knowledge(1, people=20, tested=HOPS, trained={})
    plans = {objective: str(plan) for c in made.tested for objective, plan in c.levels}
    answers = {asked: f.answer for f in made.facts for asked in f.asked}

    def plan(prompt: Prompt, sampling: Sampling) -> str:
        del sampling
        question = prompt.messages[-1].text.rpartition("Question: ")[2]
        return plans.get(question, f"1 [expert:people] {question}")

    def know(prompt: Prompt, sampling: Sampling) -> str:
        del sampling
        return answers.get(prompt.messages[-1].text, "I don't know")

    center = CenterLM(ScriptedModel(plan), examples=())
    fields = ("people", "places", "trade")
    knowing: dict[str, LanguageModel] = {field: ScriptedModel(know) for field in fields}
    lost = knowing | {"places": ScriptedModel(lambda *_: "Nowhere")}
    for question in made.tested:
        done = asyncio.run(solved("e", question, center, knowing))
        assert (done.right, done.planned) == (1.0, True), question
        assert done.usage.calls == 2 * question.hops
        if any("expert:places" in plan for plan in map(str, dict(question.levels).values())):
            assert asyncio.run(solved("e", question, center, lost)).right == 0


@pytest.mark.local
def test_the_whole_runs_and_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("xllamacpp", "torch", "transformers", "gguf", "matplotlib"):
        pytest.importorskip(module, reason="needs the extras `local` and `train`")
    import knowledge
    from knowledge_training import Budgets

    monkeypatch.setenv("CENTERLM_HOME", str(tmp_path / "home"))
    base = tiny_gguf(tiny_model(tmp_path / "tiny", context=2048), tmp_path / "tiny.gguf")
    arguments = knowledge.Arguments(
        work=tmp_path / "work",
        seeds=1,
        people=6,
        hops=(1, 2),
        questions=2,
        compositions=2,
        arms=("a", "b", "c", "d", "e", "f", "g"),
        budgets=Budgets(
            epochs=1, reviews=0, tokens=3000, rank=4, row_tokens=(2000, 2000), rows=(1, 1)
        ),
        base=str(base),
        out=tmp_path / "results",
        name="knowledge",
        slots=2,
        threads=1,
    )
    page = knowledge.run(arguments)
    report = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
    assert list(report["arms"]) == ["a", "b", "c", "d", "e", "f", "g"]
    for arm in report["arms"].values():
        assert {hops: share["n"] for hops, share in arm["hops"].items()} == {"1": 2, "2": 2}
    assert set(report["recall"]) == {"all", "people", "places", "trade", "answers", "chains"}
    assert report["arms"]["d"]["planned"]["2"]["n"] == 2 and not report["arms"]["a"]["planned"]
    trained = report["training"]["0"]
    assert trained["answers"]["tokens"] >= 4000
    assert abs(trained["answers"]["tokens"] - trained["chains"]["tokens"]) < 2000
    assert "<svg" in page.with_suffix(".svg").read_text(encoding="utf-8")
    assert report["arms"]["d"]["calls_a_question"] > report["arms"]["a"]["calls_a_question"]

    def never(*_: object, **__: object) -> None:
        raise AssertionError("what is done is not done again")

    monkeypatch.setattr("knowledge_training.train", never)
    monkeypatch.setattr("centerlm.models.llama_cpp.start_server", never)
    again = json.loads(knowledge.run(arguments).with_suffix(".json").read_text(encoding="utf-8"))
    assert again["arms"] == report["arms"]
    longer = replace(arguments.budgets, epochs=2)
    with pytest.raises(InputError, match="made of other facts or settings; give another --work"):
        knowledge.run(replace(arguments, budgets=longer))
