"""The kinds of a project in working memory, to be searched by one question.

At most `MAX_KINDS` a project, so a search takes the same time however much was experienced. Plans
of people are searched the same way (`table` "plans").
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Literal

from centerlm.memory.kinds import Space, Table, mask

MAX_KINDS = 1024


class KindIndex:
    """The kinds of one project, read again when another process changed which there are."""

    def __init__(
        self, space: Space, project: int, table: Literal["kinds", "plans"] = "kinds"
    ) -> None:
        self.space = space
        self._name = table
        self._project = project
        self._ids: list[int] = []
        self._table: Table = space.table()
        self._state: tuple[int, int] = (0, 0)

    def refresh(self, db: sqlite3.Connection) -> None:
        """Bring it up to date; kinds that were made without this embedding get theirs."""
        state = self._there(db)
        if state == self._state:
            return
        rows: list[tuple[int, str, bytes | None]] = db.execute(
            f"SELECT id, text, vector FROM {self._name} WHERE project=? ORDER BY id",
            (self._project,),
        ).fetchall()
        vectors = {id_: self.space.from_bytes(data) for id_, _, data in rows if data is not None}
        missing = [(id_, text) for id_, text, _ in rows if vectors.get(id_) is None]
        if missing:
            made = self.space.embed([text for _, text in missing])
            vectors.update(zip((id_ for id_, _ in missing), made, strict=True))
        kept = [(self.space.to_bytes(vectors[id_]), id_) for id_, _ in missing]
        db.executemany(
            f"UPDATE {self._name} SET vector=? WHERE id=?", [row for row in kept if row[0]]
        )
        self._ids, self._table = [], self.space.table()
        for id_, _, _ in rows:
            self._ids.append(id_)
            self._table.add(vectors[id_])
        self._state = state

    def _there(self, db: sqlite3.Connection) -> tuple[int, int]:
        row = db.execute(
            f"SELECT count(*), coalesce(max(id), 0) FROM {self._name} WHERE project=?",
            (self._project,),
        ).fetchone()
        return int(row[0]), int(row[1])

    def nearest(self, vector: Any, count: int = 1) -> list[tuple[int, float]]:
        """The kinds nearest to a question and how near they are, the nearest first."""
        return [(self._ids[row], near) for row, near in self._table.nearest(vector, count)]

    def nearest_each(self, vectors: Sequence[Any]) -> list[tuple[int, float] | None]:
        """The nearest kind of each question and how near it is; None where there is no kind."""
        each = self._table.nearest_each(vectors)
        return [None if one is None else (self._ids[one[0]], one[1]) for one in each]

    def embed(self, texts: Sequence[str]) -> Sequence[Any]:
        """Vectors of questions, their names masked."""
        return self.space.embed([mask(text) for text in texts])

    def add(self, db: sqlite3.Connection, text: str, vector: Any) -> int:
        """A new kind that begins with this question."""
        cursor = db.execute(
            "INSERT INTO kinds(project, text, vector) VALUES (?, ?, ?)",
            (self._project, mask(text), self.space.to_bytes(vector)),
        )
        id_ = int(cursor.lastrowid or 0)
        self._ids.append(id_)
        self._table.add(vector)
        self._state = (self._state[0] + 1, id_)
        return id_

    def stale(self) -> None:
        """What it holds was rolled back, or kinds were removed: read it again."""
        self._state = (-1, -1)
