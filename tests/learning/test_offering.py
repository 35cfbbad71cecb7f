"""Cards and experience of decisions: choice follows cards, and evidence where cards are equal."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise

import pytest

from centerlm.errors import InputError
from centerlm.experience import experience_line
from centerlm.learning.offering import Offer, card_sets, offers
from centerlm.learning.records import Decision
from centerlm.plan import Plan, is_source_name, parse_plan
from centerlm.sources.base import Card

CARDS = card_sets(1)
PLAN = parse_plan("1 [documents] Who wrote Dawn?\n2 [documents] When was #1 born?")
SUM = parse_plan("1 [documents] How old is Dawn?\n2 [calculator] #1 + 1")


def decisions(n: int, plan: Plan = PLAN) -> list[Decision]:
    return [Decision(f"d{i}", "made", f"Question {i}?", plan) for i in range(n)]


def sources(offer: Offer) -> set[str]:
    return {name for step in offer.plan.steps for name in step.sources}


def test_sets_differ_and_name_their_cards_well() -> None:
    assert len(CARDS) == 40
    assert len({set_.cards for set_ in CARDS}) == 40
    for set_ in CARDS:
        names = [card.name for card in set_.cards]
        assert len(set(names)) == len(names)
        assert all(is_source_name(name) and name != "center" for name in names)
        assert {*set_.names.values(), *filter(None, [set_.twin])} == set(names)
    aliased = sum(set_.names["documents"] != "documents" for set_ in CARDS)
    assert aliased == 13
    assert sum(len(set_.cards) > 2 for set_ in CARDS) >= 15
    assert sum(set_.twin is not None for set_ in CARDS) == 5
    assert card_sets(1) == CARDS
    assert card_sets(2) != CARDS


def test_plans_use_the_names_shown_and_only_sources_that_know() -> None:
    for offer in offers(decisions(200, SUM), cards=CARDS, seed=1):
        knows = {card.name: card.knows for card in offer.view.cards}
        assert "passages of" in knows[offer.plan.steps[0].sources[0]]
        assert knows[offer.plan.steps[1].sources[0]].startswith("computes")
        assert [step.text for step in offer.plan.steps] == [step.text for step in SUM.steps]


def test_all_decisions_are_offered_those_of_one_set_beside_each_other() -> None:
    made = list(offers(decisions(200), cards=CARDS, seed=1))
    assert sorted(o.decision.id for o in made) == sorted(d.id for d in decisions(200))
    runs = sum(a.view.cards != b.view.cards for a, b in pairwise(made)) + 1
    assert runs == len({o.view.cards for o in made})
    assert {o.view.cards for o in made} <= {set_.cards for set_ in CARDS}


def test_recursion_and_root_are_shown_as_they_were() -> None:
    plan = parse_plan("1 [center] Who wrote Dawn?\n2 [documents] When was #1 born?")
    alone = Decision("d", "made", "Q?", PLAN, root="R?", recursion=False)
    both = [alone, Decision("e", "made", "Q?", plan)]
    made = {o.decision.id: o for o in offers(both, cards=CARDS, seed=1)}
    assert (made["d"].view.root, made["d"].view.recursion) == ("R?", False)
    assert made["e"].plan.steps[0].sources == ("center",)


def test_of_two_equal_cards_experience_says_which() -> None:
    twins = [set_ for set_ in CARDS if set_.twin]
    chosen: Counter[bool] = Counter()
    for offer in offers(decisions(100), cards=twins, seed=1):
        rates = {
            m[1]: int(m[2]) / int(m[3])
            for line in offer.view.experience.lines
            if (m := re.match(r"(\S+) answered (\d+) of (\d+) like: ", line))
        }
        assert len(rates) == 2
        assert sources(offer) == {max(rates, key=lambda name: rates[name])}
        knows = [card.knows for card in offer.view.cards if card.name in rates]
        assert knows[0] == knows[1]
        chosen[sources(offer) == {next(s for s in twins if s.cards == offer.view.cards).twin}] += 1
    assert min(chosen.values()) > 25


def test_experience_is_true_empty_and_misleading_in_turn() -> None:
    plain = [set_ for set_ in CARDS if not set_.twin and len(set_.cards) > 2]
    kinds: Counter[str] = Counter()
    for offer in offers(decisions(300), cards=plain, seed=1):
        lines = offer.view.experience.lines
        named = {line.split()[0] for line in lines}
        assert named <= {card.name for card in offer.view.cards}
        kinds["true" if named & sources(offer) else "misleading" if named else "empty"] += 1
    assert min(kinds[kind] for kind in ("true", "empty", "misleading")) > 70


def test_a_decision_keeps_its_own_cards() -> None:
    own = (Card("expert:history", "history"), Card("documents", "novels"))
    plan = parse_plan("1 [expert:history] Who?")
    asked = [Decision(f"d{n}", "made", "Q?", plan, cards=own) for n in range(3)]
    made = list(offers(asked, cards=CARDS, seed=1))
    assert len({o.view.cards for o in made}) == 1
    for offer in made:
        assert {card.knows for card in offer.view.cards} == {"history", "novels"}
        (name,) = sources(offer)
        assert next(c for c in offer.view.cards if c.name == name).knows == "history"


@pytest.mark.parametrize("cards", [(), (Card("documents", "novels"),)])
def test_a_plan_whose_source_no_card_offers_is_refused(cards: tuple[Card, ...]) -> None:
    decision = Decision("d7", "made", "Q?", parse_plan("1 [oracle] Who?"), cards=cards)
    with pytest.raises(InputError, match=r"decision d7 .*oracle"):
        list(offers([decision], cards=CARDS, seed=1))


def test_an_experience_is_one_short_line() -> None:
    assert experience_line("documents", 9, 10, "When was\nX born?") == (
        "documents answered 9 of 10 like: When was X born?"
    )
    assert len(experience_line("documents", 9, 10, "x" * 500)) < 200


def test_without_aliases_sources_keep_their_names() -> None:
    cards = (Card("documents", "texts"), Card("calculator", "sums"))
    own = [Decision(f"o{i}", "made", f"Own {i}?", PLAN, cards=cards) for i in range(9)]
    for aliases, names in ((False, {"documents"}), (True, {"documents", "other"})):
        sets = card_sets(1, aliases=aliases)
        made = list(offers([*decisions(80), *own], cards=sets, seed=3, aliases=aliases))
        plain = [o for o in made if o.view.cards and not _twin(o)]
        found = {n if n == "documents" else "other" for o in plain for n in sources(o)}
        assert found == names


def test_without_experience_nothing_is_remembered_and_no_two_cards_say_the_same() -> None:
    sets = card_sets(1, experience=False)
    made = list(offers(decisions(80), cards=sets, seed=3, experience=False))
    assert not any(o.view.experience.lines or _twin(o) for o in made)
    assert len({o.view.cards for o in made}) > 20


def _twin(offer: Offer) -> bool:
    """Whether two of its cards say the same: then experience chooses."""
    known = [card.knows for card in offer.view.cards]
    return len(set(known)) < len(known)
