"""A language model that says what a test tells it to, and remembers what it was asked.

For users' own tests: no weights, no network, no randomness. Tokens are pieces of four characters,
so that limits and budgets can be tested. Grammars and schemas are not enforced: the script writes
what it likes, also what a real model should not.
"""

from __future__ import annotations

import asyncio
import importlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from centerlm.errors import ConfigError, ModelError
from centerlm.finding import Usage, short_answer
from centerlm.models.base import Choice, Constraint, Price, Prompt, Reply, Sampling

Answer: TypeAlias = "str | Exception"
Rules: TypeAlias = "Mapping[str | re.Pattern[str], Answer]"
Script: TypeAlias = "Callable[[Prompt, Sampling], Answer] | Sequence[Answer] | Rules"
"""What a scripted model says: a function of prompt and sampling; answers in order; or rules.

Rules are tried in order; a string is looked for in the text of all messages, a pattern searched in
it. An exception as an answer is raised.
"""

TOKEN_CHARACTERS = 4
MESSAGE_TOKENS = 4


def load_script(name: str) -> Any:
    """The object of `name`, "module:object": a script or a scripted model.

    Raises:
        ConfigError: there is no such module or object.
    """
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"the script {name!r} cannot be imported ({error}); name a module that Python finds "
            "and an object in it, as module:object"
        ) from None


@dataclass(frozen=True, slots=True)
class Call:
    """One thing a scripted model was asked."""

    prompt: Prompt
    sampling: Sampling


def prompt_text(prompt: Prompt) -> str:
    """The text of all messages, one below the other."""
    return "\n".join(message.text for message in prompt.messages)


def count_tokens(text: str) -> int:
    return -(-len(text) // TOKEN_CHARACTERS)


def answer(script: Script, prompt: Prompt, sampling: Sampling, turn: int) -> str:
    """What `script` says to a prompt that is number `turn` (0, 1, ...).

    Raises:
        ModelError: no rule fits or no answer is left.
        Exception: the one the script gives as an answer.
    """
    if callable(script):
        said = script(prompt, sampling)
    elif isinstance(script, Mapping):
        said = _by_rule(script, prompt_text(prompt))
    elif turn < len(script):
        said = script[turn]
    else:
        raise ModelError(
            f"the script has {len(script)} answers and was asked for one more; add one for: "
            f"{_excerpt(prompt)}"
        )
    if isinstance(said, Exception):
        raise said
    return said


def _by_rule(rules: Rules, text: str) -> Answer:
    for rule, said in rules.items():
        if (rule in text) if isinstance(rule, str) else rule.search(text):
            return said
    raise ModelError(f"no rule of the script fits; add one for: {short_answer(text[-300:])!r}")


def _excerpt(prompt: Prompt) -> str:
    return repr(short_answer(prompt_text(prompt)[-300:]))


def cut(text: str, sampling: Sampling) -> Choice:
    """`text` as a model would give it back: ended by a stop string or by `max_tokens`."""
    ends = [at for stop in sampling.stop if stop and (at := text.find(stop)) >= 0]
    if ends:
        text = text[: min(ends)]
    limit = sampling.max_tokens * TOKEN_CHARACTERS
    return Choice(text[:limit], "length" if len(text) > limit else "stop")


@dataclass(slots=True)
class ScriptedModel:
    """A model that follows a script.

    `latency` is seconds a call. With `stream`, `on_text` gets the first choice word by word, the
    latency spread over the words. `calls` holds what was asked, in order.
    """

    script: Script
    name: str = "scripted"
    latency: float = 0.0
    stream: bool = True
    constraint: Constraint = "gbnf"
    context: int = 8192
    price: Price = field(default_factory=Price)
    calls: list[Call] = field(default_factory=list[Call], init=False)
    _turn: int = field(default=0, init=False, repr=False)

    @property
    def identity(self) -> str:
        return f"scripted:{self.name}"

    @property
    def prompts(self) -> list[Prompt]:
        """The prompts seen, in order."""
        return [call.prompt for call in self.calls]

    def count(self, prompt: Prompt) -> int:
        return sum(count_tokens(m.text) + MESSAGE_TOKENS for m in prompt.messages)

    async def complete(
        self,
        prompt: Prompt,
        sampling: Sampling,
        *,
        on_text: Callable[[str], None] | None = None,
        before_retry: Callable[[], None] | None = None,
    ) -> Reply:
        del before_retry
        self.calls.append(Call(prompt, sampling))
        choices: list[Choice] = []
        for _ in range(sampling.n):
            turn, self._turn = self._turn, self._turn + 1
            choices.append(cut(answer(self.script, prompt, sampling, turn), sampling))
        if on_text and self.stream:
            pieces = re.findall(r"\s*\S+\s*?(?=\s|$)|\s+", choices[0].text)
            for piece in pieces:
                if self.latency:
                    await asyncio.sleep(self.latency / len(pieces))
                on_text(piece)
        elif self.latency:
            await asyncio.sleep(self.latency)
        prompt_tokens = self.count(prompt)
        completion_tokens = sum(count_tokens(choice.text) for choice in choices)
        cost = self.price.cost(prompt_tokens, completion_tokens)
        usage = Usage(1, prompt_tokens, completion_tokens, self.latency, cost)
        return Reply(tuple(choices), usage, self.name)

    async def close(self) -> None:
        pass
