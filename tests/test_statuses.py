"""Every step ends in exactly one status, whatever sources and models do; solve always returns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from centerlm.center import CenterLM
from centerlm.errors import ModelError, SourceError
from centerlm.events import StepFinished
from centerlm.finding import Finding, Passage, Status, found
from centerlm.journal import MemoryJournal
from centerlm.models.base import Prompt, Reply, Sampling
from centerlm.models.scripted import ScriptedModel
from centerlm.objective import Budget, Objective
from centerlm.run import Options
from centerlm.solver import solve
from centerlm.sources.base import Seek
from engine import Asks, Raw, check, echo, finish, finished, run, script


async def hang(seek: Seek) -> Finding:
    await asyncio.sleep(3600)
    raise AssertionError(seek)


async def give_up(seek: Seek) -> Finding:
    del seek
    raise asyncio.CancelledError("mine")


def raise_(error: BaseException) -> Callable[[Seek], Finding]:
    def reply(seek: Seek) -> Finding:
        del seek
        raise error

    return reply


BEHAVIOURS: dict[str, Any] = {
    "found": echo,
    "list": lambda seek: found(("a", None, "b")),
    "text": lambda seek: Finding(Status.FOUND, text="free text"),
    "passages": lambda seek: Finding(Status.FOUND, passages=(Passage("p", "a passage"),)),
    "nothing": lambda seek: Finding(Status.NOTHING),
    "failed": raise_(SourceError("down")),
    "raise": raise_(ZeroDivisionError("x")),
    "exit": raise_(SystemExit(3)),
    "garbage": lambda seek: Raw(17.5),
    "hang": hang,
    "cancel": give_up,
}


@st.composite
def plans(draw: st.DrawFn, names: list[str]) -> str:
    lines: list[str] = []
    for number in range(1, draw(st.integers(1, 6)) + 1):
        chosen = draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True))
        earlier = st.integers(1, number - 1) if number > 1 else st.nothing()
        each = f" each #{draw(earlier)}" if number > 1 and draw(st.booleans()) else ""
        needs = draw(st.lists(earlier, max_size=2)) if number > 1 else []
        text = " ".join([f"ask {draw(st.integers(0, 3))}", *(f"#{k}" for k in needs)])
        lines.append(f"{number} [{' | '.join(chosen)}{each}] {text}")
    return "\n".join(lines)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
@given(data=st.data())
def test_random_plans_over_random_sources(data: st.DataObject) -> None:
    names = [*data.draw(st.lists(st.sampled_from(sorted(BEHAVIOURS)), min_size=1, unique=True))]
    root = data.draw(plans([*names, "center"]))
    child = data.draw(plans([*names, "center"]))
    broken: Any = data.draw(
        st.sampled_from([child, "not a plan", "", ModelError("the model is down")])
    )
    constraint = data.draw(st.sampled_from(["gbnf", "none"]))
    budget = Budget(
        calls=data.draw(st.none() | st.integers(0, 30)),
        tokens=data.draw(st.none() | st.integers(0, 20_000)),
        depth=data.draw(st.integers(0, 3)),
        seconds=data.draw(st.sampled_from([None, None, 0.05])),
    )
    options = Options(
        reasks=data.draw(st.booleans()),
        splits=data.draw(st.booleans()),
        seek_seconds=0.02,
        each_limit=data.draw(st.integers(1, 4)),
    )
    absorb: Any = data.draw(st.sampled_from(["it is [1]", "nothing", "", ModelError("down")]))
    outcome = run(
        "root",
        script(lambda q: root if q == "root" else broken, absorb=absorb, seek="in other words"),
        [Asks(name, BEHAVIOURS[name], typed=name in {"found", "list"}) for name in names],
        budget=budget,
        options=options,
        constraint=constraint,
    )
    # `run` has checked that every step has one status and that no task is left.
    assert outcome.solution.status in {
        "answered", "partial", "nothing", "failed", "out_of_budget"
    }  # fmt: skip
    assert "cancelled" not in {e.status for e in outcome.events if isinstance(e, StepFinished)} or (
        outcome.solution.status == "failed"  # planning failed after its first lines had started
    )


@pytest.mark.parametrize(
    ("behaviour", "status", "reason"),
    [
        ("nothing", "nothing", ""),
        ("failed", "failed", "down"),
        ("raise", "failed", "src raised ZeroDivisionError: x"),
        ("exit", "failed", "src raised SystemExit: 3"),
        ("garbage", "failed", "src returned float where a Finding belongs"),
        ("hang", "failed", "src did not answer within 0.02 seconds"),
        ("cancel", "failed", "src raised CancelledError: mine"),
    ],
)
def test_what_a_source_does_is_a_status_and_wakes_its_dependents(
    behaviour: str, status: str, reason: str
) -> None:
    source = Asks("src", BEHAVIOURS[behaviour])
    outcome = run(
        "q",
        {"q": "1 [src] a\n2 [ok] then #1\n3 [ok] alone"},
        [source, Asks("ok", echo)],
        options=Options(reasks=False, splits=False, seek_seconds=0.02),
    )
    assert finished(outcome.events) == {"1": [status], "2": ["nothing"], "3": ["found"]}
    assert reason in outcome.reason("1")
    assert outcome.reason("2") == "needs #1, which has no answer"


def test_a_dependent_of_a_dependent_is_not_called_either() -> None:
    docs = Asks("docs", {"last": found("x")})
    outcome = run("q", {"q": "1 [docs] a\n2 [docs] b #1\n3 [docs] c #2\n4 [docs] last"}, [docs])
    assert docs.texts == ["a", "last"]
    assert outcome.reason("3") == "needs #2, which has no answer"
    assert outcome.solution.status == "partial"


class BreaksOff(ScriptedModel):
    """A model whose stream breaks off when everything was said."""

    async def complete(self, prompt: Prompt, sampling: Sampling, **more: Any) -> Reply:
        await super().complete(prompt, sampling, **more)
        raise ModelError("connection lost")


def test_steps_that_had_not_begun_to_run_when_planning_failed_have_a_status() -> None:
    docs, journal = Asks("docs", echo), MemoryJournal()
    model = BreaksOff(script({"q": "1 [docs] a\n2 [docs] b\n"}))
    solution = finish(
        solve(Objective("q"), center=CenterLM(model), sources=[docs], journal=journal, episode="e")
    )
    check(journal.events("e"))
    assert (solution.status, solution.reason) == ("failed", "connection lost")
    assert finished(journal.events("e")) == {"1": ["cancelled"], "2": ["cancelled"]}
    assert docs.asked == []


def test_an_only_step_without_an_answer_is_the_level_s_status() -> None:
    outcome = run("q", {"q": "1 [docs] a"}, [Asks("docs", raise_(ValueError("no")))])
    assert outcome.solution.status == "failed"
    assert "docs raised ValueError: no" in outcome.solution.reason
