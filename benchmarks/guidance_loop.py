"""The guidance loop: the center plans, a simulated person corrects, the center learns from that.

The person is the human decomposition of a public set. What the center learns from is the person's
plans of some families of questions; what it is measured on are other families (see `FAMILIES`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from random import Random
from typing import Any

from centerlm.acts import Experience, Guided, PlanView
from centerlm.center import EXAMPLES, CenterLM, plan_prompt
from centerlm.errors import InputError, ModelError
from centerlm.learning.adapters import to_gguf
from centerlm.learning.base import DEFAULT, base_name, load_base
from centerlm.learning.checkpoints import RECORD
from centerlm.learning.dpo import DPOSettings, train_dpo
from centerlm.learning.example import TrainingExample
from centerlm.learning.guidance import Guidance
from centerlm.learning.preferences import Preference
from centerlm.learning.readers import read_guidance
from centerlm.learning.row_trainer import load
from centerlm.learning.run_result import gguf_base
from centerlm.learning.train_settings import TrainSettings, in_16_bits
from centerlm.learning.training import train, with_adapter
from centerlm.learning.watching import Progress
from centerlm.many import each_of
from centerlm.memory import SeekingMemory
from centerlm.memory.kinds import mask
from centerlm.models import RecordingModel
from centerlm.models.llama_cpp import LlamaCppModel
from centerlm.models.llama_server import Adapter
from centerlm.models.transformers import PlainEncoder
from centerlm.plan import Plan, format_plan
from centerlm.sources.base import Card
from centerlm.sources.calculator import Calculator
from telling import Telling

GUIDED = ("strategyqa", "qdmr:cwq", "qdmr:comqa")
HELD_OUT = ("musique", "qdmr:drop")
"""Families of questions: by the set of Break, or the set itself. None is in both."""
SETS, FAMILIES = "sets", "families"
"""What is held out: other sets, or of the same sets questions that ask alike (names and numbers
masked), which the studio calls a family too.
"""

CARDS = (
    Card("documents", "articles on people, places, works, games and events"),
    Calculator.card,
)
CONTEXT = 4096


@dataclass(frozen=True, slots=True)
class Cases:
    """What is corrected, in order, and what is measured on; families mixed evenly in both."""

    stream: tuple[Guidance, ...]
    held_out: tuple[Guidance, ...]


def read_cases(
    data: Path, corrected: int, questions: int, held: str = SETS, seed: int = 0
) -> Cases:
    """`corrected` human plans of the guided families, `questions` of those held out.

    MuSiQue's are of its dev file, Break's of the two files of training that there are: no
    objective is in both parts, and each once.

    Raises:
        InputError: a file is missing, or there are fewer.
    """
    read = read_guidance(data, ("strategyqa", "qdmr")).guidance
    read += read_guidance(data, ("musique",), split="dev").guidance
    stream = _mixed(read, GUIDED, corrected, seed)
    return Cases(stream, held_out(read, stream, questions, held, seed))


def held_out(
    read: Sequence[Guidance], stream: Sequence[Guidance], questions: int, held: str, seed: int = 0
) -> tuple[Guidance, ...]:
    """Objectives of families that are not in the stream: of other sets, or of the same sets those
    that ask like none of it.

    Raises:
        InputError: there are fewer.
    """
    if held == SETS:
        seen = {one.objective.casefold() for one in stream}
        apart = [one for one in read if one.objective.casefold() not in seen]
        return _mixed(apart, HELD_OUT, questions, seed)
    asked = {mask(one.objective) for one in stream}
    return _mixed(
        [one for one in read if mask(one.objective) not in asked], GUIDED, questions, seed
    )


def _mixed(
    read: Sequence[Guidance], families: Sequence[str], number: int, seed: int
) -> tuple[Guidance, ...]:
    """The families in turn, each in an order of its own, every objective once."""
    columns: list[list[Guidance]] = []
    for family in families:
        once = {one.objective.casefold(): one for one in read if one.by == family}
        # Break asks some questions in several words under one number: one of them is enough.
        apart = {one.id.rpartition("-")[0] or one.id: one for one in once.values()}
        column = sorted(apart.values() if family == "qdmr:comqa" else once.values(), key=_id)
        Random(f"{seed}:{family}").shuffle(column)
        columns.append(column)
    mixed = [one for one in chain.from_iterable(zip_longest(*columns)) if one is not None]
    if len(mixed) < number:
        raise InputError(f"there are {len(mixed)} plans of {', '.join(families)}: ask for fewer")
    return tuple(mixed[:number])


def _id(one: Guidance) -> str:
    return one.id


def view_of(one: Guidance, experience: Experience | None = None) -> PlanView:
    """How the center is asked: flat plans, as the human ones are."""
    return PlanView(one.objective, CARDS, recursion=False, experience=experience or Experience())


@dataclass(frozen=True, slots=True)
class School:
    """Where a run keeps what it made, and what it makes it of and with.

    Its folder holds an adapter for each point and way of learning; one that is whole is not made
    again, one that was cut short is gone on with.
    """

    folder: Path
    base: str
    settings: TrainSettings
    dpo: DPOSettings
    pairs: int
    slots: int
    threads: int

    @property
    def gguf(self) -> Path:
        gguf = gguf_base(self.base)
        if gguf is None:
            raise InputError(f"--base {self.base}: give a GGUF file, which llama.cpp runs")
        return gguf

    async def plans(
        self,
        asked: Sequence[Guidance],
        adapter: Path | None,
        memory: SeekingMemory | None,
        telling: Telling,
        what: str,
    ) -> list[Plan | None]:
        """The center's plans, as in use; None where it wrote no line of one."""
        model = LlamaCppModel(
            self.gguf,
            adapters=(Adapter(adapter),) if adapter else (),
            context=CONTEXT,
            slots=self.slots,
            threads=self.threads,
        )
        center = CenterLM(
            RecordingModel(model, self.folder / "answers"), () if adapter else EXAMPLES
        )
        task = telling.add_task(what, total=len(asked))

        async def plan(one: Guidance) -> Plan | None:
            recalled = await memory.recall(one.objective, CARDS) if memory else None
            return await planned(center, view_of(one, recalled))

        try:
            return await each_of(
                asked, plan, concurrency=self.slots, advance=lambda n: telling.advance(task, n)
            )
        finally:
            await center.model.close()

    def taught(self, name: str, corrected: Sequence[Guidance], telling: Telling) -> Path:
        """An adapter trained on people's plans, from the base on."""
        folder = self.folder / name
        if not _finished(folder):
            model, tokenizer = load_base(self.base)
            examples = [
                TrainingExample(
                    "decompose", plan_prompt(view_of(one)), format_plan(one.plan), one.id, one.by
                )
                for one in corrected
            ]
            train(
                examples,
                model,
                PlainEncoder(tokenizer),
                folder,
                self.settings,
                base=base_name(self.base),
                resume=(folder / RECORD).exists(),
                on_progress=_shown(telling, name),
            )
        return self._written(folder)

    def preferring(
        self, name: str, pairs: Sequence[Preference], start: Path, telling: Telling
    ) -> Path:
        """The adapter `start`, trained on to prefer people's edits to what they corrected."""
        torch = load("torch")
        folder = self.folder / name
        if not _finished(folder):
            model, tokenizer = load_base(self.base)
            if in_16_bits(self.settings):
                model = model.to(torch.bfloat16)
            if self.settings.threads:
                torch.set_num_threads(self.settings.threads)
            train_dpo(
                pairs,
                with_adapter(model, self.settings, start, base_name(self.base)),
                PlainEncoder(tokenizer),
                folder,
                self.dpo,
                start=start,
                resume=(folder / RECORD).exists(),
                on_progress=_shown(telling, name),
            )
        return self._written(folder)

    def _written(self, folder: Path) -> Path:
        file = folder / "adapter.gguf"
        if not file.exists():
            to_gguf(folder / "adapter", file, base=self.gguf)
        return file


