"""Wordings of questions that calculate, read from the text files in `wordings/`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Form:
    """A kind of question: `about` (a relation, or the name of an operation), the calculator's
    `call`, and its wordings, `new` ones held out from training.

    `gaps` word it over a noun phrase without its end, where there are any.
    """

    about: str
    call: str
    asks: tuple[str, ...]
    new_asks: tuple[str, ...]
    gaps: tuple[str, ...] = ()
    new_gaps: tuple[str, ...] = ()


def comparisons(*, wide: bool = False) -> tuple[Form, ...]:
    """Which of two has more; with `wide`, also of what only wide worlds have."""
    return read_forms("comparisons.txt") + (read_forms("wide_comparisons.txt") if wide else ())


def differences(*, wide: bool = False) -> tuple[Form, ...]:
    """How much more one of two has; with `wide`, also of what only wide worlds have, and sums."""
    return read_forms("differences.txt") + (read_forms("wide_differences.txt") if wide else ())


def through_lists() -> tuple[Form, ...]:
    return read_forms("each.txt")


@cache
def operations() -> Mapping[str, Form]:
    """Arithmetic and counting, by name."""
    return MappingProxyType({form.about: form for form in read_forms("operations.txt")})


@cache
def read_forms(name: str) -> tuple[Form, ...]:
    """The forms of a file in `wordings/`."""
    return tuple(_form(head, parts) for head, parts in read_blocks(name))


def read_blocks(name: str) -> Iterator[tuple[str, Mapping[str, tuple[str, ...]]]]:
    """The blocks of a file in `wordings/`: the first line, and the wordings of the others by what
    stands before their colon.
    """
    text = (files("centerlm.learning.worlds") / "wordings" / name).read_text(encoding="utf-8")
    for block in text.split("\n\n"):
        if not block.startswith("#"):
            head, *lines = (line.strip() for line in block.strip().splitlines())
            parts = (line.partition(": ") for line in lines)
            yield head, {key: tuple(forms.split(" | ")) for key, _, forms in parts}


def _form(head: str, parts: Mapping[str, tuple[str, ...]]) -> Form:
    about, _, call = head.partition(": ")
    gaps, new_gaps = parts.get("gap", ()), parts.get("new gap", ())
    return Form(about, call, parts["ask"], parts["new ask"], gaps, new_gaps)
