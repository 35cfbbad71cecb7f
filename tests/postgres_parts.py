"""A PostgreSQL server of the tests' own, and the stores that the same tests are run on.

Started from the programs on this machine, without a port: only who may open its folder gets in.
Where there are none, tests of it are skipped and say so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from centerlm.journal import SqliteJournal, StoredJournal

STORES = ("sqlite", "postgres")
_PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin")


def _programs() -> Path:
    """The folder of the newest PostgreSQL's programs, or the test is skipped."""
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install -e '.[postgres]'")
    if found := shutil.which("initdb"):
        return Path(found).parent
    places = [p for place in _PLACES for p in Path("/").glob(place[1:]) if (p / "initdb").exists()]
    if not places:
        pytest.skip("PostgreSQL is not installed: no initdb (Debian: apt-get install postgresql)")
    return max(
        places, key=lambda place: [int(d) for d in place.parts[-2].split(".") if d.isdigit()]
    )


def _user() -> dict[str, Any]:
    """PostgreSQL does not run as root: somebody else has to."""
    if os.getuid():
        return {}
    import pwd

    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    pytest.skip("PostgreSQL does not run as root, and there is no user postgres or nobody")


@contextmanager
def postgres_server() -> Iterator[Callable[[], str]]:
    """A server; what it gives makes a new database and returns its URL."""
    programs, user = _programs(), _user()
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # a socket's path has to be short
    if user:
        os.chown(folder, user["user"], user["group"])
    data = folder / "data"

    def run(*command: object) -> None:
        subprocess.run(
            [str(part) for part in command],
            check=True,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
            timeout=120,
            **user,
        )

    try:
        run(programs / "initdb", "-D", data, "-A", "trust", "-U", "centerlm", "-N", "-E", "UTF8")
        options = f"-F -k {folder} -c listen_addresses= -c max_connections=60"
        log = folder / "log"
        run(programs / "pg_ctl", "-D", data, "-w", "-t", "100", "-l", log, "-o", options, "start")
        made = 0

        def database() -> str:
            nonlocal made
            import psycopg

            made += 1
            at = f"postgresql://centerlm@/%s?host={folder}"
            with psycopg.connect(at % "postgres", autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE test{made}")
            return at % f"test{made}"

        try:
            yield database
        finally:
            run(programs / "pg_ctl", "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Store:
    """Where a test's journal is: a file, or a database."""

    folder: Path
    url: str | None = None

    def open(self) -> StoredJournal:
        if self.url is None:
            return SqliteJournal(self.folder / "journal.sqlite")
        from centerlm.postgres_journal import PostgresJournal

        return PostgresJournal(self.url)

    def configure(self) -> None:
        """Have what runs in the folder use it."""
        if self.url is not None:
            (self.folder / "centerlm.toml").write_text(f'[journal]\nurl = "{self.url}"\n')


@pytest.fixture(scope="session")
def new_database() -> Iterator[Callable[[], str]]:
    with postgres_server() as database:
        yield database


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "sqlite":
        return Store(tmp_path)
    return Store(tmp_path, request.getfixturevalue("new_database")())
