"""The one protocol behind which every language model stands.

Messages go in; text, token ids, log-probabilities and usage come out. Message text is data: an
implementation that renders prompts itself tokenises it with special tokens off, so that no text
can change a role or end a turn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from centerlm.finding import Usage

Role = Literal["system", "user", "assistant"]
Constraint = Literal["gbnf", "schema", "none"]


@dataclass(frozen=True, slots=True)
class Message:
    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """A conversation that ends with a user message; the model writes the next turn."""

    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to sample. `max_tokens` is always sent; temperature 0 is greedy; n counts answers.

    At most one of `grammar` (GBNF, for models whose `constraint` is "gbnf") and `schema` (JSON
    schema, for "schema" and local models) is given.
    """

    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    stop: tuple[str, ...] = ()
    seed: int = 0
    n: int = 1
    grammar: str | None = None
    schema: Mapping[str, Any] | None = None
    logprobs: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer. `token_ids` and `logprobs` (natural log, one a token) where the model has them.

    `finish` is "length" when the token limit cut the text.
    """

    text: str
    finish: Literal["stop", "length"] = "stop"
    token_ids: tuple[int, ...] | None = None
    logprobs: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model answered; `usage.calls` counts the attempts, retries included."""

    choices: tuple[Choice, ...]
    usage: Usage
    model: str = ""

    @property
    def text(self) -> str:
        return self.choices[0].text

    @property
    def cut(self) -> bool:
        return self.choices[0].finish == "length"


@dataclass(frozen=True, slots=True)
class Price:
    """Money a million tokens, and a call."""

    prompt: float = 0.0
    completion: float = 0.0
    call: float = 0.0

    def cost(self, prompt_tokens: int, completion_tokens: int, calls: int = 1) -> float:
        return (
            prompt_tokens * self.prompt + completion_tokens * self.completion
        ) / 1e6 + calls * self.call


def most_tokens(prompt: Prompt, template_tokens: int = 128) -> int:
    """An upper bound of a prompt's tokens: a byte-level token covers at least one byte of UTF-8.

    `template_tokens` is the most that a chat template adds beside 16 tokens a message.
    """
    texts = (message.text.encode("utf-8", "surrogatepass") for message in prompt.messages)
    return template_tokens + sum(len(text) + 16 for text in texts)


class LanguageModel(Protocol):
    """A language model. Implementations are safe to call concurrently from one event loop."""

    @property
    def name(self) -> str:
        """What people call it, e.g. "smollm2-135m" or "gpt-4o-mini"."""
        ...

    @property
    def identity(self) -> str:
        """Changes whenever answers may: weights and adapter hash, or endpoint and model name."""
        ...

    @property
    def constraint(self) -> Constraint:
        """How decoding can be constrained."""
        ...

    @property
    def context(self) -> int:
        """Tokens a prompt and its answer may have together."""
        ...

    @property
    def price(self) -> Price: ...

    def count(self, prompt: Prompt) -> int:
        """Input tokens of the prompt: exact, or an upper bound; never less."""
        ...

    async def complete(
        self,
        prompt: Prompt,
        sampling: Sampling,
        *,
        on_text: Callable[[str], None] | None = None,
        before_retry: Callable[[], None] | None = None,
    ) -> Reply:
        """Answer the prompt.

        `on_text` gets pieces of the first choice as they are decoded; a model that cannot stream
        never calls it. `before_retry` runs before each further attempt at a failed request; what it
        raises (a budget that does not cover it) ends the call.

        Raises:
            ModelError: the model did not answer; the message says why and what to do.
        """
        ...

    async def close(self) -> None: ...
