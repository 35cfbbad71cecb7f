"""Human edits of plans become guidance: from episodes of `solve --review` to the own JSONL format.

An edit is the event that a root plan was finished by a person, with the center's plan it came from.
Writing is idempotent and only ever adds: lines that are there are never changed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from centerlm.errors import InputError
from centerlm.events import EpisodeStarted, Event, PlanFinished
from centerlm.journal import SqliteJournal
from centerlm.solver import stored_objective

BY = "person"


@dataclass(frozen=True, slots=True)
class Edit:
    """A person's plan for an objective and the plan it corrects, both in the plan language.

    One from a data set corrects none ("").
    """

    objective: str
    plan: str
    when: str
    edited_from: str
    by: str = BY

    def as_json(self) -> dict[str, str]:
        told = {"objective": self.objective, "plan": self.plan, "by": self.by, "when": self.when}
        return told | ({"edited_from": self.edited_from} if self.edited_from else {})


@dataclass(frozen=True, slots=True)
class Added:
    """How many edits were new to the file, and how many stood there already."""

    new: int
    there: int


def edits_of(journal: SqliteJournal) -> Iterator[Edit]:
    """The edits of all episodes, the oldest episode first.

    Raises:
        JournalError: the journal cannot be read.
    """
    for episode in reversed(journal.summaries(-1)):
        yield from _edits(journal, journal.events(episode.name))


def _edits(journal: SqliteJournal, events: Sequence[Event]) -> Iterator[Edit]:
    settings = next((e.settings for e in events if isinstance(e, EpisodeStarted)), "")
    for event in events:
        if not isinstance(event, PlanFinished) or event.path or not event.edited:
            continue
        if event.by == BY and settings:
            yield Edit(
                objective=stored_objective(journal.blob(settings)).text,
                plan=journal.blob(event.plan).decode(),
                when=datetime.fromtimestamp(event.at, UTC).isoformat(timespec="seconds"),
                edited_from=journal.blob(event.edited).decode(),
            )


def add_edits(edits: Iterable[Edit], path: Path) -> Added:
    """Append the edits that a file of guidance does not hold yet.

    An edit is there if a line has its objective, plan, person and time. If the disk is full the
    file is as it was before.

    Raises:
        InputError: the file cannot be read or written.
    """
    try:
        before = path.read_bytes() if path.exists() else b""
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None
    seen = set(_keys(before))
    new: list[Edit] = []
    there = 0
    for edit in edits:
        key = (edit.objective, edit.plan, edit.by, edit.when)
        if key in seen:
            there += 1
        else:
            seen.add(key)
            new.append(edit)
    if new:
        lines = "".join(json.dumps(edit.as_json(), ensure_ascii=False) + "\n" for edit in new)
        gap = "\n" if before and not before.endswith(b"\n") else ""
        _append(path, (gap + lines).encode(), len(before))
    return Added(len(new), there)


def _keys(data: bytes) -> Iterator[tuple[str, str, str, str]]:
    for line in data.split(b"\n"):
        with suppress(ValueError, RecursionError):  # such lines are listed when guidance is read
            record: Any = json.loads(line)
            if isinstance(record, dict):
                row = cast("dict[str, Any]", record)
                texts = [row.get(name, "") for name in ("objective", "plan", "by", "when")]
                yield (str(texts[0]), str(texts[1]), str(texts[2]), str(texts[3]))


def _append(path: Path, data: bytes, size: int) -> None:
    try:
        with path.open("ab") as file:
            try:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                file.truncate(size)
                raise
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from None
