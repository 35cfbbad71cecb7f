"""Rows: what the policy is trained on, one or more for every context of an episode's tree.

A row holds the token ids of one context exactly as they went through the model. Only tokens that
the center's model sampled have mask 1; prompts, and with them all text of questions, sources and
findings, have mask 0 and never enter the loss. Nothing is tokenised again: a reply without token
ids gives no row and is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from centerlm.errors import InputError
from centerlm.learning.calls import EpisodeCalls, ModelCall
from centerlm.learning.credit import NodeCredit
from centerlm.models.base import Prompt

PromptIds = Callable[[Prompt], Sequence[int]]
"""The token ids a prompt goes in as: `prompt_ids` of the local models."""


@dataclass(frozen=True, slots=True)
class Row:
    """One context: n token ids, and which of them were sampled.

    `mask[i]` is 1 where `input_ids[i]` was sampled by the policy, else 0. `logprobs[i]` is the
    sampler's natural log-probability of `input_ids[i]` given those before it, 0.0 where the mask
    is 0; None where the sampler gave none. `reward` is the credit of the act, `advantage` that
    relative to its group (None: not computed).

    `group_id` names the question, `rollout_id` the node ("episode/2.1", the root "episode"),
    `parent_rollout_id` the node above (None: the root), `depth` how far below the root it is
    (root 0), `role` the act (decompose, seek, absorb), `model_version` the weights that sampled.

    Raises:
        InputError: lengths differ, nothing or the first token is sampled, a number is not finite.
    """

    input_ids: tuple[int, ...]
    mask: tuple[int, ...]
    logprobs: tuple[float, ...] | None
    advantage: float | None
    reward: float
    group_id: str
    rollout_id: str
    parent_rollout_id: str | None
    depth: int
    role: str
    model_version: str

    def __post_init__(self) -> None:
        if problem := self._problem():
            raise InputError(f"the row of {self.rollout_id or '?'} cannot be used: {problem}")

    def _problem(self) -> str | None:
        n = len(self.input_ids)
        if len(self.mask) != n or (self.logprobs is not None and len(self.logprobs) != n):
            return "input_ids, mask and logprobs differ in length"
        if set(self.mask) - {0, 1}:
            return "mask holds something other than 0 and 1"
        if 1 not in self.mask or self.mask[0]:
            return "no token is sampled, or the first one is, which nothing predicts"
        if min(self.input_ids) < 0:
            return "a token id is negative"
        numbers = (self.reward, self.advantage or 0.0, *(self.logprobs or ()))
        if not all(map(isfinite, numbers)):
            return "reward, advantage or a log-probability is not a finite number"
        return None

    @property
    def trained(self) -> int:
        """How many tokens enter the loss."""
        return sum(self.mask)

    @property
    def episode(self) -> str:
        """The episode this row is of."""
        return self.rollout_id.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Turn:
    """One call as tokens: those of the prompt, and those sampled after it."""

    prompt_ids: tuple[int, ...]
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """Turns merged into one sequence; fields as in `Row`."""

    input_ids: tuple[int, ...]
    mask: tuple[int, ...]
    logprobs: tuple[float, ...] | None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A call that gave no row: its act and place, and why."""

    path: str
    act: str
    reason: str


@dataclass(frozen=True, slots=True)
class EpisodeRows:
    """The rows of an episode, and the calls that gave none."""

    rows: tuple[Row, ...]
    left_out: tuple[LeftOut, ...] = ()


def merge_turns(turns: Iterable[Turn]) -> tuple[Context, ...]:
    """Turns as few contexts as the merge rule allows.

    A turn is appended only if its prompt starts with exactly the tokens held so far; the rest of
    that prompt gets mask 0. Otherwise it begins a new context. So a context is always a sequence
    that the model saw, token by token. Log-probabilities are kept where all turns have them.
    """
    contexts: list[Context] = []
    for turn in turns:
        held = contexts[-1] if contexts else None
        start = len(held.input_ids) if held else 0
        if held and turn.prompt_ids[:start] == held.input_ids:
            contexts[-1] = _extended(held, turn)
        else:
            contexts.append(_extended(Context((), (), ()), turn))
    return tuple(contexts)


