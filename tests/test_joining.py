"""Identity: a sub-objective is answered once in a tree; nothing waits for itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from centerlm.center import CenterLM
from centerlm.errors import ModelError
from centerlm.finding import Finding, Status, found
from centerlm.journal import MemoryJournal
from centerlm.models.base import Prompt, Reply, Sampling
from centerlm.models.scripted import ScriptedModel
from centerlm.objective import Budget, Objective
from centerlm.run import Options
from centerlm.solver import Solution, solve
from centerlm.sources.base import Seek
from engine import Asks, act_of, check, echo, finish, question_of, run, script


@pytest.mark.parametrize("seconds", [0.0, 0.02])
def test_equal_sub_objectives_are_answered_once_across_levels(seconds: float) -> None:
    docs = Asks("docs", echo, seconds=seconds)
    plans = {
        "q": "1 [docs] Who wrote it?\n2 [center] part\n3 [docs] sum #1 #2",
        "part": '1 [docs] who  wrote "it"\n2 [center] deeper\n3 [docs] more #1 #2',
        "deeper": "1 [docs] WHO WROTE IT.",
    }
    outcome = run("q", plans, [docs])
    assert [text for text in docs.texts if "wrote" in text.lower()][0:1] == [docs.texts[0]]
    assert sum(text.lower().startswith("who") for text in docs.texts) == 1
    assert outcome.answer("2.1") == outcome.answer("2.2.1") == outcome.answer("1")
    assert outcome.status("2.1") == "found"


def test_other_sources_or_another_order_of_them_are_other_sub_objectives() -> None:
    a, b = Asks("a", {}), Asks("b", {})
    run("q", {"q": "1 [a | b] x\n2 [b | a] x\n3 [a] x"}, [a, b])
    assert (len(a.asked), len(b.asked)) == (3, 2)


def test_texts_that_are_equal_only_because_they_were_cut_are_not_joined_where_values_count() -> (
    None
):
    calc = Asks("calc", lambda seek: found(len(seek.values)), computes=True)
    long = "x" * 300
    lists = Asks("l", lambda seek: found((long, "end " + seek.text)))
    run("q", {"q": "1 [l] a\n2 [l] b\n3 [calc] count(#1)\n4 [calc] count(#2)"}, [lists, calc])
    assert len(calc.asked) == 2


def test_computing_with_equal_numbers_of_other_things_is_another_sub_objective() -> None:
    def earlier(seek: Seek) -> Finding:
        first, second = (seek.values[k] for k in sorted(seek.values))
        return found(min((first.value, first.label), (second.value, second.label))[1])

    docs = Asks("docs", {"a": found("Ann"), "b": found("Bo"), "c": found("Cy"), "d": found("Di")})
    years = {"Ann": 1950, "Bo": 1960, "Cy": 1950, "Di": 1960}
    born = Asks("born", lambda seek: found(years[seek.text]))
    plan = "\n".join([
        *(f"{n} [docs] {letter}" for n, letter in enumerate("abcd", 1)),
        *(f"{n} [born] #{n - 4}" for n in range(5, 9)),
        "9 [calc] earlier(#5, #6)",
        "10 [calc] earlier(#7, #8)",
    ])  # fmt: skip
    outcome = run("q", {"q": plan}, [docs, born, Asks("calc", earlier, computes=True)])
    assert (outcome.answer("9"), outcome.answer("10")) == ("Ann", "Cy")


@pytest.mark.parametrize(
    ("one", "other"), [("convert(3 MW, W)", "convert(3 mW, W)"), ("1 + 2", '"1" + "2"')]
)
def test_formulas_that_differ_in_case_or_quotation_marks_are_not_joined(
    one: str, other: str
) -> None:
    calc = Asks("calc", echo, computes=True)
    run("q", {"q": f"1 [calc] {one}\n2 [calc] {other}"}, [calc])
    assert calc.texts == [one, other]


@pytest.mark.parametrize("more", [{"shared": False}, {"effect": "write"}])
def test_people_and_writes_are_never_joined(more: dict[str, Any]) -> None:
    ask = Asks("ask", echo, **more)
    outcome = run("q", {"q": "1 [ask] x\n2 [center] part", "part": "1 [ask] x"}, [ask])
    assert ask.texts == ["x", "x"]
    assert outcome.solution.tree.nodes["2.1"].joined == ""


def test_a_step_equal_to_an_ancestor_is_answered_directly() -> None:
    docs = Asks("docs", lambda seek: Finding(Status.FOUND, text="x"), typed=False)
    plan = "1 [center] The  Question?\n2 [docs] Another?"
    outcome = run("the question", {"the question": plan}, [docs])
    assert outcome.acts().count("decompose") == 1
    assert sorted(docs.texts) == ["Another?", "The Question?"]


def test_a_split_into_itself_is_asked_once_more_and_no_further() -> None:
    docs = Asks("docs", {}, typed=False)
    outcome = run("q", lambda p, s: "1 [docs] same", [docs], options=Options(reasks=False))
    assert docs.texts == ["same", "same"]
    assert outcome.status("1.1") == "nothing"


CYCLES = {
    "two": {"q": "1 [center] A\n2 [center] B", "A": "1 [center] B", "B": "1 [center] A"},
    "three": {
        "q": "1 [center] A\n2 [center] B\n3 [center] C",
        "A": "1 [center] B",
        "B": "1 [center] C",
        "C": "1 [center] A",
    },
    "deep": {
        "q": "1 [center] A\n2 [center] B",
        "A": "1 [docs] warm up\n2 [center] A2",
        "A2": "1 [center] B",
        "B": "1 [docs] warm up\n2 [center] B2",
        "B2": "1 [center] A",
    },
}


@pytest.mark.parametrize("name", CYCLES)
def test_waiting_never_closes_a_cycle(name: str) -> None:
    docs = Asks("docs", lambda seek: Finding(Status.FOUND, text=seek.text), typed=False)
    outcome = run("q", CYCLES[name], [docs], budget=Budget(depth=8))
    assert outcome.solution.status == "answered"
    assert sum(bool(n.joined) for n in outcome.solution.tree.nodes.values()) >= 1
    assert {n.status for n in outcome.solution.tree.nodes.values()} == {"found"}


class BreaksLater(ScriptedModel):
    """Streams the plan of "A" and breaks off 30 ms later; all else as scripted."""

    async def complete(
        self,
        prompt: Prompt,
        sampling: Sampling,
        *,
        on_text: Callable[[str], None] | None = None,
        before_retry: Callable[[], None] | None = None,
    ) -> Reply:
        reply = await super().complete(prompt, sampling, on_text=on_text)
        if act_of(prompt) == "decompose" and question_of(prompt) == "A":
            await asyncio.sleep(0.03)
            raise ModelError("connection lost")
        return reply


def solve_breaking(plans: dict[str, Any], docs: Asks, budget: Budget) -> tuple[Solution, Any]:
    journal = MemoryJournal()
    work = solve(
        Objective("q", budget=budget),
        center=CenterLM(BreaksLater(script(plans))),
        sources=[docs],
        journal=journal,
        episode="e",
        options=Options(splits=False, reasks=False),
    )
    solution = finish(work)
    check(journal.events("e"))
    return solution, solution.tree.nodes


@pytest.mark.parametrize("budget", [Budget(), Budget(calls=30, tokens=30_000)])
def test_a_joined_step_survives_its_first_asker(budget: Budget) -> None:
    docs = Asks("docs", lambda seek: "It is X.", typed=False, seconds=0.06)
    plans = {"q": "1 [center] A\n2 [center] B", "A": "1 [docs] slow\n", "B": "1 [docs] slow"}
    solution, nodes = solve_breaking(plans, docs, budget)
    assert docs.texts == ["slow"]
    assert (nodes["1"].status, nodes["1.1"].status) == ("failed", "cancelled")
    assert (nodes["2.1"].status, nodes["2.1"].joined) == ("found", "1.1")
    assert (solution.answer, solution.status) == ("It is X.", "partial")


def test_work_that_was_given_up_is_begun_anew() -> None:
    async def slow(seek: Seek) -> Finding:
        await asyncio.sleep(0.05)
        return found("thing" if seek.text == "wait" else "X")

    docs = Asks("docs", slow)
    plans = {"q": "1 [center] A\n2 [docs] wait\n3 [docs] slow #2", "A": "1 [docs] slow thing\n"}
    solution, nodes = solve_breaking(plans, docs, Budget())
    assert docs.texts.count("slow thing") == 2
    assert (nodes["1.1"].status, nodes["3"].status) == ("cancelled", "found")
    assert solution.answer == "X"
