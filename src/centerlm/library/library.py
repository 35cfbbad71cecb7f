"""A library: a folder with one SQLite file, filled by `ingest`, asked by `search`.

Safe to use from several threads; several processes may read while one ingests. Without the local
extra (or its weights) it works by words alone, and `note` says so.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Self

from centerlm.books.observations import Observation
from centerlm.errors import InputError, LibraryError, MissingExtraError, MissingWeightsError
from centerlm.finding import Citation, Passage, clean_text
from centerlm.library import observing, search
from centerlm.library.embed import Embedder, find_embedder
from centerlm.library.ingest import IngestReport, Progress, ingest
from centerlm.library.observing import Book
from centerlm.library.passages import MAX_WORDS
from centerlm.library.readers import MAX_FILE_BYTES
from centerlm.library.search import Weights
from centerlm.library.standing import passage_id, standing
from centerlm.library.store import Store
from centerlm.library.terms import MAX_QUERY_CHARACTERS
from centerlm.library.vectors import SignIndex

Mode = Literal["hybrid", "words", "meaning"]


@dataclass(frozen=True, slots=True)
class Stats:
    """What a library holds. `titles` are some of its documents' titles, `bytes` is on disk."""

    files: int
    documents: int
    passages: int
    with_vectors: int
    bytes: int
    titles: tuple[str, ...]


def _quiet(progress: Progress) -> None:
    del progress


