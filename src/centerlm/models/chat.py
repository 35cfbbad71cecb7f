"""A conversation as token ids: the one rendering that running and training share.

The format is ChatML as SmolLM2-Instruct was trained on it. Only what the template itself writes
may become special tokens; message text is tokenised apart, with special tokens off, so that no
text of a source can end a turn or change a role.
"""

from __future__ import annotations

from typing import Protocol

from centerlm.errors import MissingWeightsError
from centerlm.models.base import Prompt, Role

START = "<|im_start|>"
END = "<|im_end|>"
FAMILY = "chatml-1"
"""Part of a model's identity: changes whenever the same messages give other token ids."""


class Encoder(Protocol):
    """What rendering needs of a tokenizer."""

    @property
    def special(self) -> dict[str, int]: ...

    def encode(self, text: str) -> list[int]: ...


def render(prompt: Prompt, tokenizer: Encoder) -> list[int]:
    """Token ids of `prompt`, ending where the assistant's turn begins.

    Exactly the given messages: no system message is added where there is none.

    Raises:
        MissingWeightsError: the tokenizer has no ChatML tokens.
    """
    start, end = chat_tokens(tokenizer)
    line = tokenizer.encode("\n")
    ids: list[int] = []
    for message in prompt.messages:
        ids += [start, *turn(message.role, tokenizer), *tokenizer.encode(message.text), end, *line]
    return [*ids, start, *turn("assistant", tokenizer)]


def turn(role: Role, tokenizer: Encoder) -> list[int]:
    """What follows the start token: the role and a line break."""
    return tokenizer.encode(f"{role}\n")


def chat_tokens(tokenizer: Encoder) -> tuple[int, int]:
    """Ids of the tokens that begin and end a turn."""
    try:
        return tokenizer.special[START], tokenizer.special[END]
    except KeyError:
        raise MissingWeightsError(
            f"the model has no {START} and {END} tokens; only ChatML models run in process: serve "
            "it with llama.cpp or vLLM and use it as an OpenAI-compatible endpoint"
        ) from None
