"""Attached files are bounded in number, bytes and age, and stay while a request needs them."""

from __future__ import annotations

import asyncio
import base64
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from centerlm.journal import SqliteJournal
from centerlm.serving import tidying
from centerlm.serving.accepted import AcceptedRequests, Spent, requests_of
from centerlm.serving.order import Order, encode
from serving_parts import Served, noted, served, until

WAITS = ("serving_parts:waits",)


@pytest.fixture
def store(home: Path) -> Iterator[AcceptedRequests]:
    journal = SqliteJournal(home / "journal.sqlite")
    opened = requests_of(journal)
    yield opened
    opened.close()
    journal.close()


def _kept(home: Path, name: str, *, age: float = 0.0, size: int = 10) -> Path:
    folder = home / "uploads" / name
    folder.mkdir(parents=True)
    (folder / "a.txt").write_bytes(b"x" * size)
    os.utime(folder, (time.time() - age,) * 2)
    return folder / "a.txt"


def _need(store: AcceptedRequests, file: Path) -> Any:
    body = encode(Order("What?", attachments=(str(file),)))
    return store.accept("local", None, "", file.parent.name, body, Spent())


def test_what_is_old_is_removed_and_what_is_needed_stays(
    home: Path, store: AcceptedRequests
) -> None:
    old = _kept(home, "old", age=tidying.MOST_AGE + 60)
    needed = _kept(home, "needed", age=tidying.MOST_AGE + 60)
    new = _kept(home, "new", age=3600)
    made = home / "attached" / "library"
    made.mkdir(parents=True)
    os.utime(made, (time.time() - tidying.MOST_AGE - 60,) * 2)
    draft = home / "uploads" / "draft"
    draft.touch()
    os.utime(draft, (1, 1))
    _need(store, needed)
    asyncio.run(tidying.tidy(store))
    assert [path.exists() for path in (old, needed, new, made, draft)] == [0, 1, 1, 0, 0]


@pytest.mark.parametrize(("limit", "most"), [("MOST_FILES", 3), ("MOST_BYTES", 30)])
def test_room_is_made_by_what_nobody_needs_then_by_what_may_go_on(
    home: Path,
    store: AcceptedRequests,
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    most: int,
) -> None:
    monkeypatch.setattr(tidying, limit, most)
    running, stopped = _kept(home, "running", age=900), _kept(home, "stopped", age=800)
    free = _kept(home, "free", age=700)
    _need(store, running)
    store.end(_need(store, stopped), "cancelled", tidying_usage(), keep=True)

    def left() -> list[bool]:
        return [path.exists() for path in (running, stopped, free)]

    asyncio.run(tidying.make_room(store, 1, 10))
    assert left() == [True, True, False]
    asyncio.run(tidying.make_room(store, 2, 20))
    assert left() == [True, False, False]
    with pytest.raises(tidying.Refused, match="no room for more attached files"):
        asyncio.run(tidying.make_room(store, 3, 30))
    assert left() == [True, False, False]


def test_what_an_open_request_needs_is_kept_from_a_server_with_another_journal(
    home: Path, store: AcceptedRequests, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a server knows of no request of this one; it has no more to go by than times."""
    monkeypatch.setattr(tidying, "MOST_FILES", 2)
    monkeypatch.setattr("centerlm.serving.service.SWEEP", 0.01)
    monkeypatch.setattr("centerlm.serving.service.MARK", 0.0)
    data = base64.b64encode(b"long").decode()
    file = {"type": "file", "file": {"filename": "long.txt", "file_data": data}}
    content = [{"type": "text", "text": "long told"}, file]
    with served("serving_parts:waiting", sources=WAITS) as server, ThreadPoolExecutor(1) as pool:
        going = pool.submit(server.post, messages=[{"role": "user", "content": content}])
        until(lambda: noted(home / "log"))
        sent = next((home / "uploads").rglob("long.txt"))
        os.utime(sent.parent, (time.time() - 1800,) * 2)
        until(lambda: time.time() - sent.parent.stat().st_mtime < tidying.YOUNG)
        free = _kept(home, "free", age=900)
        asyncio.run(tidying.make_room(store, 1, 10))
        assert (sent.exists(), free.exists()) == (True, False)
        with (home / "log").open("a") as log:
            log.write("go on\n")
        assert going.result().status_code == 200


def tidying_usage() -> Any:
    from centerlm.finding import Usage

    return Usage()


def test_a_server_keeps_no_more_than_its_bounds(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tidying, "MOST_FILES", 2)
    monkeypatch.setattr(tidying, "YOUNG", 0.0)

    def asked(server: Served, question: str, text: str) -> Any:
        data = base64.b64encode(text.encode()).decode()
        file = {"type": "file", "file": {"filename": f"{text}.txt", "file_data": data}}
        content = [{"type": "text", "text": question}, file]
        return server.post(messages=[{"role": "user", "content": content}])

    def kept() -> set[str]:
        return {path.name for path in (home / "uploads").rglob("*.txt")}

    with served("serving_parts:waiting", sources=WAITS) as server, ThreadPoolExecutor(1) as pool:
        going = pool.submit(asked, server, "long told", "long")
        until(lambda: noted(home / "log"))
        for number in range(3):
            assert asked(server, "short 0", f"short {number}").status_code == 200
        assert kept() == {"long.txt", "short 2.txt"}
        with (home / "log").open("a") as log:
            log.write("go on\n")
        assert going.result().status_code == 200
