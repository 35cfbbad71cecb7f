"""`each`: the items of a list one by one; order kept, `nothing` in place, excess reported."""

from __future__ import annotations

import asyncio

import pytest

from centerlm.finding import Finding, Status, Value, found
from centerlm.run import Options
from centerlm.sources.base import Seek
from engine import Asks, echo, finished, run, script

PLAN = "1 [list] which\n2 [docs each #1] of #1"


def listing(*items: Value) -> Asks:
    return Asks("list", lambda seek: found(items))


def test_answers_stand_in_the_order_of_the_items_not_of_their_ends() -> None:
    async def slow_first(seek: Seek) -> Finding:
        await asyncio.sleep(0.03 if seek.text == "of a" else 0.0)
        return found(seek.text.upper())

    outcome = run("q", {"q": PLAN}, [listing("a", "b", "c"), Asks("docs", slow_first)])
    assert outcome.solution.finding.value == ("OF A", "OF B", "OF C")
    assert outcome.paths == ["1", "2", "2.1", "2.2", "2.3"]


def test_items_run_at_once() -> None:
    docs = Asks("docs", echo, seconds=0.03)
    outcome = run("q", {"q": PLAN}, [listing(*map(str, range(20))), docs])
    node = outcome.solution.tree.nodes["2"]
    assert node.finished - node.started < 0.2  # 0.6 s one after the other


def test_inside_the_step_the_reference_is_the_item_and_others_their_whole() -> None:
    docs = Asks("docs", echo)
    plan = "1 [list] which\n2 [one] what\n3 [docs each #1] of #1 in #2 with ##1"
    run("q", {"q": plan}, [listing("a", "b"), Asks("one", lambda s: found((1, 2))), docs])
    assert docs.texts == ["of a in 1, 2 with #1", "of b in 1, 2 with #1"]


def test_nothing_is_kept_in_place_and_counted() -> None:
    docs = Asks("docs", {"of a": found("A"), "of c": found("C")})
    outcome = run("q", {"q": PLAN}, [listing("a", "b", "c"), docs])
    assert outcome.solution.finding.value == ("A", None, "C")
    assert outcome.reason("2") == "1 of 3 items have no answer"
    assert outcome.status("2.2") == "nothing"
    assert (outcome.solution.answer, outcome.solution.status) == ("A, nothing, C", "partial")


def test_an_item_without_an_answer_is_not_asked() -> None:
    docs = Asks("docs", echo)
    outcome = run("q", {"q": PLAN}, [listing("a", None, "c"), docs])
    assert docs.texts == ["of a", "of c"]
    assert outcome.solution.finding.value == ("<of a>", None, "<of c>")
    assert finished(outcome.events)["2.2"] == ["nothing"]


def test_a_single_value_is_a_list_of_one() -> None:
    outcome = run("q", {"q": PLAN}, [Asks("list", lambda s: found("only")), Asks("docs", echo)])
    assert outcome.solution.finding.value == ("<of only>",)


def test_the_limit_is_thirty_two_and_the_excess_is_reported() -> None:
    docs = Asks("docs", echo)
    outcome = run("q", {"q": PLAN}, [listing(*range(40)), docs])
    assert len(docs.asked) == 32
    assert outcome.reason("2") == "8 of 40 items were not asked (limit)"
    assert outcome.solution.status == "partial"
    outcome = run("q", {"q": PLAN}, [listing(*range(5)), docs], options=Options(each_limit=2))
    assert outcome.reason("2") == "3 of 5 items were not asked (limit)"


def test_an_empty_list_gives_nothing() -> None:
    source = Asks("list", lambda s: Finding(Status.FOUND, answer="none", value=()))
    outcome = run("q", {"q": PLAN}, [source, Asks("docs", echo)])
    assert (outcome.status("2"), outcome.reason("2")) == ("nothing", "the list is empty")


