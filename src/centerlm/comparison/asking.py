"""Running one cell: weights in a way of inference over the items of a part, through the harness."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from centerlm.acts import AbsorbView, Request
from centerlm.center import CenterLM, Example, is_absorbing
from centerlm.comparison.items import Asked
from centerlm.comparison.settings import COT, SUPPORT, WORLDS, Cell, Comparison
from centerlm.evaluation.harness import How, Outcome, run_systems
from centerlm.evaluation.iterated import ROUNDS
from centerlm.evaluation.systems import Centers, Delegating, TrainedChain, named_systems
from centerlm.journal import SqliteJournal
from centerlm.learning.example import TrainingExample
from centerlm.learning.run_folder import read_json, write_json
from centerlm.learning.shown import question_of
from centerlm.models.base import LanguageModel, Message, Prompt
from centerlm.models.gguf import read_gguf
from centerlm.models.llama_cpp import LlamaCppModel
from centerlm.models.llama_server import Adapter
from centerlm.models.routed import RoutedModel
from centerlm.models.weights import file_sha256
from centerlm.objective import Budget
from centerlm.plan import CENTER
from centerlm.protocols import Center
from centerlm.run import Options

DEPTH = 9
SET_CALLS = 24
"""Model calls that an episode of a set may make; a world's may make so many for each hop."""
SHOTS, READ_SHOTS = 4, 2
CONTEXT = 4096
"""Tokens of a call, enough for 8 passages; twice as many where more are read at once."""
_SOURCE = re.compile(r"\[([\w:.-]+)")
_KNOWN = {"documents", "calculator", CENTER}


@dataclass(frozen=True, slots=True)
class Scored:
    """An item of a cell: answer scores in 0..1, support recall (None: no support known), and what
    it spent.
    """

    id: str
    hops: int
    em: float
    f1: float
    support: float | None
    calls: float
    tokens: float
    splits: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Trained:
    """The weights of a cell: adapters by part ({}: the base), and what few-shot prompts show."""

    base: Path
    gguf: Mapping[str, Path]
    plans: tuple[Example, ...] = ()
    readings: tuple[TrainingExample, ...] = ()


@dataclass(frozen=True, slots=True)
class Shown(Delegating):
    """A center that is shown readings, as earlier turns, wherever it absorbs."""

    readings: tuple[TrainingExample, ...] = ()

    def absorb(self, view: AbsorbView) -> Request:
        request = self.center.absorb(view)
        system, *asked = request.prompt.messages
        turns = [
            turn
            for reading in self.readings
            if reading.prompt.messages[0] == system
            for turn in (reading.prompt.messages[-1], Message("assistant", reading.target))
        ]
        return Request(Prompt((system, *turns, *asked)), request.sampling)


