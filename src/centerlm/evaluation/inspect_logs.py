"""Logs of Inspect AI (UK AI Security Institute, 2024): its viewer and tools read an evaluation.

One log a system, one sample an item: every model call as an event, every score with the others of
the item, the tree of each episode as metadata. Nothing is computed again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from centerlm.episode import episode_to_json
from centerlm.errors import MissingExtraError
from centerlm.evaluation.harness import Outcome
from centerlm.evaluation.scoring import Solved
from centerlm.events import CallStarted
from centerlm.journal import MemoryJournal
from centerlm.learning.calls import read_calls
from centerlm.models.base import Message

if TYPE_CHECKING:
    from inspect_ai.event import ModelEvent
    from inspect_ai.log import EvalLog, EvalSample
    from inspect_ai.model import ChatMessage, ModelUsage

FOLDER = "inspect"
SCORER = "centerlm"


def check_inspect() -> None:
    """Raises: MissingExtraError: `inspect-ai`, or something it needs, is not installed."""
    try:
        import_module("inspect_ai.log")
    except ImportError:
        raise MissingExtraError("inspect-ai", "eval") from None


def write_logs(
    results: Mapping[str, Any], outcomes: Sequence[Outcome], folder: Path
) -> dict[str, Path]:
    """Write a log of every system that ran episodes, as SYSTEM.eval; returns them by system.

    Raises:
        MissingExtraError: `inspect-ai` is not installed.
        OSError: the folder cannot be written.
    """
    check_inspect()
    from inspect_ai.log import write_eval_log

    folder.mkdir(parents=True, exist_ok=True)
    written: dict[str, Path] = {}
    for system in dict.fromkeys(outcome.system for outcome in outcomes):
        mine = [outcome for outcome in outcomes if outcome.system == system]
        written[system] = folder / f"{system}.eval"
        write_eval_log(log_of(system, results, mine), str(written[system]))
    return written


def log_of(system: str, results: Mapping[str, Any], outcomes: Sequence[Outcome]) -> EvalLog:
    """The log of one system's outcomes, with the figures of `results_of`."""
    from inspect_ai.log import (
        EvalConfig,
        EvalDataset,
        EvalLog,
        EvalMetric,
        EvalResults,
        EvalScore,
        EvalSpec,
        EvalStats,
    )

    config: Mapping[str, Any] = results["config"]
    figures: Mapping[str, Any] = results["systems"][system]
    samples = [_sample(outcome) for outcome in outcomes]
    times = [solved.tree for outcome in outcomes for solved in outcome.episodes]
    began, ended = min(t.started for t in times), max(t.finished for t in times)
    name = hashlib.sha256(repr((sorted(config.items()), system)).encode()).hexdigest()[:22]
    scores = [
        EvalScore(
            name=metric,
            scorer=SCORER,
            scored_samples=figures["measured"][metric],
            unscored_samples=len(outcomes) - figures["measured"][metric],
            metrics={
                part: EvalMetric(name=part, value=cell[key])
                for part, key in (("mean", "value"), ("low", "low"), ("high", "high"))
            },
        )
        for metric, cell in figures["metrics"].items()
    ]
    return EvalLog(
        status="success",
        eval=EvalSpec(
            eval_id=name,
            run_id=name,
            task_id=name,
            created=_when(began).isoformat(),
            task=f"centerlm/{results['scenario']}",
            task_args={"system": system},
            solver=system,
            dataset=EvalDataset(
                name=results["scenario"],
                samples=len(samples),
                sample_ids=[sample.id for sample in samples],
                shuffled=False,
            ),
            model=str(config.get("model", "none")),
            config=EvalConfig(),
            packages=dict(config.get("versions", {})),
            metadata=dict(config),
        ),
        results=EvalResults(
            total_samples=len(samples), completed_samples=len(samples), scores=scores
        ),
        stats=EvalStats(started_at=_when(began).isoformat(), completed_at=_when(ended).isoformat()),
        samples=samples,
    )


def _sample(outcome: Outcome) -> EvalSample:
    from inspect_ai.log import EvalSample
    from inspect_ai.model import ChatMessageAssistant, ChatMessageUser, ModelOutput
    from inspect_ai.scorer import Score

    item = outcome.item
    events = [event for solved in outcome.episodes for event in _events(solved)]
    answer = outcome.episodes[-1].answer or ""
    model = events[-1].model if events else "none"
    usage: dict[str, ModelUsage] = {}
    for event in events:
        if event.output.usage is not None:
            known = usage.get(event.model)
            usage[event.model] = known + event.output.usage if known else event.output.usage
    values: dict[str, str | int | float | bool | None] = {
        name: value for name, value in outcome.scores.items() if value is not None
    }
    trees = [solved.tree for solved in outcome.episodes]
    return EvalSample(
        id=item.id,
        epoch=1,
        input=item.objective.text,
        target=list(item.accepted),
        messages=[
            ChatMessageUser(content=item.objective.text),
            ChatMessageAssistant(content=answer, model=model),
        ],
        output=ModelOutput.from_content(model, answer),
        scores={SCORER: Score(value=values, answer=answer)},
        metadata={
            "data_set": item.data_set,
            **item.splits,
            "plan": outcome.episodes[-1].plan,
            "episodes": [episode_to_json(s.tree, s.name, s.blob) for s in outcome.episodes],
        },
        events=list(events),
        model_usage=usage,
        started_at=_when(min(tree.started for tree in trees)).isoformat(),
        completed_at=_when(max(tree.finished for tree in trees)).isoformat(),
        total_time=outcome.usage["seconds"],
    )


class _Read(MemoryJournal):
    """The journal of one episode."""

    def __init__(self, solved: Solved) -> None:
        super().__init__()
        self._solved = solved
        for event in solved.events:
            self.append(solved.name, event)

    def blob(self, name: str) -> bytes:
        return self._solved.blob(name)


def _events(solved: Solved) -> Iterator[ModelEvent]:
    """The model calls of an episode."""
    from inspect_ai.event import ModelEvent
    from inspect_ai.model import GenerateConfig, ModelOutput, ModelUsage

    begun = {
        (event.path, event.act, event.attempt): event.at
        for event in solved.events
        if isinstance(event, CallStarted)
    }
    for call in read_calls(_Read(solved), solved.name).calls:
        output = ModelOutput.from_content(
            call.reply.model or "none",
            call.reply.text,
            stop_reason="max_tokens" if call.reply.cut else "stop",
        )
        read, made = call.usage.prompt_tokens, call.usage.completion_tokens
        output.usage = ModelUsage(input_tokens=read, output_tokens=made, total_tokens=read + made)
        yield ModelEvent(
            timestamp=_when(begun[call.path, call.act, call.attempt]),
            model=output.model,
            input=[message_of(message) for message in call.prompt.messages],
            tools=[],
            tool_choice="none",
            config=GenerateConfig(),
            output=output,
            metadata={"act": call.act, "path": call.path, "episode": solved.name},
        )


def message_of(message: Message) -> ChatMessage:
    """A message as one of Inspect."""
    from inspect_ai.model import ChatMessageAssistant, ChatMessageSystem, ChatMessageUser

    match message.role:
        case "system":
            return ChatMessageSystem(content=message.text)
        case "user":
            return ChatMessageUser(content=message.text)
        case "assistant":
            return ChatMessageAssistant(content=message.text)


def _when(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
