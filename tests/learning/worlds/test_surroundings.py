"""Questions shown as parts of longer ones."""

from __future__ import annotations

from random import Random

from centerlm.learning.worlds import make_world
from centerlm.learning.worlds.relations import relations
from centerlm.learning.worlds.surroundings import surrounded
from centerlm.plan import CENTER


def test_the_question_stands_inside_a_longer_one() -> None:
    for seed in range(200):
        whole = surrounded("Who is the mayor of Valola?", Random(seed))
        assert whole is not None
        assert "the mayor of Valola" in whole
        assert len(whole) > len("Who is the mayor of Valola?")


def test_only_questions_that_nest_have_surroundings() -> None:
    assert surrounded("How many people live in Valola?", Random(0)) is None
    assert surrounded("Who are the children of Ada?", Random(0)) is None


def test_what_is_held_out_for_tests_is_never_around_a_question() -> None:
    held_out = [r for r in relations().values() if r.held_out]
    new = {n.replace("{}", "").strip() for r in relations().values() for n in r.new.nouns}
    trained = {n.replace("{}", "").strip() for r in relations().values() for n in r.train.nouns}
    never = {n for n in new - trained if len(n) > 12}
    never |= {n.replace("{}", "").strip() for r in held_out for n in r.train.nouns if len(n) > 15}
    for seed in range(300):
        whole = surrounded("What is the home city of Ada Brandt?", Random(seed)) or ""
        assert not [noun for noun in never if noun in whole]


def test_being_a_part_does_not_tell_how_many_steps_are_needed() -> None:
    """Of questions of two hops many are parts; of questions of one hop many are none."""
    seen = {(hops, part): 0 for hops in (1, 2) for part in (True, False)}
    for seed in range(20):
        for question in make_world(seed, max_hops=2).questions:
            for decision in question.decisions["peel"]:
                hops = 1 + any(CENTER in step.sources for step in decision.plan.steps)
                if len(decision.plan.steps) <= 2:
                    seen[hops, decision.root is not None] += 1
    for hops in (1, 2):
        share = seen[hops, True] / (seen[hops, True] + seen[hops, False])
        assert 0.25 < share < 0.9, (hops, share)


def test_a_part_is_nested_about_as_often_as_not_however_it_is_worded() -> None:
    counts = {True: 0, False: 0}
    for seed in range(12):
        for question in make_world(seed, max_hops=2).questions:
            for decision in (*question.decisions["peel"], *question.parts):
                asks = decision.objective.startswith(("Who is ", "What is "))
                if decision.root is not None and asks:
                    counts[CENTER in decision.plan.steps[0].sources] += 1
    assert 0.4 < counts[True] / sum(counts.values()) < 0.65


def test_nested_parts_are_cut_out_of_the_longer_question() -> None:
    shown = [q for q in make_world(3, max_hops=2).questions if q.parts]
    assert shown
    for part in (part for question in shown for part in question.parts):
        phrase = part.objective.partition(" is ")[2].rstrip("?")
        assert phrase in (part.root or "")
        first, second = part.plan.steps
        assert first.text.partition(" is ")[2].rstrip("?") in phrase
        assert part.objective.startswith(second.text.partition("#1")[0])
        assert (first.sources, second.sources) == ((CENTER,), ("documents",))


def test_worlds_to_test_on_show_no_parts() -> None:
    assert not [q for q in make_world(0, max_hops=2, split="test").questions if q.parts]
