"""The OpenAI chat completions format: requests as bytes, answers as typed structs.

Pure: no network, no retries. Fields a server adds are ignored; fields it leaves out are None.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from centerlm.models.base import Choice, Prompt, Sampling

MaxTokensName = Literal["max_tokens", "max_completion_tokens"]


class TokenLogprob(msgspec.Struct):
    logprob: float = 0.0


class Logprobs(msgspec.Struct):
    content: list[TokenLogprob] | None = None


class AnswerMessage(msgspec.Struct):
    content: str | None = None


class AnswerChoice(msgspec.Struct):
    """A choice of a whole answer (`message`) or of one streamed event (`delta`)."""

    index: int = 0
    message: AnswerMessage | None = None
    delta: AnswerMessage | None = None
    finish_reason: str | None = None
    logprobs: Logprobs | None = None
    token_ids: list[int] | None = None


class AnswerUsage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class Answer(msgspec.Struct):
    choices: list[AnswerChoice] = []
    usage: AnswerUsage | None = None
    model: str | None = None
    error: msgspec.Raw = msgspec.Raw(b"")


class Collected(msgspec.Struct):
    """One choice as its pieces arrive."""

    text: list[str] = []
    token_ids: list[int] = []
    logprobs: list[float] = []
    finish: str | None = None

    def add(self, choice: AnswerChoice) -> str:
        """Take in one streamed event; returns its piece of text."""
        piece = (choice.delta and choice.delta.content) or ""
        if piece:
            self.text.append(piece)
        if choice.token_ids:
            self.token_ids.extend(choice.token_ids)
        if choice.logprobs and choice.logprobs.content:
            self.logprobs.extend(token.logprob for token in choice.logprobs.content)
        self.finish = choice.finish_reason or self.finish
        return piece

    def choice(self) -> Choice:
        return make_choice("".join(self.text), self.finish, self.token_ids, self.logprobs)


def make_choice(
    text: str, finish: str | None, token_ids: list[int] | None, logprobs: list[float] | None
) -> Choice:
    return Choice(
        text,
        "length" if finish == "length" else "stop",
        tuple(token_ids) if token_ids else None,
        tuple(logprobs) if logprobs else None,
    )


def read_choice(choice: AnswerChoice) -> Choice:
    """A choice of a whole answer."""
    tokens = choice.logprobs.content if choice.logprobs else None
    return make_choice(
        (choice.message and choice.message.content) or "",
        choice.finish_reason,
        choice.token_ids,
        [token.logprob for token in tokens] if tokens else None,
    )


def request_body(
    model: str,
    prompt: Prompt,
    sampling: Sampling,
    *,
    stream: bool = False,
    max_tokens_name: MaxTokensName = "max_tokens",
    token_ids: bool = False,
    extra: Mapping[str, Any] | None = None,
) -> bytes:
    """The JSON of one request.

    `grammar` goes into the field of that name (llama.cpp's server), `schema` into
    `response_format`; `token_ids` asks for `return_token_ids` (vLLM). `extra` is added last; a
    value of None there removes the field. Lone surrogates in message text become "?".
    """
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": m.role, "content": m.text} for m in prompt.messages],
        max_tokens_name: sampling.max_tokens,
        "temperature": sampling.temperature,
        "seed": sampling.seed,
    }
    if sampling.top_p != 1.0:
        body["top_p"] = sampling.top_p
    if sampling.stop:
        body["stop"] = sampling.stop
    if sampling.n != 1:
        body["n"] = sampling.n
    if sampling.logprobs:
        body["logprobs"] = True
    if token_ids:
        body["return_token_ids"] = True
    if sampling.grammar is not None:
        body["grammar"] = sampling.grammar
    if sampling.schema is not None:
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": sampling.schema, "strict": True},
        }
    if stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    for name, value in (extra or {}).items():
        if value is None:
            body.pop(name, None)
        else:
            body[name] = value
    try:
        return msgspec.json.encode(body)
    except UnicodeEncodeError:
        body["messages"] = [
            {"role": m.role, "content": m.text.encode("utf-8", "replace").decode()}
            for m in prompt.messages
        ]
        return msgspec.json.encode(body)
