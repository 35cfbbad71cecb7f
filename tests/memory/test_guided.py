"""Plans of people in the seeking memory: recalled for the like, shown as turns, forgotten."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from centerlm.acts import Experience, Guided, PlanView
from centerlm.center import EXAMPLES, plan_prompt
from centerlm.memory import SeekingMemory, guided
from centerlm.memory.forgetting import forget_all, forget_episodes
from centerlm.plan import Plan, parse_plan
from centerlm.protocols import Reviewed
from centerlm.sources.base import Card
from engine import Asks, run
from remembered import BORN, SEAT, opened

DOCS, MAIL = Card("docs", "texts"), Card("mail", "", effect="write")
PLAN = "1 [docs] When was Ada Brandt born?\n2 [docs] Who was born in #1?"


def recalled(memory: SeekingMemory, objective: str, *cards: Card) -> tuple[Guided, ...]:
    plans = asyncio.run(memory.recall(objective, cards or (DOCS,))).plans
    assert memory.problems == []
    return plans


def keep(memory: SeekingMemory, episode: str, objective: str = BORN, plan: str = PLAN) -> None:
    assert memory.remember(episode, [], guided=Guided(objective, plan))


async def by_person(plan: Plan) -> Plan:
    del plan
    return parse_plan(PLAN)


def test_an_edited_plan_is_shown_for_objectives_alike_and_no_others() -> None:
    memory = opened()
    keep(memory, "e")
    assert recalled(memory, "When was Lena Falk born?") == (Guided(BORN, PLAN),)
    assert recalled(memory, "How deep is the lake?") == ()


def test_the_likest_comes_last_the_newest_counts_and_three_are_shown() -> None:
    memory = opened()
    for number in range(6):
        keep(memory, f"e{number}", f"When was the writer of book number {'x' * number} born?")
    keep(memory, "old", BORN, "1 [docs] old")
    keep(memory, "new", BORN)
    plans = recalled(memory, BORN)
    assert len(plans) == 3
    assert plans[-1] == Guided(BORN, PLAN)


def test_only_plans_over_the_sources_offered_are_recalled() -> None:
    memory = opened()
    keep(memory, "e", BORN, "1 [gone] When was Ada Brandt born?")
    assert recalled(memory, BORN) == ()
    keep(memory, "f", BORN, "1 [center] When was Ada Brandt born?")
    assert len(recalled(memory, BORN)) == 1
    assert recalled(memory, BORN, DOCS, MAIL) == ()  # what writes may not follow from memory


def test_it_is_forgotten_with_its_episode_and_with_all(tmp_path: Path) -> None:
    memory = opened(tmp_path / "m.sqlite")
    keep(memory, "e")
    keep(memory, "f", SEAT)
    assert forget_episodes(memory, ["e"]) == 1
    assert recalled(memory, BORN) == ()
    assert not memory.remember("e", [], guided=Guided(BORN, PLAN))
    forget_all(memory)
    assert recalled(memory, SEAT) == ()
    memory.close()


def test_of_too_many_the_oldest_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guided, "MAX_PLANS", 2)
    memory = opened()
    for number, objective in enumerate((BORN, SEAT, "How deep is Lake Norra?")):
        keep(memory, f"e{number}", objective)
    assert recalled(memory, BORN) == ()
    assert len(recalled(memory, SEAT)) == 1
    listed = guided.list_plans(memory.connection, memory.project_id, 10)
    assert [row[2] for row in listed] == ["e2", "e1"]


def test_another_process_sees_it(tmp_path: Path) -> None:
    first, second = opened(tmp_path / "m.sqlite"), opened(tmp_path / "m.sqlite")
    assert recalled(second, BORN) == ()
    keep(first, "e")
    assert len(recalled(second, BORN)) == 1
    keep(first, "f", SEAT)
    assert len(recalled(second, SEAT)) == 1
    first.close()
    second.close()


def test_turns_show_it_in_place_of_as_many_examples() -> None:
    cards = (Card("documents", "texts"), Card("calculator", "sums"))
    plan = "1 [documents] Who?\n2 [calculator] #1 + 1"
    shown = Experience((), (Guided("Ignore\nall [mail]", plan), Guided("q", "no plan")))
    prompt = plan_prompt(PlanView("q", cards, experience=shown), EXAMPLES)
    turns = [m.text for m in prompt.messages[1:-1]]
    assert turns[-2:] == ["Question: Ignore all [mail]", plan]
    assert len(turns) == 2 * (len(EXAMPLES) - 1)
    plain = plan_prompt(PlanView("q", cards), EXAMPLES)
    assert plain.messages[0] == prompt.messages[0]


def test_a_persons_edit_helps_the_next_episode_and_an_accepted_plan_teaches_nothing() -> None:
    memory = opened()
    sources = [Asks("docs", lambda seek: "1901")]
    told = {BORN: f"1 [docs] {BORN}", "When was Lena Falk born?": "1 [docs] x"}
    run(BORN, told, sources, memory=memory, episode="accepted")
    assert recalled(memory, BORN) == ()
    run(BORN, told, sources, memory=memory, episode="edited", review=by_person)
    outcome = run("When was Lena Falk born?", told, sources, memory=memory, episode="next")
    (prompt,) = outcome.prompts("decompose")
    assert [m.text for m in prompt.messages[-3:-1]] == [f"Question: {BORN}", PLAN]
    assert (memory.learned("edited"), memory.problems) == (True, [])


def test_a_plan_that_was_left_as_it_was_teaches_where_it_was_rated_well() -> None:
    memory = opened()
    sources = [Asks("docs", lambda seek: "1901")]
    told = {BORN: f"1 [docs] {BORN}"}

    async def rated(plan: Plan, rating: int) -> Reviewed:
        return Reviewed(plan, rating=rating)

    for rating in (3, 4):
        run(
            BORN,
            told,
            sources,
            memory=memory,
            episode=f"e{rating}",
            review=lambda plan, rating=rating: rated(plan, rating),
        )
        assert len(recalled(memory, BORN)) == (rating == 4)
