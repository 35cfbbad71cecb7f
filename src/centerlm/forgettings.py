"""What is to be forgotten, said so that any machine which shares a journal knows what is meant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

What = Literal["kind", "source", "episode", "note", "all"]


@dataclass(frozen=True, slots=True)
class Forgetting:
    """What memories of a project ("": of every project) forget of what was told until `at`
    (seconds since 1970).

    `value` is the text of a kind, the name of a source or an episode, or the `ref` of a note; ""
    for all. `id` counts up in the database that it was said in; 0 where it was not said yet.
    """

    project: str
    what: What
    value: str
    at: float
    id: int = 0
