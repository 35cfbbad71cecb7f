"""Credit: sign and range of every term, gold at every node, and policies told apart."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from centerlm.episode import Episode, Node
from centerlm.errors import InputError
from centerlm.finding import Usage
from centerlm.learning.credit import (
    Gold,
    NodeCredit,
    Scale,
    Weights,
    credit,
    is_right,
    normalised_cost,
    source_choices,
)
from centerlm.models.base import Prompt, Sampling
from centerlm.run import Options
from engine import Asks, script
from scripted_rollouts import (
    ALWAYS_SEARCH,
    ANSWERS,
    FACTS,
    GOLD,
    NEVER_STOP,
    ONE_SOURCE,
    QUESTION,
    SENSIBLE,
    Rolled,
    adder,
    documents,
    policy,
    reads,
    roll,
)

KNOWING = {**ANSWERS, QUESTION: "650", "What is 400 plus 250?": "650"}
EVERYTHING = {**FACTS, "What is 400 plus 250?": "It is 650.", "Who is Ada?": "A painter."}


def root(rolled: Rolled, **more: object) -> NodeCredit:
    return rolled.credits(**more)[0]  # pyright: ignore[reportArgumentType]


@pytest.fixture(scope="module")
def sensible() -> Rolled:
    rolled = roll(policy(SENSIBLE))
    assert rolled.solution.answer == "650"
    return rolled


# --- policies ------------------------------------------------------------------------------------


def test_always_searching_is_worth_less_even_where_the_answer_is_right(sensible: Rolled) -> None:
    search = roll(policy(ALWAYS_SEARCH, reads(KNOWING)))
    assert search.solution.answer == "650"
    mine, other = root(sensible), root(search)
    assert mine.right and other.right
    assert other.cost > mine.cost and other.children < mine.children
    assert other.total < mine.total


def test_searching_for_more_costs_though_every_search_finds(sensible: Rolled) -> None:
    """All that was searched for is there, and right by gold: only the cost is against it."""
    knowing = {**KNOWING, "Who is Ada?": "a painter"}
    plan = SENSIBLE + "\n6 [documents] Who is Ada?"
    search = roll(policy(plan, reads(knowing)), sources=[documents(EVERYTHING), adder()])
    gold = replace(GOLD, questions={**GOLD.questions, "who is Ada": ("a painter",)})
    assert root(search, gold=gold).children > root(sensible).children - 0.11
    alone = Weights(diversity=0, children=0)
    assert root(search, gold=gold, weights=alone).total < root(sensible, weights=alone).total


def test_never_stopping_is_worth_less_without_an_answer_and_with_one(sensible: Rolled) -> None:
    endless = roll(policy(NEVER_STOP))
    assert endless.solution.answer is None
    assert root(endless).total == 0 < root(sensible).total

    def late(question: str) -> str:
        return SENSIBLE if question.count("Again") > 1 else f"1 [center] Again: {question}"

    answering = policy("")

    def say(prompt: Prompt, sampling: Sampling) -> object:
        question = prompt.messages[-1].text.rpartition("Question: ")[2]
        plans = prompt.messages[0].text.startswith("Break")
        return late(question) if plans else answering(prompt, sampling)

    slow = roll(say)
    assert slow.solution.answer == "650"
    assert root(slow).right and root(slow).total < root(sensible).total


def test_hiding_failures_one_level_down_gains_nothing() -> None:
    """The same plan with a doubtful step, once asked and once wrapped in a [center] step."""
    plan = SENSIBLE + "\n6 [documents] Who is Ada?"

    def wrapped(question: str) -> str:
        return plan if "Again" in question else f"1 [center] Again: {question}"

    knowing = reads({**KNOWING, f"Again: {QUESTION}": "650", "Who is Ada?": "a painter"})
    sources = [documents(EVERYTHING), adder()]
    open_ = roll(policy(plan, knowing), sources=sources)
    hidden = roll(script(wrapped, absorb=knowing), sources=sources)
    assert open_.solution.answer == hidden.solution.answer == "650"
    assert 0 < root(hidden).children <= root(open_).children < 1
    assert root(hidden).total < root(open_).total


def test_one_source_only_is_worth_less_wrong_or_right(sensible: Rolled) -> None:
    wrong = roll(policy(ONE_SOURCE))
    assert not root(wrong).right and root(wrong).total < root(sensible).total
    right = roll(policy(ONE_SOURCE, reads(KNOWING)), sources=[documents(EVERYTHING), adder()])
    assert right.solution.answer == "650"
    free = Weights(cost=0)  # what is left between the two is the diversity term
    one, two = root(right, weights=free), root(sensible, weights=free)
    assert one.diversity == free.diversity and two.diversity < free.diversity
    assert one.total < two.total


def test_a_sensible_wrong_answer_is_worth_less_than_the_dearest_right_one(sensible: Rolled) -> None:
    wrong = root(sensible, gold=replace(GOLD, answers=("651",)))
    ruinous = Weights(scale=Scale(1e-9, 1e-9, 1e-9, 1e-9), cost=0.39)
    right = root(sensible, weights=ruinous)
    assert wrong.cost == wrong.diversity == 0
    assert right.cost > 0.3 and right.total > wrong.total


# --- nodes and gold ------------------------------------------------------------------------------


def test_a_node_right_by_its_sub_answer_counts_where_the_root_is_wrong(sensible: Rolled) -> None:
    gold = replace(GOLD, answers=("nobody",))
    assert sensible.at("", "decompose", gold).own == 0
    assert sensible.at("1", "seek", gold).right and sensible.at("1", "absorb", gold).right
    assert sensible.at("", "decompose", gold).children == 4 / 5


def test_a_node_wrong_by_its_sub_answer_is_wrong_where_the_root_is_right(sensible: Rolled) -> None:
    gold = replace(GOLD, questions={"where was ADA born": ("Sutton",)})
    assert sensible.at("", "decompose", gold).right
    assert sensible.at("1", "seek", gold).own == 0


def test_what_gold_does_not_know_inherits_a_part_of_a_right_root(sensible: Rolled) -> None:
    silent = Gold(("650",))
    assert sensible.at("1", "seek", silent).own == Weights().inherited
    assert not sensible.at("1", "seek", silent).right
    assert sensible.at("1", "seek", Gold(("651",))).own == 0


def test_the_last_step_that_gave_the_right_answer_is_right(sensible: Rolled) -> None:
    assert sensible.at("5", "seek").right
    assert sensible.at("4", "seek", Gold(("650",))).own < 1


def test_findings_of_the_gold_decomposition_tell_right_and_never_wrong(sensible: Rolled) -> None:
    gold = Gold(("651",), findings=(("Norwick", "Norwick town"),))
    assert sensible.at("1", "seek", gold).right
    assert sensible.at("3", "seek", gold).own == 0  # of the wrong root, not of the findings
    right = Gold(("650",), findings=gold.findings)
    assert sensible.at("3", "seek", right).own == Weights().inherited


def test_no_answer_is_right_where_none_is_accepted() -> None:
    plan = "1 [documents] Where was Ada born?\n2 [documents] Who is Zed?"
    rolled = roll(policy(plan, reads({**ANSWERS, QUESTION: "Norwick"})))
    gold = Gold(("Norwick",), {"Who is Zed?": ()})
    assert rolled.at("2", "seek", gold).right
    assert rolled.at("2", "seek", Gold(("Norwick",), {"Who is Zed?": ("Z",)})).own == 0


def test_items_of_a_list_and_their_step() -> None:
    plan = "1 [lister] List the towns\n2 [documents each #1] How many people live in #1?"
    towns = Asks("lister", lambda _: ("Norwick", "Nowhere", "Sutton"))
    rolled = roll(policy(plan), sources=[documents(), towns])
    nodes = {c.path: c for c in rolled.credits() if c.act in ("each", "seek")}
    assert nodes["2"].act == "each"
    assert nodes["2"].children == pytest.approx(2 / 3)
    assert [nodes[p].own for p in ("2.1", "2.2", "2.3")] == [1, 0, 1]


def test_a_step_that_was_split_is_credited_for_both_acts() -> None:
    def plans(question: str) -> str:
        if question == QUESTION:
            return "1 [documents] Where do Ada's neighbours live?"
        return "1 [documents] Where was Ada born?\n2 [documents] How many people live in #1?"

    said = {**ANSWERS, "Where do Ada's neighbours live?": "Norwick"}
    rolled = roll(script(plans, absorb=reads(said), seek="other words"), options=Options(reopens=0))
    acts = {(c.path, c.act) for c in rolled.credits()}
    assert {("1", "decompose"), ("1", "seek"), ("1", "absorb"), ("1.1", "seek")} <= acts


def test_a_level_without_steps_gains_nothing_by_splitting() -> None:
    """A node that answers alone and one all of whose parts are right get the same."""
    tree = Episode(status="answered", answer="650")
    assert credit(tree, GOLD)[0].total == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("answer", "right"),
    [("The Norwick", True), ("Norwick town", True), ("the town of Norwick in Kent", False)],
)
def test_the_gate(answer: str, right: bool) -> None:
    assert is_right(answer, ("Norwick",)) == right
    assert not is_right(None, ("Norwick",))


def test_diversity_is_of_the_group_where_it_is_given(sensible: Rolled) -> None:
    own = source_choices([sensible.solution.tree])
    assert own == {"documents": 4, "calculator": 1}
    even = root(sensible, choices={"documents": 10, "calculator": 10, "web": 10})
    always = root(sensible, choices={"documents": 100})
    assert even.diversity < root(sensible).diversity < always.diversity <= Weights().diversity
    assert root(roll(policy("1 [documents] Where was Ada born?"))).diversity == 0


# --- properties ----------------------------------------------------------------------------------

usages = st.builds(
    Usage,
    st.integers(0, 10**6),
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    st.floats(0, 1e6),
    st.floats(0, 1e6),
)
weightings = st.builds(
    lambda own, children, cost, diversity, inherited: Weights(
        own=own + children + cost + diversity,
        children=children,
        cost=cost,
        diversity=diversity,
        inherited=inherited,
    ),
    st.floats(0.01, 5),
    *(st.floats(0, 5) for _ in range(3)),
    st.floats(0, 0.99),
)


@st.composite
def trees(draw: st.DrawFn) -> Episode:
    """An episode with nodes of any status, answer, spending and shape."""
    answers = st.sampled_from(["650", "Norwick", "x", ""])
    episode = Episode(status="answered", answer=draw(answers), usage=draw(usages))
    paths = [""]
    for _ in range(draw(st.integers(0, 8))):
        above = draw(st.sampled_from(paths))
        number = 1 + sum(p.rpartition(".")[0] == above and p != "" for p in paths)
        path = f"{above}.{number}" if above else str(number)
        paths.append(path)
        node = episode.node(path)
        node.line = draw(st.sampled_from(["1 [documents] x", ""]))
        node.text = draw(st.sampled_from([*ANSWERS, "unknown"]))
        node.sources = draw(st.sampled_from([("documents",), ("calculator",), ("center",), ()]))
        node.status = draw(st.sampled_from(["found", "nothing", "failed", "cancelled"]))
        node.answer, node.usage = draw(answers), draw(usages)
    return episode


@settings(max_examples=60, deadline=None)
@given(trees(), weightings, st.booleans())
def test_sign_and_range_of_every_term(tree: Episode, weights: Weights, absorbed: bool) -> None:
    acts = [(path, "absorb") for path in tree.nodes] if absorbed else []
    credits_ = credit(tree, GOLD, weights, acts=acts)
    assert credits_[0].path == "" and {c.path for c in credits_} == {"", *tree.nodes}
    for c in credits_:
        assert 0 <= c.own <= 1 and 0 <= c.children <= 1
        assert 0 <= c.cost <= weights.cost and 0 <= c.diversity <= weights.diversity
        if c.own == 0:
            assert c.cost == c.diversity == 0, "only what is right pays"
        expected = weights.own * c.own + weights.children * c.children - c.cost - c.diversity
        assert c.total == pytest.approx(expected)
        assert -1e-9 <= c.total <= weights.own + weights.children + 1e-9


@settings(max_examples=60, deadline=None)
@given(trees(), trees(), weightings)
def test_no_cost_turns_a_right_node_below_a_wrong_one(
    one: Episode, two: Episode, weights: Weights
) -> None:
    both = [c for tree in (one, two) for c in credit(tree, GOLD, weights)]
    wrong = [c.total for c in both if c.own == 0]
    assert all(c.total > max(wrong, default=-1.0) for c in both if c.right)


@settings(max_examples=40, deadline=None)
@given(trees(), usages)
def test_spending_more_never_pays(tree: Episode, more: Usage) -> None:
    before = [c.total for c in credit(tree, GOLD)]
    for node in tree.nodes.values():
        node.usage += more
        tree.usage += more
    after = [c.total for c in credit(tree, GOLD)]
    assert all(b >= a - 1e-9 for b, a in zip(before, after, strict=True))


@settings(max_examples=40, deadline=None)
@given(trees(), st.integers(2, 6))
def test_children_count_by_their_mean_never_their_sum(tree: Episode, copies: int) -> None:
    """More of the same children change nothing."""
    before = {c.path: c.children for c in credit(tree, Gold(("650",)))}
    children = list(tree.roots)
    for copy in range(1, copies):
        for child in children:
            number = str(int(child.path) + copy * len(children))
            twin = replace(child, path=number, children=[])
            if child.children:
                return
            tree.nodes[number] = twin
            tree.roots.append(twin)
    last = {c.path: c for c in credit(tree, Gold(("650",)))}
    known = [c.own for c in last.values() if c.path and "." not in c.path]
    assert last[""].children == pytest.approx(sum(known) / len(known) if known else before[""])


@given(usages, usages)
def test_the_cost_grows_with_spending_and_stays_in_its_range(one: Usage, two: Usage) -> None:
    weights = Weights()
    assert 0 <= normalised_cost(one, weights) <= normalised_cost(one + two, weights) + 1e-12
    assert normalised_cost(one + two, weights) <= 1
    assert normalised_cost(Usage(), weights) == 0


def test_half_of_the_cost_is_charged_at_the_scale() -> None:
    calls = Weights(parts=(1, 0, 0, 0), scale=Scale(calls=4))
    assert normalised_cost(Usage(calls=4, prompt_tokens=10**9), calls) == 0.5


def test_a_joined_step_costs_nothing_again() -> None:
    plan = (
        "1 [documents] Where was Ada born?\n2 [center] Where was Ada born, please?\n"
        "3 [documents] How many people live in #1?"
    )

    def plans(question: str) -> str:
        return plan if question == QUESTION else "1 [documents] Where was Ada born?"

    rolled = roll(script(plans, absorb=reads(KNOWING)))
    tree = rolled.solution.tree
    joined = next(node for node in tree.nodes.values() if node.joined)
    assert joined.usage == Usage() and rolled.at(joined.path, "seek").right


# --- bad input -----------------------------------------------------------------------------------


def test_weights_that_could_reward_a_wrong_answer_are_refused() -> None:
    with pytest.raises(InputError, match="wrong answer could be worth more"):
        Weights(own=1, children=0.5, cost=0.5)
    for bad in (
        lambda: Weights(cost=-0.1),
        lambda: Weights(parts=(0, 0, 0, 0)),
        lambda: Weights(scale=Scale(calls=0)),
        lambda: Weights(cost=float("nan")),
    ):
        with pytest.raises(InputError, match="0 or more"):
            bad()
    with pytest.raises(InputError, match="inherited"):
        Weights(inherited=1)


def test_gold_without_an_answer_is_refused() -> None:
    with pytest.raises(InputError, match="at least one"):
        Gold(())


def test_an_episode_that_never_began_has_credit_0() -> None:
    assert [c.total for c in credit(Episode(), GOLD)] == [0.0]


def test_a_node_keeps_its_own_usage() -> None:
    """Credit reads the tree and changes nothing in it."""
    tree = Episode(status="answered", answer="650")
    tree.node("1").usage = Usage(calls=3)
    tree.usage = Usage(calls=5)
    before = repr(tree)
    first = credit(tree, GOLD)
    assert credit(tree, GOLD) == first and repr(tree) == before
    assert isinstance(tree.nodes["1"], Node)
