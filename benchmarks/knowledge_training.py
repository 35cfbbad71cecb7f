"""What knowledge.py trains: one model on all facts, three experts, the two baselines, the center.

Every model has a folder of its own. What is done is not done again, and what was cut short goes on
from its last checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Literal

import msgspec

from centerlm.acts import PlanView
from centerlm.center import DIRECT, plan_prompt
from centerlm.errors import InputError
from centerlm.learning.adapters import to_gguf
from centerlm.learning.arms import chain
from centerlm.learning.base import base_name, load_base
from centerlm.learning.encoding import encode
from centerlm.learning.example import TrainingExample
from centerlm.learning.material import Composed
from centerlm.learning.memorising import Memorised, memorise
from centerlm.learning.run_folder import read_json, write_json
from centerlm.learning.train_settings import TrainSettings
from centerlm.learning.training import data_hash, train
from centerlm.learning.watching import Progress
from centerlm.models.base import Message, Prompt
from centerlm.models.tokenizer import tokenizer_of
from centerlm.models.transformers import PlainEncoder
from centerlm.plan import Step, format_plan, make_plan
from knowledge_world import CARDS, Composition, Knowledge, SingleFact, chain_of_thought

WHOLE, ANSWERS, CHAINS, CENTER = "all", "answers", "chains", "center"
ANSWERS_CENTER, CHAINS_CENTER = "answers-center", "chains-center"
FORMATS = 200
"""Plans that centers see which are trained on answers or on chains of thought, so that the solver
is not won by its format.
"""
STEP_BY_STEP = "Answer the question step by step."
DONE = "done.json"


@dataclass(frozen=True, slots=True)
class Budgets:
    """How long is trained.

    `epochs` over the facts, then up to `reviews` rounds until `goal` of the wordings are recalled.
    `tokens` of compositions are processed by the center and by the two baselines alike. So that
    these keep what they know, they see facts again on top of that: `replay` is a share of `tokens`.
    `rates` are learning rates, `row_tokens` the tokens of a packed row and `rows` the rows of an
    update: of facts, and of compositions. Updates are small and many: tokens are few.
    """

    epochs: int = 14
    reviews: int = 3
    goal: float = 0.98
    tokens: int = 90_000
    replay: float = 1 / 3
    rates: tuple[float, float] = (1e-3, 8e-4)
    row_tokens: tuple[int, int] = (384, 768)
    rows: tuple[int, int] = (1, 1)
    rank: int = 32


@dataclass(frozen=True, slots=True)
class Taught:
    """A trained model: its adapter for llama.cpp, and what training it took."""

    name: str
    gguf: Path
    record: dict[str, Any]


@dataclass(frozen=True, slots=True)
class School:
    """Where and on what the models of one seed are trained. `gguf` is what llama.cpp runs; `base`
    is the same for torch.
    """

    folder: Path
    base: str
    gguf: Path
    budgets: Budgets
    seed: int = 0
    threads: int = 0

    def settings(self, kind: Literal["facts", "compositions"]) -> TrainSettings:
        budgets, which = self.budgets, 0 if kind == "facts" else 1
        return TrainSettings(
            learning_rate=budgets.rates[which],
            rank=budgets.rank,
            alpha=2 * budgets.rank,
            epochs=budgets.epochs,
            row_tokens=budgets.row_tokens[which],
            rows=budgets.rows[which],
            warmup=0.05,
            save_every=25,
            seed=self.seed,
            dtype="auto",
            compile="auto",
            threads=self.threads,
        )

    def load(self) -> tuple[Any, Any]:
        model, tokenizer = load_base(self.base)
        return model, PlainEncoder(tokenizer)


def question_prompt(question: str, instruction: str = DIRECT) -> Prompt:
    """How a model is asked what it knows: as the source `expert:FIELD` asks it."""
    return Prompt((Message("system", instruction), Message("user", question)))


def fact_examples(facts: Sequence[SingleFact]) -> list[TrainingExample]:
    """Every trained wording of every fact."""
    return [
        TrainingExample("answer", question_prompt(asked), fact.answer, f"{fact.id}:{n}", "facts")
        for fact in facts
        for n, asked in enumerate(fact.asked)
    ]


def answer_examples(compositions: Sequence[Composition]) -> list[TrainingExample]:
    """Question -> answer."""
    return [
        TrainingExample("answer", question_prompt(c.text), c.answer, c.id, "compositions")
        for c in compositions
    ]


def chain_examples(compositions: Sequence[Composition]) -> list[TrainingExample]:
    """Question -> the single questions with their answers, and the answer."""
    return [
        TrainingExample(
            "answer",
            question_prompt(c.text, STEP_BY_STEP),
            chain_of_thought(c.steps),
            c.id,
            "compositions",
        )
        for c in compositions
    ]


def plan_examples(compositions: Sequence[Composition]) -> Iterator[TrainingExample]:
    """Every level of a recursive solve, in the prompts of use."""
    for composition in compositions:
        for number, (objective, plan) in enumerate(composition.levels):
            root = composition.text if number else None
            yield TrainingExample(
                "decompose",
                plan_prompt(PlanView(objective, CARDS, root=root)),
                format_plan(plan),
                f"{composition.id}:{number}",
                "compositions",
            )


def part_examples(compositions: Sequence[Composition]) -> list[TrainingExample]:
    """Question -> answer of compositions and of each single question in them."""
    parts = {part for c in compositions for part in c.steps}
    return [
        *answer_examples(compositions),
        *(
            TrainingExample("answer", question_prompt(asked), answer, asked, "compositions")
            for asked, answer in sorted(parts)
        ),
    ]


def planned_chain_examples(compositions: Sequence[Composition]) -> list[TrainingExample]:
    """Question -> its plan, in the language of plans, with the answer of each step, and the answer,
    as the arm `cot` of the comparison.
    """
    return [
        TrainingExample(
            "answer",
            question_prompt(c.text, STEP_BY_STEP),
            chain(Composed(c.id, "compositions", c.text, c.answer, flat_plan(c), c.steps)),
            c.id,
            "compositions",
        )
        for c in compositions
    ]


def flat_plan(composition: Composition) -> str:
    """All levels in one plan: the innermost question is its first step."""
    last = [plan.steps[-1] for _, plan in reversed(composition.levels)]
    steps = [
        Step(n, step.sources, step.text if n == 1 else step.text.replace("#1", f"#{n - 1}"))
        for n, step in enumerate(last, start=1)
    ]
    return format_plan(make_plan(steps))


def teach_facts(school: School, name: str, facts: Sequence[SingleFact]) -> Taught:
    """A model that knows these facts by heart.

    Raises:
        StoppedError, InputError: as `memorise`.
    """
    folder, budgets, examples = school.folder / name, school.budgets, fact_examples(facts)
    settings = school.settings("facts")
    made_of = _made_of(school, examples, settings) | {
        "goal": budgets.goal,
        "reviews": budgets.reviews,
    }
    if (record := _done(folder, made_of)) is None:
        done: Memorised = memorise(
            examples,
            school.load,
            folder,
            settings,
            base=base_name(school.base),
            goal=budgets.goal,
            reviews=budgets.reviews,
            on_progress=lambda progress: _say(name, progress),
        )
        _export(school, done.adapter, name)
        record = {
            "facts": len(facts),
            "recall_by_round": done.known,
            "tokens": done.tokens,
            "updates": done.updates,
            "adapter": str(done.adapter.relative_to(folder)),
            "made_of": made_of,
        }
        write_json(folder / DONE, record)
    return Taught(name, _gguf(school, name), record)


def taught_facts(school: School, name: str, facts: Sequence[SingleFact]) -> Taught:
    """A model that knows these facts, as it lies in the school's folder; nothing is trained.

    Raises:
        InputError: there is none, or it was taught other facts or on another base.
    """
    folder = school.folder / name
    record = read_json(folder / DONE)
    if record is None:
        raise InputError(f"{folder} holds no trained expert; let the same command end that made it")
    wanted = {"base": base_name(school.base), "data": data_hash(fact_examples(facts))}
    if any(record["made_of"][what] != value for what, value in wanted.items()):
        raise InputError(f"{folder} was taught other facts; give --people and --base as there")
    return Taught(name, _gguf(school, name), record)


def teach(
    school: School,
    name: str,
    examples: Sequence[TrainingExample],
    *,
    tokens: int,
    start: Path | None,
) -> Taught:
    """A model that learns compositions, from the base or from an adapter that knows the facts.

    Raises:
        StoppedError, InputError: as `train`.
    """
    folder = school.folder / name
    # A question with its plan below its root's is long.
    settings = msgspec.structs.replace(school.settings("compositions"), max_tokens=tokens)
    made_of = _made_of(school, examples, settings)
    if (record := _done(folder, made_of)) is None:
        model, encoder = school.load()
        trained = train(
            examples,
            model,
            encoder,
            folder,
            settings,
            base=base_name(school.base),
            start=start,
            resume=(folder / "run.json").is_file(),
            on_progress=lambda progress: _say(name, progress),
        )
        _export(school, trained.folder, name)
        record = {
            "examples": len(examples),
            "trained_examples": trained.examples,
            "tokens": trained.tokens,
            "trained_tokens": trained.trained_tokens,
            "updates": trained.updates,
            "adapter": trained.folder.name,
            "made_of": made_of,
        }
        write_json(folder / DONE, record)
    return Taught(name, _gguf(school, name), record)


def teach_all(school: School, knowledge: Knowledge) -> dict[str, Taught]:
    """All models, by name: `all`, the experts by field, `answers`, `chains`, and three centers:
    `center`, and those that see as many tokens of answers or chains and few plans.

    Raises:
        StoppedError, InputError: as `train`.
    """
    facts, trained, budgets = knowledge.facts, knowledge.trained, school.budgets
    whole = teach_facts(school, WHOLE, facts)
    taught = {WHOLE: whole}
    for field in dict.fromkeys(fact.field for fact in facts):
        taught[field] = teach_facts(school, field, [f for f in facts if f.field == field])
    plans = list(plan_examples(trained))
    taught[CENTER] = teach(school, CENTER, plans, tokens=budgets.tokens, start=None)
    adapter = school.folder / WHOLE / whole.record["adapter"]
    tokens = round(budgets.tokens * (1 + budgets.replay))
    for name, made in ((ANSWERS, answer_examples(trained)), (CHAINS, chain_examples(trained))):
        mixed = [*made, *_again(school, made, facts)]
        taught[name] = teach(school, name, mixed, tokens=tokens, start=adapter)
    formats = Random(f"formats {school.seed}").sample(plans, min(FORMATS, len(plans)))
    centers = {
        ANSWERS_CENTER: part_examples(trained),
        CHAINS_CENTER: planned_chain_examples(trained),
    }
    for name, made in centers.items():
        taught[name] = teach(school, name, [*made, *formats], tokens=budgets.tokens, start=None)
    return taught


def _again(
    school: School, made: Sequence[TrainingExample], facts: Sequence[SingleFact]
) -> list[TrainingExample]:
    """So many questions for single facts that they take `replay` of what `made` takes."""
    encoder = tokenizer_of(school.gguf)
    room = school.budgets.replay * sum(len(encode(e, encoder).ids) for e in made)
    chosen = list[TrainingExample]()
    every = fact_examples(facts)
    for example in Random(f"replay {school.seed}").sample(every, len(every)):
        room -= len(encode(example, encoder).ids)
        if room < 0:
            break
        chosen.append(example)
    return chosen


def _made_of(
    school: School, examples: Sequence[TrainingExample], settings: TrainSettings
) -> dict[str, Any]:
    """What a model is made of, as its folder keeps it."""
    return {
        "base": base_name(school.base),
        "data": data_hash(examples),
        "settings": msgspec.to_builtins(settings),
    }


def _done(folder: Path, made_of: Mapping[str, Any]) -> dict[str, Any] | None:
    """The record of a model that is trained.

    Raises:
        InputError: it was made of something else.
    """
    record = read_json(folder / DONE)
    if record is not None and record["made_of"] != made_of:
        raise InputError(f"{folder} was made of other facts or settings; give another --work")
    return record


def _gguf(school: School, name: str) -> Path:
    return school.folder / f"{name}.gguf"


def _export(school: School, peft: Path, name: str) -> None:
    to_gguf(peft, _gguf(school, name), base=school.gguf, notes=f"benchmarks/knowledge.py: {name}")


def _say(name: str, progress: Progress) -> None:
    if progress.update % 10 == 0 or progress.update == progress.updates:
        pace = progress.tokens / max(progress.seconds, 1e-9)
        print(
            f"{name}: update {progress.update} of {progress.updates}, loss {progress.loss:.3f}, "
            f"{pace:.0f} tokens/s",
            flush=True,
        )
