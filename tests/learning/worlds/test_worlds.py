"""What holds of every world: plans parse, answers are exact, texts hold what readings say."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import pytest

from centerlm.errors import InputError
from centerlm.finding import format_value, named_items
from centerlm.learning.worlds import KINDS, World, WorldQuestion, make_world, questions_of
from centerlm.learning.worlds.relations import relations
from centerlm.learning.worlds.world import TAUGHT, Split
from centerlm.plan import CENTER, format_plan, parse_plan
from centerlm.sources.base import Binding
from centerlm.sources.calculator import evaluate
from centerlm.verify import contains

SEEDS = range(12)


USUAL_OR_WIDE = pytest.mark.parametrize("wide", [False, True], ids=["usual", "wide"])
"""Worlds as they are, or with more kinds of things and several facts in a sentence."""


@cache
def world(seed: int, split: Split = "train", max_hops: int = 2, *, wide: bool = False) -> World:
    joined = 0.6 if wide else 0.0
    return make_world(seed, split=split, max_hops=max_hops, wide=wide, joined=joined)


def questions(
    split: Split = "train", max_hops: int = 2, *, wide: bool = False
) -> Iterator[tuple[World, WorldQuestion]]:
    for seed in SEEDS:
        made = world(seed, split, max_hops, wide=wide)
        for question in made.questions:
            yield made, question


def test_the_same_seed_gives_the_same_world_byte_for_byte() -> None:
    made = make_world(7, split="test", max_hops=4, kinds=KINDS)
    assert made == make_world(7, split="test", max_hops=4, kinds=KINDS)
    parts = [made.documents, made.replies, [replace(q, held_out=()) for q in made.questions]]
    held_out = [sorted(question.held_out) for question in made.questions]
    digest = hashlib.sha256(repr((parts, held_out)).encode())
    assert digest.hexdigest()[:16] == "396105ac998348e5"


@USUAL_OR_WIDE
@pytest.mark.parametrize("split", ["train", "test"])
def test_documents_have_30_to_90_words_and_titles_of_things(split: Split, wide: bool) -> None:
    for seed in SEEDS:
        made = world(seed, split, wide=wide)
        names = {thing.name for thing in made.graph.things}
        for text in made.documents:
            assert 30 <= len(text.text.split()) <= 90, text
            assert text.title in names
            assert "{" not in text.text
        assert len({text.id for text in made.documents}) == len(made.documents)


@USUAL_OR_WIDE
@pytest.mark.parametrize("split", ["train", "test"])
def test_every_fact_stands_in_the_documents_named(split: Split, wide: bool) -> None:
    for seed in SEEDS:
        made = world(seed, split, wide=wide)
        texts = {text.id: text for text in made.documents}
        for key, fact in made.graph.facts.items():
            for id_ in made.where[key]:
                assert contains(texts[id_].text, fact.answer), (fact, texts[id_])


@USUAL_OR_WIDE
@pytest.mark.parametrize("split", ["train", "test"])
def test_readings_hold_their_answers_and_unanswerable_ones_have_none(
    split: Split, wide: bool
) -> None:
    none = 0
    for made, question in questions(split, wide=wide):
        texts = {text.id: text.text for text in (*made.documents, *made.replies)}
        for reading in (*question.readings, *question.hearings):
            if reading.answer is None:
                none += 1
                assert not reading.passages
                continue
            assert reading.passages
            for id_ in reading.passages:
                assert contains(texts[id_], reading.answer), (reading, texts[id_])
    assert none > 50


@USUAL_OR_WIDE
@pytest.mark.parametrize("split", ["train", "test"])
def test_every_plan_parses_with_its_cards(split: Split, wide: bool) -> None:
    for _, question in questions(split, 4, wide=wide):
        for form, decisions in question.decisions.items():
            assert decisions[0].objective == question.text
            assert split == "train" or decisions[0].root is None
            for decision in decisions:
                names = [card.name for card in decision.cards]
                assert {"documents", "calculator"} <= {*names}
                assert len(names) == len({*names})
                text = format_plan(decision.plan)
                assert parse_plan(text, sources=names) == decision.plan
                assert decision.recursion == (form == "peel")
                if form == "flat":
                    assert f"[{CENTER}]" not in text
            for decision in decisions[1:]:
                inner = decision.objective.partition(" is ")[2].rstrip("?")
                surrounded = split == "train" and inner and inner in (decision.root or "")
                assert decision.root == question.text or surrounded


def test_plain_cards_are_the_same_in_all_worlds_and_alone() -> None:
    without = ("expert", "person", "experiment")
    for split, seeds in (("train", range(3)), ("test", range(2))):
        for seed in seeds:
            world = make_world(seed, split=split, cards="plain", kinds=("chain",))
            varied = make_world(seed, split=split, kinds=("chain",))
            assert world.documents == varied.documents
            shown = {card for question in world.questions for card in question.cards}
            assert shown == set(make_world(9, cards="plain", without=without).cards.values())
            assert {card.name for card in shown} == {"documents", "calculator"}
            assert {c.name for q in varied.questions for c in q.cards} > {c.name for c in shown}
    world = make_world(3, cards="plain")
    for question in world.questions:
        needed = {n for d in question.decisions["flat"] for s in d.plan.steps for n in s.sources}
        assert {card.name for card in question.cards} == needed | {"documents", "calculator"}


def test_each_child_of_a_peel_plan_is_a_decision_of_its_own() -> None:
    for _, question in questions(max_hops=4):
        decisions = {d.objective: d for d in question.decisions["peel"]}
        for decision in decisions.values():
            for step in decision.plan.steps:
                if step.sources == (CENTER,):
                    assert step.text in decisions


@pytest.mark.parametrize("split", ["train", "test"])
def test_at_least_15_percent_each_need_an_expert_the_user_or_an_experiment(split: Split) -> None:
    for max_hops in (1, 2, 4):
        needed = Counter[str]()
        total = 0
        for _, question in questions(split, max_hops):
            total += 1
            plan = question.plan("flat")
            sources = {name.partition(":")[0] for step in plan.steps for name in step.sources}
            needed.update(sources)
            if beyond := sources & {"expert", "person", "experiment"}:
                own = {card.name.partition(":")[0] for card in question.cards}
                assert beyond <= own
                used = {name for step in plan.steps for name in step.sources}
                others = {c.name for c in question.cards} - used - {"documents", "calculator"}
                assert 1 <= len(others) <= 3
        assert total == 24 * len(SEEDS)
        for source in ("expert", "person", "experiment"):
            assert needed[source] >= 0.15 * total, (source, max_hops)


@USUAL_OR_WIDE
def test_50_train_worlds_hold_nothing_that_is_held_out(wide: bool) -> None:
    known = relations().values()
    assert sum(r.held_out for r in known) >= 5
    assert all(len({*r.train.nouns, *r.train.asks, *r.new.nouns, *r.new.asks}) >= 12 for r in known)
    assert all(len({*r.train.says, *r.new.says}) >= 8 for r in known)
    assert all(len({*r.new.nouns, *r.new.asks}) >= 4 for r in known)
    assert all(any(n.endswith(" {}") for n in w.nouns) for r in known for w in (r.train, r.new))
    old = " ".join(w for r in known for w in (*r.train.nouns, *r.train.asks, *r.train.says))
    new_asks = [ask.split("{}") for r in known for ask in r.new.asks]
    new_nouns = [noun.removesuffix("{}") for r in known for noun in r.new.nouns]
    new_nouns = [noun for noun in new_nouns if noun not in old]
    new_says = [
        piece
        for r in known
        for say in r.new.says
        for piece in re.split(r"\{.\}", say)
        if len(piece) > 12 and piece not in old
    ]
    assert len(new_nouns) > 80
    assert len(new_says) > 60
    held_out = {r.name for r in known if r.held_out}
    for seed in range(50):
        made = make_world(seed, wide=wide, joined=0.5 * wide)
        assert not held_out & {relation for _, relation in made.graph.facts}
        documents = " ".join(text.text for text in made.documents)
        assert not [piece for piece in new_says if piece in documents]
        for question in made.questions:
            assert not question.held_out
            for text in (question.text, *(r.question for r in question.readings)):
                assert not [noun for noun in new_nouns if noun in text]
                assert not [a for a in new_asks if text.startswith(a[0]) and text.endswith(a[1])]


def test_test_worlds_have_all_that_is_held_out() -> None:
    seen = Counter[str]()
    for _, question in questions("test"):
        seen.update(question.held_out)
        seen["questions"] += 1
    assert 0.3 < seen["wording"] / seen["questions"] < 0.7
    assert seen["relation"] > 10
    assert seen["source"] > 5


def answers_of(question: WorldQuestion) -> dict[str, str]:
    """Gold answers of requests by text: from readings and folds."""
    given = {r.question: r.answer for r in (*question.readings, *question.hearings) if r.answer}
    for folds in question.folds.values():
        for fold in folds:
            given.update(fold.steps)
    return given


@USUAL_OR_WIDE
@pytest.mark.parametrize("split", ["train", "test"])
def test_every_calculation_gives_the_gold_answer(split: Split, wide: bool) -> None:
    """Recomputed by the real calculator from the answers of the flat plan's other steps."""
    checked = Counter[str]()
    rare = (
        (made, question)
        for made in (world(seed, split, 4, wide=wide) for seed in SEEDS)
        for question in questions_of(made, hops=range(1, 5), kinds=sorted({*TAUGHT}))
    )
    for made, question in itertools.chain(questions(split, 4, wide=wide), rare):
        value = run_flat(made, question)
        if value is not None:
            assert value == question.answer, (question.text, question.plan("flat"))
            checked[question.kind] += 1
    assert set(checked) >= {
        "comparison",
        "superlative",
        "arithmetic",
        "same",
        "dates",
        "money",
        "count",
        "each",
        "experiment",
        "person",
        "chain",
        "expert",
        "lifespan",
        "age",
        "apart",
        "before",
        "exceeds",
    }


