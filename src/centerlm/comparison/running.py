"""The whole comparison in one folder, the primary endpoint first; resumable at any point.

Arms are trained when a cell first needs them. The page is written now and then and at the end;
cells that were not run stay empty, and are listed in it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from centerlm.comparison.asking import (
    Scored,
    Trained,
    plan_shots,
    read_shots,
    run_cell,
)
from centerlm.comparison.estimate import estimate
from centerlm.comparison.figures import Results, coin, figures_of
from centerlm.comparison.items import FIRST_SEED, Shelf
from centerlm.comparison.material import Arms, arms_of, shaped
from centerlm.comparison.report import write_report
from centerlm.comparison.settings import (
    FEW_SHOT,
    HOLISTIC,
    SETS,
    STAGES,
    TRAINED_HOPS,
    WAYS,
    WEIGHTS,
    WORLDS,
    Cell,
    Comparison,
    cells_of,
)
from centerlm.comparison.teaching import ROWS, Lesson, Taught, taught
from centerlm.errors import InputError, MissingExtraError
from centerlm.evaluation.pages import TRAINING, versions
from centerlm.learning.base import base_name
from centerlm.learning.job import Listener
from centerlm.learning.recipe import Recipe
from centerlm.learning.run_folder import read_json, write_json
from centerlm.learning.run_result import gguf_base
from centerlm.learning.watching import Stop
from centerlm.models.weights import file_sha256

RECORD = "comparison.json"
_FIXED = (
    *("material", "tokens", "worlds", "people", "formats", "check", "form"),
    *("rank", "row_tokens", "threads"),
)
"""What a folder is begun with: models depend on it."""

PAGE_EVERY = 300.0
"""Seconds between pages written while a run goes on."""


@dataclass(slots=True)
class Study:
    """A comparison in a folder. `recipe` is what the arms share; ablations give others."""

    comparison: Comparison
    work: Path
    told: Listener
    stop: Stop
    recipe: Recipe
    _arms: dict[int, Arms] = field(default_factory=dict[int, Arms])
    _taught: dict[tuple[str, int], Taught] = field(default_factory=dict[tuple[str, int], Taught])

    def arms(self, seed: int) -> Arms:
        """The material of a seed."""
        if seed not in self._arms:
            self._arms[seed] = arms_of(self.comparison, self.recipe, self.work, seed, self.told)
        return self._arms[seed]

    def taught(self, weights: str, seed: int) -> Taught:
        """The trained arm of a seed; the first seed's trials decide the learning rate of all."""
        if (weights, seed) not in self._taught:
            rates = self.comparison.rates
            if seed and len(rates) > 1:
                rates = (float(self.taught(weights, 0).record["rate"]),)
            lesson = Lesson(
                self.comparison,
                self.recipe,
                weights,
                seed,
                self.arms(seed).lessons[weights],
                self.folder(weights, seed),
            )
            self._taught[weights, seed] = taught(lesson, rates, self.told, self.stop)
        return self._taught[weights, seed]

    def folder(self, weights: str, seed: int) -> Path:
        return self.work / f"seed-{seed}" / weights

    def weights(self, cell: Cell) -> Trained:
        """The weights of a cell, trained now if they are not there."""
        base, start = base_of(self.comparison), self.comparison.start
        if cell.weights in STAGES:
            return Trained(base, self.taught(cell.weights, cell.seed).gguf)
        first = {"all": start} if start else {}
        if cell.weights == FEW_SHOT:
            arms = self.arms(cell.seed)
            readings = read_shots(arms.lessons[HOLISTIC].examples, cell.seed)
            return Trained(base, first, plan_shots(arms.formats, cell.seed), readings)
        return Trained(base, first)

    def scores(self, cell: Cell, shelf: Shelf) -> list[Scored]:
        """The scores of a cell: run now, or read back.

        Raises:
            InputError, ModelError, LibraryError, JournalError, StoppedError: as its parts do.
        """
        weights, asked = self.weights(cell), shelf.asked(cell.part, cell.way)
        advance = counting(self.told, cell.name, len(asked.items) * cell.way.samples)
        folder = self.folder(cell.weights, cell.seed)
        return run_cell(cell, weights, asked, self.comparison, folder, advance=advance)

    def training(self) -> dict[str, dict[str, Any]]:
        """By seed and weights, what training took."""
        found: dict[str, dict[str, Any]] = {}
        for (weights, seed), made in sorted(self._taught.items(), key=lambda pair: pair[0][1]):
            found.setdefault(str(seed), {})[weights] = dict(made.record)
        return found

    def material(self) -> dict[str, Any]:
        """By seed, how many examples of what origin each arm has."""
        return {str(seed): arms.statistics for seed, arms in sorted(self._arms.items())}


