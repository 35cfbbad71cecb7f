"""One model call: budget reserved, event committed, model asked, reply recorded, rest refunded.

The reply is in the journal within a millisecond, and before anything that follows from it is done.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import msgspec

from centerlm.acts import Request
from centerlm.budget import Account
from centerlm.errors import ModelError
from centerlm.events import CallFinished, CallStarted, cut, digest
from centerlm.finding import Usage
from centerlm.models.base import LanguageModel, Prompt, Reply
from centerlm.recorder import Recorder, to_blob

_decoder: msgspec.json.Decoder[Reply] = msgspec.json.Decoder(Reply)


def prompt_blob(prompt: Prompt) -> bytes:
    return to_blob([[m.role, m.text] for m in prompt.messages])


def reply_blob(reply: Reply) -> bytes:
    """The reply as JSON; fields without content are left out."""
    choices = [
        {name: value for name in choice.__slots__ if (value := getattr(choice, name)) is not None}
        for choice in reply.choices
    ]
    return to_blob({"choices": choices, "usage": reply.usage, "model": reply.model})


def bound_of(model: LanguageModel, request: Request) -> Usage:
    """The most one attempt may spend: counted input, `max_tokens` out for each of n answers."""
    prompt_tokens = model.count(request.prompt)
    completion_tokens = request.sampling.max_tokens * request.sampling.n
    cost = model.price.cost(prompt_tokens, completion_tokens)
    return Usage(1, prompt_tokens, completion_tokens, 0.0, cost)


@dataclass(slots=True)
class Payment:
    """A call that an account pays for: its bound is reserved, and again for each retry."""

    account: Account
    bound: Usage
    reserved: Usage
    spent: Usage

    def before_retry(self) -> None:
        """Reserve for one try more.

        Raises:
            OutOfBudgetError: the account does not cover it.
        """
        self.reserved = self.account.extend(self.reserved, self.bound)
        self.spent += Usage(calls=1)

    def answered(self, usage: Usage) -> None:
        """Say what the reply took; calls count as they were made, if it says fewer."""
        self.spent = replace(usage, calls=max(usage.calls, self.spent.calls))

    def settle(self) -> None:
        """Give back what was not spent."""
        self.account.settle(self.reserved, self.spent)


async def begin_payment(account: Account, bound: Usage) -> Payment:
    """Reserve what a call may spend; `settle` it, whatever comes of the call.

    Raises:
        OutOfBudgetError: the account does not cover it.
    """
    await account.acquire(bound)
    return Payment(account, bound, bound, Usage(calls=1))


async def call_model(
    recorder: Recorder,
    account: Account,
    model: LanguageModel,
    request: Request,
    *,
    path: str,
    act: str,
    attempt: int = 0,
    on_text: Callable[[str], None] | None = None,
) -> Reply:
    """Ask the center's model, or take what the past holds.

    Raises:
        OutOfBudgetError: the account does not cover it; the call was not started.
        ModelError: the model did not answer.
    """
    earlier = recorder.past.calls.get((path, act, attempt))
    if earlier is not None:
        recorder.again(earlier)
        reply = _decoder.decode(recorder.journal.blob(earlier.reply))
        if on_text is not None:
            on_text(reply.text)
        return reply
    if recorder.replaying:
        if failure := recorder.past.refused.get((path, act, attempt)):
            recorder.again(failure)
            raise ModelError(failure.error)
        raise recorder.missing(f"reply to {act} at step {path or 'root'}")
    sampling = replace(request.sampling, seed=recorder.seed_of(path, act, attempt))
    bound = bound_of(model, request)
    if bound.tokens > model.context:
        raise ModelError(
            f"the {act} prompt needs up to {bound.tokens:,} tokens, more than the "
            f"{model.context:,} of {model.name}; give shorter input or a model with more context"
        )
    payment = await begin_payment(account, bound)
    prompt = prompt_blob(request.prompt)
    try:
        recorder.emit(
            CallStarted(path=path, act=act, attempt=attempt, prompt=digest(prompt), bound=bound),
            prompt=prompt,
        )
        await recorder.commit()
        reply = await model.complete(
            request.prompt, sampling, on_text=on_text, before_retry=payment.before_retry
        )
        payment.answered(reply.usage)
    except ModelError as error:
        failure, spent = cut(str(error)), payment.spent
        recorder.emit(CallFinished(path=path, act=act, attempt=attempt, error=failure, usage=spent))
        raise
    finally:
        payment.settle()
    data = reply_blob(reply)
    recorder.emit(
        CallFinished(path=path, act=act, attempt=attempt, reply=digest(data), usage=payment.spent),
        reply=data,
    )
    recorder.commit_soon()
    return reply
