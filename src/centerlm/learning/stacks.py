"""Rows and traces in the shapes that other training stacks read: plain dicts and lists.

One function a stack; docs/reference/rows.md holds the table of fields. Nothing of a stack is
imported and everything is JSON, so it can be written here and loaded where the stack lives
(several cannot share one environment).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from centerlm.errors import InputError
from centerlm.learning.calls import EpisodeCalls
from centerlm.learning.rows import PromptIds, Row
from centerlm.learning.traces import Trace, TraceMessage, branch


def split_row(row: Row) -> tuple[list[int], list[int], list[int], list[float] | None]:
    """Prompt ids, response ids, response mask, response log-probabilities.

    The prompt is everything before the first sampled token; the response the rest.
    """
    start = row.mask.index(1)
    logprobs = None if row.logprobs is None else list(row.logprobs[start:])
    ids = list(row.input_ids)
    return ids[:start], ids[start:], list(row.mask[start:]), logprobs


def numbered(rows: Sequence[Row]) -> dict[str, int]:
    """A number for each group, in the order they appear: for stacks whose group ids are numbers."""
    return {name: i for i, name in enumerate(dict.fromkeys(row.group_id for row in rows))}


def trl_samples(rows: Sequence[Row], *, model_version: int = 0) -> list[dict[str, Any]]:
    """TRL 1.16 `trl.experimental.async_grpo` RolloutSample, one a row.

    Its `prompt` and `completion` are messages for display and stay empty. A row without
    advantage counts with its reward. Turn the three lists of tokens into arrays there.

    Raises:
        InputError: a row has no log-probabilities of its sampler, which this trainer needs.
    """
    groups = numbered(rows)
    if missing := sum(row.logprobs is None for row in rows):
        raise InputError(
            f"{missing} of {len(rows)} rows have no log-probabilities of their sampler, which TRL "
            "needs; roll out again with log-probabilities"
        )
    return [
        {
            "prompt": [],
            "completion": [],
            "input_ids": list(row.input_ids),
            "completion_mask": list(row.mask),
            "old_log_probs": list(row.logprobs or ()),
            "advantage": gain(row),
            "model_version": model_version,
            "group_id": groups[row.group_id],
            "metrics": {"reward": row.reward, "depth": float(row.depth)},
        }
        for row in rows
    ]


def skyrl_output(rows: Sequence[Row]) -> dict[str, Any]:
    """SkyRL GeneratorOutput for step-wise training: all rows of a batch, column by column.

    `trajectory_ids` are (question, number of the episode among those of the question);
    `is_last_step` is true for the last row of each episode. `rewards` are each row's own credit.
    `rollout_logprobs` is None unless every row has them.
    """
    parts = [split_row(row) for row in rows]
    last = {row.episode: i for i, row in enumerate(rows)}
    repetitions: dict[str, dict[str, int]] = {}
    ids: list[dict[str, Any]] = []
    for row in rows:
        seen = repetitions.setdefault(row.group_id, {})
        number = seen.setdefault(row.episode, len(seen))
        ids.append({"instance_id": row.group_id, "repetition_id": number})
    logprobs = [part[3] for part in parts]
    return {
        "prompt_token_ids": [part[0] for part in parts],
        "response_ids": [part[1] for part in parts],
        "rewards": [row.reward for row in rows],
        "loss_masks": [part[2] for part in parts],
        "stop_reasons": None,
        "rollout_metrics": None,
        "rollout_logprobs": None if None in logprobs else logprobs,
        "trajectory_ids": ids,
        "is_last_step": [last[row.episode] == i for i, row in enumerate(rows)],
    }


def verl_outputs(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """verl AgentLoopOutput, one a row; what it has no field for goes to `extra_fields`."""
    outputs: list[dict[str, Any]] = []
    for row in rows:
        prompt, response, mask, logprobs = split_row(row)
        outputs.append(
            {
                "prompt_ids": prompt,
                "response_ids": response,
                "response_mask": mask,
                "response_logprobs": logprobs,
                "reward_score": row.reward,
                "num_turns": 2 * _turns(row),
                "metrics": {},
                "extra_fields": {
                    "uid": row.group_id,
                    "rollout_id": row.rollout_id,
                    "parent_rollout_id": row.parent_rollout_id,
                    "depth": row.depth,
                    "role": row.role,
                    "advantage": row.advantage,
                    "model_version": row.model_version,
                },
            }
        )
    return outputs


def tinker_data(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Tinker Datum for its `importance_sampling` and `ppo` losses, one a row of n tokens.

    All lists have n - 1 entries: `model_input` holds the tokens but the last, `target_tokens` those
    but the first. `advantages` are 0 where nothing was sampled, which is what masks there;
    `weights` (0 or 1) serve `cross_entropy`. A row without sampler log-probabilities has none.
    """
    data: list[dict[str, Any]] = []
    for row in rows:
        inputs: dict[str, Any] = {
            "target_tokens": list(row.input_ids[1:]),
            "advantages": [gain(row) * float(m) for m in row.mask[1:]],
            "weights": [float(m) for m in row.mask[1:]],
        }
        if row.logprobs is not None:
            inputs["logprobs"] = list(row.logprobs[1:])
        data.append({"model_input": list(row.input_ids[:-1]), "loss_fn_inputs": inputs})
    return data