def episode_rows(
    calls: EpisodeCalls,
    credits_: Iterable[NodeCredit],
    *,
    group_id: str,
    prompt_ids: PromptIds,
    advantages: Mapping[tuple[str, str], float] | None = None,
) -> EpisodeRows:
    """The rows of an episode: one for each act of each node, more where turns do not merge.

    `credits_` are those of this episode, made with `acts=acts_of(events)`; every call gets the
    credit of its node and act, a superseded attempt too. `advantages` are by (path, act), as
    `learning.advantage` gives them.

    Raises:
        InputError: a call has no credit or no advantage.
    """
    by_act = {(credit.path, credit.act): credit for credit in credits_}
    grouped: dict[tuple[str, str], list[Turn]] = {}
    left_out: list[LeftOut] = []
    for call in calls.calls:
        turn = _turn(call, prompt_ids)
        if isinstance(turn, Turn):
            grouped.setdefault((call.path, call.act), []).append(turn)
        else:
            left_out.append(LeftOut(call.path, call.act, turn))
    rows: list[Row] = []
    for (path, act), turns in grouped.items():
        reward = _total(by_act, path, act)
        advantage = None if advantages is None else _advantage(advantages, path, act)
        rows += [
            Row(
                input_ids=context.input_ids,
                mask=context.mask,
                logprobs=context.logprobs,
                advantage=advantage,
                reward=reward,
                group_id=group_id,
                rollout_id=rollout_id(calls.episode, path),
                parent_rollout_id=parent_rollout_id(calls.episode, path),
                depth=len(path.split(".")) if path else 0,
                role=act,
                model_version=calls.model,
            )
            for context in merge_turns(turns)
        ]
    return EpisodeRows(tuple(rows), tuple(left_out))


def rollout_id(episode: str, path: str) -> str:
    """The id of a node: "episode/2.1", the root "episode" (names of episodes have no slash)."""
    return f"{episode}/{path}" if path else episode


def parent_rollout_id(episode: str, path: str) -> str | None:
    """The id of the node above; None above the root."""
    return rollout_id(episode, path.rpartition(".")[0]) if path else None


def row_weights(rows: Sequence[Row]) -> tuple[float, ...]:
    """What each trained token of a row counts in the loss: 1 / (trained tokens of its episode).

    So every episode counts alike, however large its tree; over all trained tokens of the batch the
    weights sum to the number of its episodes.
    """
    tokens: dict[str, int] = {}
    for row in rows:
        tokens[row.episode] = tokens.get(row.episode, 0) + row.trained
    return tuple(1 / tokens[row.episode] for row in rows)


def _extended(held: Context, turn: Turn) -> Context:
    new = turn.prompt_ids[len(held.input_ids) :]
    logprobs: tuple[float, ...] | None = None
    if held.logprobs is not None and turn.logprobs is not None:
        logprobs = (*held.logprobs, *(0.0 for _ in new), *turn.logprobs)
    return Context(
        (*held.input_ids, *new, *turn.token_ids),
        (*held.mask, *(0 for _ in new), *(1 for _ in turn.token_ids)),
        logprobs,
    )


def _turn(call: ModelCall, prompt_ids: PromptIds) -> Turn | str:
    """The call as tokens, or why it cannot be trained on."""
    choice = call.reply.choices[0] if call.reply.choices else None
    if choice is None or not choice.token_ids:
        return "the model gave no token ids; sample with logprobs, from a model that has them"
    logprobs = choice.logprobs
    if logprobs is not None and len(logprobs) != len(choice.token_ids):
        return "the model gave fewer log-probabilities than token ids, or more"
    if logprobs is not None and not all(map(isfinite, logprobs)):
        return "the model gave a log-probability that is not a finite number"
    prompt = tuple(prompt_ids(call.prompt))
    return Turn(prompt, choice.token_ids, logprobs) if prompt else "its prompt has no tokens"


def _total(by_act: Mapping[tuple[str, str], NodeCredit], path: str, act: str) -> float:
    try:
        return by_act[path, act].total
    except KeyError:
        raise InputError(
            f"the {act} call at {path or 'the root'} has no credit; make the credits of this "
            "episode with acts=acts_of(events)"
        ) from None


def _advantage(advantages: Mapping[tuple[str, str], float], path: str, act: str) -> float:
    try:
        return advantages[path, act]
    except KeyError:
        raise InputError(
            f"the {act} call at {path or 'the root'} has no advantage; make the advantages from "
            "the same credits"
        ) from None
