"""Any endpoint that speaks the OpenAI chat completions format: vLLM, Ollama, llama.cpp, hosted.

A thin client: one request is encoded once and its answer decoded once into typed structs. The
official SDK walks every message on every call, which costs several milliseconds a call. Retries,
the key and the connections belong to the `Provider`, which models of one endpoint share.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import msgspec

from centerlm.errors import ModelError
from centerlm.finding import Usage, short_answer
from centerlm.models.base import Choice, Constraint, Price, Prompt, Reply, Sampling, most_tokens
from centerlm.models.provider import Provider, RequestError
from centerlm.models.wire import (
    Answer,
    AnswerUsage,
    Collected,
    MaxTokensName,
    read_choice,
    request_body,
)
from centerlm.objective import MOST

_DECODER: msgspec.json.Decoder[Answer] = msgspec.json.Decoder(Answer)


@dataclass(frozen=True, slots=True)
class OpenAIModel:
    """A model of an OpenAI-compatible endpoint.

    `constraint` says how the endpoint constrains decoding: "schema" (`response_format` with a JSON
    schema), "gbnf" (llama.cpp's `grammar` field) or "none". `template_tokens` is the most that the
    endpoint's chat template adds to a prompt beside 16 tokens a message. `token_ids` asks vLLM
    for token ids. `extra` are further fields of the request; None there leaves a field out.
    """

    model: str
    provider: Provider
    constraint: Constraint = "schema"
    context: int = 32_768
    price: Price = field(default_factory=Price)
    max_tokens_name: MaxTokensName = "max_tokens"
    template_tokens: int = 128
    token_ids: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def name(self) -> str:
        return self.model

    @property
    def identity(self) -> str:
        extra = msgspec.json.encode(self.extra, order="sorted").decode() if self.extra else ""
        return f"{self.provider.base_url}#{self.model}{extra}"

    def count(self, prompt: Prompt) -> int:
        """An upper bound, by `most_tokens`."""
        return most_tokens(prompt, self.template_tokens)

    async def complete(
        self,
        prompt: Prompt,
        sampling: Sampling,
        *,
        on_text: Callable[[str], None] | None = None,
        before_retry: Callable[[], None] | None = None,
    ) -> Reply:
        """See `LanguageModel.complete`. Once a piece went to `on_text` nothing is asked again."""
        self._check(sampling)
        body = request_body(
            self.model,
            prompt,
            sampling,
            stream=on_text is not None,
            max_tokens_name=self.max_tokens_name,
            token_ids=self.token_ids,
            extra=self.extra,
        )
        started = time.perf_counter()
        provider, attempt = self.provider, 0
        while True:
            attempt += 1
            try:
                if on_text is None:
                    choices, usage, model = self._read(await provider.send(body, self.model))
                else:
                    choices, usage, model = await self._stream(body, on_text)
                break
            except RequestError as error:
                wait = self._wait(error, attempt)
            if before_retry:
                before_retry()
            await asyncio.sleep(wait)
        if len(choices) < sampling.n:
            raise ModelError(
                f"{provider.base_url} gave {len(choices)} of {sampling.n} answers; ask "
                f"{self.model} for one at a time"
            )
        return Reply(
            choices,
            self._usage(prompt, sampling, usage, attempt, time.perf_counter() - started, choices),
            model or self.model,
        )

    async def close(self) -> None:
        """Close the provider's connections on this event loop, for all of its models."""
        await self.provider.close()

    def _check(self, sampling: Sampling) -> None:
        for given, kind in ((sampling.grammar, "gbnf"), (sampling.schema, "schema")):
            if given is not None and self.constraint != kind:
                raise ModelError(
                    f"{self.model} at {self.provider.base_url} is set to constraint = "
                    f'"{self.constraint}" and cannot take one of "{kind}"; set constraint = '
                    f'"{kind}" if the endpoint can'
                )

    def _wait(self, error: RequestError, attempt: int) -> float:
        """Seconds until the next attempt; raises where there is none."""
        retry = self.provider.retry
        if not error.transient:
            raise ModelError(str(error), withheld=error.withheld) from None
        if error.retry_after is not None and error.retry_after > retry.longest:
            raise ModelError(
                f"{error}; it asks to wait {error.retry_after:.0f} s, more than the "
                f"{retry.longest:.0f} s allowed",
                transient=True,
            ) from None
        if attempt >= retry.attempts:
            tried = f"; gave up after {attempt} attempts" if attempt > 1 else ""
            raise ModelError(f"{error}{tried}", transient=True) from None
        return retry.wait(attempt, error.retry_after, self.provider.rng)

    def _decode(self, data: bytes) -> Answer:
        try:
            answer = _DECODER.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            start = short_answer(data[:80].decode("utf-8", "replace"))
            raise RequestError(
                f"{self.provider.base_url} sent what is not a chat completion ({start!r}); check "
                "that base_url is right"
            ) from None
        if answer.error and answer.error != b"null":
            detail = short_answer(bytes(answer.error).decode("utf-8", "replace"))
            raise RequestError(
                f"{self.provider.base_url} reports an error: {detail}; look at its log",
                transient=True,
            )
        return answer

    def _read(self, data: bytes) -> tuple[tuple[Choice, ...], AnswerUsage | None, str | None]:
        answer = self._decode(data)
        self._check_choices([(c.finish_reason, c.message) for c in answer.choices])
        if len(answer.choices) > 1:
            answer.choices.sort(key=lambda choice: choice.index)
        return tuple(map(read_choice, answer.choices)), answer.usage, answer.model

    async def _stream(
        self, body: bytes, on_text: Callable[[str], None]
    ) -> tuple[tuple[Choice, ...], AnswerUsage | None, str | None]:
        collected: dict[int, Collected] = {}
        usage: AnswerUsage | None = None
        model: str | None = None
        told = done = False
        try:
            async with aclosing(self.provider.stream(body, self.model)) as events:
                async for event in events:
                    if done := event == b"[DONE]":
                        break
                    answer = self._decode(event)
                    usage = answer.usage or usage
                    model = answer.model or model
                    for choice in answer.choices:
                        piece = collected.setdefault(choice.index, Collected()).add(choice)
                        if piece and choice.index == 0:
                            told = True
                            on_text(piece)
            ended = bool(collected) and all(c.finish for c in collected.values())
            if not (done or ended):
                raise RequestError(
                    f"{self.provider.base_url} ended its stream in the middle; try again",
                    transient=True,
                )
            self._check_choices([(c.finish, c.text or None) for c in collected.values()])
        except RequestError as error:
            if told:
                # A second attempt would send its text after the first one's.
                raise ModelError(
                    str(error), transient=error.transient, withheld=error.withheld
                ) from None
            raise
        return tuple(collected[i].choice() for i in sorted(collected)), usage, model

    def _check_choices(self, choices: list[tuple[str | None, object]]) -> None:
        if not choices:
            raise RequestError(
                f"{self.provider.base_url} answered without any choice; look at its log",
                transient=True,
            )
        if any(finish == "content_filter" and content is None for finish, content in choices):
            raise RequestError(
                f"{self.provider.base_url} withheld the answer of {self.model} (content filter); "
                "word the question differently",
                withheld=True,
            )

    def _usage(
        self,
        prompt: Prompt,
        sampling: Sampling,
        usage: AnswerUsage | None,
        calls: int,
        seconds: float,
        choices: tuple[Choice, ...],
    ) -> Usage:
        """What was spent; upper bounds where the endpoint does not say, or not a number of tokens
        that can be.
        """
        prompt_tokens = _plausible(usage.prompt_tokens) if usage else None
        if prompt_tokens is None:
            prompt_tokens = self.count(prompt)
        completion_tokens = _plausible(usage.completion_tokens) if usage else None
        if completion_tokens is None:
            completion_tokens = sum(
                min(sampling.max_tokens, len(c.text.encode("utf-8", "replace")) + 1)
                for c in choices
            )
        cost = self.price.cost(prompt_tokens, completion_tokens, calls)
        return Usage(calls, prompt_tokens, completion_tokens, seconds, cost)


def _plausible(tokens: int | None) -> int | None:
    return tokens if tokens is not None and 0 <= tokens <= MOST else None
