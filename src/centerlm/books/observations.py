"""Timed observations of a book: what is noted of it, each with the span of text it rests on.

The position in the text is the time. They are plain data, stored beside the passages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

ObservationKind = Literal[
    "book", "chapter", "person", "place", "present", "whereabouts", "death", "thread", "voice"
]
KINDS: tuple[str, ...] = get_args(ObservationKind)


@dataclass(frozen=True, slots=True)
class Observation:
    """One thing noted; `text[start:end]` is where it stands, `data` what its kind adds.

    book: the whole; `form`, `english`, `words`.
    chapter: `subject` its heading; `number`, `kind`, `part`.
    person, place: first to last mention; `aliases`, `gender`, `mentions`, `spoke`, `first`, `last`
        (positions).
    present: a person named in a scene, first to last mention there; `chapter`, `scene`, `mentions`.
    whereabouts: a person said to be at a place; `place`.
    death: a person said to be dead.
    thread: something promised, asked, hidden or awaited; `sort`, `people`, `open`, `closed`.
    voice: the narrator in a chapter; `person`, `tense`.
    """

    kind: ObservationKind
    subject: str
    start: int
    end: int
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])
