"""What an episode tells of its sources, from real episodes of the engine."""

from __future__ import annotations

from centerlm.finding import Finding, Passage, Status, failed, found
from centerlm.memory.outcomes import Outcome, outcomes
from centerlm.objective import Budget
from centerlm.run import Options
from engine import PLAIN, Asks, run, script
from engine import Outcome as Solved


def _read(outcome: Solved, worth: dict[str, float] | None = None) -> tuple[Outcome, ...]:
    return outcomes(outcome.events, outcome.blob, worth)


def _told(*told: Outcome) -> dict[tuple[str, str], float]:
    return {(o.entry, o.source): o.success for o in told}


def test_the_source_that_answered_helped_and_those_before_it_did_not() -> None:
    sources = [
        Asks("empty", {}),
        Asks("broken", lambda seek: failed("down")),
        Asks("good", lambda seek: found("x")),
    ]
    outcome = run("q", {"q": "1 [empty | broken | good] Who was Ada?\n2 [good] And #1?"}, sources)
    told = _read(outcome)
    assert _told(*told) == {
        ("1/0", "empty"): 0.0,
        ("1/1", "broken"): 0.0,
        ("1/2", "good"): 1.0,
        ("2/0", "good"): 1.0,
    }
    first, last = told[0], told[-1]
    assert (first.text, first.plain) == ("Who was Ada?", True)
    assert (last.text, last.plain) == ("And x?", False)
    assert all(o.seconds >= 0 and o.at > 0 for o in told)


def test_passages_that_do_not_say_did_not_help() -> None:
    docs = Asks("docs", lambda seek: "nothing of note", typed=False)
    outcome = run("q", script({"q": "1 [docs] Who?"}, absorb="nothing"), [docs])
    assert _told(*_read(outcome)) == {("1/0", "docs"): 0.0}


def test_other_words_that_found_it_are_kept_as_a_query() -> None:
    def reply(seek: object) -> Finding:
        said = "the answer" if getattr(seek, "text", "") == "Ada Brandt birth" else ""
        return Finding(Status.FOUND, text=said) if said else Finding(Status.NOTHING)

    docs = Asks("docs", reply, typed=False)
    plans = script({"q": "1 [docs] When was Ada born?"}, seek="Ada Brandt birth")
    outcome = run("q", plans, [docs], options=Options(splits=False, reopens=0))
    first, again = _read(outcome)
    assert (first.success, first.query) == (0.0, "")
    assert (again.success, again.query) == (1.0, "Ada Brandt birth")
    assert again.text == first.text == "When was Ada born?"


def test_an_answer_that_its_citation_does_not_bear_did_not_help() -> None:
    passage = Passage("p", "The town lies on a river.", title="Town")
    docs = Asks("docs", lambda seek: Finding(Status.FOUND, passages=(passage,)), typed=False)
    plans = script({"q": "1 [docs] Who?"}, absorb="Ada Brandt [1]", seek="who was it")
    outcome = run("q", plans, [docs], options=Options(splits=False))
    assert [one.success for one in _read(outcome)] == [0.0, 0.0]
    plain = run("q", plans, [docs], options=PLAIN)
    assert [one.success for one in _read(plain)] == [0.0]


def test_what_time_or_budget_ended_says_nothing() -> None:
    docs = Asks("docs", lambda seek: found("x"))
    plan = "\n".join(f"{n} [docs] step {n}" for n in range(1, 9))
    outcome = run("q", {"q": plan}, [docs], budget=Budget(calls=5), options=PLAIN)
    told = _read(outcome)
    assert 0 < len(told) < 8
    assert all(o.success == 1.0 for o in told)


def test_what_is_known_to_be_wrong_counts_as_such() -> None:
    docs = Asks("docs", lambda seek: found("x"))
    outcome = run("q", {"q": "1 [docs] a\n2 [docs] b"}, [docs])
    told = _read(outcome, {"1": 0.0, "2": 0.5})
    assert [o.success for o in told] == [0.0, 0.5]
