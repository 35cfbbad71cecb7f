"""The worlds benchmark with a center that knows everything: what is wrong then is its own error."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from centerlm.acts import AbsorbView, Note
from centerlm.center import CenterLM
from centerlm.learning.worlds import World, WorldQuestion, make_world, questions_of
from centerlm.library import Library
from centerlm.models import ScriptedModel
from centerlm.models.base import Prompt, Sampling

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module", autouse=True)
def path() -> Iterator[None]:
    """Benchmarks are programs, not a package: their folder is on the path while they run."""
    sys.path.insert(0, str(BENCHMARKS))
    yield
    sys.path.remove(str(BENCHMARKS))


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(7, split="test")


@pytest.fixture(scope="module")
def library(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    from world_runs import build_library

    folder = tmp_path_factory.mktemp("world")
    with Library.open(build_library(world, folder, words_only=True), embedder=None) as library:
        yield library


def asked(world: World, kinds: tuple[str, ...] = ("chain",)) -> list[WorldQuestion]:
    return [
        question
        for hops in (1, 2, 4)
        for question in questions_of(world, hops=[hops], count=2, seed=hops, kinds=kinds)
    ]


def knowing(question: WorldQuestion, form: Any = "peel") -> ScriptedModel:
    """A model that plans as the gold plans, and answers every reading, hearing and fold."""
    center = CenterLM(ScriptedModel([]), examples=())
    decisions = {d.objective: str(d.plan) for d in question.decisions[form]}
    answers = {r.question: r.answer for r in (*question.readings, *question.hearings)}
    folds = {
        _last(center.absorb(AbsorbView(f.objective, _notes(f.steps), f.root)).prompt): f.answer
        for every in question.folds.values()
        for f in every
        if f.answer is not None
    }

    def script(prompt: Prompt, sampling: Sampling) -> str:
        del sampling
        system, user = prompt.messages[0].text, prompt.messages[-1].text
        objective = user.rpartition("Question: ")[2]
        if system.startswith("Break"):
            return decisions.get(objective, f"1 [documents] {objective}")
        answer = folds.get(user) or answers.get(objective)
        return f"{answer} [1]" if answer else "nothing"

    return ScriptedModel(script)


def _notes(steps: tuple[tuple[str, str], ...]) -> tuple[Note, ...]:
    return tuple(Note(question, answer) for question, answer in steps)


def _last(prompt: Prompt) -> str:
    return prompt.messages[-1].text


@pytest.mark.parametrize("form", ["peel", "flat"])
def test_a_center_that_knows_everything_scores_full(
    world: World, library: Library, form: Any
) -> None:
    from world_runs import run_question

    questions = asked(world, ("chain", "comparison", "expert", "person", "experiment"))
    outcomes = [
        asyncio.run(
            run_question(q, world, library, CenterLM(knowing(q, form), examples=()), form=form)
        )
        for q in questions
    ]
    assert len(outcomes) >= 4
    assert [o.id for o in outcomes if o.right < 1] == []
    assert {o.form for o in outcomes} == {form}


@pytest.mark.parametrize("oracle", ["plan", "finding", "answer", "plan and answer"])
def test_what_an_oracle_knows_the_center_need_not(
    world: World, library: Library, oracle: Any
) -> None:
    """A center without the replaced act is as good as one that knows everything."""
    from world_runs import run_question

    for question in asked(world):
        model = knowing(question)
        script = model.script
        read = {r.question for r in question.readings}

        def crippled(
            prompt: Prompt, sampling: Sampling, script: Any = script, read: Any = read
        ) -> str:
            system, user = prompt.messages[0].text, prompt.messages[-1].text
            if "plan" in oracle and system.startswith("Break"):
                return "1 [documents] something else"
            if (
                "answer" in oracle
                and user.rpartition("Question: ")[2] in read
                and "[2]" not in user
            ):
                return "wrong [1]"
            return script(prompt, sampling)

        center = CenterLM(ScriptedModel(crippled), examples=())
        outcome = asyncio.run(
            run_question(question, world, library, center, form="peel", oracle=oracle)
        )
        assert outcome.right == 1, (question.id, outcome)


def test_the_true_finding_is_the_gold_passage_alone(world: World, library: Library) -> None:
    from world_runs import run_question

    question = asked(world)[-1]
    model = knowing(question, "flat")
    asyncio.run(
        run_question(
            question, world, library, CenterLM(model, examples=()), form="flat", oracle="finding"
        )
    )
    gold = {" ".join(t.text.split()) for t in world.documents}
    reads = [
        p.messages[-1].text
        for p in model.prompts
        if p.messages[-1].text.rpartition("Question: ")[2]
        in {r.question for r in question.readings}
        and p.messages[0].text.startswith("Answer")
    ]
    assert len(reads) == 4
    for text in reads:
        first, *rest = text.split("\n")
        assert len(rest) == 1
        assert first.partition(": ")[2] in gold


def test_calls_are_rationed(world: World, library: Library) -> None:
    """A center that hands everything on to itself, forever, is stopped and scored wrong."""
    from world_runs import CALLS, run_question

    def script(prompt: Prompt, sampling: Sampling) -> str:
        del sampling
        objective = prompt.messages[-1].text.rpartition("Question: ")[2]
        return f"1 [center] {objective} one\n2 [center] {objective} two"[:300]

    model = ScriptedModel(script)
    question = asked(world)[0]
    outcome = asyncio.run(
        run_question(question, world, library, CenterLM(model, examples=()), form="peel")
    )
    assert outcome.right == 0
    assert len(model.calls) <= CALLS * question.hops


def test_acts_and_report(world: World, library: Library, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the plot needs matplotlib")
    from world_acts import act_records, score_acts
    from world_report import Measured, power_curve, write_report
    from world_runs import run_question

    questions = asked(world)
    outcomes, acts = [], []
    for question in questions:
        center = CenterLM(knowing(question), examples=())
        outcomes.append(asyncio.run(run_question(question, world, library, center, form="peel")))
        acts += asyncio.run(score_acts(center, act_records(question, world, library)))
    decided = [s for s in acts if s.act == "decompose" and s.form == "peel"]
    assert {s.right for s in decided} == {1.0}
    assert {s.hops for s in decided} == {1, 2, 3, 4}
    assert {s.right for s in acts if s.act == "fold"} == {1.0}
    page = write_report(
        [Measured("known", None, outcomes, acts, frozenset())],
        {"command": "made up", "first_seed": 7, "passages": 5},
        tmp_path,
        "worlds",
    )
    report = json.loads((tmp_path / "worlds.json").read_text(encoding="utf-8"))
    assert report["systems"]["known"]["chains"]["peel"]["4"]["value"] == 1
    assert (tmp_path / "worlds.svg").read_text(encoding="utf-8").startswith("<?xml")
    assert "p^h" in page.read_text(encoding="utf-8")
    hops = {"1": {"value": 0.5}, "3": {"value": 0.9}}
    assert power_curve(hops) == [(1, 0.5), (2, 0.25), (3, 0.125)]