def prompt_tokens(calls: EpisodeCalls, prompt_ids: PromptIds) -> list[list[int]]:
    """The prompt of every call as token ids, in the order of a trace's calls."""
    return [list(prompt_ids(call.prompt)) for call in calls.calls]


def lightning_events(
    trace: Trace,
    *,
    rollout_id: str,
    model: str = "center",
    attempt_id: str = "0",
    prompts: Sequence[Sequence[int]] | None = None,
) -> list[dict[str, Any]]:
    """agent-lightning events of one rollout: a `model_request` for each call, then one `reward`.

    Requests and responses are bodies of chat completions, with the token fields that vLLM adds.
    `prompts` are the token ids of each call's prompt (`prompt_tokens`). The reward is the root's
    credit; there is none in a trace without credits. Credits of single acts are in `center`.
    """
    events: list[dict[str, Any]] = []
    for number, call in enumerate(trace.calls):
        *prompt, said = branch(trace, call)
        choice: dict[str, Any] = {
            "index": 0,
            "message": _message(said.message),
            "token_ids": _listed(said.token_ids),
            "logprobs": None
            if said.logprobs is None
            else {"content": [{"logprob": value} for value in said.logprobs]},
        }
        tokens = {"prompt_tokens": call.prompt_tokens, "completion_tokens": call.completion_tokens}
        data: dict[str, Any] = {
            "model": model,
            "request": {"model": model, "messages": [_message(node.message) for node in prompt]},
            "response": {
                "model": model,
                "choices": [choice],
                "prompt_token_ids": None if prompts is None else list(prompts[number]),
                "usage": tokens,
            },
            "latency_ms": 1000 * call.seconds,
            "status": "ok",
            "usage": tokens,
            "center": {
                "path": call.path,
                "act": call.act,
                "reward": trace.rewards.get(f"{call.path or 'root'} {call.act}"),
            },
        }
        events.append(_event("model_request", rollout_id, attempt_id, data))
    if "total" in trace.rewards:
        reward = {"value": trace.rewards["total"], "source": "centerlm"}
        events.append(_event("reward", rollout_id, attempt_id, reward))
    return events


def verifiers_trace(
    trace: Trace, *, prompts: Sequence[Sequence[int]] | None = None
) -> dict[str, Any]:
    """What an episode fills of a verifiers v1 Trace: task, nodes, calls, rewards, metrics.

    A branch there is the tokens of its nodes one after the other; all of a branch's prompt
    (`prompts`, see `prompt_tokens`) stands on its sampled node, before what was sampled, with mask
    False. `rewards` sum to the root's credit: those of single acts have weight 0.
    """
    nodes: list[dict[str, Any]] = [
        {
            "parent": node.parent,
            "message": _message(node.message),
            "sampled": node.sampled,
            "token_ids": [],
            "mask": [],
            "logprobs": [],
        }
        for node in trace.nodes
    ]
    for number, call in enumerate(trace.calls):
        before = [] if prompts is None else list(prompts[number])
        sampled = _listed(trace.nodes[call.node].token_ids) or []
        nodes[call.node] |= {
            "token_ids": [*before, *sampled],
            "mask": [False] * len(before) + [True] * len(sampled),
            "logprobs": _listed(trace.nodes[call.node].logprobs) or [],
        }
    return {
        "task": {"type": "centerlm", "data": {"prompt": trace.task}},
        "nodes": nodes,
        "calls": [{"node": call.node} for call in trace.calls],
        "rewards": {
            name: {"score": value, "weight": float(name == "total")}
            for name, value in trace.rewards.items()
        },
        "metrics": dict(trace.metrics),
    }


def gain(row: Row) -> float:
    """The advantage, or the reward of a row that has none."""
    return row.reward if row.advantage is None else row.advantage


def _turns(row: Row) -> int:
    """How many stretches of the row were sampled."""
    pairs = zip((0, *row.mask), row.mask, strict=False)
    return sum(before == 0 and here == 1 for before, here in pairs)


def _event(kind: str, rollout: str, attempt: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"event_type": kind, "rollout_id": rollout, "attempt_id": attempt, "data": data}


def _message(message: TraceMessage) -> dict[str, str]:
    return {"role": message.role, "content": message.content}


def _listed(values: tuple[int, ...] | tuple[float, ...] | None) -> list[Any] | None:
    return None if values is None else list(values)
