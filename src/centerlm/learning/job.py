"""A run of learning as it is asked for, listened to, and handed over. Data only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from centerlm.learning.recipe import Recipe
from centerlm.learning.rounds import Result
from centerlm.learning.watching import OnProgress


@dataclass(frozen=True, slots=True)
class Job:
    """What a run is asked to do.

    `given`: the recipe was named, not taken by default. `replay` is the folder of another run,
    whose examples and rounds are used again: neither data nor model calls are needed.
    `match` is a run whose processed tokens this one takes too. `pairs` are files for an expert,
    whose `field` is what its source is called (by default each file's name). `ray` is the address
    of a cluster that rounds roll out on.
    """

    stage: str
    recipe: Recipe
    out: Path
    data: Path | None = None
    start: Path | None = None
    replay: Path | None = None
    match: Path | None = None
    pairs: tuple[Path, ...] = ()
    field: str | None = None
    given: bool = True
    resume: bool = False
    force: bool = False
    ray: str | None = None


@dataclass(frozen=True, slots=True)
class Listener:
    """Who is told of a run: phases with (what, done, of), updates, and lines worth printing."""

    phase: Callable[[str, int, int], None]
    update: OnProgress
    line: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Learned:
    """A finished run. `adapter` is a PEFT folder, or a model where all weights were trained.

    `gguf` are files for llama.cpp by part (none for bases that llama.cpp does not run here).
    """

    folder: Path
    adapter: Path
    gguf: Mapping[str, Path]
    rounds: tuple[Result, ...]
    statistics: Mapping[str, Mapping[str, int]]
    base: str
    recipe: Recipe
    skipped: Mapping[str, int] = field(default_factory=dict[str, int])
