"""Traces: an episode as a tree of messages, for tools that read conversations rather than tokens.

Prompts that begin alike share nodes, so each node is written once; sampled messages carry their
token ids and log-probabilities. Data only; built from the same calls and credits as the rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from centerlm.learning.calls import EpisodeCalls
from centerlm.learning.credit import NodeCredit


@dataclass(frozen=True, slots=True)
class TraceMessage:
    role: str
    content: str


@dataclass(frozen=True, slots=True)
class TraceNode:
    """A message after the one at index `parent` (None: it begins a conversation).

    `token_ids` and `logprobs` are those of a sampled message, where the model gave them.
    """

    parent: int | None
    message: TraceMessage
    sampled: bool = False
    token_ids: tuple[int, ...] | None = None
    logprobs: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class TraceCall:
    """One model call: the node it sampled, its act and place, and what it spent."""

    node: int
    path: str
    act: str
    attempt: int
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    cost: float


@dataclass(frozen=True, slots=True)
class Trace:
    """An episode. `rewards` are credits by "path act" (the root's path is "root"); "total" is the
    root's decompose credit. `metrics` are counts and sums over its calls.
    """

    task: str
    nodes: tuple[TraceNode, ...]
    rewards: dict[str, float] = field(default_factory=dict[str, float])
    metrics: dict[str, float] = field(default_factory=dict[str, float])
    calls: tuple[TraceCall, ...] = ()


def trace_of(calls: EpisodeCalls, credits_: Iterable[NodeCredit] = ()) -> Trace:
    """The trace of an episode's answered model calls, in the order they were begun."""
    nodes: list[TraceNode] = []
    known: dict[tuple[int | None, str, str], int] = {}
    made: list[TraceCall] = []
    for call in calls.calls:
        parent: int | None = None
        for message in call.prompt.messages:
            key = (parent, message.role, message.text)
            if key not in known:
                known[key] = len(nodes)
                nodes.append(TraceNode(parent, TraceMessage(message.role, message.text)))
            parent = known[key]
        choice = call.reply.choices[0]
        usage = call.usage
        made.append(
            TraceCall(
                len(nodes),
                call.path,
                call.act,
                call.attempt,
                usage.prompt_tokens,
                usage.completion_tokens,
                usage.seconds,
                usage.cost,
            )
        )
        said = TraceMessage("assistant", choice.text)
        nodes.append(TraceNode(parent, said, True, choice.token_ids, choice.logprobs))
    return Trace(calls.question, tuple(nodes), _rewards(credits_), _metrics(calls), tuple(made))


def branch(trace: Trace, call: TraceCall) -> tuple[TraceNode, ...]:
    """The conversation that ends with the message a call sampled, from its first message on."""
    nodes = [trace.nodes[call.node]]
    while (parent := nodes[-1].parent) is not None:
        nodes.append(trace.nodes[parent])
    return tuple(reversed(nodes))


def _rewards(credits_: Iterable[NodeCredit]) -> dict[str, float]:
    rewards: dict[str, float] = {}
    for credit in credits_:
        rewards[f"{credit.path or 'root'} {credit.act}"] = credit.total
        if not credit.path and credit.act == "decompose":
            rewards["total"] = credit.total
    return rewards


def _metrics(calls: EpisodeCalls) -> dict[str, float]:
    usages = [call.usage for call in calls.calls]
    return {
        "calls": float(len(usages)),
        "unanswered": float(calls.unanswered),
        "prompt_tokens": float(sum(u.prompt_tokens for u in usages)),
        "completion_tokens": float(sum(u.completion_tokens for u in usages)),
        "seconds": sum((u.seconds for u in usages), 0.0),
        "cost": sum((u.cost for u in usages), 0.0),
    }