def run_flat(made: World, question: WorldQuestion) -> str | None:
    """The answer of the flat plan, every request answered by the gold answer to its text."""
    from centerlm.learning.worlds.sources import private_answer
    from centerlm.plan import fill

    given = answers_of(question)
    values: dict[int, Binding] = {}
    for step in question.plan("flat").steps:
        match step.sources[0]:
            case "calculator":
                value = evaluate(step.text, {k: values[k] for k in step.needs})
            case "experiment":
                number = step.text.partition("(")[2].rstrip(")")
                value = made.secrets.machine.run(int(number))
            case "person":
                value = private_answer(made.secrets, step.text)
            case _ if step.each is not None:
                items = values[step.each].value
                if isinstance(items, str):
                    items = named_items(items)
                assert isinstance(items, tuple)
                value = tuple(given[fill(step.text, {step.each: str(item)})] for item in items)
            case _:
                text = fill(step.text, {k: format_value(values[k].value) for k in step.needs})
                value = given[text]
        values[step.id] = Binding(value)
    return format_value(values[len(values)].value)


def test_a_possessive_stands_after_a_name_alone() -> None:
    """ "The mayor of X's mother" would have two readings: what is peeled off never ends in 's."""
    seen = 0
    for split in ("train", "test"):
        for _, question in questions(split, 4):
            for decision in question.decisions["peel"]:
                first, *rest = decision.plan.steps
                if first.sources == (CENTER,) and len(rest) == 1:
                    seen += 1
                    assert "#1's" not in rest[0].text, decision
    assert seen > 200


