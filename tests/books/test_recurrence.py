from __future__ import annotations

import math
from collections import Counter

import pytest

from centerlm.books.recurrence import HALF, SHARE, nats_saved

USUAL = Counter({"the": 70, "boat": 10, "fire": 10, "gull": 9})


def test_words_that_were_lately_used_are_likelier_and_the_rarer_the_more() -> None:
    seen = ["the", "boat", "the", "gull"]
    boat, the = nats_saved(["boat"], seen, USUAL), nats_saved(["the"], seen, USUAL)
    assert boat > 0 > the > nats_saved(["fire"], seen, USUAL)
    assert nats_saved(["fire"], seen, USUAL) == pytest.approx(math.log(1 - SHARE))
    assert nats_saved(["boat", "the"], seen, USUAL) == pytest.approx(boat + the)


def test_what_was_used_long_ago_counts_less() -> None:
    late = [*["the"] * HALF, "boat"]
    assert nats_saved(["boat"], late, USUAL) > nats_saved(["boat"], late[::-1], USUAL)


def test_nothing_seen_says_nothing() -> None:
    assert nats_saved(["boat"], [], USUAL) == 0.0 == nats_saved(["boat"], ["boat"], Counter())
