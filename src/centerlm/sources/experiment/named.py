"""Named experiments: simulators, validators and machines, written as NAME(argument, argument).

References are arguments as typed values; nothing of the text is ever evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from centerlm.finding import Finding, Value
from centerlm.sources.base import Binding, Seek

Trial: TypeAlias = "Callable[[tuple[Value, ...]], Finding | Value]"

_CALL = re.compile(r"\s*([A-Za-z][\w-]*)\s*\((.*)\)\s*", re.DOTALL)
_SEPARATOR = re.compile(r"[,;]")
_REFERENCE = re.compile(r"\s*#(\d{1,4})\s*")


@dataclass(frozen=True, slots=True)
class NamedExperiment:
    """Something that can be tried out.

    `form` is how it is written, as in "machine(number)"; `knows` says in one line what comes of it.
    `run` gets the arguments in order and raises SourceError where they cannot be tried.
    """

    name: str
    form: str
    knows: str
    run: Trial


def named_call(
    template: str, values: Mapping[int, Binding]
) -> tuple[str, tuple[Value, ...]] | None:
    """The name and arguments of NAME(...), separated by commas or semicolons; None: no such call.

    An argument that is a reference is its value, a list stands for its items, anything else is
    text. Parentheses inside arguments stay.
    """
    match = _CALL.fullmatch(template)
    if match is None:
        return None
    arguments: list[Value] = []
    for part in _SEPARATOR.split(match[2]) if match[2].strip() else ():
        if (reference := _REFERENCE.fullmatch(part)) and int(reference[1]) in values:
            value = values[int(reference[1])].value
            arguments += value if isinstance(value, tuple) else (value,)
        else:
            arguments.append(" ".join(part.replace("##", "#").split()))
    return match[1], tuple(arguments)


def call_of(seek: Seek) -> tuple[str, tuple[Value, ...]] | None:
    """The call a request is."""
    return named_call(seek.template or seek.text, seek.values)
