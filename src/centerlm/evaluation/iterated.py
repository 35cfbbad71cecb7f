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
from centerlm.events import StepPlanned
from centerlm.finding import Finding, Passage, Status, failed, nothing
from centerlm.planning import is_leaf
from centerlm.run import Level, Run
from centerlm.seeking import seek_source
from centerlm.solver import Descend
from centerlm.sources.base import Card, Seek
from centerlm.tasks import Task, finish_step, start_step

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
                found = await _search(run, level, card, query, number)
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


async def _search(run: Run, level: Level, card: Card, query: str, number: int) -> Finding:
    path = level.at(number)
    text = " ".join(query.split())[:2000]
    task = Task(path, (card.name,), text, text, text, {}, f"iterated {number}")
    line = f"{number} [{card.name}] {text}"[:300]
    run.recorder.emit(StepPlanned(path=path, line=line, by="iterated"))
    start_step(run, task)
    finding = await seek_source(
        run.recorder,
        level.account,
        run.sources[card.name],
        Seek(text, template=text.replace("#", "##"), objective=run.objective.text),
        path=path,
        attempt=0,
        seconds=run.seconds(card),
    )
    finish_step(run, path, finding, generation=level.generation, key=task.key, tried=(card.name,))
    return finding


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
