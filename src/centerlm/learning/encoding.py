"""Training examples as token ids: the rendering of use, and the reply up to the end of its turn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from centerlm.learning.example import TrainingExample
from centerlm.learning.packing import Tokens
from centerlm.models.chat import Encoder, chat_tokens, render


def encode(example: TrainingExample, tokenizer: Encoder, *, balance: float = 0.0) -> Tokens:
    """Token ids of an example; its reply ends with the token that ends a turn.

    A reply of n tokens weighs n ** -balance a token, times the example's weight: 0 counts tokens
    alike, 1 counts examples alike.
    """
    prompt = render(example.prompt, tokenizer)
    reply = [*tokenizer.encode(example.target), chat_tokens(tokenizer)[1]]
    weight = example.weight * len(reply) ** -balance
    return Tokens((*prompt, *reply), len(prompt), example.act, weight)


def encode_all(
    examples: Iterable[TrainingExample],
    tokenizer: Encoder,
    *,
    balance: float = 0.0,
    max_tokens: int = 1024,
) -> Iterator[Tokens]:
    """Token ids of all examples that have at most `max_tokens`; longer ones are left out."""
    for example in examples:
        tokens = encode(example, tokenizer, balance=balance)
        if len(tokens.ids) <= max_tokens:
            yield tokens
