"""The scenarios as tasks of Inspect AI: its models, its logs, its viewer; our systems and scores.

    inspect eval centerlm/ood_qa --model openai/gpt-4o-mini -T data=DATA -T system=holistic
    inspect eval centerlm/strategy --model ollama/qwen3 -T data=DATA -T sets=game24

A task opens the same scenario, puts the same system together and scores with the same functions as
`centerlm evaluate`; only the model is Inspect's. Loaded by Inspect, through an entry point.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import GenerateConfig, Model, ModelOutput, get_model
from inspect_ai.scorer import (
    Metric,
    SampleScore,
    Score,
    Scorer,
    Target,
    mean,
    metric,
    scorer,
    stderr,
)
from inspect_ai.solver import Generate, Solver, TaskState, solver
from platformdirs import user_cache_dir

from centerlm.center import EXAMPLES, CenterLM
from centerlm.episode import episode_to_json
from centerlm.errors import ModelError
from centerlm.evaluation.harness import How, arrange, check_weights, run_item
from centerlm.evaluation.inspect_logs import message_of
from centerlm.evaluation.results import interval_of
from centerlm.evaluation.scenarios import open_scenario
from centerlm.evaluation.scenarios.base import Opening, Scenario
from centerlm.evaluation.systems import Centers, System, named_systems
from centerlm.finding import Usage
from centerlm.journal import MemoryJournal
from centerlm.models.base import (
    Choice,
    Constraint,
    Price,
    Prompt,
    Reply,
    Sampling,
    most_tokens,
)
from centerlm.models.watched import Watched
from centerlm.objective import Budget
from centerlm.run import Options

SCORES, EPISODES = "centerlm_scores", "centerlm_episodes"
CONTEXT = 32_768


@dataclass(frozen=True, slots=True)
class InspectModel:
    """A model of Inspect behind our protocol. Prices are not known to it."""

    model: Model
    context: int = CONTEXT

    @property
    def name(self) -> str:
        return str(self.model)

    @property
    def identity(self) -> str:
        return f"inspect#{self.model}"

    @property
    def constraint(self) -> Constraint:
        return "none"

    @property
    def price(self) -> Price:
        return Price()

    def count(self, prompt: Prompt) -> int:
        return most_tokens(prompt)

    async def complete(
        self,
        prompt: Prompt,
        sampling: Sampling,
        *,
        on_text: Callable[[str], None] | None = None,
        before_retry: Callable[[], None] | None = None,
    ) -> Reply:
        """See `LanguageModel.complete`; nothing is streamed, and Inspect tries again by itself.

        Raises:
            ModelError: the model answered with an error.
        """
        del on_text, before_retry
        config = GenerateConfig(
            max_tokens=sampling.max_tokens,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            seed=sampling.seed % (1 << 31),
            stop_seqs=list(sampling.stop) or None,
        )
        asked = [message_of(message) for message in prompt.messages]
        choices: list[Choice] = []
        read = made = 0
        for _ in range(sampling.n):
            output = await self.model.generate(asked, config=config)
            if output.error:
                raise ModelError(f"{self.name}: {output.error}")
            cut = output.stop_reason in ("max_tokens", "model_length")
            choices.append(Choice(output.completion, "length" if cut else "stop"))
            read += output.usage.input_tokens if output.usage else self.count(prompt)
            made += output.usage.output_tokens if output.usage else sampling.max_tokens
        usage = Usage(calls=sampling.n, prompt_tokens=read, completion_tokens=made)
        return Reply(tuple(choices), usage, self.name)

    async def close(self) -> None:
        """Inspect closes its models."""


@task
def ood_qa(
    data: str | None = None,
    system: str = "holistic",
    sets: str = "",
    limit: int | None = None,
    budget: str = "",
    seed: int = 0,
    vectors: bool = True,
    work: str = "",
) -> Task:
    """Out-of-distribution question answering; parameters as the options of `centerlm evaluate`.

    `work` is the folder of libraries (default: the cache folder).

    Raises:
        InputError: the system or the data cannot be used.
    """
    opening = _opening(data, sets, limit, seed, work, vectors=vectors)
    return _task("ood_qa", opening, system, budget)


@task
def strategy(
    data: str | None = None,
    system: str = "holistic",
    sets: str = "",
    limit: int | None = None,
    candidates: int = 5,
    budget: str = "",
    seed: int = 0,
    vectors: bool = True,
    work: str = "",
) -> Task:
    """Puzzles whose proposals are checked, and StrategyQA; as `ood_qa`, with `candidates`."""
    opening = _opening(data, sets, limit, seed, work, vectors=vectors, candidates=candidates)
    return _task("strategy", opening, system, budget)


def _opening(
    data: str | None,
    sets: str,
    limit: int | None,
    seed: int,
    work: str,
    *,
    vectors: bool,
    candidates: int = 5,
) -> Opening:
    return Opening(
        data=data,
        work=Path(work).expanduser() if work else Path(user_cache_dir("centerlm")) / "inspect",
        sets=tuple(name.strip() for name in str(sets).split(",") if name.strip()),
        limit=limit,
        candidates=candidates,
        vectors=vectors,
        seed=seed,
    )


def _task(name: str, opening: Opening, system: str, budget: str) -> Task:
    (chosen,) = named_systems([system])
    check_weights([chosen], fragmentation=False)
    scenario = open_scenario(name, opening)
    how = How(Budget.parse(budget) if budget else Budget(), Options(seed=opening.seed))
    samples = [
        Sample(
            id=item.id,
            input=item.objective.text,
            target=list(item.accepted),
            metadata={"data_set": item.data_set, **item.splits},
        )
        for item in scenario.items
    ]
    return Task(
        dataset=MemoryDataset(samples, name=name),
        solver=_solver(scenario, chosen, how),
        scorer=_scorer(scenario),
        name=name,
        metadata={"system": system, "warnings": list(scenario.warnings), **scenario.hashes},
    )


def _solver(scenario: Scenario, system: System, how: How) -> Solver:
    items = {item.id: item for item in scenario.items}

    @solver(name=f"centerlm/{system.name}")
    def whole() -> Solver:
        async def run(state: TaskState, generate: Generate) -> TaskState:
            del generate
            item = items[str(state.sample_id)]
            center = CenterLM(Watched(InspectModel(get_model())), examples=EXAMPLES)
            arranged = arrange(scenario, system, item, Centers(center), how)
            if arranged is None:  # the system is not for this item: it stays without a score
                return state
            outcome = await run_item(scenario, system, item, arranged, MemoryJournal(), how)
            answer = outcome.episodes[-1].answer or ""
            state.output = ModelOutput.from_content(str(state.model), answer)
            state.messages.append(state.output.message)
            state.metadata[SCORES] = dict(outcome.scores)
            state.metadata[EPISODES] = [
                episode_to_json(s.tree, s.name, s.blob) for s in outcome.episodes
            ]
            return state

        return run

    return whole()


def _scorer(scenario: Scenario) -> Scorer:
    @scorer(metrics=[mean(), stderr(), figures()], name=f"centerlm/{scenario.metric}")
    def whole() -> Scorer:
        async def score(state: TaskState, target: Target) -> Score:
            del target
            scores: dict[str, Any] = state.metadata.get(SCORES, {})
            value = scores.get(scenario.metric)
            return Score(
                value=math.nan if value is None else float(value),
                answer=state.output.completion,
                metadata=scores,
            )

        return score

    return whole()


@metric
def figures() -> Metric:
    """The mean of every score, over the items it was to be had for."""

    def compute(scores: list[SampleScore]) -> dict[str, str | int | float | bool | None]:
        found: dict[str, list[float]] = {}
        for sample in scores:
            for name, value in (sample.score.metadata or {}).items():
                if value is not None:
                    found.setdefault(name, []).append(float(value))
        return {name: interval_of(name, values).value for name, values in found.items()}

    return compute
