"""Exports: the same tokens, masks and credits in the shapes of other stacks."""

from __future__ import annotations

import ast
import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from centerlm.errors import InputError
from centerlm.learning.advantage import advantages
from centerlm.learning.calls import EpisodeCalls, read_calls
from centerlm.learning.rows import Row, episode_rows
from centerlm.learning.stacks import (
    lightning_events,
    prompt_tokens,
    skyrl_output,
    split_row,
    tinker_data,
    trl_samples,
    verifiers_trace,
    verl_outputs,
)
from centerlm.learning.traces import Trace, trace_of
from engine import script
from scripted_rollouts import SENSIBLE, TOKENIZER, policy, prompt_ids, reads, roll

HELD = Row(
    input_ids=(9, 1, 2, 9, 9, 3),
    mask=(0, 1, 1, 0, 0, 1),
    logprobs=(0.0, -0.1, -0.2, 0.0, 0.0, -0.3),
    advantage=-0.5,
    reward=1.25,
    group_id="q",
    rollout_id="e/1",
    parent_rollout_id="e",
    depth=1,
    role="decompose",
    model_version="m",
)
"""Two turns in one context."""


@pytest.fixture(scope="module")
def group() -> tuple[Row, ...]:
    """The rows of two questions; the first was asked twice."""
    said = [policy(SENSIBLE), policy("1 [documents] Where was Ada born?"), policy(SENSIBLE)]
    rolled = [roll(s, episode=f"e{i}") for i, s in enumerate(said)]
    relative = advantages([r.credits() for r in rolled]).values
    return tuple(
        row
        for i, (one, values) in enumerate(zip(rolled, relative, strict=True))
        for row in episode_rows(
            read_calls(one.journal, one.episode),
            one.credits(),
            group_id="first" if i < 2 else "second",
            prompt_ids=prompt_ids,
            advantages=values,
        ).rows
    )


@pytest.fixture(scope="module")
def traced() -> tuple[EpisodeCalls, Trace]:
    said = iter(["1 [nowhere] Who?", "1 [documents] Where was Ada born?"])
    rolled = roll(
        script(lambda _: next(said), repair=lambda _: next(said), absorb=reads()),
        constraint="none",
    )
    calls = read_calls(rolled.journal, "e")
    return calls, trace_of(calls, rolled.credits())


def test_a_context_is_split_at_its_first_sampled_token() -> None:
    assert split_row(HELD) == ([9], [1, 2, 9, 9, 3], [1, 1, 0, 0, 1], [-0.1, -0.2, 0.0, 0.0, -0.3])


def test_trl_samples(group: tuple[Row, ...]) -> None:
    samples = trl_samples(group, model_version=3)
    assert [s["input_ids"] for s in samples] == [list(row.input_ids) for row in group]
    assert [s["completion_mask"] for s in samples] == [list(row.mask) for row in group]
    assert [s["advantage"] for s in samples] == [row.advantage for row in group]
    assert [s["group_id"] for s in samples] == [int(row.group_id == "second") for row in group]
    assert all(len(s["old_log_probs"]) == len(s["input_ids"]) for s in samples)
    assert {s["model_version"] for s in samples} == {3}


def test_trl_takes_a_row_without_advantage_by_its_reward_and_none_without_logprobs() -> None:
    assert trl_samples([replace(HELD, advantage=None)])[0]["advantage"] == 1.25
    with pytest.raises(InputError, match="1 of 2 rows have no log-probabilities"):
        trl_samples([HELD, replace(HELD, logprobs=None)])


def test_our_fields_are_those_of_trl_s_own_sample(group: tuple[Row, ...]) -> None:
    """Read from its source: importing TRL takes many seconds."""
    spec = importlib.util.find_spec("trl")
    if spec is None or spec.origin is None:
        pytest.skip("TRL is not installed")
    worker = Path(spec.origin).parent / "experimental/async_grpo/async_rollout_worker.py"
    tree = ast.parse(worker.read_text(encoding="utf-8"))
    [sample] = [
        node
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name == "RolloutSample"
    ]
    fields = {
        line.target.id: line.value is None
        for line in sample.body
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)
    }
    assert {name for name, needed in fields.items() if needed} == set(trl_samples(group)[0])


