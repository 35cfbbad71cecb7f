"""What a scenario gives the harness, and what it is opened with."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from centerlm.evaluation.items import Item
from centerlm.evaluation.scoring import Solved
from centerlm.sources.base import Source

Scores = Mapping[str, "float | None"]


@dataclass(frozen=True, slots=True)
class Opening:
    """What a scenario is opened with.

    `data` is a folder, a file or "hub:NAME" (None: only what needs no data), `sets` those asked for
    (empty: all there are), `limit` the most items of each set, `work` a folder for libraries.
    `trained` are the sets the center was trained on (None: all whose training files are there).
    `candidates` are the proposals an item may be tried with where proposals are checked. `vectors`
    False searches by words only. `scorer` is the base model that scores given text. `say` gets one
    line for each thing that takes long.
    """

    data: str | None
    work: Path
    sets: tuple[str, ...] = ()
    limit: int | None = None
    candidates: int = 5
    vectors: bool = True
    seed: int = 0
    scorer: str = "default"
    say: Callable[[str], None] = lambda line: None
    trained: tuple[str, ...] | None = None

    def chosen(self, items: Iterable[Item]) -> list[Item]:
        """At most `limit` items, in an order that is random but fixed: more extend fewer."""
        return asked_order(items, lambda item: item.id)[: self.limit]


_Asked = TypeVar("_Asked")


def asked_order(items: Iterable[_Asked], id_of: Callable[[_Asked], str]) -> list[_Asked]:
    """The order in which items of a set are asked: random but fixed, by their ids."""
    ordered = sorted(items, key=id_of)
    random.Random(0).shuffle(ordered)
    return ordered


class Scenario(Protocol):
    """Items, their sources, and their scores.

    `metric` is the main one, by which systems are compared in pairs. `hashes` are SHA-256 of what
    was read, by name; `warnings` what a reader of the results must know.
    """

    @property
    def name(self) -> str: ...

    @property
    def items(self) -> Sequence[Item]: ...

    @property
    def metric(self) -> str: ...

    @property
    def hashes(self) -> Mapping[str, str]: ...

    @property
    def warnings(self) -> Sequence[str]: ...

    def sources_of(self, item: Item) -> Sequence[Source]: ...

    def main_source(self, item: Item) -> str:
        """The source that "single-source" has."""
        ...

    def enough(self, item: Item, episodes: Sequence[Solved]) -> bool:
        """Whether these episodes of an item are all that it is scored by."""
        ...

    def score(self, item: Item, episodes: Sequence[Solved]) -> Scores: ...

    def baselines(self) -> Mapping[str, Mapping[str, Scores]]:
        """Scores of what runs no episodes, by name and item id."""
        ...

    def close(self) -> None: ...
