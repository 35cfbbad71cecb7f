"""Episodes of the systems of the book benchmark: what each finds out at every place."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from centerlm.evaluation.harness import How, Outcome, run_systems
from centerlm.evaluation.items import Item
from centerlm.evaluation.novels import Novel
from centerlm.evaluation.scenarios.base import Opening, Scores
from centerlm.evaluation.scenarios.book import BookContinuation, open_book
from centerlm.evaluation.scoring import Solved
from centerlm.evaluation.systems import Centers, named_systems
from centerlm.journal import SqliteJournal
from centerlm.objective import Budget
from centerlm.run import Options
from centers import CenterSpec, open_center
from telling import Telling


@dataclass(slots=True)
class Unscored(BookContinuation):
    """The scenario without its scores, which take longer than the episodes."""

    def score(self, item: Item, episodes: Sequence[Solved]) -> Scores:
        del item, episodes
        return {}


def open_novels(
    novels: Sequence[Novel], data: Path, work: Path, limit: int | None = None
) -> BookContinuation:
    """The scenario at `limit` places (None: all) of these novels of the folder `data`."""
    names = tuple(novel.path.stem for novel in novels)
    return open_book(Opening(str(data), work, sets=names, limit=limit, vectors=False))


async def system_notes(
    scenario: BookContinuation,
    names: Sequence[str],
    work: Path,
    adapter: Path | None,
    fragmentation: Path | None,
) -> dict[str, dict[str, str]]:
    """The notes of each system at each place, by name and item.

    Raises:
        CenterError: a model stopped answering, or weights are missing; the same call goes on.
    """
    systems = named_systems(names)
    spec = CenterSpec("center", adapter)
    center = open_center(spec, work, slots=1)
    other = None
    if fragmentation is not None and "fragmentation" in names:
        other = open_center(CenterSpec("fragmentation", fragmentation), work, slots=1)
    unscored = Unscored(
        scenario.items, scenario.places, scenario.hashes, scenario.work, scenario.scorer,
        scenario.vectors, scenario.seed, held=scenario.held, opened=scenario.opened,
    )  # fmt: skip
    made: dict[str, dict[str, str]] = {name: {} for name in names}
    try:
        with Telling() as progress, closing(SqliteJournal(work / "journal.sqlite")) as journal:
            bar = progress.add_task("episodes", total=len(systems) * len(scenario.items))

            def tell(outcome: Outcome) -> None:
                notes = scenario.notes_of(outcome.item, outcome.episodes)
                made[outcome.system][outcome.item.id] = notes
                progress.advance(bar)

            how = How(Budget(), Options(), concurrency=1)
            centers = Centers(center, fragmentation=other)
            await run_systems(unscored, systems, centers, journal, how, on_outcome=tell)
    finally:
        for opened in (center, other):
            if opened is not None:
                await opened.model.close()
    return made