def test_skyrl_output(group: tuple[Row, ...]) -> None:
    output = skyrl_output([*group, HELD])
    columns = [value for value in output.values() if value is not None]
    assert {len(column) for column in columns} == {len(group) + 1}
    for ids, response, mask, row in zip(
        output["prompt_token_ids"],
        output["response_ids"],
        output["loss_masks"],
        [*group, HELD],
        strict=True,
    ):
        assert tuple(ids + response) == row.input_ids
        assert mask == list(row.mask[len(ids) :]) and mask[0] == 1
    assert [i["repetition_id"] for i in output["trajectory_ids"]] == [
        int(row.episode == "e1") for row in [*group, HELD]
    ]
    assert sum(output["is_last_step"]) == 4, "one an episode"
    assert output["is_last_step"][-1]


def test_verl_outputs(group: tuple[Row, ...]) -> None:
    for output, row in zip(verl_outputs([*group, HELD]), [*group, HELD], strict=True):
        assert (*output["prompt_ids"], *output["response_ids"]) == row.input_ids
        assert len(output["response_mask"]) == len(output["response_logprobs"])
        assert output["reward_score"] == row.reward
        assert output["num_turns"] == (4 if row is HELD else 2)
        assert output["extra_fields"]["parent_rollout_id"] == row.parent_rollout_id


def test_tinker_data_are_shifted_by_one() -> None:
    [datum] = tinker_data([HELD])
    assert datum["model_input"] == [9, 1, 2, 9, 9]
    assert datum["loss_fn_inputs"] == {
        "target_tokens": [1, 2, 9, 9, 3],
        "advantages": [-0.5, -0.5, 0.0, 0.0, -0.5],
        "weights": [1.0, 1.0, 0.0, 0.0, 1.0],
        "logprobs": [-0.1, -0.2, 0.0, 0.0, -0.3],
    }


def test_agent_lightning_events(traced: tuple[EpisodeCalls, Trace]) -> None:
    calls, trace = traced
    events = lightning_events(
        trace, rollout_id="r", prompts=prompt_tokens(calls, prompt_ids), model="center"
    )
    assert [e["event_type"] for e in events] == [*["model_request"] * 3, "reward"]
    assert events[-1]["data"]["value"] == trace.rewards["total"]
    for event, call in zip(events, calls.calls, strict=False):
        response = event["data"]["response"]
        assert response["prompt_token_ids"] == prompt_ids(call.prompt)
        [choice] = response["choices"]
        assert TOKENIZER.decode(choice["token_ids"]) == f"{choice['message']['content']}<|im_end|>"
        assert len(choice["logprobs"]["content"]) == len(choice["token_ids"])
        assert event["data"]["request"]["messages"][-1]["role"] == "user"
    assert events[0]["data"]["center"]["reward"] == trace.rewards["root decompose"]
    assert [e["event_type"] for e in lightning_events(trace_of(calls), rollout_id="r")] == [
        "model_request"
    ] * 3


def test_a_branch_of_a_verifiers_trace_is_what_the_model_saw(
    traced: tuple[EpisodeCalls, Trace],
) -> None:
    calls, trace = traced
    made = verifiers_trace(trace, prompts=prompt_tokens(calls, prompt_ids))
    nodes = made["nodes"]
    for number, call in zip(made["calls"], calls.calls, strict=True):
        place: int | None = number["node"]
        path: list[dict[str, Any]] = []
        while place is not None:
            path.insert(0, nodes[place])
            place = nodes[place]["parent"]
        tokens = [i for node in path for i in node["token_ids"]]
        mask = [m for node in path for m in node["mask"]]
        sampled = list(call.reply.choices[0].token_ids or ())
        assert tokens == [*prompt_ids(call.prompt), *sampled]
        assert [i for i, m in zip(tokens, mask, strict=True) if m] == sampled
        assert len(path[-1]["logprobs"]) == len(sampled)
        assert [node["message"]["content"] for node in path[:-1]] == [
            message.text for message in call.prompt.messages
        ]
    weighed = sum(r["score"] * r["weight"] for r in made["rewards"].values())
    assert weighed == trace.rewards["total"]


def test_every_export_is_json(group: tuple[Row, ...], traced: tuple[EpisodeCalls, Trace]) -> None:
    _, trace = traced
    for made in (
        trl_samples(group),
        skyrl_output(group),
        verl_outputs(group),
        tinker_data(group),
        lightning_events(trace, rollout_id="r"),
        verifiers_trace(trace),
    ):
        assert json.loads(json.dumps(made)) == made
