"""Worlds whose documents say several facts in a sentence, and worlds of more kinds of things."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from centerlm.errors import InputError
from centerlm.learning.worlds import World, make_world
from centerlm.learning.worlds.relations import relations

SEEDS = range(10)
USUAL = {"person", "film", "book", "song", "company", "school", "city", "country"}


def facts_of_sentences(world: World) -> list[int]:
    """For every sentence that states facts of its document's thing, how many."""
    things = {thing.name: thing.id for thing in world.graph.things}
    counts: list[int] = []
    for text in world.documents:
        facts = [f for f in world.graph.facts.values() if f.subject == things[text.title]]
        stated = [f for f in facts if text.id in world.where[f.subject, f.relation]]
        for sentence in re.split(r"(?<=\.) (?=[A-Z])", text.text):
            held = sum(f.answer in sentence for f in stated)
            counts += [held] if held else []
    return counts


def share_of_several(joined: float) -> float:
    counts = [n for seed in SEEDS for n in facts_of_sentences(make_world(seed, joined=joined))]
    return sum(n > 1 for n in counts) / len(counts)


def test_as_many_sentences_as_asked_for_state_several_facts() -> None:
    none, half, most = (share_of_several(joined) for joined in (0, 0.5, 1))
    assert none < 0.05  # a fact whose answer stands in another's
    assert 0.15 < half < most - 0.1


def test_what_a_sentence_ends_with_may_be_told_more_of() -> None:
    """Then the fact of the other thing stands in a document that is not titled by it."""
    elsewhere = Counter[bool]()
    for seed in SEEDS:
        world = make_world(seed, joined=1)
        titles = {text.id: text.title for text in world.documents}
        for fact in world.graph.facts.values():
            name = world.graph.things[fact.subject].name
            for id_ in world.where[fact.subject, fact.relation]:
                text = next(t.text for t in world.documents if t.id == id_)
                if titles[id_] != name and re.search(
                    f"{re.escape(name)}, (who|which|whose) ", text
                ):
                    elsewhere[fact.answer in text] += 1
    assert elsewhere[True] > 50
    assert not elsewhere[False]


@pytest.mark.parametrize(
    "pattern", [r"\(\d{4}-\d{4}\)", r"was born in \w+ in \d{4}", r" \(\d{4}\) "]
)
def test_years_stand_as_real_texts_write_them(pattern: str) -> None:
    texts = [t.text for seed in SEEDS for t in make_world(seed, joined=1, wide=True).documents]
    assert any(re.search(pattern, text) for text in texts)


def test_dates_of_a_wide_world_are_all_years_or_all_full() -> None:
    seen = Counter[bool]()
    for seed in SEEDS:
        world = make_world(seed, wide=True, joined=0.5)
        dates = [f for f in world.graph.facts.values() if relations()[f.relation].object == "date"]
        kinds = {fact.answer.isdecimal() for fact in dates}
        assert len(kinds) == 1
        seen[kinds.pop()] += 1
        assert not [t for t in world.documents if re.search(r"\bon \d{4}\b", t.text)]
    assert min(seen[True], seen[False]) > 1


def test_wide_worlds_ask_for_what_others_do_not_have() -> None:
    kinds, asked = Counter[str](), Counter[str]()
    for seed in SEEDS:
        world = make_world(seed, wide=True)
        own = {thing.kind for thing in world.graph.things} - USUAL
        assert 4 <= len(own) <= 6
        kinds.update(own)
        names = {t.name for t in world.graph.things if t.kind in own}
        asked.update(any(name in q.text for name in names) for q in world.questions)
        assert not {t.kind for t in make_world(seed).graph.things} - USUAL
    assert len(kinds) == 10
    assert asked[True] > 0.1 * asked.total()


def test_a_share_of_sentences_is_a_share() -> None:
    with pytest.raises(InputError, match=r"joined is 1\.5; give a share of sentences, 0 to 1"):
        make_world(1, joined=1.5)


def test_ages_are_asked_for_by_what_a_person_did() -> None:
    """And by that person alone: whoever "wrote it" is its author."""
    done = re.compile(r"(?:she|he) (painted|wrote|directed|sang) (.+?)\?")
    makers = {"painted": "painter", "wrote": "author", "directed": "director", "sang": "performer"}
    seen = Counter[str]()
    for seed in range(60):
        world = make_world(seed, wide=True, kinds=("age",), max_hops=1)
        by_name = {thing.name: thing.id for thing in world.graph.things}
        for question in world.questions:
            if match := done.search(question.text):
                maker = world.graph.facts[by_name[match[2]], makers[match[1]]]
                assert maker.answer in question.text
                seen[match[1]] += 1
    assert len(seen) == 4
