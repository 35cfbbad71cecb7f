from __future__ import annotations

import pytest

from centerlm.library.coverage import covered, forms, names, rarity


def test_rare_words_weigh_more() -> None:
    weights = rarity({"county": 500, "hook": 1, "unheard": 0}, 1000)
    assert weights["unheard"] > weights["hook"] > weights["county"] > 0


def test_coverage_is_a_share_of_the_rarity() -> None:
    weights = {"hook": 3.0, "county": 1.0}
    assert covered(weights, "Van Hook", "A township.") == 0.75
    assert covered(weights, "Van Hook", "One of two counties? County!") == 1.0
    assert covered(weights, "", "nothing") == 0.0
    assert covered({}, "Van Hook", "x") == 0.0


def test_forms_fold_case_accents_and_plurals() -> None:
    assert forms("Cafés of São Paulo's GAS bus") == [
        "cafe",
        "of",
        "sao",
        "paulo",
        "s",
        "gas",
        "bus",
    ]


@pytest.mark.parametrize(
    ("title", "named"),
    [
        ("Van Hook Township", True),
        ("Van Hook Township (North Dakota)", True),
        ("Township Hook", False),
        ("Van Hook Township School", False),
        ("...", False),
        ("", False),
    ],
)
def test_a_title_is_named_when_it_stands_in_the_question(title: str, named: bool) -> None:
    assert names(forms("Where is Van Hook Township?"), title) is named
