"""What is to be found out: an objective, what is attached to it, and what it may cost.

Knows nothing of plans, sources or models.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Literal, get_args

from centerlm.errors import InputError

AnswerType = Literal["any", "text", "number", "date", "boolean", "list"]
ANSWER_TYPES: tuple[AnswerType, ...] = get_args(AnswerType)

MAX_OBJECTIVE_CHARACTERS = 8000
DEFAULT_DEPTH = 8
MOST = 10**12
"""Of any limit: more says nothing, and would not fit where requests are kept."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that belongs to an objective; `sha256` identifies its content."""

    path: str
    media: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Budget:
    """Upper limits of one solve; None is no limit.

    `calls` counts calls of models and of sources, `tokens` prompt and completion tokens,
    `seconds` wall time from the start, `money` the currency of the price tables, `depth` the
    levels of recursion (1: the root's own steps only).
    """

    calls: int | None = None
    tokens: int | None = None
    seconds: float | None = None
    money: float | None = None
    depth: int = DEFAULT_DEPTH

    def __post_init__(self) -> None:
        for limit in fields(self):
            value = getattr(self, limit.name)
            if value is None:
                continue
            if value != value:
                raise InputError(
                    f"budget {limit.name}={value} is not a number; write e.g. {limit.name}=10"
                )
            if value < 0:
                raise InputError(f"budget {limit.name}={value} is negative; give zero or more")
            if value > MOST:
                raise InputError(
                    f"budget {limit.name}={value} is more than {MOST:,}; leave it out for no limit"
                )

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Read `calls=40,tokens=8000,seconds=60,money=0.10,depth=8`.

        Raises:
            InputError: a name is unknown, given twice, or its value is not a number.
        """
        kinds = {"calls": int, "tokens": int, "seconds": float, "money": float, "depth": int}
        values: dict[str, int | float] = {}
        for part in filter(None, (p.strip() for p in text.split(","))):
            name, _, value = (p.strip() for p in part.partition("="))
            if name not in kinds:
                raise InputError(f"budget has no {name!r}; use {', '.join(kinds)}")
            if name in values:
                raise InputError(f"budget names {name} twice")
            try:
                values[name] = kinds[name](value)
            except ValueError:
                raise InputError(
                    f"budget {name}={value!r} is not a number; write e.g. {name}=10"
                ) from None
        return cls(**values)  # pyright: ignore[reportArgumentType]


@dataclass(frozen=True, slots=True)
class Objective:
    """Something to be found out or made.

    `text` is one line or more, at most 8,000 characters: longer input belongs in a library.
    """

    text: str
    answer_type: AnswerType = "any"
    attachments: tuple[Attachment, ...] = ()
    budget: Budget = field(default_factory=Budget)

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise InputError("the question is empty; write what is to be found out")
        try:
            self.text.encode()
        except UnicodeEncodeError as error:
            raise InputError(
                f"the question is not valid text at character {error.start + 1}; give it as UTF-8"
            ) from None
        if len(self.text) > MAX_OBJECTIVE_CHARACTERS:
            raise InputError(
                f"the question has {len(self.text):,} characters, more than "
                f"{MAX_OBJECTIVE_CHARACTERS:,}; put long text into a library "
                "(centerlm ingest) and ask about it"
            )
