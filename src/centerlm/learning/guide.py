"""Human edits of plans become guidance: from episodes of `solve --review` to the own JSONL format.

An edit is the event that a person reviewed a root plan and changed it, or (without a word on who
and why) that a root plan was finished by a person, with the center's plan it came from. A plan that
was reviewed, left as it was and rated 4 or 5 is guidance too.
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
from centerlm.events import GOOD, EpisodeStarted, Event, PlanFinished, PlanReviewed
from centerlm.solver import stored_objective
from centerlm.stored_journal import StoredJournal

BY = "person"


@dataclass(frozen=True, slots=True)
class Edit:
    """A person's plan for an objective and the plan it corrects ("": none, as of a data set), both
    in the plan language. `rating` is that of the latter, 1 to 5, 0 where none was given.
    """

    objective: str
    plan: str
    when: str
    edited_from: str = ""
    by: str = BY
    why: str = ""
    rating: int = 0

    def as_json(self) -> dict[str, str | int]:
        known = {"edited_from": self.edited_from, "why": self.why, "rating": self.rating}
        return {
            "objective": self.objective,
            "plan": self.plan,
            "by": self.by,
            "when": self.when,
            **{name: value for name, value in known.items() if value},
        }


@dataclass(frozen=True, slots=True)
class Added:
    """How many edits were new to the file, and how many stood there already."""

    new: int
    there: int


def edits_of(journal: StoredJournal) -> Iterator[Edit]:
    """The edits of all episodes, the oldest episode first.

    Raises:
        JournalError: the journal cannot be read.
    """
    for episode in reversed(journal.summaries(-1)):
        yield from edits_in(journal, journal.events(episode.name))


def edits_in(journal: StoredJournal, events: Sequence[Event]) -> Iterator[Edit]:
    """The edits of one episode, by its events.

    Raises:
        JournalError: the journal cannot be read.
    """
    settings = next((e.settings for e in events if isinstance(e, EpisodeStarted)), "")
    if not settings:
        return
    objective = stored_objective(journal.blob(settings)).text
    told: set[tuple[str, str]] = set()
    for event in events:
        made: Edit | None = None
        when = datetime.fromtimestamp(event.at, UTC).isoformat(timespec="seconds")
        match event:
            case PlanReviewed(verdict="edited" | "accepted" as verdict):
                told.add((event.before, event.plan))
                edited = verdict == "edited"
                if edited or event.rating >= GOOD:
                    made = Edit(
                        objective,
                        journal.blob(event.plan).decode(),
                        when,
                        journal.blob(event.before).decode() if edited else "",
                        event.by or BY,
                        event.why,
                        event.rating,
                    )
            case PlanFinished(path="", by="person") if event.edited:
                if (event.edited, event.plan) not in told:
                    plan, before = (journal.blob(b).decode() for b in (event.plan, event.edited))
                    made = Edit(objective, plan, when, before)
            case _:
                pass
        if made is not None:
            yield made


def add_edits(edits: Iterable[Edit], path: Path) -> Added:
    """Append the edits that a file of guidance does not hold yet.

    An edit is there if a line has its objective, plan, person and time. If the disk is full the
    file is as it was before.

    Raises:
        InputError: the file cannot be read or written.
    """
    listed = list(edits)
    while True:
        try:
            before = path.read_bytes() if path.exists() else b""
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror or error}") from None
        there = set(_keys(before))
        new: dict[tuple[str, ...], Edit] = {}
        for edit in listed:
            if _key(edit) not in there:
                new.setdefault(_key(edit), edit)
        added = Added(len(new), len(listed) - len(new))
        rows = (json.dumps(edit.as_json(), ensure_ascii=False) for edit in new.values())
        lines = "".join(f"{row}\n" for row in rows)
        gap = "\n" if before and not before.endswith(b"\n") else ""
        if not new or _append(path, (gap + lines).encode(), len(before)):
            return added


def _key(edit: Edit) -> tuple[str, ...]:
    return edit.objective, edit.plan, edit.by, edit.when


def _keys(data: bytes) -> Iterator[tuple[str, str, str, str]]:
    for line in data.split(b"\n"):
        with suppress(ValueError, RecursionError):  # such lines are listed when guidance is read
            record: Any = json.loads(line)
            if isinstance(record, dict):
                row = cast("dict[str, Any]", record)
                texts = [row.get(name, "") for name in ("objective", "plan", "by", "when")]
                yield (str(texts[0]), str(texts[1]), str(texts[2]), str(texts[3]))


def _append(path: Path, data: bytes, size: int) -> bool:
    """Whether the data was added: not to a file that is no longer of this size, for then another
    process has added to it.
    """
    import fcntl

    try:
        with path.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # until it is closed
            if file.seek(0, os.SEEK_END) != size:
                return False
            try:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                file.truncate(size)
                raise
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from None
    return True