def compare(
    comparison: Comparison,
    work: Path,
    out: Path,
    name: str,
    command: str,
    *,
    told: Listener,
    stop: Stop,
) -> Path:
    """Run what is not done, and write NAME.json, NAME.md and NAME.svg into `out`; the Markdown.

    Raises:
        InputError: what was given cannot be used, or `work` was begun with other sizes.
        StoppedError: it was stopped while training; the same call goes on.
        ModelError, LibraryError, JournalError: a part cannot be run.
    """
    started = time.monotonic()
    base_of(comparison)
    if not set(comparison.parts) <= {WORLDS} and comparison.data is None:
        raise InputError("MuSiQue and 2WikiMultihopQA need the data folder; give --data")
    begin(comparison, work)
    told.line(estimate(comparison, work))
    study = Study(comparison, work, told, stop, shaped(comparison, aliases=False))
    shelf = Shelf(comparison, work)
    found: dict[tuple[str, str, str], dict[int, Sequence[Scored]]] = {}
    floors: dict[str, float] = {}
    hashes: dict[str, str] = {}
    page_at = time.monotonic()

    def written() -> Path:
        config = _config(comparison, study, hashes, command, started)
        figures = figures_of(Results(found, floors))
        missing = [c.name for c in cells_of(comparison) if c.seed not in found.get(_key(c), {})]
        report = {
            "scenario": "comparison",
            **figures,
            "not_run": missing,
            "training": study.training(),
            "material": study.material(),
            "config": config,
        }
        return write_report(report, out, name)

    cells = cells_of(comparison)
    with closing(shelf):
        for number, cell in enumerate(cells):
            if comparison.minutes and time.monotonic() - started > 60 * comparison.minutes:
                told.line(f"{comparison.minutes:g} minutes are over; the rest stays empty")
                break
            rows = study.scores(cell, shelf)
            if cell.part == SETS:
                asked = shelf.asked(cell.part, cell.way)
                wiki = [item for item in asked.items if item.data_set == "2wiki"]
                floors |= {i.id: f for i in wiki if (f := coin(i)) is not None}
                hashes |= asked.hashes
            found.setdefault(_key(cell), {})[cell.seed] = rows
            right = sum(row.em for row in rows) / max(len(rows), 1)
            told.line(f"{number + 1} of {len(cells)}: {cell.name}: {right:.1%} exactly right")
            if time.monotonic() - page_at > PAGE_EVERY:
                written()
                page_at = time.monotonic()
    return written()


def counting(told: Listener, what: str, of: int) -> Callable[[int], None]:
    """Tell of items done, one after another."""
    done = 0

    def advance(n: int) -> None:
        nonlocal done
        done += n
        told.phase(what, done, of)

    told.phase(what, 0, of)
    return advance


def _key(cell: Cell) -> tuple[str, str, str]:
    return cell.part, cell.weights, cell.way.name


def base_of(comparison: Comparison) -> Path:
    """The GGUF file of the base.

    Raises:
        InputError: it has none.
        MissingExtraError: llama.cpp is not installed.
        MissingWeightsError: the base is not there.
    """
    if find_spec("xllamacpp") is None:
        raise MissingExtraError("xllamacpp", "local")
    base = gguf_base(comparison.base)
    if base is None:
        raise InputError(f"{comparison.base} does not run on llama.cpp; give a .gguf file")
    return base


def begin(comparison: Comparison, work: Path, **more: Any) -> None:
    """Take the folder, or check that it was begun with the same sizes, and `more`.

    Raises:
        InputError: it was begun with others.
    """
    values = {name: getattr(comparison, name) for name in _FIXED}
    values |= {"base": base_name(comparison.base), "rates": list(comparison.rates), **more}
    values |= {"start": _sha256(comparison.start), "data": _contents(comparison.data)}
    before = read_json(work / RECORD)
    if before is None:
        write_json(work / RECORD, values)
        return
    if other := [name for name, value in values.items() if before.get(name) != value]:
        raise InputError(
            f"{work} was begun with other {', '.join(other)}; go on with the same, or name another "
            "folder"
        )


def _sha256(adapter: Path | None) -> str | None:
    return None if adapter is None else file_sha256(adapter)


def _contents(data: Path | None) -> str | None:
    """What tells data folders apart wherever they stand: names and sizes of their files."""
    if data is None:
        return None
    sizes = {f.relative_to(data).as_posix(): f.stat().st_size for f in data.rglob("*.jsonl")}
    return hashlib.sha256(repr(sorted(sizes.items())).encode()).hexdigest()


def config_of(comparison: Comparison, command: str, started: float, **more: Any) -> dict[str, Any]:
    """How a page was made: what all experiments here say, and `more`."""
    return {
        "command": command,
        "base": base_name(comparison.base),
        "adapter_that_every_arm_goes_on_from": _sha256(comparison.start),
        "seeds": comparison.seeds,
        "processed_tokens_of_each_arm": comparison.tokens,
        "learning_rates_tried_on_the_first_seed_of_each_arm": list(comparison.rates),
        "lora_rank": comparison.rank,
        "row_tokens": comparison.row_tokens,
        "rows_of_an_update": ROWS,
        "form": comparison.form,
        **more,
        "minutes_of_this_call": round((time.monotonic() - started) / 60, 1),
        "versions": versions(TRAINING),
    }


def _config(
    comparison: Comparison,
    study: Study,
    hashes: Mapping[str, str],
    command: str,
    started: float,
) -> dict[str, Any]:
    more: dict[str, Any] = {
        "material": comparison.material,
        "plan_examples_that_all_arms_see": comparison.formats,
        "weights": [w for w in WEIGHTS if w in comparison.weights],
        "ways": [w for w in WAYS if w in comparison.ways],
    }
    if comparison.material != "real":
        more |= {
            "training_worlds_of_a_seed": comparison.worlds,
            "trained_hops": f"1 to {TRAINED_HOPS}",
        }
    if WORLDS in comparison.parts:
        more |= {
            "first_test_world": FIRST_SEED,
            "hops": list(comparison.hops),
            "questions_of_each_hops": comparison.questions,
            "wordings_of_questions_and_documents": comparison.wordings,
            "cards_of_worlds": comparison.cards,
            "model_calls_an_episode_may_make_for_each_hop": comparison.calls,
        }
    if comparison.data is not None:
        more |= {"dev_sha256": dict(hashes), "items_of_each_set": comparison.limit or "all"}
    more["training_data_sha256"] = {
        f"seed {seed}, {arm}": record["data_hash"]
        for seed, arms in study.training().items()
        for arm, record in arms.items()
    }
    return config_of(comparison, command, started, **more)
