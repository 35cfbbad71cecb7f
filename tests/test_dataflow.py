"""Running: a step starts the moment its last dependency ends; lines may start as they are made."""

from __future__ import annotations

import asyncio
import time

from centerlm.events import CallFinished, PlanFinished, SeekStarted, StepPlanned
from centerlm.finding import found
from centerlm.plan import Plan, Step
from engine import PLAIN, Asks, Outcome, echo, run

CHAINS, DEPTH = 4, 4


def uneven_plan() -> str:
    """Four chains of four steps; in chain c the step at depth c is the slow one."""
    lines: list[str] = []
    for depth in range(DEPTH):
        for chain in range(CHAINS):
            speed = "slow" if depth == chain else "fast"
            number = len(lines) + 1
            needs = f"chain {chain}" if depth == 0 else f"after #{number - CHAINS}"
            lines.append(f"{number} [{speed}] {needs}")
    return "\n".join(lines)


def test_no_barrier_stands_between_the_steps_of_an_uneven_graph() -> None:
    slow, fast = Asks("slow", echo, seconds=0.060), Asks("fast", echo, seconds=0.010)
    walls: list[float] = []
    for _ in range(5):
        started = time.perf_counter()
        outcome = run("uneven", {"uneven": uneven_plan()}, [slow, fast])
        walls.append(time.perf_counter() - started)
        assert outcome.solution.status == "answered"
    # The critical path is 60 + 3 * 10 ms; waves would take 4 * 60. The best of five, because other
    # work on the machine can only make it longer.
    assert 0.085 < min(walls) < 0.115


def test_a_step_starts_when_its_last_dependency_ends_not_its_first() -> None:
    ends: dict[str, float] = {}
    starts: dict[str, float] = {}

    async def timed(text: str, seconds: float) -> object:
        starts[text] = time.perf_counter()
        await asyncio.sleep(seconds)
        ends[text] = time.perf_counter()
        return found(text)

    times = {"a": 0.01, "b": 0.04}
    source = Asks("s", lambda seek: timed(seek.text, times.get(seek.text, 0.0)))
    run("q", {"q": "1 [s] a\n2 [s] b\n3 [s] both #1 #2\n4 [s] one #1"}, [source])
    assert 0 <= starts["both a b"] - ends["b"] < 0.02
    assert starts["one a"] < ends["b"]


def first_of(outcome: Outcome, kind: type, **fields: object) -> int:
    return next(
        i
        for i, event in enumerate(outcome.events)
        if isinstance(event, kind) and all(getattr(event, k) == v for k, v in fields.items())
    )


STREAMED = "1 [docs] first\n2 [docs] second\n3 [docs] third #1"


def test_a_line_of_a_read_source_starts_before_the_plan_is_whole() -> None:
    outcome = run("q", {"q": STREAMED}, [Asks("docs", echo)], latency=0.1)
    assert first_of(outcome, SeekStarted, path="1") < first_of(outcome, CallFinished)
    assert first_of(outcome, SeekStarted, path="1") < first_of(outcome, StepPlanned, path="3")


def test_a_write_or_center_line_waits_for_the_whole_plan() -> None:
    plan = "1 [mail] send a\n2 [docs | mail] b\n3 [docs] d\n4 [center] c"
    sources = [Asks("docs", echo), Asks("mail", echo, effect="write")]
    outcome = run("q", {"q": plan, "c": "1 [docs] e"}, sources, latency=0.1)
    whole = first_of(outcome, PlanFinished, path="")
    assert first_of(outcome, SeekStarted, path="1") > whole
    assert first_of(outcome, SeekStarted, path="2") > whole
    assert first_of(outcome, SeekStarted, path="4.1") > whole
    assert first_of(outcome, SeekStarted, path="3") < whole


def test_a_plan_of_an_api_model_starts_when_it_is_whole_and_valid() -> None:
    for constraint in ("schema", "none"):
        outcome = run(
            "q", {"q": STREAMED}, [Asks("docs", echo)], latency=0.05, constraint=constraint
        )
        assert first_of(outcome, SeekStarted) > first_of(outcome, PlanFinished)


def test_nothing_starts_before_a_person_has_seen_the_plan() -> None:
    docs = Asks("docs", echo)

    async def review(plan: Plan) -> Plan:
        assert len(plan.steps) == 3
        assert docs.asked == []
        return Plan((Step(1, ("docs",), "edited"),))

    outcome = run("q", {"q": STREAMED}, [docs], review=review, latency=0.05)
    assert docs.texts == ["edited"]
    assert outcome.paths == ["1"]
    assert outcome.solution.tree.plan_by == "person"


def test_duplicate_steps_are_merged_and_references_follow() -> None:
    docs = Asks("docs", echo)
    plan = "1 [docs] a\n2 [docs] a\n3 [docs] about #2"
    outcome = run("q", {"q": plan}, [docs])
    assert docs.texts == ["a", "about <a>"]
    assert outcome.paths == ["1", "2"]


def test_a_chain_and_a_fan_take_their_order_from_references_alone() -> None:
    docs = Asks("docs", echo, seconds=0.01)
    fan = "\n".join(f"{n} [docs] leaf {n}" for n in range(1, 11))
    started = time.perf_counter()
    outcome = run("q", {"q": fan}, [docs], options=PLAIN)
    assert time.perf_counter() - started < 0.09
    assert len(outcome.paths) == 10
