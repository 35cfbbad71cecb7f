"""Experience as a file: JSON lines, one an outcome, between a first line that says whose they are
and a last one that counts them.

    {"format": "centerlm-memory", "version": 1, "project": "..."}
    {"episode": "...", "entry": "#...", "source": "...", "text": "...", "success": 1.0, ...}
    {"outcomes": 1}
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import msgspec

from centerlm.errors import MemoryFileError
from centerlm.memory.filing import entry_of, hashed, key_of, mark
from centerlm.memory.merging import merge
from centerlm.memory.outcomes import Outcome
from centerlm.memory.seeking import SeekingMemory
from centerlm.memory.store import transaction
from centerlm.memory.window import unpack
from centerlm.models.weights import write_atomically
from centerlm.plan import is_source_name

FORMAT, VERSION = "centerlm-memory", 1
MAX_FILE_BYTES = 1 << 28
_SAME = 1 / 128
_BATCH = 10_000
_MAX_TEXT = 300


class _Line(Outcome, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An outcome as it stands in a file."""

    episode: str


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did with the outcomes of a file. `contradicting` were left out: `first` says
    of one of them where it stands and what it contradicts. `forgotten` belong to episodes that
    were forgotten here.
    """

    new: int
    there: int
    forgotten: int
    contradicting: int
    first: str = ""


def export_memory(memory: SeekingMemory, path: Path) -> int:
    """Write all that the project's memory knows; returns how many outcomes. The file is there
    whole or not at all.

    Raises:
        OSError: it cannot be written.
        sqlite3.Error: the memory cannot be read.
    """
    memory.settle()
    head = {"format": FORMAT, "version": VERSION, "project": memory.project}
    lines = [msgspec.json.encode(line) for line in _lines(memory)]
    end = {"outcomes": len(lines)}
    whole = [msgspec.json.encode(head), *lines, msgspec.json.encode(end), b""]
    write_atomically(path, b"\n".join(whole))
    return len(lines)


def _lines(memory: SeekingMemory) -> Iterator[_Line]:
    db = memory.connection
    names = dict(db.execute("SELECT key, name FROM episodes WHERE project=?", (memory.project_id,)))
    rows = db.execute(
        "SELECT kinds.id, text, source, window FROM kinds JOIN arms ON kind=kinds.id "
        "WHERE project=? ORDER BY kinds.id, source",
        (memory.project_id,),
    ).fetchall()
    for kind, like, source, window in rows:
        known = {
            (row[0], row[1]): row[2:]
            for row in db.execute(
                "SELECT episode, entry, text, query, plain FROM exemplars "
                "WHERE kind=? AND source=?",
                (kind, source),
            )
        }
        for seen in unpack(window):
            text, query, plain = known.get((seen.episode, seen.entry), (like, "", 0))
            yield _Line(
                episode=names.get(seen.episode, f"#{seen.episode}"),
                entry=f"#{seen.entry}",
                source=source,
                text=text,
                query=query,
                success=round(seen.success, 4),
                cost=seen.cost,
                seconds=seen.seconds,
                at=float(seen.at),
                plain=bool(plain),
            )


def import_memory(memory: SeekingMemory, path: Path, *, any_project: bool = False) -> Imported:
    """Add the outcomes of an exported file to the project's memory, in one transaction.

    They count as of when they were. What is there already is not counted twice. Where a file says
    otherwise than the memory, the memory stands; where it contradicts itself, neither is taken.

    Raises:
        MemoryFileError: it cannot be read, is no export, not whole, of a newer version, or (unless
            `any_project`) of another project; nothing is imported.
        sqlite3.Error: the memory cannot be written.
    """
    numbered = _read(path, memory.project, any_project)
    memory.settle()
    db, project, index = memory.connection, memory.project_id, memory.index
    index.refresh(db)
    new: list[tuple[int, Outcome]] = []
    there = forgotten = 0
    against: dict[tuple[int, int], str] = {}
    try:
        with transaction(db):
            known = _known(memory)
            gone = {
                row[0]
                for row in db.execute(
                    "SELECT key FROM episodes WHERE project=? AND forgotten", (project,)
                )
            }
            first: dict[tuple[int, int], tuple[int, _Line]] = {}
            for number, line in numbered:
                at = key_of(line.episode), entry_of(line.entry, line.source)
                if at[0] in gone:
                    forgotten += 1
                elif at in known:
                    if abs(known[at] - line.success) > _SAME:
                        against[at] = _told(number, line, "what is remembered")
                    else:
                        there += 1
                elif at in first and abs(first[at][1].success - line.success) > _SAME:
                    against[at] = _told(number, line, f"line {first[at][0]}")
                else:
                    first.setdefault(at, (number, line))
            taken = {at: line for at, (_, line) in first.items() if at not in against}
            for (episode, _), line in sorted(taken.items(), key=lambda item: item[1].at):
                mark(db, project, line.episode, line.at)
                new.append((episode, line))
            for start in range(0, len(new), _BATCH):
                merge(db, project, index, new[start : start + _BATCH])
    except BaseException:
        index.stale()
        raise
    told = next(iter(against.values()), "")
    return Imported(len(new), there, forgotten, len(against), told)


def _told(number: int, line: _Line, what: str) -> str:
    return f"line {number} ({line.source} in episode {line.episode}) contradicts {what}"


def _known(memory: SeekingMemory) -> dict[tuple[int, int], float]:
    """The success of every outcome that is there, by episode and entry."""
    rows = memory.connection.execute(
        "SELECT window FROM kinds JOIN arms ON kind=kinds.id WHERE project=?",
        (memory.project_id,),
    )
    return {(s.episode, s.entry): s.success for row in rows for s in unpack(row[0])}


def _read(path: Path, project: str, any_project: bool) -> list[tuple[int, _Line]]:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise MemoryFileError(f"{path} is larger than an export can be; nothing was imported")
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise MemoryFileError(f"{path} cannot be read ({error.strerror}); check the path") from None
    _check_head(path, lines[0], project, any_project)
    if len(lines) < 3 or lines[-1] or _object(lines[-2]).get("outcomes") != len(lines) - 3:
        raise MemoryFileError(
            f"{path} is not whole: its last line is missing; nothing was imported, export it again"
        )
    numbered: list[tuple[int, _Line]] = []
    for number, data in enumerate(lines[1:-2], start=2):
        try:
            line = msgspec.json.decode(data, type=_Line)
            if not (_is_sound(line)):
                raise msgspec.ValidationError("a value is out of range")
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise MemoryFileError(
                f"{path}, line {number} is no outcome ({error}); nothing was imported, export it "
                "again or remove the line and lower the count in the last one"
            ) from None
        numbered.append((number, line))
    return numbered


def _is_sound(line: _Line) -> bool:
    """Whether an outcome could have been exported: numbers in range, names and text as allowed."""
    named = (line.episode, line.entry)
    return (
        all(hashed(part) is not None for part in named if part.startswith("#"))
        and 0 <= line.success <= 1
        and 0 <= line.cost < 1e30
        and 0 <= line.seconds < 1e30
        and 0 <= line.at < 1 << 32
        and is_source_name(line.source)
        and 0 < len(line.text) <= _MAX_TEXT
        and len(line.query) <= _MAX_TEXT
        and 0 < len(line.episode) <= 100
    )


def _check_head(path: Path, data: bytes, project: str, any_project: bool) -> None:
    head = _object(data)
    version = head.get("version")
    if head.get("format") != FORMAT or not isinstance(version, int):
        raise MemoryFileError(
            f"{path} is no exported memory; make one with: centerlm memory export FILE"
        )
    if version > VERSION:
        raise MemoryFileError(
            f"{path} was exported by a newer centerlm (format {version}, this one reads up to "
            f"{VERSION}); update centerlm: pip install -U centerlm"
        )
    if head.get("project") != project and not any_project:
        raise MemoryFileError(
            f"{path} is experience of the project {head.get('project')!r}, and this one is "
            f"{project!r}; to take it in all the same add --any-project"
        )


def _object(data: bytes) -> dict[str, Any]:
    """A line as an object; an empty one where it is none."""
    try:
        value: Any = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
