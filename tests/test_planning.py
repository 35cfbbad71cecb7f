"""The plan of a level: read, repaired once, or answered directly; never a crash."""

from __future__ import annotations

from typing import Any

import pytest

from centerlm.errors import InputError, ModelError
from centerlm.events import PlanFinished, StepPlanned
from centerlm.finding import Finding, Status
from centerlm.grammar import plan_grammar
from centerlm.journal import MemoryJournal
from centerlm.learning.shown import question_of
from centerlm.models.base import Prompt, Sampling
from centerlm.models.scripted import ScriptedModel
from centerlm.objective import Budget
from centerlm.run import Options
from centerlm.sources.base import Seek
from engine import PLAIN, Asks, Outcome, act_of, echo, run, script


def prose() -> Asks:
    return Asks("docs", lambda seek: f"text on {seek.text}", typed=False)


def plan_of(outcome: Outcome, path: str = "") -> PlanFinished:
    (event,) = [e for e in outcome.events if isinstance(e, PlanFinished) and e.path == path]
    return event


GARBAGE = [
    "",
    "   \n\n",
    "I cannot do that.",
    "1 [nosuch] a",
    "1 [docs]",
    "1 [docs] a #1",
    "1 [docs] a\n3 [docs] b",
    "1 [docs] " + "x" * 300,
    "\x00\x1b[31m",
    '{"steps": []}',
    '{"steps": [{"id": 1, "sources": ["docs"], "text": "a #2"}, '
    '{"id": 2, "sources": ["docs"], "text": "b #1"}]}',
    "[" * 10_000,
    "{" * 10_000,
]


@pytest.mark.parametrize("constraint", ["schema", "none"])
@pytest.mark.parametrize("text", GARBAGE)
def test_a_refused_plan_is_repaired_once_then_answered_directly(text: str, constraint: Any) -> None:
    docs = prose()
    outcome = run(
        "who is it?", script({"who is it?": text}, repair=text), [docs], constraint=constraint
    )
    assert outcome.acts() == ["decompose", "repair", "absorb"]
    assert docs.texts == ["who is it?"]
    event = plan_of(outcome)
    assert event.by == "direct"
    assert event.problem
    assert outcome.solution.status == "answered"


def test_the_repair_prompt_holds_the_plan_and_what_was_wrong() -> None:
    said = script({"q": "1 [nosuch] a"}, repair="1 [docs] mended")
    docs = prose()
    outcome = run("q", said, [docs], constraint="none")
    assert docs.texts == ["mended"]
    assert plan_of(outcome).by == "center"
    (prompt,) = outcome.prompts("repair")
    assert [m.role for m in prompt.messages] == ["system", "user", "assistant", "user"]
    assert prompt.messages[2].text == "1 [nosuch] a"
    assert "line 1, column 4: unknown source 'nosuch'" in prompt.messages[3].text


@pytest.mark.parametrize("repair", [ModelError("down"), "", "1 [docs] #9"])
def test_a_repair_that_fails_is_answered_directly(repair: Any) -> None:
    outcome = run("q", script({"q": "nonsense"}, repair=repair), [prose()], constraint="none")
    assert plan_of(outcome).by == "direct"
    assert outcome.solution.status == "answered"


def test_no_repair_without_calls_left() -> None:
    outcome = run("q", {"q": "nonsense"}, [prose()], constraint="none", budget=Budget(calls=4))
    assert outcome.acts() == ["decompose", "absorb"]


@pytest.mark.parametrize("text", ["", "no plan", "2 [docs] a", "1 [nosuch] a"])
def test_a_grammar_made_plan_without_a_whole_line_is_answered_directly(text: str) -> None:
    docs = prose()
    outcome = run("who is it?", {"who is it?": text}, [docs])
    assert docs.texts == ["who is it?"]
    assert (plan_of(outcome).by, plan_of(outcome).problem) == ("direct", "no whole line")


def test_lines_before_one_that_is_no_step_stand_and_the_problem_is_told() -> None:
    outcome = run("q", {"q": "1 [docs] a\n2 [nosuch] b\n3 [docs] c"}, [prose()])
    assert outcome.paths == ["1"]
    assert "unknown source 'nosuch'" in plan_of(outcome).problem


