"""A packed row holds every example once, sees only what the example sees, and trains its reply."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from centerlm.learning.packing import PackedRow, Tokens, families, pack_row, updates


@st.composite
def _examples(draw: st.DrawFn) -> Tokens:
    ids = tuple(draw(st.lists(st.integers(0, 2), min_size=2, max_size=12)))
    return Tokens(
        ids,
        draw(st.integers(1, len(ids) - 1)),
        draw(st.sampled_from(["decompose", "seek", "absorb"])),
        draw(st.sampled_from([0.5, 1.0, 2.0])),
    )


_many = st.lists(_examples(), min_size=1, max_size=8)


def _trained(row: PackedRow) -> Counter[tuple[tuple[int, ...], int, float]]:
    """(what is seen, what is predicted, weight) of every trained token, read from the tree."""
    segment_at = {
        place: index
        for index, segment in enumerate(row.segments)
        for place in range(segment.start, segment.end)
    }
    found: Counter[tuple[tuple[int, ...], int, float]] = Counter()
    for at, target, weight in zip(row.at, row.targets, row.weights, strict=True):
        path = reversed(row.visible(segment_at[at]))
        places = [p for segment in path for p in range(segment.start, segment.end) if p <= at]
        seen = tuple(row.ids[place] for place in places)
        assert [row.positions[place] for place in places] == list(range(len(seen)))
        found[seen, target, weight] += 1
    return found


def _wanted(examples: list[Tokens]) -> Counter[tuple[tuple[int, ...], int, float]]:
    return Counter(
        (example.ids[:place], example.ids[place], example.weight)
        for example in examples
        for place in range(example.prompt, len(example.ids))
    )


@given(_many)
def test_a_row_trains_exactly_the_replies_of_its_examples(examples: list[Tokens]) -> None:
    assert _trained(pack_row(examples)) == _wanted(examples)


@given(_many)
def test_every_beginning_stands_in_a_row_once(examples: list[Tokens]) -> None:
    beginnings = {e.ids[:n] for e in examples for n in range(1, len(e.ids) + 1)}
    row = pack_row(examples)
    assert len(row.ids) == len(beginnings)
    assert row.plain == sum(len(e.ids) for e in examples)


@given(_many, st.integers(4, 40), st.integers(1, 3), st.integers(0, 5))
def test_a_pass_trains_every_example_once(
    examples: list[Tokens], row_tokens: int, rows: int, seed: int
) -> None:
    mix = {"decompose": 0.25, "absorb": 0.6}
    passed = list(updates(examples, row_tokens=row_tokens, rows=rows, mix=mix, seed=seed))
    total: Counter[tuple[tuple[int, ...], int, float]] = Counter()
    for update in passed:
        for row in update:
            total += _trained(row)
            assert len(row.ids) <= row_tokens or row.examples == 1
    assert total == _wanted(examples)
    assert {len(update) for update in passed[:-1]} <= {rows}


def _prompted(act: str, prompt: list[int], reply: int) -> Tokens:
    return Tokens((*prompt, reply), len(prompt), act)


def test_questions_about_the_same_notes_stay_together() -> None:
    notes = {n: [100 + n] * 20 for n in range(6)}
    examples = [
        _prompted("absorb", [1, 2, *notes[n], 30 + q], 50 + q) for q in range(4) for n in range(6)
    ]
    groups = families(examples, 64)
    assert len(groups) == 6
    assert all(len({example.ids[2] for example in group}) == 1 for group in groups)


def test_every_row_mixes_the_acts_while_they_last() -> None:
    examples = [_prompted("absorb", [1, n, 7, 8], 3) for n in range(600)]
    examples += [_prompted("decompose", [2, n, 7, 8], 3) for n in range(250)]
    examples += [_prompted("seek", [4, n, 7, 8], 3) for n in range(150)]
    mix = {"decompose": 0.25, "seek": 0.15, "absorb": 0.6}
    for update in list(updates(examples, row_tokens=100, rows=2, mix=mix, seed=0))[:-1]:
        firsts = Counter(row.ids[segment.start] for row in update for segment in row.segments)
        assert {1, 2, 4} <= set(firsts)


def test_the_seed_orders_the_groups() -> None:
    examples = [_prompted("absorb", [n, n, n], 3) for n in range(50)]

    def order(seed: int) -> list[PackedRow]:
        return [
            row
            for update in updates(examples, row_tokens=8, rows=2, mix={}, seed=seed)
            for row in update
        ]

    assert order(1) == order(1)
    assert order(1) != order(2)


def test_nothing_to_train_on_is_refused() -> None:
    with pytest.raises(ValueError, match="no examples"):
        list(updates([], row_tokens=8, rows=1, mix={}, seed=0))
