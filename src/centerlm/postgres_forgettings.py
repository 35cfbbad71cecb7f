"""What was said to be forgotten, in the PostgreSQL database of a journal: rows are only added.

It is the one part of a seeking memory that the episodes do not tell. The ids of the rows that can
be read have none below them that is still to come, so who has read up to one has read all.
"""

from __future__ import annotations

from collections.abc import Iterable

from centerlm.forgettings import Forgetting
from centerlm.postgres import PostgresDatabase, Tables

FORGETTINGS = Tables(
    "forgettings",
    1,
    """
CREATE TABLE forgettings(
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, project TEXT NOT NULL, what TEXT NOT NULL,
    value TEXT NOT NULL, at DOUBLE PRECISION NOT NULL);
CREATE TABLE identity(id TEXT NOT NULL);
INSERT INTO identity VALUES (md5(random()::text || clock_timestamp()::text));
""",
)


def identity(db: PostgresDatabase) -> str:
    """What tells this database from others, whatever address it has."""
    rows: list[tuple[str]] = db.execute("SELECT id FROM identity").fetchall()
    return rows[0][0]


def add(db: PostgresDatabase, forgettings: Iterable[Forgetting]) -> None:
    """Add rows, within the caller's transaction."""
    # One writer at a time: else a lower id could be committed after a higher one was read.
    db.execute("LOCK TABLE forgettings IN SHARE ROW EXCLUSIVE MODE")
    db.executemany(
        "INSERT INTO forgettings(project, what, value, at) VALUES (?, ?, ?, ?)",
        [(one.project, one.what, one.value, one.at) for one in forgettings],
    )