def _finished(folder: Path) -> bool:
    try:
        return bool(json.loads((folder / RECORD).read_bytes()).get("finished"))
    except (OSError, ValueError):
        return False


def _shown(telling: Telling, name: str) -> Any:
    task = telling.add_task(f"training {name}", total=None)
    done = 0

    def show(progress: Progress) -> None:
        nonlocal done
        telling.update(task, total=progress.updates)
        telling.advance(task, progress.update - done)
        done = progress.update

    return show


async def planned(center: CenterLM, view: PlanView) -> Plan | None:
    """The whole lines of the center's plan up to the first that is none, as in a solve."""
    request = center.decompose(view)
    try:
        reply = await center.model.complete(request.prompt, request.sampling)
    except ModelError:
        return None
    reader = center.reader(view)
    assert reader is not None  # llama.cpp decodes under a grammar
    reader.feed(reply.text)
    reader.finish(cut=reply.cut)
    return reader.plan() if reader.steps else None


def remembering(corrected: Sequence[Guidance]) -> SeekingMemory:
    """A memory of these corrections alone: of plans, and of nothing that was run."""
    memory = SeekingMemory(":memory:")
    for one in corrected:
        memory.remember(one.id, [], guided=Guided(one.objective, format_plan(one.plan)))
    return memory


def edit_pairs(corrected: Sequence[Guidance], originals: Sequence[Plan | None]) -> list[Preference]:
    """People's plans against what the center had written, where that was a plan, and another."""
    return [
        Preference(
            plan_prompt(view_of(one)), format_plan(one.plan), format_plan(plan), one.id, "edit"
        )
        for one, plan in zip(corrected, originals, strict=True)
        if plan is not None and format_plan(plan) != format_plan(one.plan)
    ]


def default_base(base: Path | None) -> str:
    """What `load_base` and `gguf_base` take."""
    return str(base) if base is not None else DEFAULT
