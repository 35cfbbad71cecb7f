"""What a client asks for, as it is kept until it is done: plain data that a restart reads back."""

from __future__ import annotations

import hashlib
from typing import Annotated, NamedTuple, TypeAlias, TypeVar

import msgspec

from centerlm.objective import MOST, AnswerType, Budget, Objective

T = TypeVar("T", int, float)
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=MOST)]
Amount: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=MOST)]


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Upper limits of one request; what is left out is as the server has it."""

    calls: Count | None = None
    tokens: Count | None = None
    seconds: Amount | None = None
    money: Amount | None = None
    depth: Annotated[int, msgspec.Meta(ge=1, le=64)] | None = None


class Sampled(msgspec.Struct, frozen=True):
    """How the center's acts are sampled where they are wanted with token ids."""

    temperature: float = 0.0
    top_p: float = 1.0


class Looked(msgspec.Struct, frozen=True, omit_defaults=True):
    """A person's look at the center's plan. `plan` is the plan to run, in the plan language; ""
    while nobody has looked: then the request stops at its plan. `rating` is 1 to 5, 0 for none.
    """

    plan: str = ""
    by: str = ""
    why: str = ""
    rating: int = 0


class Order(msgspec.Struct, frozen=True, omit_defaults=True):
    """One objective. `sources` are some of the server's (none: all); `attachments` are paths of
    stored uploads; with `sampled`, calls are made with token ids and log-probabilities; with
    `looked`, a person reviews the plan before it runs. `library` is a folder to ask instead of the
    server's own.
    """

    question: str
    answer_type: AnswerType = "any"
    limits: Limits = Limits()
    sources: tuple[str, ...] = ()
    attachments: tuple[str, ...] = ()
    seed: int | None = None
    sampled: Sampled | None = None
    looked: Looked | None = None
    library: str = ""


_encoder = msgspec.json.Encoder(order="deterministic")
_decoder: msgspec.json.Decoder[Order] = msgspec.json.Decoder(Order)


def encode(order: Order) -> bytes:
    return _encoder.encode(order)


def decode(data: bytes) -> Order:
    """Raises msgspec.DecodeError where it is none."""
    return _decoder.decode(data)


def fingerprint(data: bytes) -> str:
    """The same for the same order alone."""
    return hashlib.sha256(data).hexdigest()


class Refused(Exception):  # noqa: N818 - it is an answer to the client, not a fault
    """A request that is not taken: an HTTP status, a sentence, and when to come again (seconds)."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str = "invalid_request_error",
        param: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.retry_after = retry_after


class Used(NamedTuple):
    """What an episode has used of its limits."""

    calls: int = 0
    tokens: int = 0
    seconds: float = 0.0
    money: float = 0.0


def bounded(order: Order, cap: Budget | Limits, left: Limits) -> Order:
    """The order under the server's limits and what its client has left."""
    asked = order.limits
    return msgspec.structs.replace(
        order,
        limits=Limits(
            calls=_least(asked.calls, cap.calls, left.calls),
            tokens=_least(asked.tokens, cap.tokens, left.tokens),
            seconds=_least(asked.seconds, cap.seconds),
            money=_least(asked.money, cap.money, left.money),
            depth=_least(asked.depth, cap.depth),
        ),
    )


def going_on(order: Order, asked: Limits, cap: Budget, left: Limits, used: Used) -> Order:
    """The order of an episode that goes on: limits that are `asked` take the place of its own, and
    the server's and the client's go over what it may spend from now on.
    """
    own = msgspec.structs.asdict(order.limits)
    new = {
        name: value for name, value in msgspec.structs.asdict(asked).items() if value is not None
    }
    order = msgspec.structs.replace(order, limits=Limits(**(own | new)))
    return bounded(order, beyond(cap, used), beyond(left, used))


def beyond(limits: Budget | Limits, used: Used) -> Limits:
    """The limits of an episode that may spend so much beyond what it has used."""
    return Limits(
        calls=_more(limits.calls, used.calls),
        tokens=_more(limits.tokens, used.tokens),
        seconds=_more(limits.seconds, used.seconds),
        money=_more(limits.money, used.money),
        depth=limits.depth,
    )


def objective_of(order: Order) -> Objective:
    """The objective of a bounded order.

    Raises:
        InputError: the question is empty or too long, or a limit is negative.
    """
    limits = msgspec.structs.asdict(order.limits)
    known = {name: value for name, value in limits.items() if value is not None}
    return Objective(order.question, answer_type=order.answer_type, budget=Budget(**known))


def _more(limit: T | None, used: T) -> T | None:
    return None if limit is None else limit + used


def _least(*limits: T | None) -> T | None:
    given = [limit for limit in limits if limit is not None]
    return min(given) if given else None
