"""Folding events: the live state, the stored one and the JSON are the same thing."""

from __future__ import annotations

import asyncio
import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from centerlm.episode import Episode, citations, episode_to_json, fold
from centerlm.events import (
    CallFinished,
    EpisodeFinished,
    EpisodeResumed,
    EpisodeStarted,
    Event,
    PlanFinished,
    SeekFinished,
    SeekStarted,
    StepFinished,
    StepJoined,
    StepPlanned,
    StepReopened,
    StepStarted,
    decode_event,
    digest,
    encode_event,
)
from centerlm.finding import Usage
from centerlm.journal import Journal, MemoryJournal, SqliteJournal
from centerlm.objective import Budget, Objective
from centerlm.solver import Solution, solve
from centerlm.sources.base import Source
from world import PLANS, QUESTION, Documents, Empty, Lister, Log, Writer, center

FINAL = {"found", "nothing", "failed", "cancelled", "out_of_budget"}


def sources(folder: Path) -> list[Source]:
    log = Log()
    return [Documents(log), Empty(log), Lister(log), Writer(log, folder / "effects")]


def run(
    folder: Path, journal: Journal, seen: list[Event] | None = None, budget: Budget | None = None
) -> Solution:
    return asyncio.run(
        solve(
            Objective(QUESTION, budget=budget or Budget()),
            center=center(),
            sources=sources(folder),
            journal=journal,
            on_event=None if seen is None else seen.append,
        )
    )


@pytest.mark.parametrize("calls", [None, 0, 1, 5, 20, 40])
@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_live_state_listener_and_journal_tell_the_same(
    tmp_path: Path, kind: str, calls: int | None
) -> None:
    journal = MemoryJournal() if kind == "memory" else SqliteJournal(tmp_path / "j.db")
    seen: list[Event] = []
    solution = run(tmp_path, journal, seen, Budget(calls=calls))
    stored = journal.events(solution.episode)
    assert stored == seen
    assert fold(stored) == fold(seen) == solution.tree
    assert solution.tree.usage == solution.usage
    assert solution.tree.events == len(stored)
    assert {node.status for node in solution.tree.nodes.values()} <= FINAL
    assert solution.tree.status == solution.status


def test_the_state_is_a_fold_at_every_moment(tmp_path: Path) -> None:
    live, seen = Episode(), list[Event]()

    def listen(event: Event) -> None:
        live.apply(event)
        seen.append(event)
        if len(seen) % 10 == 0:
            moments.append((len(seen), deepcopy(live)))

    moments: list[tuple[int, Episode]] = []
    solution = asyncio.run(
        solve(Objective(QUESTION), center=center(), sources=sources(tmp_path), on_event=listen)
    )
    assert len(moments) >= 9
    for count, state in moments:
        assert state == fold(seen[:count])
        assert (state.status == "running") == (count < len(seen))
    assert live == solution.tree


def test_the_json_is_what_the_design_says(tmp_path: Path) -> None:
    journal = MemoryJournal()
    solution = run(tmp_path, journal)
    data: dict[str, Any] = episode_to_json(solution.tree, solution.episode, journal.blob)
    assert json.loads(json.dumps(data)) == data
    assert list(data) == [
        *("answer", "status", "reason", "episode", "plan", "steps", "citations", "usage")
    ]
    assert (data["answer"], data["status"]) == (solution.answer, "answered")
    assert data["episode"] == solution.episode
    assert data["plan"] == PLANS[QUESTION]
    assert set(data["usage"]) == {"calls", "prompt_tokens", "completion_tokens", "seconds", "cost"}
    assert data["usage"]["calls"] == 30
    assert [step["id"] for step in data["steps"]] == ["1", "2", "3", "4", "5", "6"]
    assert [item["id"] for item in data["steps"][1]["steps"]] == ["2.1", "2.2", "2.3"]
    assert data["steps"][1]["answer"] == ", ".join(i["answer"] for i in data["steps"][1]["steps"])
    alternative = data["steps"][2]
    assert (alternative["source"], alternative["tried"]) == ("documents", ["empty"])
    child = data["steps"][3]
    assert (child["source"], [step["id"] for step in child["steps"]]) == (
        "center",
        ["4.1", "4.2", "4.3", "4.4"],
    )
    assert [step["id"] for step in child["steps"][2]["steps"]] == ["4.3.1", "4.3.2"]
    assert child["steps"][2]["objective"].startswith("Find the heir of Name")

    def walk(steps: list[dict[str, Any]]) -> None:
        for step in steps:
            assert list(step) == [
                *("id", "source", "tried", "objective", "answer", "status", "reason"),
                *("citations", "steps"),
            ]
            assert step["status"] == "answered"
            for cited in step["citations"]:
                assert cited["file"] == "book.txt"
                assert cited["quote"]
            walk(step["steps"])

    walk(data["steps"])
    cited = {c["passage"] for c in data["citations"]}
    assert cited and cited <= {c["passage"] for step in data["steps"] for c in step["citations"]}