def test_only_count_sees_a_list_without_any_answer() -> None:
    calc = Asks("calc", lambda seek: found(len(seek.values[2].value)), computes=True)
    sources = [listing("a", "b"), Asks("docs", {}), calc]
    outcome = run("q", {"q": PLAN + "\n3 [calc] count(#2)"}, sources)
    assert outcome.solution.answer == "2"
    outcome = run("q", {"q": PLAN + "\n3 [calc] sum(#2)"}, sources)
    assert (outcome.status("3"), outcome.reason("3")) == (
        "nothing", "needs #2, which has no answer"
    )  # fmt: skip
    outcome = run("q", {"q": PLAN + "\n3 [docs] count(#2)"}, sources)
    assert outcome.status("3") == "nothing"


@pytest.mark.parametrize("status", [Status.FAILED, Status.NOTHING])
def test_a_list_without_answers_has_the_status_of_its_items(status: Status) -> None:
    docs = Asks("docs", lambda seek: Finding(status))
    outcome = run("q", {"q": PLAN}, [listing("a", "b"), docs])
    assert outcome.status("2") == status


def test_alternatives_are_tried_item_by_item() -> None:
    first, second = Asks("docs", {"of a": found("A")}), Asks("web", {"of b": found("B")})
    plan = "1 [list] which\n2 [docs | web each #1] of #1"
    outcome = run("q", {"q": plan}, [listing("a", "b"), first, second])
    assert outcome.solution.finding.value == ("A", "B")
    assert second.texts == ["of b"]


def test_center_each_solves_every_item_with_a_plan_of_its_own() -> None:
    plans = {
        "q": "1 [list] which\n2 [center each #1] sea of #1",
        'sea of "a"': "1 [docs] x\n2 [docs] y #1",
        'sea of "b"': "1 [docs] z",
    }
    outcome = run("q", {**plans}, [listing("a", "b"), Asks("docs", echo)])
    assert outcome.paths == ["1", "2", "2.1", "2.1.1", "2.1.2", "2.2", "2.2.1"]
    assert outcome.solution.finding.value == ("<y <x>>", "<z>")


def test_equal_items_are_asked_once() -> None:
    docs = Asks("docs", echo)
    outcome = run("q", {"q": PLAN}, [listing("a", "A", "a"), docs])
    assert docs.texts == ["of a"]
    assert outcome.solution.finding.value == ("<of a>",) * 3
    assert outcome.solution.tree.nodes["2.3"].joined == "2.1"


def test_each_over_each_keeps_the_labels() -> None:
    seen: list[object] = []

    def compute(seek: Seek) -> Finding:
        seen.append({k: (b.value, b.label) for k, b in seek.values.items()})
        return found("done")

    calc = Asks("calc", compute, computes=True)
    plan = "1 [list] which\n2 [docs each #1] depth of #1\n3 [calc] argmax(#1, #2)"
    run("q", {"q": plan}, [listing("a", "b"), Asks("docs", lambda s: found(len(s.text))), calc])
    assert seen == [{1: (("a", "b"), None), 2: ((10, 10), "a, b")}]


def test_a_limit_and_a_missing_item_are_both_reported() -> None:
    said = script({"q": PLAN}, absorb="x")
    docs = Asks("docs", {"of 0": found("A")})
    outcome = run("q", said, [listing(0, 1, 2), docs], options=Options(each_limit=2, splits=False))
    assert outcome.reason("2") == (
        "1 of 2 items have no answer; 1 of 3 items were not asked (limit)"
    )


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("Ada, Bo and Cy", ["of Ada", "of Bo", "of Cy"]),
        ("Ada and Bo", ["of Ada", "of Bo"]),
        ("Ada; Bo", ["of Ada", "of Bo"]),
        ("5 October, 1987", ["of 5 October, 1987"]),
        ("Ada", ["of Ada"]),
        ("stop and write", ["of stop and write"]),
        ('"}], "steps": [{"id": 1, "a": 2}]', ['of "}], "steps": [{"id": 1, "a": 2}]']),
    ],
)
def test_a_text_is_gone_through_as_what_it_enumerates(text: str, asked: list[str]) -> None:
    docs = Asks("docs", echo)
    run("q", {"q": PLAN}, [Asks("list", lambda seek: found(text)), docs])
    assert docs.texts == asked
