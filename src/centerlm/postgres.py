"""PostgreSQL for the stores that several machines share: connecting, and the SQL of both databases.

A connection is a session: its locks end with it, so what a dead or unreachable process held is
free, and it is never opened anew behind the back of whoever holds a lock. Needs the extra
`postgres`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, LiteralString, NamedTuple, cast

from centerlm.errors import ConfigError, JournalError, MissingExtraError

if TYPE_CHECKING:
    import psycopg

SCHEMA = "centerlm"
"""The schema that the tables are in, so that a database can be shared with others."""
URLS = ("postgresql://", "postgres://")
_CONNECT_SECONDS = 15
_DEAD_AFTER = (10, 5, 4)
"""TCP keepalive: seconds until the first probe, seconds between two, how many may be lost."""


class Tables(NamedTuple):
    """The tables of a store, made by `sql` where there are none of its `name`."""

    name: str
    version: int
    sql: str


class PostgresDatabase:
    """A session, by `stored_journal.Database`. Each statement is committed but in a transaction."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    @property
    def in_transaction(self) -> bool:
        from psycopg.pq import TransactionStatus

        alive = not (self._connection.closed or self._connection.broken)
        return alive and self._connection.info.transaction_status != TransactionStatus.IDLE

    @property
    def lost(self) -> bool:
        """Whether the session has ended, and with it all locks."""
        return self._connection.closed or self._connection.broken

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> psycopg.Cursor[Any]:
        return self._connection.execute(translated(sql), _storable(parameters))

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> None:
        with self._connection.cursor() as cursor:
            cursor.executemany(translated(sql), [_storable(row) for row in parameters])

    def take(self, what: str) -> bool:
        """Lock a name until `leave`, or until the session ends; false where another session has it.

        Raises:
            psycopg.Error: the session is lost.
        """
        row = self.execute("SELECT pg_try_advisory_lock(?)", (_key(what),)).fetchone()
        return bool(row and row[0])

    def leave(self, what: str) -> None:
        """Give a lock up."""
        self.execute("SELECT pg_advisory_unlock(?)", (_key(what),))

    def close(self) -> None:
        self._connection.close()


@lru_cache(maxsize=256)
def translated(sql: str) -> LiteralString:
    """A statement of the SQLite stores for psycopg: placeholders, comparisons that know NULL."""
    sql = sql.replace("%", "%%")
    sql = sql.replace(" IS NOT ?", " IS DISTINCT FROM ?").replace(
        " IS ?", " IS NOT DISTINCT FROM ?"
    )
    return cast("LiteralString", sql.replace("x''", "''::bytea").replace("?", "%s"))


def _storable(parameters: Sequence[Any]) -> tuple[Any, ...]:
    """PostgreSQL keeps no NUL in text; the events, which are bytes, have it."""
    return tuple(
        value.replace("\0", "") if isinstance(value, str) and "\0" in value else value
        for value in parameters
    )


def _key(what: str) -> int:
    digest = hashlib.blake2b(f"{SCHEMA} {what}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def is_url(text: str) -> bool:
    """Whether this names a PostgreSQL database."""
    return text.startswith(URLS)


def shown(url: str) -> str:
    """The database of a URL as it may be shown: without user and password."""
    from psycopg.conninfo import conninfo_to_dict

    parts = conninfo_to_dict(url)
    where = ":".join(str(parts[k]) for k in ("host", "port") if parts.get(k))
    return f"postgresql://{where}/{parts.get('dbname') or ''}"


def errors() -> type[Exception]:
    """What psycopg raises.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import psycopg
    except ImportError:
        raise MissingExtraError("psycopg", "postgres") from None
    return psycopg.Error


def connect(url: str, *stores: Tables) -> PostgresDatabase:
    """A session on a database, the tables of these stores made where they are not there.

    Raises:
        ConfigError: the URL is no address of a PostgreSQL database.
        JournalError: it cannot be reached or used, or its tables are of a newer version.
        MissingExtraError: psycopg is not installed.
    """
    if not is_url(url):  # it is not shown: it may hold a password
        raise ConfigError(
            "[journal] url is no address of a PostgreSQL database; write postgresql://HOST/DATABASE"
        )
    error_type = errors()
    import psycopg

    idle, between, lost = _DEAD_AFTER
    try:
        at = shown(url)
        connection: psycopg.Connection[Any] = psycopg.connect(
            url,
            autocommit=True,
            connect_timeout=_CONNECT_SECONDS,
            keepalives_idle=idle,
            keepalives_interval=between,
            keepalives_count=lost,
        )
    except error_type as error:
        raise JournalError(
            f"the PostgreSQL database of [journal] url cannot be reached ({_first_line(error)}); "
            "check the address, and that the server runs"
        ) from None
    db = PostgresDatabase(connection)
    try:
        # The server's side too: a machine that went away holds its locks no longer than this.
        for setting, value in zip(("idle", "interval", "count"), _DEAD_AFTER, strict=True):
            db.execute(f"SET tcp_keepalives_{setting} = {value}")
        for store in stores:
            _prepare(db, store, at)
    except error_type as error:
        db.close()
        raise JournalError(f"the database {at} cannot be used: {_first_line(error)}") from None
    except BaseException:
        db.close()
        raise
    return db


def _prepare(db: PostgresDatabase, store: Tables, at: str) -> None:
    """Make the tables in one transaction: another process may be about to as well."""
    db.execute("BEGIN")
    db.execute("SELECT pg_advisory_xact_lock(?)", (_key("tables"),))
    row = db.execute("SELECT to_regnamespace(?) IS NOT NULL", (SCHEMA,)).fetchone()
    if not (row and row[0]):
        db.execute(f"CREATE SCHEMA {SCHEMA}")
    db.execute(f"SET search_path TO {SCHEMA}")
    db.execute("CREATE TABLE IF NOT EXISTS stores(name TEXT PRIMARY KEY, version INTEGER NOT NULL)")
    row = db.execute("SELECT version FROM stores WHERE name=?", (store.name,)).fetchone()
    if row is None:
        for statement in filter(str.strip, store.sql.split(";")):
            db.execute(statement)
        db.execute("INSERT INTO stores VALUES (?, ?)", (store.name, store.version))
    elif row[0] > store.version:
        raise JournalError(
            f"the {store.name} in {at} was made by a newer centerlm (version {row[0]}, this one "
            f"reads up to {store.version}); update centerlm: pip install -U centerlm"
        )
    db.execute("COMMIT")


def _first_line(error: Exception) -> str:
    """What went wrong, without the address that libpq repeats on further lines."""
    return str(error).strip().split("\n")[0][:200]