def test_chains_of_8_hops_peel_down_to_one_hop() -> None:
    seen = 0
    for seed in range(6):
        for question in questions_of(world(seed), hops=[8], kinds=["chain"], count=6):
            seen += 1
            levels = question.decisions["peel"]
            assert question.hops == len(levels) == 8
            assert [len(level.plan.steps) for level in levels] == [2] * 7 + [1]
            for outer, inner in itertools.pairwise(levels):
                assert outer.plan.steps[0].text == inner.objective
                assert outer.plan.steps[0].sources == (CENTER,)
                # Pure cutting: what the inner question asks for stands in the outer one.
                phrase = inner.objective.partition(" is ")[2].rstrip("?")
                assert phrase in outer.objective
            assert len(question.folds["peel"]) in (7, 8)
            assert len(question.plan("flat").steps) == 8
    assert seen >= 20


def test_hops_and_kinds_that_do_not_exist_are_refused() -> None:
    with pytest.raises(InputError, match="max_hops is 9; give 1 to 8"):
        make_world(1, max_hops=9)
    with pytest.raises(InputError, match="no kind of question 'riddle'"):
        questions_of(world(1), kinds=["riddle"])
    with pytest.raises(InputError, match="hops are"):
        questions_of(world(1), hops=[0])
    with pytest.raises(InputError, match="world of 2 people"):
        make_world(1, people=2)


def test_every_relation_of_a_test_world_can_end_a_chain() -> None:
    """Also one all of whose questions have a possessive, which does not suit a phrase."""
    world = make_world(7_000_001, split="test", max_hops=2, people=40)
    asked = questions_of(world, hops=(2, 3, 4), kinds=["chain"], count=400)
    assert len(asked) == 400


def test_kinds_of_sources_can_be_held_out() -> None:
    for seed in SEEDS:
        made = make_world(seed, max_hops=2, without=("person", "experiment"))
        assert not {"person", "experiment"} & set(made.cards) and "documents" in made.cards
        assert any(name.startswith("expert:") for name in made.cards)
        for question in made.questions:
            named = {n for d in question.decisions["peel"] for s in d.plan.steps for n in s.sources}
            offered = {card.name for card in question.cards}
            assert not {"person", "experiment"} & (named | offered)
    with pytest.raises(InputError, match="no world has sources of kind 'maps'"):
        make_world(1, without=("maps",))


def test_a_world_may_be_asked_of_some_kinds_alone() -> None:
    made = make_world(3, kinds=("chain",))
    assert {question.kind for question in made.questions} == {"chain"}
    assert {question.kind for question in make_world(3).questions} > {"chain"}
    with pytest.raises(InputError, match="no kind of question 'riddle'; known: "):
        make_world(3, kinds=("riddle",))