def test_the_json_of_what_went_wrong() -> None:
    finding = json.dumps({"status": "nothing", "reason": "no"}).encode()
    events: list[Event] = [
        EpisodeStarted(question="q", settings="s", at=10.0),
        StepPlanned(path="2", line="2 [b] y #1"),
        StepPlanned(path="1", line="1 [a] x"),
        StepStarted(path="1", text="x", sources=("a", "c")),
        StepFinished(path="1", status="nothing", finding=digest(finding), reason="no"),
    ]
    data = episode_to_json(fold(events), "e", lambda name: finding)
    assert (data["answer"], data["status"], data["plan"], data["citations"]) == (
        *(None, "running", ""),
        [],
    )
    assert data["usage"]["seconds"] == 0.0
    first, second = data["steps"]
    assert (first["source"], first["status"], first["reason"]) == ("a", "nothing", "no")
    assert (second["source"], second["status"], second["objective"]) == (
        *(None, "planned"),
        "2 [b] y #1",
    )
    events.append(EpisodeFinished(status="failed", reason="why", at=12.3456))
    data = episode_to_json(fold(events), "e", lambda name: finding)
    assert (data["status"], data["reason"], data["usage"]["seconds"]) == ("failed", "why", 2.346)


def test_steps_stand_in_the_order_of_their_numbers() -> None:
    paths = ["10", "2", "1", "2.10", "2.9", "2.9.1", "3"]
    state = fold([StepPlanned(path=path, line=path) for path in paths])
    data = episode_to_json(state, "e", lambda name: b"")
    assert [step["id"] for step in data["steps"]] == ["1", "2", "3", "10"]
    assert [step["id"] for step in data["steps"][1]["steps"]] == ["2.9", "2.10"]


def test_each_event_does_its_part() -> None:
    usage = Usage(1, 10, 5, 0.5, 0.25)
    state = fold(
        [
            EpisodeStarted(question="q", settings="s", seed=7, at=1.0),
            CallFinished(act="decompose", attempt=0, usage=usage),
            PlanFinished(plan="p", steps=2, by="person"),
            PlanFinished(path="1", plan="child", steps=1),
            StepStarted(path="1", text="x", sources=("a",), at=2.0),
            SeekStarted(path="1", source="a", attempt=0, text="x"),
            SeekFinished(path="1", source="a", attempt=0, finding="f", status="found", usage=usage),
            StepJoined(path="2", to="1"),
            EpisodeResumed(lost=usage),
            StepFinished(path="1", status="found", answer="A", source="a", at=3.0),
            StepReopened(path="1", reason="r"),
        ]
    )
    assert (state.question, state.seed, state.plan, state.plan_by) == ("q", 7, "p", "person")
    assert state.usage == usage + usage + usage
    assert state.resumed == 1
    one = state.nodes["1"]
    assert (one.status, one.reopened, one.seeking, one.usage) == ("running", 1, "", usage)
    assert (one.started, one.finished, one.answer) == (2.0, 3.0, "A")
    assert state.nodes["2"].joined == "1"
    assert state.roots == [state.nodes["1"], state.nodes["2"]]


@given(st.permutations(["1", "2", "2.1", "2.1.3", "3.2", "3"]))
def test_nodes_hang_where_their_paths_say_in_any_order(paths: list[str]) -> None:
    state = fold([StepPlanned(path=path, line=path) for path in paths])
    assert {node.path for node in state.roots} == {"1", "2", "3"}
    for node in state.nodes.values():
        assert {child.path.rpartition(".")[0] for child in node.children} <= {node.path}
    assert set(state.nodes) == set(paths)


def test_stored_events_are_the_events(tmp_path: Path) -> None:
    seen: list[Event] = []
    run(tmp_path, MemoryJournal(), seen)
    assert len({type(event) for event in seen}) >= 9
    for event in seen:
        assert decode_event(encode_event(event)) == event


def test_a_finding_without_citations() -> None:
    assert citations("", lambda name: b"") == []
    assert citations("x", lambda name: b'{"status":"found"}') == []
