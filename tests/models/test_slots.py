"""Which slot a prompt goes to."""

from __future__ import annotations

from random import Random

from centerlm.models.slots import Slots, common_prefix


def evaluated(slots: Slots, prompts: list[list[int]]) -> int:
    """Tokens to evaluate if `prompts` come one after the other."""
    held: dict[int, list[int]] = {}
    total = 0
    for tokens in prompts:
        slot = slots.take(tokens)
        assert slot is not None
        total += len(tokens) - common_prefix(held.get(slot.number, []), tokens)
        held[slot.number] = tokens
        slots.free(slot)
    return total


def episode(rng: Random, acts: int, calls: int) -> list[list[int]]:
    """Prompts of acts: 40 tokens that all share, 160 of the act, then 30-500 of their own."""
    shared = [0] * 40
    heads = [shared + [rng.randrange(1, 9999) for _ in range(160)] for _ in range(acts)]
    return [
        heads[rng.randrange(acts)] + [rng.randrange(1, 9999) for _ in range(rng.randrange(30, 500))]
        for _ in range(calls)
    ]


def test_each_act_keeps_its_prefix() -> None:
    prompts = episode(Random(1), acts=3, calls=60)
    tails = sum(len(tokens) - 200 for tokens in prompts)
    heads = evaluated(Slots(4), prompts) - tails
    # Three first prompts have nothing to reuse; all others should find their 200 tokens.
    assert heads <= 3 * 200 + 5 * 160


def test_more_acts_than_slots_still_reuse_the_shared_start() -> None:
    prompts = episode(Random(2), acts=4, calls=60)
    everything = sum(map(len, prompts))
    assert evaluated(Slots(2), prompts) < everything - 50 * 40


def test_busy_slots_are_not_given_out() -> None:
    slots = Slots(2)
    first, second = slots.take([1, 2]), slots.take([1, 2])
    assert first and second and first.number != second.number
    assert slots.take([1, 2]) is None
    slots.free(first)
    again = slots.take([9])
    assert again and again.number == first.number


def test_common_prefix() -> None:
    assert [common_prefix(a, b) for a, b in (([], [1]), ([1, 2], [1, 3]), ([1], [1, 2]))] == [
        0,
        1,
        1,
    ]