def test_a_line_that_the_token_limit_cut_is_dropped() -> None:
    long = "1 [docs] whole\n2 [docs] " + "word " * 300
    for constraint in ("gbnf", "none"):
        docs = prose()
        outcome = run("q", {"q": long}, [docs], constraint=constraint)
        assert outcome.paths == ["1"]
        assert docs.texts == ["whole"]


@pytest.mark.parametrize("stream", [True, False])
def test_a_model_that_does_not_stream_is_read_all_the_same(stream: bool) -> None:
    from centerlm.center import CenterLM
    from centerlm.objective import Objective
    from centerlm.solver import solve
    from engine import finish

    model = ScriptedModel(script({"q": "1 [docs] a\n2 [docs] b #1"}), stream=stream)
    docs = Asks("docs", echo)
    solution = finish(solve(Objective("q"), center=CenterLM(model), sources=[docs]))
    assert solution.answer == "<b <a>>"


def test_a_planner_that_fails_fails_the_episode_with_its_sentence() -> None:
    error = ModelError("http://x does not answer; start the server")
    outcome = run("q", {"q": error}, [prose()])
    assert (outcome.solution.status, outcome.solution.reason) == ("failed", str(error))


def test_a_planner_that_fails_in_a_child_fails_that_step_only() -> None:
    plans = {"q": "1 [center] part\n2 [docs] b", "part": ModelError("too busy")}
    outcome = run("q", plans, [Asks("docs", echo)])
    assert (outcome.status("1"), outcome.reason("1")) == ("failed", "too busy")
    assert (outcome.solution.answer, outcome.solution.status) == ("<b>", "partial")


def test_tokens_that_do_not_cover_planning_are_used_to_answer_directly() -> None:
    docs = prose()
    outcome = run("who is it?", {}, [docs], budget=Budget(tokens=400))
    assert outcome.acts() == ["absorb"]
    assert plan_of(outcome).by == "direct"
    assert "too few tokens" in plan_of(outcome).problem
    assert outcome.solution.answer == "text on who is it?"


@pytest.mark.parametrize("tokens", [0, 50, 100])
def test_tokens_that_cover_no_answer_are_not_begun_with(tokens: int) -> None:
    docs = prose()
    outcome = run("who is it?", {}, [docs], budget=Budget(tokens=tokens))
    assert (outcome.acts(), docs.asked) == ([], [])
    assert (outcome.solution.status, outcome.solution.answer) == ("out_of_budget", None)


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("price of #3?", "price of ##3?"),
        ("a\nb\t c", "a b c"),
        ("x" * 500, "x" * 199 + "…"),
        ("#" * 300, "##" * 99 + "…"),
        ("say \u202e\x07hi", "say hi"),
    ],
)
def test_a_direct_plan_is_a_plan(question: str, text: str) -> None:
    docs = prose()
    outcome = run(question, {}, [docs])
    (line,) = [e.line for e in outcome.events if isinstance(e, StepPlanned)]
    assert line == f"1 [docs] {text}"
    assert outcome.solution.status == "answered"


def test_a_question_without_a_visible_character_is_answered() -> None:
    assert run("\u200b\x01", script({}, direct="what?"), [prose()]).solution.answer == "what?"


def test_direct_asks_what_takes_prose_and_changes_nothing() -> None:
    sources = [
        Asks("calc", echo, computes=True),
        Asks("mail", echo, effect="write"),
        Asks("person", echo, shared=False),
        Asks("form", echo, typed=False, schema={"type": "object"}),
        Asks("typed", echo),
        prose(),
    ]
    outcome = run("q?", {}, sources)
    assert [source.name for source in sources if source.asked] == ["docs"]
    assert outcome.solution.status == "answered"


def test_resuming_without_a_source_of_the_plan_says_so() -> None:
    journal = MemoryJournal()

    def cancel(seek: Seek) -> Finding:
        return Finding(Status.OUT_OF_BUDGET, reason="later")

    run("q", {"q": "1 [docs] a"}, [Asks("docs", cancel)], journal=journal)
    with pytest.raises(InputError, match=r"unknown source 'docs'; give the same sources as before"):
        run("q", {}, [Asks("web", echo)], journal=journal)


