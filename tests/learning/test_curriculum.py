"""The curriculum of a round: told all but the end, then less, then nothing."""

from __future__ import annotations

import asyncio

import pytest

from centerlm.journal import MemoryJournal
from centerlm.learning import curriculum
from centerlm.learning.curriculum import Climbed, climb, next_left
from centerlm.learning.rollouts import Rollout, RolloutSettings
from centerlm.models.scripted import ScriptedModel
from centerlm.run import Options
from learning.town import PLAN, Town, center, question, read, says

SETTINGS = RolloutSettings(k=2, options=Options(reasks=False, splits=False, reopens=0))


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curriculum, "BLOCK", 2)


def climbed(
    model: ScriptedModel,
    count: int,
    *,
    share: float = 0.5,
    left: int | None = 1,
    journal: MemoryJournal | None = None,
    seen: list[Rollout] | None = None,
) -> Climbed:
    return asyncio.run(
        climb(
            [question(f"q{n}") for n in range(count)],
            center(model),
            lambda q: [Town()],
            SETTINGS,
            journal=journal or MemoryJournal(),
            share=share,
            left=left,
            on_rollout=None if seen is None else seen.append,
        )
    )


def test_after_success_more_is_left_until_nothing_is_told() -> None:
    """Two findings: the last one, both without the plan, then the whole question."""
    seen: list[Rollout] = []
    done = climbed(says(lambda asked, sampling: PLAN), 10, share=0.8, seen=seen)
    assert [(name, t.questions, t.right, t.episodes) for name, t in done.by_left.items()] == [
        ("1", 2, 4, 4),
        ("2", 2, 4, 4),
        ("whole", 6, 12, 12),
    ]
    assert done.left is None
    assert [group[0].left for group in done.groups] == [1, 1, 2, 2, *[None] * 6]
    assert len(seen) == 20


def test_without_success_it_stays_and_the_rest_is_whole_all_the_same() -> None:
    """A center that reads nothing fails near the end too; plans are tried in every round."""
    done = climbed(says(lambda asked, sampling: PLAN, absorb=lambda user: "nothing"), 8)
    assert done.left == 1
    assert [group[0].left for group in done.groups] == [1] * 4 + [None] * 4
    assert done.by_left["1"].success == 0.0
    assert done.by_left["1"].silent == 4


def test_a_center_that_reads_but_cannot_plan_succeeds_only_where_it_is_told_the_plan() -> None:
    done = climbed(says(lambda asked, sampling: "1 [documents] Who is Zed?"), 8)
    assert {name: tally.success for name, tally in done.by_left.items()} == {
        "1": 1.0,
        "2": 1.0,
        "whole": 0.0,
    }


def test_what_was_left_to_the_center_is_what_it_was_asked() -> None:
    """With one finding left it reads the second step and the fold, and never plans."""
    model = says(lambda asked, sampling: PLAN)
    climbed(model, 1, share=1.0)
    asked = {call.prompt.messages[-1].text.rpartition("Question: ")[2] for call in model.calls}
    assert asked == {"When was Bea Holt born?", "When was the mother of Ada Holt born?"}
    assert not [c for c in model.calls if c.prompt.messages[0].text.startswith("Break")]


def test_a_round_goes_on_where_the_one_before_stopped() -> None:
    model = says(lambda asked, sampling: PLAN)
    later = climbed(model, 8, left=2)
    assert [group[0].left for group in later.groups] == [2, 2, *[None] * 6]
    whole = climbed(model, 4, left=None)
    assert set(whole.by_left) == {"whole"}
    assert set(climbed(model, 4, share=0.0).by_left) == {"whole"}


def test_the_same_call_again_runs_nothing_and_goes_the_same_way() -> None:
    journal = MemoryJournal()
    model = says(lambda asked, sampling: PLAN, absorb=read)
    once = climbed(model, 8, journal=journal)
    calls = len(model.calls)
    again = climbed(model, 8, journal=journal)
    assert len(model.calls) == calls
    assert again.by_left == once.by_left
    assert all(rollout.kept for group in again.groups for rollout in group)


@pytest.mark.parametrize(
    ("left", "success", "then"),
    [(1, 0.5, 1), (1, 0.9, 2), (2, 0.9, None), (None, 1.0, None), (2, 0.79, 2)],
)
def test_curricula_move_back_after_success(
    left: int | None, success: float, then: int | None
) -> None:
    assert next_left(left, 2, success) == then
