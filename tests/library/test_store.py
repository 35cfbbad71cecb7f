from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from centerlm.errors import LibraryError
from centerlm.library import Library
from centerlm.library.store import APPLICATION_ID, FILE_NAME, VERSION, Store, upgrade


def fill(folder: Path) -> Path:
    """A library of 200 passages; returns its file."""
    source = folder.parent / "notes.txt"
    source.write_text("\n\n".join(f"Note {i} says that the harbour is deep." for i in range(200)))
    with Library.open(folder, create=True, embedder=None) as library:
        library.ingest([source], max_words=10)
    return folder / FILE_NAME


def refusal(folder: Path, *, create: bool = False) -> str:
    with pytest.raises(LibraryError) as raised:
        Store(folder, create=create)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_no_library_there(tmp_path: Path) -> None:
    assert "centerlm ingest FILES --library" in refusal(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_folder_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    assert "holds no library" in refusal(tmp_path / "x")
    assert "cannot be made" in refusal(tmp_path / "x", create=True)


def test_made_by_a_newer_version(tmp_path: Path) -> None:
    Store(tmp_path, create=True).close()
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    assert "newer centerlm" in refusal(tmp_path)
    assert "pip install -U centerlm" in refusal(tmp_path, create=True)


def test_making_was_interrupted(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).touch()
    assert "interrupted" in refusal(tmp_path)
    Store(tmp_path, create=True).close()
    Store(tmp_path).close()


def test_a_foreign_database_is_left_alone(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    connection.execute("CREATE TABLE mine (x)")
    connection.close()
    before = (tmp_path / FILE_NAME).read_bytes()
    assert "no library" in refusal(tmp_path, create=True)
    assert (tmp_path / FILE_NAME).read_bytes() == before


def test_not_a_database(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"hello " * 1000)
    assert "damaged or no library" in refusal(tmp_path)


def test_half_a_file_never_gives_anything_but_a_sentence(tmp_path: Path) -> None:
    path = fill(tmp_path / "library")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(LibraryError, match="damaged"), Library.open(path.parent) as library:
        library.stats()
        library.search("harbour")
        library.ingest([path.parent.parent / "notes.txt"])


def upgraded(path: Path, target: int) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    steps = {
        VERSION: "CREATE TABLE added (x); INSERT INTO added VALUES (1)",
        VERSION + 1: "ALTER TABLE added ADD COLUMN y; UPDATE added SET y = 2",
    }
    upgrade(connection, path, target, steps)
    return connection


def test_an_older_format_is_brought_up_step_by_step(tmp_path: Path) -> None:
    Store(tmp_path, create=True).close()
    connection = upgraded(tmp_path / FILE_NAME, VERSION + 2)
    assert connection.execute("SELECT x, y FROM added").fetchall() == [(1, 2)]
    assert connection.execute("PRAGMA user_version").fetchone() == (VERSION + 2,)
    assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)


def test_a_library_of_format_1_gets_a_place_for_observations(tmp_path: Path) -> None:
    path = fill(tmp_path / "library")
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE observations")
    connection.execute("ALTER TABLE documents DROP COLUMN unit")
    connection.execute("PRAGMA user_version = 1")
    connection.close()
    with Library.open(path.parent, embedder=None) as library:
        assert library.search("harbour")
        assert library.books() == []
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)


def test_a_library_of_format_2_is_read(tmp_path: Path) -> None:
    path = fill(tmp_path / "library")
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("ALTER TABLE documents DROP COLUMN unit")
    connection.execute("PRAGMA user_version = 2")
    connection.close()
    with Library.open(path.parent, embedder=None) as library:
        assert library.search("harbour")[0].unit == "characters"
        assert library.media() == []


def test_a_missing_step_leaves_the_library_as_it_was(tmp_path: Path) -> None:
    Store(tmp_path, create=True).close()
    with pytest.raises(LibraryError, match=f"old format {VERSION + 2}"):
        upgraded(tmp_path / FILE_NAME, VERSION + 3)
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)
    assert not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'added'").fetchall()


def test_a_second_writer_is_told_to_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("centerlm.library.store.BUSY_SECONDS", 0.1)
    path = fill(tmp_path / "library")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    (tmp_path / "notes.txt").write_text("Changed.")
    with Library.open(path.parent, embedder=None) as library:
        with pytest.raises(LibraryError, match="being written by another process"):
            library.ingest([tmp_path / "notes.txt"])
        assert library.search("harbour")  # reading goes on
        other.execute("ROLLBACK")
        assert library.ingest([tmp_path / "notes.txt"]).changed == 1


def test_a_full_disk_is_told_and_nothing_is_lost(tmp_path: Path) -> None:
    path = fill(tmp_path / "library")
    (tmp_path / "more.txt").write_text(
        "\n\n".join(f"New page {i} of much text." for i in range(999))
    )
    with Library.open(path.parent, embedder=None) as library:
        run = library._store.connection().execute
        pages = run("PRAGMA page_count").fetchone()[0]
        run(f"PRAGMA max_page_count = {pages + 1}")
        with pytest.raises(LibraryError, match="disk is full"):
            library.ingest([tmp_path / "more.txt"])
        assert library.stats().files == 1
        assert library.search("harbour")


def test_every_thread_has_its_own_connection(tmp_path: Path) -> None:
    path = fill(tmp_path / "library")
    found: list[int] = []
    with Library.open(path.parent, embedder=None) as library:

        def ask() -> None:
            found.extend(len(library.search("harbour", 3)) for _ in range(20))

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [3] * 160
