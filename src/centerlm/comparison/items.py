"""What is asked: questions of fresh worlds, and the dev items of two sets over a library of theirs.

Every way of inference has the same libraries; ways differ in how many passages a request gives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from centerlm.comparison.settings import SUPPORT, WORLDS, Comparison, Way
from centerlm.errors import InputError
from centerlm.evaluation.items import Item
from centerlm.evaluation.metrics import normalise_answer
from centerlm.evaluation.scenarios.base import Opening, Scores
from centerlm.evaluation.scenarios.ood_qa import SetsRead, read_sets, set_sources, world_items
from centerlm.evaluation.scoring import Solved, answer_scores, question_scores
from centerlm.evaluation.worlds import worlds_to_test
from centerlm.learning.worlds import World, WorldQuestion
from centerlm.sources.base import Source

FIRST_SEED = 3_000_000
"""Test worlds that nothing else is trained or measured on begin here."""


@dataclass(slots=True)
class Asked:
    """A scenario: items of a part with the sources that a way has."""

    items: Sequence[Item]
    sources: Mapping[str, Sequence[Source]]
    """By the item's id, or by its set."""
    samples: int = 1
    name: str = "comparison"
    metric: str = "f1"
    hashes: Mapping[str, str] = field(default_factory=dict[str, str])
    warnings: Sequence[str] = ()

    def sources_of(self, item: Item) -> Sequence[Source]:
        return self.sources[item.id if item.id in self.sources else item.data_set]

    def main_source(self, item: Item) -> str:
        return self.sources_of(item)[0].card.name

    def enough(self, item: Item, episodes: Sequence[Solved]) -> bool:
        del item
        return len(episodes) >= self.samples

    def score(self, item: Item, episodes: Sequence[Solved]) -> Scores:
        scores = question_scores(item, episodes[0], most=SUPPORT)
        if self.samples > 1:
            scores |= answer_scores(majority([solved.answer for solved in episodes]), item)
        return scores

    def baselines(self) -> Mapping[str, Mapping[str, Scores]]:
        return {}

    def close(self) -> None:
        pass


def majority(answers: Sequence[str | None]) -> str | None:
    """The answer most often given, as first written; of equals, the earlier. None: no answer."""
    counts: dict[str, int] = {}
    written: dict[str, str] = {}
    for answer in answers:
        if answer:
            key = normalise_answer(answer)
            counts[key] = counts.get(key, 0) + 1
            written.setdefault(key, answer)
    return written[max(counts, key=lambda key: counts[key])] if counts else None


@dataclass(slots=True)
class Shelf:
    """All items of a comparison, and their libraries, made when first asked for. Close it."""

    comparison: Comparison
    work: Path
    opened: ExitStack = field(default_factory=ExitStack)
    _worlds: list[tuple[World, WorldQuestion]] = field(
        default_factory=list[tuple[World, WorldQuestion]]
    )
    _sets: list[SetsRead] = field(default_factory=list[SetsRead])
    _made: dict[tuple[bool, int], Asked] = field(default_factory=dict[tuple[bool, int], Asked])

    def asked(self, part: str, way: Way) -> Asked:
        """The items of a part with the sources of a way.

        Raises:
            InputError: the sets are not there, or cannot be read.
            LibraryError, OSError: a library cannot be made.
        """
        passages = way.passages or 1
        key = (part == WORLDS, passages)
        if key not in self._made:
            make = self._of_worlds if part == WORLDS else self._of_sets
            self._made[key] = make(passages)
        made = self._made[key]
        return Asked(made.items, made.sources, way.samples, hashes=made.hashes)

    def _of_worlds(self, passages: int) -> Asked:
        comparison = self.comparison
        if not self._worlds:
            self._worlds += worlds_to_test(
                comparison.hops,
                comparison.questions,
                seed=FIRST_SEED,
                kinds=("chain",),
                split="train" if comparison.wordings == "trained" else "test",
                cards=comparison.cards,
            )
        items, sources = world_items(
            self._worlds,
            self.work / "worlds",
            self.opened,
            embedder="installed" if comparison.vectors else None,
            form=comparison.form,
            passages=passages,
        )
        return Asked(items, sources)

    def _of_sets(self, passages: int) -> Asked:
        comparison = self.comparison
        if comparison.data is None:
            raise InputError("MuSiQue and 2WikiMultihopQA need the data folder; give --data")
        opening = Opening(
            str(comparison.data),
            self.work,
            comparison.sets,
            comparison.limit,
            vectors=comparison.vectors,
        )
        if not self._sets:
            self._sets.append(read_sets(opening, comparison.sets))
        read = self._sets[0]
        items: list[Item] = []
        sources: dict[str, Sequence[Source]] = {}
        for name, data in read.sets.items():
            items += opening.chosen(data.items)
            sources[name] = set_sources(name, data, opening, self.opened, passages=passages)
        return Asked(items, sources, hashes=read.hashes)

    def close(self) -> None:
        self.opened.close()
