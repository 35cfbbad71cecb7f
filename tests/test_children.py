"""Children: what a [center] step is shown, where its steps stand, and where recursion ends."""

from __future__ import annotations

from centerlm.finding import Finding, Status, failed, found
from centerlm.objective import Budget
from centerlm.run import Options
from centerlm.sources.base import Seek
from engine import Asks, echo, question_of, run


def test_a_child_sees_its_objective_the_root_its_budget_and_cards_and_no_sibling() -> None:
    plans = {
        "root question": "1 [docs] secret sibling\n2 [docs] who\n3 [center] born #2",
        'born "<who>"': "1 [docs] x",
    }
    outcome = run(
        "root question", plans, [Asks("docs", echo)], budget=Budget(calls=32, tokens=9000, depth=3)
    )
    _, child = outcome.prompts("decompose")
    assert child.messages[1].text == (
        'Part of: root question\nBudget: 10 calls, 3000 tokens, 2 levels\nQuestion: born "<who>"'
    )
    assert "docs: knows docs" in child.messages[0].text
    assert "secret" not in "".join(m.text for m in child.messages)


def test_ids_are_local_and_paths_global() -> None:
    plans = {
        "q": "1 [docs] a\n2 [center] b #1",
        'b "<a>"': "1 [center] c\n2 [docs] d #1",
        "c": "1 [docs] e",
    }
    outcome = run("q", plans, [Asks("docs", echo)])
    assert outcome.paths == ["1", "2", "2.1", "2.1.1", "2.2"]
    assert outcome.solution.tree.nodes["2.2"].line == "2 [docs] d #1"
    assert outcome.answer("2.2") == "<d <e>>"
    assert outcome.solution.answer == "<d <e>>"


def test_a_child_s_answer_is_typed_and_passes_unchanged() -> None:
    text = Asks("docs", lambda seek: Finding(Status.FOUND, text="Oslo it is"), typed=False)
    outcome = run("q", {"q": "1 [center] a\n2 [typed] of #1", "a": "1 [docs] b"}, [
        text, Asks("typed", echo),
    ])  # fmt: skip
    assert outcome.acts().count("absorb") == 1  # the passage, and not the child's answer again


def test_at_the_depth_limit_the_child_answers_directly() -> None:
    docs = Asks("docs", lambda seek: Finding(Status.FOUND, text=f"<{seek.text}>"), typed=False)
    outcome = run("q", {"q": "1 [center] sub part"}, [docs], budget=Budget(depth=1))
    assert outcome.acts().count("decompose") == 1
    assert docs.texts == ["sub part"]
    assert outcome.answer("1") == "<sub part>"


def test_recursion_without_end_ends_at_the_depth() -> None:
    docs = Asks("docs", lambda seek: Finding(Status.FOUND, text="x"), typed=False)

    def deeper(prompt: object, sampling: object) -> str:
        del sampling
        question = question_of(prompt)
        return f"1 [center] {question} more" if "Break" in str(prompt) else "x [1]"

    outcome = run("q", deeper, [docs], budget=Budget(depth=4))
    assert outcome.acts().count("decompose") == 4
    assert outcome.paths == ["1", "1.1", "1.1.1", "1.1.1.1", "1.1.1.1.1"]
    assert outcome.solution.status == "answered"


def test_depth_zero_asks_nothing_of_the_planner() -> None:
    docs = Asks("docs", lambda seek: Finding(Status.FOUND, text="x"), typed=False)
    outcome = run("who?", {}, [docs], budget=Budget(depth=0))
    assert outcome.acts() == ["absorb"]
    assert docs.texts == ["who?"]


def test_center_is_offered_only_where_it_may_be_used() -> None:
    for depth, offered in ((1, False), (2, True)):
        outcome = run("q", {"q": "1 [docs] a"}, [Asks("docs", echo)], budget=Budget(depth=depth))
        (prompt,) = outcome.prompts("decompose")
        assert ("center: takes over" in prompt.messages[0].text) is offered
        assert ('"center"' in (outcome.model.calls[0].sampling.grammar or "")) is offered


def test_a_split_sees_the_step_with_quoted_answers() -> None:
    sources = [Asks("name", lambda s: found('the "X"')), Asks("docs", {"y": found(1)}, typed=False)]
    plans = {"q": "1 [name] a\n2 [docs] where is #1", "where is \"the 'X'\"": "1 [docs] y"}
    outcome = run("q", plans, sources, options=Options(reasks=False))
    assert outcome.paths == ["1", "2", "2.1"]
    assert outcome.answer("2") == "1"


def test_a_child_of_a_plan_without_sources_answers_from_the_model() -> None:
    outcome = run("q", {"q": "1 [center] part"}, [])
    assert outcome.acts()[-1] == "direct"


def test_a_step_that_could_not_be_computed_is_not_split() -> None:
    def refuse(seek: Seek) -> Finding:
        return failed("not computable")

    def decompositions(source: Asks) -> int:
        plans = {"q": "1 [calc] 4 / Kenya", "4 / Kenya": "1 [calc] 4"}
        return run("q", plans, [source], options=Options(reasks=False)).acts().count("decompose")

    assert decompositions(Asks("calc", refuse)) > 1
    assert decompositions(Asks("calc", refuse, computes=True)) == 1