def test_a_planner_whose_prompt_does_not_fit_says_so() -> None:
    outcome = run("q" * 8000, {}, [prose()], options=Options(reasks=False))
    assert outcome.solution.status == "answered"
    from centerlm.center import CenterLM
    from centerlm.objective import Objective
    from centerlm.solver import solve
    from engine import finish

    model = ScriptedModel({}, context=512)
    solution = finish(
        solve(Objective("q" * 8000), center=CenterLM(model), sources=[prose()], options=PLAIN)
    )
    assert solution.status == "failed"
    assert "more than the 512 of scripted" in solution.reason
    assert model.calls == []


LONG = "Who is the mayor of the birthplace of the founder of Orla?"
SHORT = "1 [docs] Who is the mayor of the founder of Orla?"
WHOLE = "1 [center] Who is the birthplace of the founder of Orla?\n2 [docs] Who is the mayor of #1?"


def in_parts(parted: str, first: str = SHORT) -> Any:
    """A script that writes `first`, and `parted` where the grammar asks for parts."""

    def say(prompt: Prompt, sampling: Sampling) -> str:
        if act_of(prompt) != "decompose":
            return "Elm [1]"
        if sampling.grammar == plan_grammar(("docs", "center"), parted=True):
            return parted
        question = question_of(prompt)
        return first if question == LONG else f"1 [docs] {question}"

    return say


def test_a_plan_that_only_asks_the_center_the_same_is_asked_for_again_in_parts() -> None:
    docs = prose()
    again = "1 [center] What is the mayor of the birthplace of the founder of Orla?"
    outcome = run(LONG, in_parts(WHOLE, again), [docs])
    assert docs.texts[-1] == "Who is the mayor of Elm?" and len(docs.texts) == 2
    assert outcome.acts()[:2] == ["decompose", "decompose"]
    assert plan_of(outcome).by == "center"
    docs = prose()
    outcome = run(LONG, in_parts(again, again), [docs])
    assert docs.texts == [LONG]
    assert plan_of(outcome).problem == "step 1 asks the whole question again"


@pytest.mark.parametrize("repair", [WHOLE, f"1 [center] {LONG}"])
def test_where_plans_come_whole_such_a_plan_is_repaired(repair: str) -> None:
    docs = prose()
    said = script({LONG: f"1 [center] {LONG}"}, repair=repair)
    outcome = run(LONG, said, [docs], constraint="none")
    assert outcome.acts()[:2] == ["decompose", "repair"]
    assert "asks the whole question again; ask for its parts" in (
        outcome.prompts("repair")[0].messages[-1].text
    )
    assert plan_of(outcome).by == ("center" if repair == WHOLE else "direct")
    assert (docs.texts == [LONG]) == (repair != WHOLE)


def test_a_plan_that_leaves_a_link_out_is_asked_for_again_in_parts() -> None:
    docs = prose()
    outcome = run(LONG, in_parts(WHOLE), [docs])
    assert docs.texts == [
        "Who is the birthplace of the founder of Orla?",
        "Who is the mayor of Elm?",
    ]
    assert outcome.acts()[:2] == ["decompose", "decompose"]
    assert (plan_of(outcome).by, plan_of(outcome).problem) == ("center", "")
    assert outcome.solution.status == "answered"


def test_one_that_leaves_it_out_again_is_answered_directly() -> None:
    docs = prose()
    outcome = run(LONG, in_parts(SHORT), [docs])
    assert docs.texts == [LONG]
    assert plan_of(outcome).by == "direct"
    assert plan_of(outcome).problem == "step 1 leaves out part of the question"


def test_it_is_not_asked_for_again_where_the_budget_ends() -> None:
    outcome = run(LONG, in_parts(WHOLE), [prose()], budget=Budget(calls=4))
    assert outcome.acts().count("decompose") == 1
    assert plan_of(outcome).by == "direct"


def test_one_that_cannot_be_asked_for_again_is_answered_directly() -> None:
    def say(prompt: Prompt, sampling: Sampling) -> str:
        if sampling.grammar == plan_grammar(("docs", "center"), parted=True):
            raise ModelError("down")
        return SHORT if act_of(prompt) == "decompose" else "Elm [1]"

    docs = prose()
    outcome = run(LONG, say, [docs])
    assert docs.texts == [LONG]
    assert (plan_of(outcome).by, outcome.solution.status) == ("direct", "answered")
