"""Files of an ingest into the tables of a library: what is stored, replaced, and taken out.

A file is all in the library or not at all, whatever interrupts or overtakes the ingest.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from centerlm.errors import CenterError, MissingExtraError
from centerlm.library.document import Document, Problem
from centerlm.library.embedding import embedded_text, insert_vector
from centerlm.library.media import is_media, media_digest, read_media
from centerlm.library.observing import Noted, keep, noted
from centerlm.library.passages import Span, cut
from centerlm.library.readers import parse, read_bytes
from centerlm.library.store import Store
from centerlm.media.captions import captions_beside

COMMIT_PASSAGES = 5000
COMMIT_SECONDS = 1.0
SMALL_BYTES = 100_000  # files that are read at once, whatever they hold

_Stored = tuple[int, int, int, str]
"""Of a file: id, size, time of change, hash."""
_Piece = tuple[Document, Sequence[Span], Noted]
_Vectors = Mapping[str, tuple[bytes, bytes]]
"""Vectors and their sign bits by the texts they were computed from."""
UNFINISHED = -1
"""The size kept of a file of which something was left out for want of a package or of weights: the
next ingest reads it again."""


class _Place(NamedTuple):
    start: float
    end: float
    heading: str = ""


class Writer:
    """Reads and stores one file after another, many small files to a transaction.

    `watching` gets a file that is watched, the seconds done, and those in all.
    """

    def __init__(
        self,
        store: Store,
        max_words: int,
        max_bytes: int,
        problems: list[Problem],
        watching: Callable[[Path, float, float], None],
    ) -> None:
        self._connection = store.connection()
        self._max_words = max_words
        self._max_bytes = max_bytes
        self._watching = watching
        self._pending = 0
        self._begun = 0.0
        self.problems = problems
        self.remarks: list[str] = []
        self.added = self.changed = self.unchanged = self.removed = 0
        rows = self._connection.execute("SELECT path, id, size, mtime_ns, sha256 FROM files")
        self.known: dict[str, _Stored] = {row[0]: row[1:] for row in rows}
        self._twins = {digest: file for file, _, _, digest in self.known.values()}

    @property
    def touched(self) -> bool:
        return bool(self.added or self.changed or self.removed)

    def refresh(self, path: Path) -> None:
        """Store a file if it is new or has changed; a file that cannot be read is a problem."""
        name = str(path)
        old = self.known.get(name)
        stamp = _stamp(path)
        if old and old[1:3] == stamp and os.access(path, os.R_OK):
            self.unchanged += 1
            return
        if stamp is None or stamp[0] > SMALL_BYTES:
            self.commit()  # reading may take long: nothing is kept from other writers meanwhile
        try:
            data = b"" if is_media(path) else read_bytes(path, max_bytes=self._max_bytes)
            digest = hashlib.sha256(data).hexdigest() if data else media_digest(path)
            if old and old[3] == digest and old[1] != UNFINISHED and stamp:
                self._restamp(old[0], stamp)
                self.unchanged += 1
                return
            items = list(parse(data, name) if data else self._watch(path))
        except CenterError as error:
            what = f"{name} is not read: " if isinstance(error, MissingExtraError) else ""
            kept = "; what the library had of it stays" if old else ""
            self.problems.append(Problem(name, f"{what}{error}{kept}"))
            return
        documents = [item for item in items if isinstance(item, Document)]
        self.problems += [item for item in items if isinstance(item, Problem)]
        if not documents or stamp is None:
            return
        pieces = [(d, cut(d, max_words=self._max_words), noted(d)) for d in documents]
        self.remarks += [notes.remark for _, _, notes in pieces if notes.remark]
        if any(d.unfinished or notes.unfinished for d, _, notes in pieces):
            stamp = (UNFINISHED, stamp[1])
        self._begin()
        now = self._stored(name)
        if now and now[3] == digest and (now != old or self._holds(now[0], pieces)):
            # Another process was quicker, or what was missing is missing yet.
            self._restamp(now[0], stamp)
            self.unchanged += 1
            return
        made = self._vectors_of(self._twins.get(digest), now and now[0])
        if now:
            self._delete(now[0])
            self.changed += 1
        else:
            self.added += 1
        file = self._connection.execute(
            "INSERT INTO files (path, size, mtime_ns, sha256) VALUES (?, ?, ?, ?)",
            (name, *stamp, digest),
        ).lastrowid
        for piece in pieces:
            self._insert(file, *piece, made)
        self._commit_if_due()

    def _vectors_of(self, twin: int | None, before: int | None) -> _Vectors:
        """The vectors of a file with the same content, and of the file as it was, by what they were
        computed from: what was moved or copied, and what an edit left as it was, is not embedded
        again.
        """
        rows = self._connection.execute(
            "SELECT d.title, p.heading, p.text, v.vector, c.code FROM documents d "
            "JOIN passages p ON p.document = d.id JOIN vectors v ON v.passage = p.id "
            "JOIN codes c ON c.passage = p.id WHERE d.file IN (?, ?)",
            (twin, before),
        )
        return {embedded_text(*words): (vector, code) for *words, vector, code in rows}

    def _restamp(self, file: int, stamp: tuple[int, int]) -> None:
        self._begin()
        self._connection.execute(
            "UPDATE files SET size = ?, mtime_ns = ? WHERE id = ?", (*stamp, file)
        )
        self._commit_if_due()

    def _holds(self, file: int, pieces: Sequence[_Piece]) -> bool:
        """Whether the library has just these passages of a file, and notes on as many things."""
        rows = self._connection.execute(
            'SELECT p.start, p."end", p.text FROM passages p JOIN documents d ON d.id = p.document '
            "WHERE d.file = ? ORDER BY p.id",
            (file,),
        )
        found = [
            (place.start, place.end, text)
            for document, spans, _ in pieces
            for place, text in _passages(document, spans)
        ]
        counted = self._connection.execute(
            "SELECT count(*) FROM observations o JOIN documents d ON d.id = o.document "
            "WHERE d.file = ?",
            (file,),
        ).fetchone()[0]
        noted = sum(len(notes.observations) for _, _, notes in pieces)
        return counted == noted and rows.fetchall() == found

    def _stored(self, name: str) -> _Stored | None:
        """What the library has of a file by now."""
        return self._connection.execute(
            "SELECT id, size, mtime_ns, sha256 FROM files WHERE path = ?", (name,)
        ).fetchone()

    def _watch(self, path: Path) -> Iterator[Document | Problem]:
        # Watching takes minutes: what was read before must not be kept from other writers.
        self.commit()

        def tell(done: float, total: float) -> None:
            self._watching(path, done, total)

        return read_media(path, tell)

    def remove(self, names: Iterable[str]) -> None:
        for name in names:
            self._begin()
            if self._stored(name) == self.known[name]:  # else another process has seen to it
                self._delete(self.known[name][0])
                self.removed += 1
            self._commit_if_due()

    def commit(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute(
                "INSERT INTO meta VALUES ('generation', '1') ON CONFLICT (key) "
                "DO UPDATE SET value = CAST(value AS INTEGER) + 1"
            )
            self._connection.execute("COMMIT")
        self._pending = 0

    def abandon(self) -> None:
        """Undo what is not committed: nothing, after a commit."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _begin(self) -> None:
        if not self._connection.in_transaction:
            self._connection.execute("BEGIN IMMEDIATE")
            self._begun = time.monotonic()

    def _commit_if_due(self) -> None:
        # Bounded in passages for memory, in seconds so that other writers need not wait long.
        if self._pending >= COMMIT_PASSAGES or time.monotonic() - self._begun > COMMIT_SECONDS:
            self.commit()

    def _insert(
        self,
        file: int | None,
        document: Document,
        spans: Sequence[Span],
        notes: Noted,
        made: _Vectors,
    ) -> None:
        row = self._connection.execute(
            "INSERT INTO documents (file, position, title, unit) VALUES (?, ?, ?, ?)",
            (
                file,
                document.position,
                document.title,
                "seconds" if document.timed else "characters",
            ),
        ).lastrowid
        for place, text in _passages(document, spans):
            passage = self._insert_passage(row, document, place, text)
            if known := made.get(embedded_text(document.title, place.heading, text)):
                insert_vector(self._connection, passage, *known)
        keep(self._connection, row, notes)

    def _insert_passage(
        self, row: int | None, document: Document, span: _Place, text: str
    ) -> int | None:
        passage = self._connection.execute(
            'INSERT INTO passages (document, start, "end", heading, text) VALUES (?, ?, ?, ?, ?)',
            (row, span.start, span.end, span.heading, text),
        ).lastrowid
        self._connection.execute(
            "INSERT INTO words (rowid, title, heading, text) VALUES (?, ?, ?, ?)",
            (passage, document.title, span.heading, text),
        )
        self._pending += 1
        return passage

    def _delete(self, file: int) -> None:
        # The word index holds no copy of the text, so it has to be told what to forget.
        self._connection.execute(
            "INSERT INTO words (words, rowid, title, heading, text) "
            "SELECT 'delete', p.id, d.title, p.heading, p.text FROM passages p "
            "JOIN documents d ON d.id = p.document WHERE d.file = ?",
            (file,),
        )
        self._connection.execute("DELETE FROM files WHERE id = ?", (file,))


def _passages(document: Document, spans: Sequence[Span]) -> Iterator[tuple[_Place, str]]:
    for timed in document.timed:
        yield _Place(timed.start, timed.end), timed.text
    for span in spans:
        text = document.text[span.start : span.end]
        yield _Place(span.start, span.end, span.heading), text


def _stamp(path: Path) -> tuple[int, int] | None:
    """Size and time of change of a file, with the captions that are read with it; None where it
    cannot be told (`read_bytes` says why).
    """
    try:
        infos = [path.stat()]
    except OSError:
        return None
    if is_media(path) and (beside := captions_beside(path)) is not None:
        with suppress(OSError):
            infos.append(beside.stat())
    return sum(info.st_size for info in infos), max(info.st_mtime_ns for info in infos)
