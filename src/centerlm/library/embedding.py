"""The vectors of a library's passages: what each is computed from, and making those that lack.

What is missing after an interruption is made by the next call.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from centerlm.library import vectors
from centerlm.library.embed import Embedder
from centerlm.library.store import Store

EMBED_BATCH = 256


def embed_missing(store: Store, embedder: Embedder, tell: Callable[[int, int], None]) -> None:
    """Give every passage that lacks one a vector, a batch to a transaction.

    `tell` gets how many are done, of how many.
    """
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
        tell(done, total)
        texts = [embedded_text(title, heading, text) for _, title, heading, text in rows]
        packed = vectors.pack(embedder.embed(texts))
        with store.write() as writer:
            if store.meta("embedder") != embedder.name:
                return  # another process embeds with another model by now: these are none of its
            _insert_vectors(writer, [row[0] for row in rows], packed)
        done += len(rows)
        last = rows[-1][0]
    if total:
        tell(total, total)


def _insert_vectors(
    connection: sqlite3.Connection, passages: list[int], packed: list[tuple[bytes, bytes]]
) -> None:
    # A passage may have been removed by another process while its vector was computed.
    for passage, (vector, code) in zip(passages, packed, strict=True):
        known = connection.execute("SELECT 1 FROM passages WHERE id = ?", (passage,)).fetchone()
        if known:
            insert_vector(connection, passage, vector, code)
    connection.execute(
        "INSERT INTO meta VALUES ('generation', '1') ON CONFLICT (key) "
        "DO UPDATE SET value = CAST(value AS INTEGER) + 1"
    )


def insert_vector(
    connection: sqlite3.Connection, passage: int | None, vector: bytes, code: bytes
) -> None:
    connection.execute("INSERT OR REPLACE INTO vectors VALUES (?, ?)", (passage, vector))
    connection.execute("INSERT OR REPLACE INTO codes VALUES (?, ?)", (passage, code))


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