class Library:
    """Passages of documents with their files and spans. Made by `Library.open`."""

    def __init__(
        self, store: Store, embedder: Embedder | None, *, note: str, weights: Weights
    ) -> None:
        self._store = store
        self._embedder = embedder
        self._weights = weights
        self._index: tuple[str | None, SignIndex] | None = None
        self._lock = threading.Lock()
        self._side = ThreadPoolExecutor(max_workers=2, thread_name_prefix="library")
        self.note = note

    @classmethod
    def open(
        cls,
        folder: str | Path,
        *,
        create: bool = False,
        embedder: Embedder | Literal["installed"] | None = "installed",
        weights: Weights = Weights(),  # noqa: B008  frozen
    ) -> Self:
        """Open the library in `folder`, or with `create` make one there if there is none.

        `embedder` None means words only; "installed" takes the installed model, words only if
        there is none (`note` then says what to install).

        Raises:
            LibraryError: no library there, half-made, made by a newer version, or not accessible.
        """
        store = Store(Path(folder).expanduser(), create=create)
        note = ""
        if embedder == "installed":
            try:
                embedder = find_embedder()
            except (MissingExtraError, MissingWeightsError) as error:
                embedder = None
                note = f"searching by words only, not by meaning: {error}"
        return cls(store, embedder, note=note, weights=weights)

    @property
    def folder(self) -> Path:
        return self._store.path.parent

    def ingest(
        self,
        paths: Iterable[str | Path],
        *,
        progress: Callable[[Progress], None] = _quiet,
        max_words: int | None = None,
        max_bytes: int = MAX_FILE_BYTES,
    ) -> IngestReport:
        """Bring the library up to date with files and folders; only what changed is read.

        `max_words` bounds a passage (120 unless the library was made with another bound; it is
        fixed by the first ingest). A file that was removed from a given folder leaves the library.
        What is committed when an ingest is interrupted stays, and the next one goes on from there.

        Raises:
            LibraryError: the library cannot be written.
            InputError: `max_words` is out of range or not what the library was made with.
        """
        report = ingest(
            self._store,
            paths,
            embedder=self._embedder,
            max_words=self._passage_words(max_words),
            max_bytes=max_bytes,
            progress=progress,
        )
        return replace(report, note=self.note) if report.without_vectors else report

    def search(self, query: str, k: int = 5, *, mode: Mode = "hybrid") -> list[Passage]:
        """The best `k` passages for a question, best first; scores are comparable in one answer.

        Raises:
            InputError: the question is empty, or `k` is not in 1..1000.
            LibraryError: the library cannot be read.
        """
        query = clean_text(query)
        if not query.strip():
            raise InputError("the search is empty; give it some words")
        if not 1 <= k <= 1000:
            raise InputError(f"k={k} passages cannot be returned; give 1 to 1,000")
        with self._store.errors():
            return self._passages(self._ranked(query, k, mode)[:k])

    def still(self, citation: Citation) -> Citation | str | None:
        """A citation of one of its passages as it holds now, or why it holds no more; None where it
        has no such file.

        Raises:
            LibraryError: the library cannot be read.
        """
        return standing(self._store, citation)

    def stats(self, *, titles: int = 20) -> Stats:
        """Counts, size on disk, and the titles of the first documents."""
        with self._store.errors():
            run = self._store.connection().execute
            files, documents, passages, with_vectors = (
                int(run(f"SELECT count(*) FROM {table}").fetchone()[0])
                for table in ("files", "documents", "passages", "codes")
            )
            rows = run("SELECT title FROM documents ORDER BY id LIMIT ?", (titles,)).fetchall()
            pages = int(run("PRAGMA page_count").fetchone()[0])
            size = pages * int(run("PRAGMA page_size").fetchone()[0])
        return Stats(files, documents, passages, with_vectors, size, tuple(row[0] for row in rows))

    def books(self) -> list[Book]:
        """The documents that were noted as books when they were ingested."""
        with self._store.errors():
            return observing.books(self._store.connection())

    def sole_text(self) -> Book | None:
        """The text of a library that has but one, whether it was noted as a book or not."""
        with self._store.errors():
            return observing.sole_text(self._store.connection())

    def observations(
        self,
        document: int,
        *,
        kinds: Collection[str] = (),
        subject: str | None = None,
        before: int | None = None,
    ) -> list[Observation]:
        """What was noted of a book, in order of position; `before` a position, to ask what a reader
        knows there. See `centerlm.books.observations` for the kinds.
        """
        with self._store.errors():
            return observing.observations(
                self._store.connection(), document, kinds=kinds, subject=subject, before=before
            )

    def text(self, document: int, start: int, end: int) -> str:
        """Text of a document between two positions, as its passages have it."""
        with self._store.errors():
            return observing.text_between(self._store.connection(), document, start, end)

    def passages_of(self, document: int, start: int, end: int) -> list[Passage]:
        """The passages of a document that stand in a stretch of it, in order."""
        with self._store.errors():
            rows = self._store.connection().execute(
                'SELECT id FROM passages WHERE document = ? AND "end" > ? AND start < ? '
                "ORDER BY start",
                (document, start, end),
            )
            return self._passages([(int(row[0]), 0.0) for row in rows.fetchall()])

    def media(self) -> list[Path]:
        """The files of pictures, recordings and videos in it, in order of their names."""
        with self._store.errors():
            rows = self._store.connection().execute(
                "SELECT DISTINCT f.path FROM files f JOIN documents d ON d.file = f.id "
                "WHERE d.unit = 'seconds' ORDER BY f.path"
            )
            return [Path(row[0]) for row in rows]

    def close(self) -> None:
        """Let go of the file; the library is not used afterwards."""
        self._side.shutdown()
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _passage_words(self, wanted: int | None) -> int:
        if wanted is not None and not 10 <= wanted <= 10_000:
            raise InputError(f"passages of {wanted} words are not possible; give 10 to 10,000")
        with self._store.write() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO meta VALUES ('passage_words', ?)",
                (str(wanted or MAX_WORDS),),
            )
            words = int(self._store.meta("passage_words") or MAX_WORDS)
        if wanted not in (None, words):
            raise InputError(
                f"{self.folder} was made with passages of at most {words} words, not {wanted}; "
                "make a new library for another size"
            )
        return words

    def _ranked(self, query: str, k: int, mode: Mode) -> list[tuple[int, float]]:
        connection = self._store.connection()
        weights = replace(
            self._weights,
            candidates=max(self._weights.candidates, 2 * k),
            covered=max(self._weights.covered, 2 * k),
        )
        index = self._signs() if self._embedder is not None and mode != "words" else None
        if index is None or self._embedder is None or not len(index):
            if mode == "meaning":
                raise LibraryError(
                    self.note or f"{self.folder} has no vectors; ingest its files again"
                )
            return list(search.by_words(connection, query, k, weights).scores.items())
        embed, text = self._embedder.embed, query[:MAX_QUERY_CHARACTERS]
        if mode == "meaning":
            return search.by_meaning(connection, embed([text])[0], index, k)
        # SQLite and the embedding model both let go of the interpreter while they work.
        words = self._side.submit(self._words, query, weights)
        vector = embed([text])[0]
        near = index.nearest(vector, search.NEAREST)
        return search.hybrid(connection, query, words.result(), near, vector, weights)

    def _words(self, query: str, weights: Weights) -> search.Words:
        connection = self._store.connection()
        return search.by_words(
            connection, query, weights.candidates, weights, rows=search.HYBRID_ROWS
        )

    def _signs(self) -> SignIndex | None:
        """The sign bits in memory, read again when an ingest (of any process) changed them."""
        if self._embedder is None or self._store.meta("embedder") != self._embedder.name:
            return None
        with self._lock:
            generation = self._store.meta("generation")
            if self._index is None or self._index[0] != generation:
                self._index = (generation, SignIndex(self._store.connection()))
            return self._index[1]

    def _passages(self, ranked: list[tuple[int, float]]) -> list[Passage]:
        passages: list[Passage] = []
        for number, score in ranked:
            row = (
                self._store.connection()
                .execute(
                    'SELECT f.path, f.sha256, d.position, d.title, p.start, p."end", p.heading, '
                    "p.text, d.unit FROM passages p JOIN documents d ON d.id = p.document "
                    "JOIN files f ON f.id = d.file WHERE p.id = ?",
                    (number,),
                )
                .fetchone()
            )
            if row is None:  # removed by another process since it was ranked
                continue
            file, digest, position, title, start, end, heading, text, unit = row
            passages.append(
                Passage(
                    id=passage_id(file, digest, position, start),
                    text=text,
                    title=f"{title}: {heading}" if heading and heading != title else title,
                    file=file,
                    start=start,
                    end=end,
                    unit=unit,
                    score=score,
                )
            )
        return passages
