"""What a round trains on: bounded, fresh first, and always enough of the first data."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from centerlm.learning.encoding import encode_all
from centerlm.learning.example import TrainingExample
from centerlm.learning.replaying import bounded, replayed
from centerlm.learning.train_settings import MIX
from centerlm.learning.training import plan_updates
from centerlm.models.chat import Encoder
from learning.taught import SETTINGS, examples, loaded
from learning.tiny import tiny_model

ROW = 400


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return loaded(tiny_model(tmp_path_factory.mktemp("base") / "tiny"))[1]


def made(count: int, kind: str) -> list[TrainingExample]:
    """Examples of one kind; no two are equal, within a kind or between kinds."""
    return [
        TrainingExample(e.act, e.prompt, f"{kind} {n} {e.target}", f"{kind}:{n}", kind)
        for n, e in enumerate(examples(count))
    ]


def drawn(
    encoder: Encoder, fresh: int, first: int, max_tokens: int, share: float = 0.5, seed: int = 1
) -> tuple[list[TrainingExample], list[TrainingExample]]:
    """The fresh and the first examples of a round."""
    chosen = bounded(
        made(fresh, "fresh"),
        made(first, "first"),
        encoder,
        max_tokens=max_tokens,
        share=share,
        row_tokens=ROW,
        mix=MIX,
        seed=seed,
    )
    assert len({e.id for e in chosen}) == len(chosen)
    new = [e for e in chosen if e.origin == "fresh"]
    return new, [e for e in chosen if e.origin == "first"]


def once(encoder: Encoder, some: list[TrainingExample]) -> int:
    """The tokens that one pass over them computes."""
    encoded = list(encode_all(some, encoder, max_tokens=ROW))
    plan = plan_updates(encoded, replace(SETTINGS, epochs=1), MIX)
    return sum(len(row.ids) for update in plan for row in update)


def test_a_round_of_two_large_pools_is_bounded_and_a_quarter_is_replayed(encoder: Encoder) -> None:
    bound = 8000
    new, again = drawn(encoder, 800, 2000, bound)
    assert once(encoder, [*new, *again]) <= bound
    assert once(encoder, new) > 0.5 * bound
    assert once(encoder, again) >= 0.25 * (once(encoder, new) + once(encoder, again))


def test_fresh_examples_are_served_first(encoder: Encoder) -> None:
    """Those that fit are all there, and the first data gets the rest."""
    new, again = drawn(encoder, 24, 2000, 8000)
    assert len(new) == 24
    assert once(encoder, again) > 0.5 * 8000
    assert once(encoder, [*new, *again]) <= 8000


def test_a_bound_that_everything_fits_in_gives_the_share_of_the_first_data(
    encoder: Encoder,
) -> None:
    new, again = drawn(encoder, 24, 80, 10**6)
    assert len(new) == 24
    assert 40 <= len(again) <= 44  # a group is taken whole
    many, few = drawn(encoder, 240, 80, 10**6, share=0.25)
    assert len(many) == 240
    assert len(few) == 80  # a quarter of the tokens is more than there is


def test_what_is_drawn_is_fixed_by_the_seed_and_mixes_the_acts(encoder: Encoder) -> None:
    one, again = drawn(encoder, 800, 800, 8000), drawn(encoder, 800, 800, 8000)
    assert one == again
    assert one != drawn(encoder, 800, 800, 8000, seed=2)
    for some in one:
        shares = {act: sum(e.act == act for e in some) / len(some) for act in MIX}
        assert all(abs(shares[act] - MIX[act]) < 0.1 for act in MIX), shares


def test_without_a_bound_a_share_of_the_first_data_is_drawn() -> None:
    first = examples(40)
    again = replayed(first, 0.25, 1)
    assert len(again) == 10
    assert again == replayed(first, 0.25, 1)
    assert again != replayed(first, 0.25, 2)
    assert len(replayed(first, 1.0, 1)) == 40
