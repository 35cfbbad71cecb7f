"""Iterated retrieval as a way of solving a level: search, answer, search again with the answer.

The baseline that feeds on what it found without planning: the next query is the question with the
last answer (as in Shao et al., 2023, "Enhancing retrieval-augmented large language models with
iterative retrieval-generation synergy"). The answer is read each time from all passages so far.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from centerlm.absorbing import absorb_finding
from centerlm.errors import OutOfBudgetError
from centerlm.evaluation.direct_steps import ask_source
from centerlm.finding import Finding, Passage, Status, failed, nothing
from centerlm.planning import is_leaf
from centerlm.run import Level, Run
from centerlm.solver import Descend

ROUNDS = 4


def iterated(rounds: int = ROUNDS) -> Descend:
    """A level solved by `rounds` searches; fewer where two answers in a row are the same."""

    async def iterated_level(run: Run, level: Level) -> Finding:
        """Ends with a finding, whatever is found and read."""
        card = next((card for card in run.cards(level) if is_leaf(card)), None)
        if card is None:
            return failed("there is nothing to search")
        passages: dict[str, Passage] = {}
        answered = nothing("nothing was found")
        for number in range(1, rounds + 1):
            query = level.objective
            if number > 1 and answered.answer:
                query = f"{level.objective} {answered.answer}"
            try:
                text = " ".join(query.split())[:2000]
                found = await ask_source(
                    run, level, card.name, text, number, by="iterated", key="iterated"
                )
                passages |= {passage.id: passage for passage in found.passages}
                latest = await _read(run, level, tuple(passages.values()), number)
            except OutOfBudgetError as error:
                if answered.found:
                    return replace(answered, status=Status.OUT_OF_BUDGET, reason=str(error))
                return Finding(Status.OUT_OF_BUDGET, reason=str(error))
            if latest.status is Status.FAILED:
                return answered if answered.found else latest
            same = latest.answer == answered.answer
            answered = latest if latest.found else answered
            if same:
                break
        return answered

    return iterated_level


async def _read(run: Run, level: Level, passages: Sequence[Passage], number: int) -> Finding:
    if not passages:
        return nothing("nothing was found")
    return await absorb_finding(
        run,
        level.account,
        Finding(Status.FOUND, passages=tuple(passages)),
        text=level.objective,
        path=level.path,
        attempt=number,
    )
