"""The reverse curriculum of a round: questions that are begun near their end, then whole ones.

The first questions are told their right plans and all findings but the last; once most episodes
succeed, the next block of questions is told one finding less, until nothing is told (reverse
curriculum, Florensa et al. 2017). The rest of a round's questions are whole, however far that has
come: planning is learned from them alone. Where a round stops, the next one goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from centerlm.journal import Journal
from centerlm.learning.expert import credits_of
from centerlm.learning.rollouts import (
    Elsewhere,
    Question,
    Rollout,
    RolloutSettings,
    SourcesOf,
    rollouts,
)
from centerlm.protocols import Center

THRESHOLD = 0.8
"""Success from which one more finding is left to the center."""

BLOCK = 10
"""Questions that are tried before it is decided whether to go on."""

FIRST = 1
"""Findings left to the center at the beginning: the last."""

WHOLE = "whole"


@dataclass(frozen=True, slots=True)
class Tally:
    """Episodes with so many findings left to the center, and how many of them were right; all or
    none were of `silent` questions, so nothing tells their plans apart.
    """

    questions: int = 0
    episodes: int = 0
    right: int = 0
    silent: int = 0

    @property
    def success(self) -> float:
        return self.right / self.episodes if self.episodes else 0.0


@dataclass(frozen=True, slots=True)
class Climbed:
    """The episodes of a round, group by group, `whole` ones apart. `by_left` tells of each number
    of findings left ("whole": all of them, and the plans); `left` is where the next round begins
    (None: with whole questions).
    """

    revealed: tuple[tuple[Rollout, ...], ...]
    whole: tuple[tuple[Rollout, ...], ...]
    by_left: Mapping[str, Tally]
    left: int | None

    @property
    def groups(self) -> tuple[tuple[Rollout, ...], ...]:
        return (*self.revealed, *self.whole)


async def climb(
    questions: Sequence[Question],
    center: Center,
    sources_of: SourcesOf,
    settings: RolloutSettings,
    *,
    journal: Journal,
    used_ids: Collection[str] = (),
    share: float = 0.5,
    left: int | None = FIRST,
    on_rollout: Callable[[Rollout], None] | None = None,
    elsewhere: Elsewhere | None = None,
) -> Climbed:
    """Roll out on all questions, `share` of them (0..1) told what comes before the last `left`.

    The same call again takes finished episodes from the journal, and so the same way.

    Raises:
        InputError: see `rollouts`.
        JournalError: the journal cannot be written or read.
    """
    longest = max((len(question.findings) for question in questions), default=0)
    near_end = round(len(questions) * share)
    revealed: list[tuple[Rollout, ...]] = []
    tallies: dict[str, Tally] = {}
    at = 0
    while at < near_end and left is not None:
        block = questions[at : min(at + BLOCK, near_end)]
        groups = await rollouts(
            block,
            center,
            sources_of,
            settings,
            journal=journal,
            used_ids=used_ids,
            left=left,
            on_rollout=on_rollout,
            elsewhere=elsewhere,
        )
        tally = _tally(groups)
        tallies[str(left)] = _sum(tallies.get(str(left), Tally()), tally)
        revealed += groups
        left = next_left(left, longest, tally.success)
        at += len(block)
    whole = await rollouts(
        questions[at:],
        center,
        sources_of,
        settings,
        journal=journal,
        used_ids=used_ids,
        on_rollout=on_rollout,
        elsewhere=elsewhere,
    )
    if whole:
        tallies[WHOLE] = _tally(whole)
    return Climbed(tuple(revealed), whole, tallies, left)


def next_left(left: int | None, longest: int, success: float) -> int | None:
    """How many findings are left to the center next, of at most `longest`.

    One more where `success` (in 0..1) reached `THRESHOLD`; None, the whole question with its
    plans, after all of them.
    """
    if left is None or success < THRESHOLD:
        return left
    return left + 1 if left < longest else None


def _tally(groups: Sequence[Sequence[Rollout]]) -> Tally:
    right = [[nodes[0].right for nodes in group] for group in credits_of(groups)]
    return Tally(
        len(groups),
        sum(map(len, groups)),
        sum(map(sum, right)),
        sum(len(set(group)) < 2 for group in right),
    )


def _sum(one: Tally, other: Tally) -> Tally:
    return Tally(
        one.questions + other.questions,
        one.episodes + other.episodes,
        one.right + other.right,
        one.silent + other.silent,
    )
