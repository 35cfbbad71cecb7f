"""Files into a library: only what changed is read, and every step is a transaction of its own.

Text first, vectors after: a library can be searched by words as soon as a file is stored, and an
ingest that was interrupted goes on where it stopped. A file that cannot be read leaves what the
library had of it, and is named in the report.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from centerlm.errors import CenterError, MissingExtraError
from centerlm.library import vectors
from centerlm.library.document import Document, Problem
from centerlm.library.embed import Embedder
from centerlm.library.media import is_media, media_digest, passed_over, read_media
from centerlm.library.observing import Noted, keep, noted
from centerlm.library.passages import Span, cut
from centerlm.library.readers import parse, read_bytes
from centerlm.library.store import Store
from centerlm.library.walk import find_files
from centerlm.media.captions import captions_beside

EMBED_BATCH = 256
COMMIT_PASSAGES = 5000
COMMIT_SECONDS = 1.0
SMALL_BYTES = 100_000  # files that are read at once, whatever they hold
COMMON_SHARE = 100  # a term is common when more than 1 passage in 100 has it


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an ingest is: files read, seconds of a file watched, or passages embedded, of how
    many.
    """

    phase: Literal["reading", "watching", "embedding"]
    done: float
    total: float
    file: str = ""


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What an ingest did, in files, and how large the library is now.

    `ignored` counts files in folders that are no documents; `problems` are files or parts of files
    that could not be read; `without_vectors` counts passages found by words only; `note` says why.
    `remarks` say what of a book that was read now is not noted, or passed over in folders, and why.
    """

    added: int
    changed: int
    unchanged: int
    removed: int
    ignored: int
    problems: tuple[Problem, ...]
    documents: int
    passages: int
    without_vectors: int
    seconds: float
    note: str = ""
    remarks: tuple[str, ...] = ()


def ingest(
    store: Store,
    paths: Iterable[str | Path],
    *,
    embedder: Embedder | None,
    max_words: int,
    max_bytes: int,
    progress: Callable[[Progress], None],
) -> IngestReport:
    """Bring the library up to date with `paths` (files and folders).

    Raises:
        LibraryError: the library cannot be written; what was committed before stays.
    """
    started = time.monotonic()
    walk = find_files(paths)
    writer = _Writer(store, max_words, max_bytes, list(walk.problems), progress)
    with store.errors():
        try:
            for number, path in enumerate(walk.files):
                progress(Progress("reading", number, len(walk.files), str(path)))
                writer.refresh(path)
            progress(Progress("reading", len(walk.files), len(walk.files)))
            writer.remove(walk.removed(writer.known))
            writer.commit()
        finally:
            writer.abandon()
        if writer.touched:
            _tidy(store)
        if embedder is not None:
            _embed(store, embedder, progress)
        count = store.connection().execute
        documents = count("SELECT count(*) FROM documents").fetchone()[0]
        passages = count("SELECT count(*) FROM passages").fetchone()[0]
        with_vectors = count("SELECT count(*) FROM codes").fetchone()[0]
    return IngestReport(
        added=writer.added,
        changed=writer.changed,
        unchanged=writer.unchanged,
        removed=writer.removed,
        ignored=walk.ignored,
        problems=tuple(writer.problems),
        documents=documents,
        passages=passages,
        without_vectors=passages - with_vectors,
        seconds=time.monotonic() - started,
        remarks=(*writer.remarks, *([passed_over(walk.unwatched)] if walk.unwatched else ())),
    )


_Stored = tuple[int, int, int, str]
"""Of a file: id, size, time of change, hash."""
_Piece = tuple[Document, Sequence[Span], Noted]
UNFINISHED = -1
"""The size kept of a file of which something was left out for want of a package or of weights: the
next ingest reads it again."""


class _Place(NamedTuple):
    start: float
    end: float
    heading: str = ""


class _Writer:
    """Reads and stores one file after another, many small files to a transaction."""

    def __init__(
        self,
        store: Store,
        max_words: int,
        max_bytes: int,
        problems: list[Problem],
        progress: Callable[[Progress], None],
    ) -> None:
        self._store = store
        self._connection = store.connection()
        self._max_words = max_words
        self._max_bytes = max_bytes
        self._progress = progress
        self._pending = 0
        self._begun = 0.0
        self.problems = problems
        self.remarks: list[str] = []
        self.added = self.changed = self.unchanged = self.removed = 0
        rows = self._connection.execute("SELECT path, id, size, mtime_ns, sha256 FROM files")
        self.known: dict[str, _Stored] = {row[0]: row[1:] for row in rows}

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
            self._insert(file, *piece)
        self._commit_if_due()

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
            self._progress(Progress("watching", done, total, str(path)))

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
        self, file: int | None, document: Document, spans: Sequence[Span], notes: Noted
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
            self._insert_passage(row, document, place, text)
        keep(self._connection, row, notes)

    def _insert_passage(self, row: int | None, document: Document, span: _Place, text: str) -> None:
        passage = self._connection.execute(
            'INSERT INTO passages (document, start, "end", heading, text) VALUES (?, ?, ?, ?, ?)',
            (row, span.start, span.end, span.heading, text),
        ).lastrowid
        self._connection.execute(
            "INSERT INTO words (rowid, title, heading, text) VALUES (?, ?, ?, ?)",
            (passage, document.title, span.heading, text),
        )
        self._pending += 1

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


def _tidy(store: Store) -> None:
    """Merge the word index and count common terms, where the library has grown enough for it.

    Both go through the whole index, so they wait until a tenth of the passages are new.
    """
    with store.write() as connection:
        passages: int = connection.execute("SELECT count(*) FROM passages").fetchone()[0]
        before = int(store.meta("tidied_at") or 0)
        if abs(passages - before) <= 0.1 * before:
            return
        connection.execute("INSERT INTO words (words) VALUES ('optimize')")
        connection.execute("DELETE FROM common_terms")
        connection.execute(
            "INSERT INTO common_terms SELECT term, doc FROM terms WHERE doc * ? > ?",
            (COMMON_SHARE, passages),
        )
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('tidied_at', ?)", (str(passages),))


def _embed(store: Store, embedder: Embedder, progress: Callable[[Progress], None]) -> None:
    """Give every passage that lacks one a vector, a batch to a transaction."""
    connection = store.connection()
    _check_embedder(store, embedder)
    missing = (
        "FROM passages p JOIN documents d ON d.id = p.document "
        "LEFT JOIN codes c ON c.passage = p.id WHERE c.passage IS NULL"
    )
    total: int = connection.execute(f"SELECT count(*) {missing}").fetchone()[0]
    done = last = 0
    while rows := connection.execute(
        f"SELECT p.id, d.title, p.heading, p.text {missing} AND p.id > ? ORDER BY p.id LIMIT ?",
        (last, EMBED_BATCH),
    ).fetchall():
        progress(Progress("embedding", done, total))
        texts = [embedded_text(title, heading, text) for _, title, heading, text in rows]
        packed = vectors.pack(embedder.embed(texts))
        with store.write() as writer:
            _insert_vectors(writer, [row[0] for row in rows], packed)
        done += len(rows)
        last = rows[-1][0]
    if total:
        progress(Progress("embedding", total, total))


def _insert_vectors(
    connection: sqlite3.Connection, passages: list[int], packed: list[tuple[bytes, bytes]]
) -> None:
    # A passage may have been removed by another process while its vector was computed.
    for passage, (vector, code) in zip(passages, packed, strict=True):
        known = connection.execute("SELECT 1 FROM passages WHERE id = ?", (passage,)).fetchone()
        if known:
            connection.execute("INSERT OR REPLACE INTO vectors VALUES (?, ?)", (passage, vector))
            connection.execute("INSERT OR REPLACE INTO codes VALUES (?, ?)", (passage, code))
    connection.execute(
        "INSERT INTO meta VALUES ('generation', '1') ON CONFLICT (key) "
        "DO UPDATE SET value = CAST(value AS INTEGER) + 1"
    )


def _check_embedder(store: Store, embedder: Embedder) -> None:
    """Vectors of two models cannot be compared; those of another model are computed again."""
    with store.write() as connection:
        if store.meta("embedder") not in (None, embedder.name):
            connection.execute("DELETE FROM vectors")
            connection.execute("DELETE FROM codes")
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('embedder', ?)", (embedder.name,))


def embedded_text(title: str, heading: str, text: str) -> str:
    """What a passage's vector is computed from."""
    return ". ".join(part for part in (title, heading, text) if part)
