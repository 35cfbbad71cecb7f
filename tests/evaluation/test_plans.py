"""Plans against human plans, with values worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from centerlm.evaluation.plans import (
    Choice,
    by_kind,
    edit,
    is_valid,
    no_cost,
    sari,
    score_plan,
    source_cost,
    word_cost,
)
from centerlm.plan import Plan, Step, parse_plan

QUESTION = "When was the composer of The Tallow Waltz born?"
HUMAN = parse_plan("1 [documents] Who composed The Tallow Waltz?\n2 [documents] When was #1 born?")
COMPARISON = parse_plan(
    "1 [documents] When was Ada born?\n"
    "2 [documents] When was Bela born?\n"
    "3 [calculator] earlier(Ada: #1, Bela: #2)"
)


def test_the_same_plan_scores_best() -> None:
    scores = score_plan(QUESTION, HUMAN, HUMAN)
    assert (scores.steps, scores.structure, scores.graph, scores.sari) == (1, 1, 1, 1)
    assert (scores.distance, scores.structure_distance) == (0, 0)
    assert scores.choices == (Choice("documents", "documents"),) * 2


def test_no_plan_scores_worst() -> None:
    scores = score_plan(QUESTION, None, COMPARISON)
    assert (scores.steps, scores.structure, scores.graph, scores.sari) == (0, 0, 0, 0)
    assert (scores.distance, scores.structure_distance) == (1, 1)
    assert [c.chosen for c in scores.choices] == [None, None, None]


def test_a_missing_step_costs_the_step_and_its_reference() -> None:
    one = parse_plan("1 [documents] Who composed The Tallow Waltz?")
    assert edit(one, HUMAN, word_cost).cost == 2
    assert edit(HUMAN, one, word_cost).cost == 2
    scores = score_plan(QUESTION, one, HUMAN)
    # The larger graph has 2 steps and 1 reference.
    assert scores.distance == pytest.approx(2 / 3)
    assert scores.structure_distance == pytest.approx(2 / 3)
    assert scores.choices == (Choice("documents", "documents"), Choice("documents", None))


def test_the_order_of_independent_steps_does_not_matter() -> None:
    swapped = parse_plan(
        "1 [documents] When was Bela born?\n"
        "2 [documents] When was Ada born?\n"
        "3 [calculator] earlier(Ada: #2, Bela: #1)"
    )
    aligned = edit(swapped, COMPARISON, word_cost)
    assert (aligned.cost, aligned.pairs, aligned.exact) == (0, ((1, 2), (2, 1), (3, 3)), True)


def test_other_words_cost_the_share_that_differs() -> None:
    other = parse_plan("1 [documents] Who wrote The Tallow Waltz?\n2 [documents] When was #1 born?")
    # who, composed|wrote, tallow, waltz: 3 of 4 words are the same, F1 = 0.75.
    assert edit(other, HUMAN, word_cost).cost == pytest.approx(0.25)
    assert score_plan(QUESTION, other, HUMAN).graph == 1


def test_graph_needs_the_right_sources_structure_does_not() -> None:
    other = parse_plan(str(COMPARISON).replace("[calculator]", "[documents]"))
    scores = score_plan("Who was born earlier?", other, COMPARISON)
    assert (scores.steps, scores.structure, scores.graph) == (1, 1, 0)
    assert scores.choices[2] == Choice("calculator", "documents")
    assert edit(other, COMPARISON, source_cost).cost == 1


def test_sources_may_have_to_be_matched_by_another_pairing() -> None:
    """Both orders keep the structure; only one of them keeps the sources."""
    first = parse_plan("1 [documents] a\n2 [person] b\n3 [calculator] #1 + #2")
    second = parse_plan("1 [person] x\n2 [documents] y\n3 [calculator] #1 + #2")
    assert score_plan("?", first, second).graph == 1


def test_each_is_another_reference() -> None:
    each = parse_plan("1 [documents] lakes\n2 [documents each #1] How deep is #1?")
    plain = parse_plan("1 [documents] lakes\n2 [documents] How deep is #1?")
    assert edit(each, plain, no_cost).cost == 1
    assert score_plan("?", each, plain).structure == 0


def test_a_chain_is_not_a_fan() -> None:
    chain = parse_plan("1 [documents] a\n2 [documents] b #1\n3 [documents] c #2")
    fan = parse_plan("1 [documents] a\n2 [documents] b #1\n3 [documents] c #1")
    # 2->3 has to be taken out and 1->3 put in.
    assert edit(chain, fan, no_cost).cost == 2
    assert score_plan("?", chain, fan).structure == 0


def test_choices_by_kind() -> None:
    chosen = [
        Choice("expert:law", "expert:law"),
        Choice("expert:art", "expert:law"),
        Choice("documents", None),
    ]
    assert by_kind(chosen) == {"documents": (0, 1), "expert": (1, 2)}


def test_sari_by_hand() -> None:
    """Question "a b", ours "a c", theirs "a d".

    1-grams: keep a (F1 1), add c for d (0), delete b (1): 2/3. 2-grams: nothing to keep (1), "a c"
    for "a d" (0), delete "a b" (1): 2/3. Longer: there are none, 1. Mean: (2/3 + 2/3 + 1 + 1) / 4.
    """
    ours, theirs = (Plan((Step(1, ("documents",), text),)) for text in ("a c", "a d"))
    assert sari("a b", ours, theirs) == pytest.approx((2 / 3 + 2 / 3 + 1 + 1) / 4)


def test_sari_counts_what_should_have_been_kept() -> None:
    """Question "a b", ours "a", theirs "a b": of what is kept all is right (1) but half is there.

    1-grams: keep P 1, R 1/2, F1 2/3; add 1; delete b wrongly 0: 5/9. 2-grams: keep P 1, R 0: 0;
    add 1; delete 0: 1/3. Longer: 1.
    """
    ours, theirs = (Plan((Step(1, ("documents",), text),)) for text in ("a", "a b"))
    assert sari("a b", ours, theirs) == pytest.approx((5 / 9 + 1 / 3 + 1 + 1) / 4)


@pytest.mark.parametrize(
    ("text", "cut", "valid"),
    [
        ("1 [documents] x", False, True),
        ("1 [documents] x\n2 [center] #1", False, True),
        ("1 [atlas] x", False, False),
        ("Here is the plan:\n1 [documents] x", False, False),
        ("1 [documents] x\n2 [docu", True, True),
        ("1 [documents] x\n2 [docu", False, False),
        ("1 [documents] x", True, False),
        ("", False, False),
    ],
)
def test_validity_is_of_the_whole_reply(text: str, cut: bool, valid: bool) -> None:
    assert is_valid(text, ["documents", "center"], cut=cut) is valid


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    steps: list[Step] = []
    for id_ in range(1, draw(st.integers(1, 5)) + 1):
        named = sorted(draw(st.sets(st.integers(1, id_ - 1), max_size=3))) if id_ > 1 else []
        words = draw(st.sampled_from(["born", "mother of", "height of", "seat of the county"]))
        text = f"{words} {' '.join(f'#{k}' for k in named)} {id_}".strip()
        each = named[0] if named and draw(st.booleans()) else None
        steps.append(Step(id_, (draw(st.sampled_from(["documents", "person"])),), text, each))
    return Plan(tuple(steps))


@given(plans(), plans())
def test_distance_is_a_distance(first: Plan, second: Plan) -> None:
    there, back = edit(first, second, word_cost), edit(second, first, word_cost)
    assert there.exact and back.exact
    assert there.cost == pytest.approx(back.cost)
    assert edit(first, first, word_cost).cost == 0
    most = sum(len(p.steps) + sum(len(s.needs) for s in p.steps) for p in (first, second))
    assert 0 <= there.cost <= most
    scores = score_plan("Who was born?", first, second)
    assert 0 <= scores.distance <= 1 and 0 <= scores.sari <= 1
    assert scores.graph <= scores.structure <= scores.steps


def test_long_repetitive_plans_end_soon_and_say_so() -> None:
    """What an untrained model writes: ten steps of nearly the same words."""
    loop = Plan(tuple(Step(i, ("documents",), f"the same words again {i}") for i in range(1, 11)))
    other = Plan(tuple(Step(i, ("documents",), f"the very same words {i}") for i in range(1, 11)))
    found = edit(loop, other, word_cost)
    assert len(found.pairs) == 10
    assert 0 < found.cost < 10
