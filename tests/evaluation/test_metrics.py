"""Answer and support metrics, on cases whose scores follow from their definitions."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from centerlm.evaluation.metrics import (
    all_found,
    exact_match,
    normalise_answer,
    support_recall,
    token_f1,
)


def test_case_punctuation_articles_and_space_do_not_count() -> None:
    assert normalise_answer("  The  Hewlett-Packard, Co. ") == "hewlettpackard co"
    assert normalise_answer("a theory of an anthem") == "theory of anthem"
    assert exact_match("The Panglao Island!", ["panglao island"]) == 1.0


def test_any_accepted_answer_counts() -> None:
    assert exact_match("Hewlett-Packard", ["Hewlett Packard", "Hewlett-Packard"]) == 1.0
    assert exact_match("Compaq", ["Hewlett Packard", "HP"]) == 0.0
    assert token_f1("HP", ["Hewlett Packard", "HP"]) == 1.0


def test_f1_is_over_bags_of_words() -> None:
    # 2 words in common, 3 given, 4 true: precision 2/3, recall 1/2.
    assert token_f1("born in Vienna", ["Vienna in old Austria"]) == pytest.approx(4 / 7)
    assert token_f1("New New York", ["New York"]) == pytest.approx(4 / 5)


def test_no_answer_scores_nothing() -> None:
    assert exact_match(None, [""]) == 0.0
    assert token_f1(None, ["Vienna"]) == 0.0
    assert token_f1("Vienna", []) == 0.0


def test_answers_without_words_match_only_each_other() -> None:
    assert token_f1("the", ["a"]) == 1.0
    assert token_f1("the", ["Vienna"]) == 0.0


ANSWERS = st.text("aAbt he,.'- é1", max_size=20)


@settings(max_examples=50, deadline=None)
@given(ANSWERS, st.lists(ANSWERS, max_size=3))
def test_f1_is_in_range_and_1_where_the_match_is_exact(answer: str, accepted: list[str]) -> None:
    score = token_f1(answer, accepted)
    assert 0.0 <= score <= 1.0
    assert exact_match(answer, accepted) <= score


def test_support() -> None:
    assert support_recall(["a", "b", "c"], {"b", "d"}) == 0.5
    assert all_found(["a", "b"], {"b", "d"}) == 0.0
    assert all_found(["d", "a", "b"], {"b", "d"}) == 1.0
    assert support_recall([], ["a", "a"]) == 0.0
    assert support_recall([], []) == all_found([], []) == 1.0