def plan_shots(formats: Sequence[TrainingExample], seed: int) -> tuple[Example, ...]:
    """Plans to show a model that was not trained: some of those that all arms see, in the sources'
    own names; half of them peel, so that both forms are shown.
    """
    fits = [e for e in formats if set(_SOURCE.findall(e.target)) <= _KNOWN]
    rng = Random(f"{seed} shots")
    chosen: list[TrainingExample] = []
    for peels in (True, False):
        those = [e for e in fits if (f"[{CENTER}]" in e.target) is peels]
        chosen += rng.sample(those, min(SHOTS // 2, len(those)))
    return tuple(Example(question_of(e.prompt), e.target) for e in chosen)


def read_shots(examples: Sequence[TrainingExample], seed: int) -> tuple[TrainingExample, ...]:
    """Answered readings to show, of the shorter half: prompts have little room."""
    fits = [e for e in examples if e.act == "absorb" and "[1]" in e.prompt.messages[-1].text]
    fits = [e for e in fits if e.target != "nothing"]
    fits.sort(key=lambda e: (len(e.prompt.messages[-1].text), e.id))
    half = fits[: max(len(fits) // 2, READ_SHOTS)]
    return tuple(Random(f"{seed} readings").sample(half, min(READ_SHOTS, len(half))))


def run_cell(
    cell: Cell,
    weights: Trained,
    asked: Asked,
    comparison: Comparison,
    folder: Path,
    *,
    advance: Callable[[int], object] = lambda n: None,
) -> list[Scored]:
    """The scores of a cell, kept in `folder`: a cell that is done is read back, one that was cut
    short goes on from its journal.

    Raises:
        ModelError, LibraryError, JournalError: a part cannot be run.
    """
    made_of = _made_of(cell, weights, asked, comparison)
    place = cell_file(cell, folder)
    record = read_json(place)
    if record is not None and record["made_of"] == made_of:
        return [Scored(**row) for row in record["items"]]
    folder.mkdir(parents=True, exist_ok=True)
    with closing(SqliteJournal(folder / "journal.sqlite")) as journal:
        outcomes = asyncio.run(_outcomes(cell, weights, asked, comparison, journal, advance))
    scored = [_scored(outcome) for outcome in outcomes]
    rows = [{name: getattr(one, name) for name in Scored.__slots__} for one in scored]
    write_json(place, {"made_of": made_of, "items": rows})
    return scored


def cell_file(cell: Cell, folder: Path) -> Path:
    """Where the scores of a cell are kept."""
    return folder / f"{cell.part}-{cell.way.name.replace(' ', '-')}.json"


def _made_of(cell: Cell, weights: Trained, asked: Asked, comparison: Comparison) -> dict[str, Any]:
    """What the scores of a cell depend on, beside the code."""
    shown = repr([(e.question, e.plan) for e in weights.plans]) + repr(
        [(e.prompt, e.target) for e in weights.readings]
    )
    return {
        "base": file_sha256(weights.base),
        "adapters": {part: file_sha256(path) for part, path in weights.gguf.items()},
        "shown": hashlib.sha256(shown.encode()).hexdigest() if weights.plans else "",
        "items": hashlib.sha256(repr([i.id for i in asked.items]).encode()).hexdigest(),
        "way": repr(cell.way),
        "calls": comparison.calls,
        "form": comparison.form,
        "vectors": comparison.vectors,
    }


async def _outcomes(
    cell: Cell,
    weights: Trained,
    asked: Asked,
    comparison: Comparison,
    journal: SqliteJournal,
    advance: Callable[[int], object],
) -> list[Outcome]:
    (system,) = named_systems([cell.way.system])
    seen = cell.way.passages * (ROUNDS if cell.way.system == "iterate" else 1)
    context = CONTEXT if seen <= SUPPORT else min(2 * CONTEXT, _trained_for(weights.base))
    model = open_model(weights, comparison, context=context)
    center = center_of(cell, model, weights)
    outcomes: list[Outcome] = []

    def told(outcome: Outcome) -> None:
        advance(len(outcome.episodes))

    try:
        for hops, group in _groups(cell, asked).items():
            calls = comparison.calls * hops if cell.part == WORLDS else SET_CALLS
            how = How(
                Budget(depth=DEPTH if comparison.form == "peel" else 1),
                # A split hides that a plan left too much in a step, and takes most of the calls.
                Options(seek_seconds=None, splits=False),
                comparison.slots,
                calls,
            )
            outcomes += await run_systems(
                group,
                (replace(system, name=cell.way.name.replace(" ", "-")),),
                Centers(center),
                journal,
                how,
                on_outcome=told,
            )
    finally:
        await model.close()
    return outcomes


def _trained_for(base: Path) -> int:
    """Tokens that a base was trained for."""
    metadata = read_gguf(base).metadata
    length = metadata.get(f"{metadata.get('general.architecture')}.context_length")
    return length if isinstance(length, int) else CONTEXT


def _groups(cell: Cell, asked: Asked) -> dict[int, Asked]:
    """Worlds by hops, whose episodes may make more calls; sets as a whole."""
    if cell.part != WORLDS:
        return {0: asked}
    hops = sorted({int(item.splits["hops"]) for item in asked.items})
    return {
        h: replace(asked, items=[i for i in asked.items if int(i.splits["hops"]) == h])
        for h in hops
    }


def open_model(
    weights: Trained, comparison: Comparison, *, context: int = CONTEXT
) -> LanguageModel:
    """The weights on llama.cpp: the base, with one adapter or two; close it after use."""

    def model(part: str) -> LanguageModel:
        chosen = (Adapter(weights.gguf[part]),) if part in weights.gguf else ()
        return LlamaCppModel(
            weights.base,
            adapters=chosen,
            context=context,
            slots=comparison.slots,
            threads=comparison.threads,
        )

    if "plan" in weights.gguf:
        return RoutedModel(model("plan"), model("absorb"), is_absorbing)
    return model("all")


def center_of(cell: Cell, model: LanguageModel, weights: Trained) -> Center:
    """The center of a cell. Weights trained on chains write them where they answer in one go, and
    use the solver's own acts in the solver, as all others.
    """
    center: Center = CenterLM(model, examples=weights.plans)
    if weights.readings:
        center = Shown(center, weights.readings)
    planned = cell.way.system in ("holistic", "oracle-plan")
    return TrainedChain(center) if cell.weights == COT and not planned else center


def _scored(outcome: Outcome) -> Scored:
    scores, item = outcome.scores, outcome.item
    return Scored(
        id=item.id,
        hops=int(item.splits.get("hops") or 0),
        em=scores["em"] or 0.0,
        f1=scores["f1"] or 0.0,
        support=scores["support_recall"],
        calls=outcome.usage["calls"],
        tokens=outcome.usage["tokens"],
        splits=dict(item.splits),
    )
