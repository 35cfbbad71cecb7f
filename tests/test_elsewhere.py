"""A step whose sources found nothing, and a source that its plan does not name."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from centerlm.events import MemoryRecalled, SeekStarted
from centerlm.finding import Finding, Status, found
from centerlm.journal import MemoryJournal, SqliteJournal
from centerlm.memory.views import list_kinds
from centerlm.objective import Budget
from centerlm.replay import replay_episode
from engine import PLAIN, Asks, run
from remembered import BORN, SEAT, opened, teach

PLAN = {BORN: f"1 [docs] {BORN}"}
EXPLORING = replace(PLAIN, explores=True)


def _docs(**more: Any) -> Asks:
    return Asks("docs", {}, **more)


def _oracle(**more: Any) -> Asks:
    return Asks("oracle", lambda seek: found("1901"), **more)


def test_a_source_known_to_answer_the_like_is_asked_where_those_named_found_nothing() -> None:
    memory = opened()
    teach(memory, "oracle", [1, 1])
    oracle = _oracle()
    outcome = run(BORN, PLAN, [_docs(), oracle], memory=memory, options=PLAIN)
    assert (outcome.solution.answer, oracle.texts) == ("1901", [BORN])
    node = outcome.solution.tree.nodes["1"]
    assert (node.sources, node.source, node.tried) == (("docs",), "oracle", ("docs",))


def test_nobody_is_asked_without_need() -> None:
    memory = opened()
    teach(memory, "oracle", [1, 1])
    oracle = _oracle()
    docs = Asks("docs", {BORN: found("1900")})
    assert run(BORN, PLAN, [docs, oracle], memory=memory).solution.answer == "1900"
    assert oracle.asked == []


@pytest.mark.parametrize("known", [[], [1, 0, 0], [0]])
def test_a_source_not_known_to_answer_the_like_is_not_asked(known: list[float]) -> None:
    memory = opened()
    teach(memory, "oracle", known)
    teach(memory, "oracle", [1] * 9, SEAT)
    oracle = _oracle()
    outcome = run(BORN, PLAN, [_docs(), oracle], memory=memory, options=PLAIN)
    assert (outcome.solution.status, oracle.asked) == ("nothing", [])


def test_exploring_asks_a_source_of_which_nothing_is_known() -> None:
    for memory in (None, opened()):
        oracle = _oracle(shared=False)  # a person, too
        outcome = run(BORN, PLAN, [_docs(), oracle], memory=memory, options=EXPLORING)
        assert (outcome.solution.answer, oracle.texts) == ("1901", [BORN])
    oracle = _oracle()
    assert run(BORN, PLAN, [_docs(), oracle], options=PLAIN).solution.status == "nothing"
    assert oracle.asked == []


def test_what_exploring_found_out_is_used_the_next_time_without_it() -> None:
    memory = opened()
    run(BORN, PLAN, [_docs(), _oracle()], memory=memory, options=EXPLORING, episode="first")
    (kind,) = list_kinds(memory)
    assert sorted((s.source, s.found, s.asked) for s in kind.sources) == [
        ("docs", 0, 1),
        ("oracle", 1, 1),
    ]
    outcome = run(BORN, PLAN, [_docs(), _oracle()], memory=memory, options=PLAIN, episode="next")
    assert outcome.solution.answer == "1901"


def test_exploring_tries_more_than_one_source_and_comes_to_the_one_that_knows() -> None:
    memory = opened()
    asked: list[list[str]] = []
    for number in range(30):
        sources = [_docs(), Asks("mute", {}), Asks("deaf", {}), _oracle()]
        run(BORN, PLAN, sources, memory=memory, options=EXPLORING, episode=f"e{number}")
        asked.append([source.name for source in sources[1:] if source.asked])
    assert all(len(names) == 1 for names in asked)
    assert len({names[0] for names in asked}) > 1
    assert sum(names == ["oracle"] for names in asked[15:]) >= 12


@pytest.mark.parametrize(
    "other", [{"effect": "write"}, {"computes": True}, {"schema": {"type": "object"}}]
)
def test_only_sources_that_take_prose_and_change_nothing_are_asked_so(
    other: dict[str, Any],
) -> None:
    oracle = _oracle(**other)
    assert run(BORN, PLAN, [_docs(), oracle], options=EXPLORING).solution.status == "nothing"
    assert oracle.asked == []


@pytest.mark.parametrize("named", [{"effect": "write"}, {"computes": True}])
def test_a_step_that_writes_or_computes_is_not_asked_elsewhere(named: dict[str, Any]) -> None:
    oracle = _oracle()
    run(BORN, PLAN, [_docs(**named), oracle], options=EXPLORING)
    assert oracle.asked == []


def test_a_source_that_fails_is_stood_in_for() -> None:
    docs = Asks("docs", lambda seek: Finding(Status.FAILED, reason="it is down"))
    outcome = run(BORN, PLAN, [docs, _oracle()], options=EXPLORING)
    assert outcome.solution.answer == "1901"


def test_a_budget_without_room_for_it_ends_as_before() -> None:
    oracle = _oracle()
    outcome = run(BORN, PLAN, [_docs(), oracle], options=EXPLORING, budget=Budget(calls=3))
    assert (outcome.solution.answer, oracle.asked) == (None, [])


def test_resuming_and_replaying_ask_the_same_source(tmp_path: Path) -> None:
    """After the kill nothing explores, and another memory is there: the record stands."""
    whole = MemoryJournal()
    others = [Asks(f"s{number}", lambda seek: found("1901")) for number in range(6)]
    first = run(BORN, PLAN, [_docs(), *others], options=EXPLORING, journal=whole, episode="e")
    (chosen,) = [source.name for source in others if source.asked]
    assert asyncio.run(replay_episode(whole, "e")).same

    part = SqliteJournal(tmp_path / "part.sqlite")
    for event in whole.events("e"):
        if isinstance(event, SeekStarted) and event.source != "docs":
            break
        blobs = ("settings", "prompt", "reply", "finding", "plan", "recalled")
        hashes = (getattr(event, name, "") for name in blobs)
        part.append("e", event, {h: whole.blob(h) for h in hashes if h})
    part.write()
    assert isinstance(part.events("e")[-1], MemoryRecalled)
    again = [Asks(f"s{number}", lambda seek: found("1901")) for number in range(6)]
    second = run(BORN, PLAN, [_docs(), *again], options=PLAIN, journal=part, episode="e")
    assert [source.name for source in again if source.asked] == [chosen]
    assert second.solution.answer == first.solution.answer == "1901"
