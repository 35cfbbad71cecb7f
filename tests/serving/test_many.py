"""Many at once: fair turns, a bounded queue, clients that leave, and servers that die."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sqlite3
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from centerlm.events import EpisodeFinished, EpisodeStarted, SeekFinished
from centerlm.journal import SqliteJournal
from centerlm.serving import service
from centerlm.serving.fair import FairQueue, FullError
from centerlm.serving.parts import Parts
from centerlm.serving.server import opened_service, plan_of
from cli_run import finish, process
from postgres_parts import Store, new_database, store
from serving_parts import (
    WAIT,
    WAITS,
    Served,
    go_on,
    newest_episode,
    noted,
    served,
    serving_process,
    until,
)

__all__ = ["new_database", "store"]


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=30), st.integers(1, 4))
def test_slots_are_all_used_and_shared_between_clients(clients: list[str], slots: int) -> None:
    async def run() -> None:
        queue = FairQueue(slots, 100, 100)
        places = [queue.admit(client) for client in clients]
        assert queue.busy == min(slots, len(places))
        while places:
            running = [place for place in places if place._slot.done()]
            assert len(running) == min(slots, len(places)) == queue.busy
            waiting = {place.client for place in places} - {place.client for place in running}
            ahead = Counter(place.client for place in running)
            first = running[0]
            places.remove(first)
            first.leave(0.1)
            ahead[first.client] -= 1
            if waiting:  # the slot goes to a client that has none
                given = [p for p in places if p._slot.done() and p not in running]
                assert ahead[given[0].client] == 0
        assert (queue.busy, len(queue)) == (0, 0)

    asyncio.run(run())


def test_a_full_queue_says_when_to_come_again() -> None:
    async def run() -> None:
        queue = FairQueue(1, 3, 2)
        held = queue.admit("a")
        waiting = [queue.admit("a"), queue.admit("a")]
        with pytest.raises(FullError):
            queue.admit("a")
        queue.admit("b").leave()
        waiting[0].leave()
        with pytest.raises(FullError) as full:
            for _ in range(9):
                queue.admit("c")
        assert 1 <= full.value.seconds <= 120
        held.leave(5.0)
        await asyncio.wait_for(waiting[1].turn(), 1)

    asyncio.run(run())


def test_what_does_not_fit_is_refused_with_retry_after(home: Path) -> None:
    with (
        served("serving_parts:waiting", sources=WAITS, concurrency=1, waiting=2) as server,
        ThreadPoolExecutor(3) as pool,
    ):
        going = [pool.submit(server.post, "number 0 told")]
        until(lambda: noted(home / "log"))
        going += [pool.submit(server.post, f"number {n} 0") for n in (1, 2)]
        until(lambda: "centerlm_waiting 2.0" in server.get("/metrics").text)
        refused = server.post("number 9 0")
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.json()["error"]["code"] == "rate_limit_exceeded"
        go_on(home / "log")
        assert [answer.result().status_code for answer in going] == [200, 200, 200]
    assert not any("number 9" in line for line in noted(home / "log"))


def test_a_crowd_does_not_keep_another_client_waiting(home: Path) -> None:
    with (
        served("serving_parts:waiting", sources=WAITS, concurrency=1) as server,
        ThreadPoolExecutor(9) as pool,
    ):
        crowd = [pool.submit(server.post, "crowd 0 told", user="crowd")]
        until(lambda: noted(home / "log"))
        crowd += [pool.submit(server.post, f"crowd {n} 0.1", user="crowd") for n in range(1, 8)]
        until(lambda: "centerlm_waiting 7.0" in server.get("/metrics").text)
        alone = pool.submit(server.post, "alone 0", user="one")
        until(lambda: "centerlm_waiting 8.0" in server.get("/metrics").text)
        go_on(home / "log")
        assert alone.result().status_code == 200
        assert all(answer.result().status_code == 200 for answer in crowd)
    began = [line for line in noted(home / "log") if line.startswith("began")]
    assert began.index("began alone 0") <= 2


def _leave_after(server: Served, body: dict[str, object], log: Path, headers: str = "") -> None:
    """Send a request and close the connection once its source has begun."""
    content = httpx.Request("POST", server.url, json=body).content
    port = int(server.url.removesuffix("/v1").rpartition(":")[2])
    began = len(noted(log))
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
            + b"Content-Type: application/json\r\n"
            + headers.encode()
            + f"Content-Length: {len(content)}\r\n\r\n".encode()
            + content
        )
        until(lambda: len(noted(log)) > began)


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_ends_its_request(home: Path, stream: bool) -> None:
    log = home / "log"
    with served("serving_parts:waiting", sources=WAITS, concurrency=1) as server:
        _leave_after(server, server.ask("left 60", stream=stream), log)
        until(lambda: noted(log)[-1] == "stopped left 60")
        assert server.post("next 0").status_code == 200
    journal = SqliteJournal(home / "journal.sqlite")
    assert [row.status for row in journal.summaries()] == ["answered", "cancelled"]
    journal.close()


def test_with_a_key_a_request_goes_on_and_is_answered_once(home: Path, store: Store) -> None:
    store.configure()
    log = home / "log"
    with served("serving_parts:waiting", sources=WAITS) as server:
        body = server.ask("kept 0.5")
        _leave_after(server, body, log, "Idempotency-Key: k1\r\n")
        with ThreadPoolExecutor(4) as pool:
            answers = [
                pool.submit(server.post, "kept 0.5", headers={"idempotency-key": "k1"})
                for _ in range(4)
            ]
        later = server.post("kept 0.5", headers={"idempotency-key": "k1"})
        said = {a.result().json()["choices"][0]["message"]["content"] for a in answers}
        assert said == {later.json()["choices"][0]["message"]["content"]} == {"waited for kept 0.5"}
        other = server.post("another 0", headers={"idempotency-key": "k1"})
        assert other.status_code == 422
        bad = server.post("x", headers={"idempotency-key": "with space"})
        assert bad.status_code == 400
    assert noted(log) == ["began kept 0.5", "ended kept 0.5"]


def test_a_request_is_cancelled_and_resumed_by_its_name(home: Path) -> None:
    log = home / "log"
    with served("serving_parts:waiting", sources=WAITS) as server, ThreadPoolExecutor(1) as pool:
        going = pool.submit(server.post, "held 1.5", headers={"idempotency-key": "k"})
        until(lambda: noted(log))
        with httpx.Client(timeout=30) as client:
            name = until(lambda: newest_episode(Store(home)))
            url = f"{server.url}/episodes/{name}"
            assert client.post(f"{url}/resume").status_code == 409
            assert client.post(f"{url}/cancel").status_code == 202
            assert going.result().json()["centerlm"]["status"] == "cancelled"
            assert client.get(url).json()["state"] == "cancelled"
            assert client.post(f"{url}/resume").status_code == 202
            ended = until(lambda: (s := client.get(url).json())["state"] == "done" and s)
            assert ended["answer"] == "waited for held 1.5"
            assert client.post(f"{url}/resume").status_code == 409
            assert client.post(f"{url}/cancel").status_code == 409


def test_an_episode_asked_for_a_user_is_found_by_its_name(home: Path) -> None:
    with served("serving_parts:waiting", sources=WAITS) as server:
        name = server.post("number 0 0", user="bob").headers["centerlm-episode"]
        assert server.get(f"/v1/episodes/{name}").json()["status"] == "answered"
        body = server.ask("number 1 60", user="bob", stream=True)
        with httpx.stream("POST", f"{server.url}/chat/completions", json=body) as going:
            until(lambda: "began number 1 60" in noted(home / "log"))
            name = going.headers["centerlm-episode"]
            assert httpx.post(f"{server.url}/episodes/{name}/cancel").status_code == 202


def test_what_does_not_end_in_time_is_told_so_and_goes_on_with_the_next_start(home: Path) -> None:
    log, key = home / "log", {"idempotency-key": "k"}
    with ThreadPoolExecutor(2) as pool:
        with served("serving_parts:waiting", sources=WAITS) as server:
            going = pool.submit(server.post, "later 1.5", headers=key)
            streaming = pool.submit(server.post, "other 60", stream=True)
            until(lambda: len(noted(log)) == 2)
        assert going.result().status_code == 503
        assert int(going.result().headers["retry-after"]) >= 1
        assert "the server is stopping" in streaming.result().text
    with served("serving_parts:waiting", sources=WAITS) as server:
        until(lambda: "began later 1.5" in noted(log)[2:])  # before anybody asks again
        said = server.post("later 1.5", headers=key).json()["choices"][0]["message"]["content"]
    assert said == "waited for later 1.5"


def test_an_episode_that_had_ended_when_its_worker_died_is_not_run_again(
    home: Path, store: Store
) -> None:
    store.configure()
    key = {"idempotency-key": "k"}
    with served("serving_parts:waiting", sources=WAITS) as server:
        said = server.post("once 0", headers=key).json()["choices"][0]["message"]["content"]
    _forget_the_end(store)
    with served("serving_parts:waiting", sources=WAITS) as server:
        again = server.post("once 0", headers=key).json()
    assert again["choices"][0]["message"]["content"] == said
    journal = store.open()
    events = journal.events(again["centerlm"]["episode"])
    journal.close()
    assert sum(isinstance(event, EpisodeFinished) for event in events) == 1


def _forget_the_end(store: Store) -> None:
    """Leave the requests as a kill would."""
    undone = "UPDATE {}requests SET state='open', owner='worker-1-gone'"
    if store.url is None:
        with sqlite3.connect(store.folder / "journal.sqlite.requests") as requests:
            requests.execute(undone.format(""))
        return
    import psycopg

    with psycopg.connect(store.url, autocommit=True) as connection:
        connection.execute(undone.format("centerlm."))  # pyright: ignore[reportArgumentType]


def test_another_worker_is_asked_to_cancel(home: Path, store: Store) -> None:
    store.configure()
    log = home / "log"
    with (
        served("serving_parts:waiting", sources=WAITS) as one,
        served("serving_parts:waiting", sources=WAITS) as two,
        ThreadPoolExecutor(1) as pool,
    ):
        going = pool.submit(one.post, "long 60")
        until(lambda: noted(log))
        url = f"{two.url}/episodes/{newest_episode(store)}"
        assert httpx.get(url).json()["state"] == "open"
        assert httpx.post(f"{url}/cancel").status_code == 202
        assert going.result().json()["centerlm"]["status"] == "cancelled"
        assert httpx.get(url).json()["state"] == "cancelled"


def test_stopping_lets_what_runs_end(home: Path) -> None:
    arguments = ["--model", "scripted:serving_parts:waiting", "--source", WAITS[0], "--no-memory"]
    log = home / "log"
    with serving_process(home, *arguments) as (process, server), ThreadPoolExecutor(1) as pool:
        going = pool.submit(server.post, "last 0.8")
        until(lambda: noted(log))
        process.terminate()
        assert going.result().json()["choices"][0]["message"]["content"] == "waited for last 0.8"
        assert process.wait(30) in (0, -signal.SIGTERM)


def test_kill_9_loses_no_request_and_runs_none_twice(home: Path, store: Store) -> None:
    store.configure()
    arguments = [
        *("--model", "scripted:serving_parts:waiting", "--source", WAITS[0], "--no-memory"),
        *("--workers", 2),
    ]
    log, asked = home / "log", [f"question {n} 0.{n % 3}" for n in range(12)]
    with serving_process(home, *arguments, start_new_session=True) as (process, server):
        threads = [threading.Thread(target=_try, args=(server, text)) for text in asked]
        for thread in threads:
            thread.start()
        until(lambda: sum(line.startswith("ended") for line in noted(log)) >= 2)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(WAIT)
        for thread in threads:
            thread.join(WAIT)
    ended = {line for line in noted(log) if line.startswith("ended")}
    with serving_process(home, *arguments) as (_, server):
        answers = [_try(server, text) for text in asked]
    assert answers == [f"waited for {text}" for text in asked]
    journal = store.open()
    rows = journal.summaries(100)
    assert sorted(row.question for row in rows) == sorted(asked)
    for row in rows:
        events = journal.events(row.name)
        assert sum(isinstance(e, EpisodeStarted) for e in events) == 1
        assert sum(isinstance(e, EpisodeFinished) and e.status == "answered" for e in events) == 1
        assert sum(isinstance(e, SeekFinished) for e in events) == 1
    journal.close()
    counts = Counter(noted(log))
    assert all(counts[line] == 1 for line in ended - _uncommitted(store, ended))


def _try(server: Served, text: str) -> str | None:
    try:
        answer = server.post(text, headers={"idempotency-key": text.replace(" ", "-")})
    except httpx.HTTPError:
        return None
    return answer.json()["choices"][0]["message"]["content"]


def _uncommitted(store: Store, ended: set[str]) -> set[str]:
    """Lines of requests whose end was not committed when the process was killed: they may have
    been asked again, as an episode that was resumed says.
    """
    from centerlm.events import EpisodeResumed

    journal = store.open()
    again = {
        f"ended {row.question}"
        for row in journal.summaries(100)
        if any(isinstance(event, EpisodeResumed) for event in journal.events(row.name))
    }
    journal.close()
    return ended & again


def test_what_goes_wrong_once_does_not_end_the_looking_for_orphans(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked: list[None] = []

    async def locked(self: Parts) -> None:
        del self
        looked.append(None)
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr(service, "SWEEP", 0.01)
    monkeypatch.setattr(Parts, "learn_elsewhere", locked)

    async def run() -> None:
        plan = plan_of(model="scripted:cli_parts:sums", no_memory=True)
        async with asyncio.timeout(30), opened_service(plan):
            while len(looked) < 3:  # noqa: ASYNC110 - the service knows nothing of the test
                await asyncio.sleep(0.01)

    asyncio.run(run())


def test_a_worker_that_lost_the_session_of_its_requests_says_so(
    home: Path, new_database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg

    url = new_database()
    (home / "centerlm.toml").write_text(f'[journal]\nurl = "{url}"\n')
    monkeypatch.setattr(service, "SWEEP", 0.01)

    async def run() -> None:
        plan = plan_of(model="scripted:cli_parts:sums", no_memory=True)
        async with asyncio.timeout(30), opened_service(plan) as opened:
            with psycopg.connect(url, autocommit=True) as other:
                other.execute(  # the requests' session is the last that was opened
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
                    "datname=current_database() AND pid<>pg_backend_pid() "
                    "ORDER BY backend_start DESC LIMIT 1"
                )
            while not opened.lost:  # noqa: ASYNC110 - the service knows nothing of the test
                await asyncio.sleep(0.01)

    asyncio.run(run())


def test_machines_that_share_a_journal_learn_from_each_other(
    home: Path, tmp_path_factory: pytest.TempPathFactory, new_database: Any
) -> None:
    url, other = new_database(), tmp_path_factory.mktemp("other")
    settings = f'[journal]\nurl = "{url}"\n[memory]\nproject = "shared"\npath = "memory.sqlite"\n'
    for folder in (home, other):
        (folder / "centerlm.toml").write_text(settings)
    arguments = ["--model", "scripted:serving_parts:waiting", "--source", WAITS[0]]
    with (
        serving_process(home, *arguments) as (_, one),
        serving_process(other, *arguments) as (_, two),
    ):
        assert two.post("first 0").status_code == 200  # opens the other machine's memory
        for number in range(4):
            assert one.post(f"question {number} 0").status_code == 200
        until(lambda: _learned(other / "memory.sqlite") == 5)
        forgetting = process(home, "memory", "forget", "--all")
        assert finish(forgetting, WAIT).code == 0, forgetting.args
        until(lambda: _learned(other / "memory.sqlite") == 0)
        assert two.post("last 0").status_code == 200
        until(lambda: _learned(home / "memory.sqlite") == 1)


def _learned(memory: Path) -> int:
    with sqlite3.connect(memory) as db:
        (count,) = db.execute("SELECT count(*) FROM episodes WHERE NOT forgotten").fetchone()
        return int(count)


def test_what_runs_is_counted_over_all_workers_and_of_none_that_died(home: Path) -> None:
    arguments = ("--model", "scripted:serving_parts:waiting", "--source", WAITS[0], "--no-memory")
    log = home / "log"

    def running() -> str:
        lines = server.get("/metrics").text.splitlines()
        return next(line for line in lines if line.startswith("centerlm_running "))

    with (
        serving_process(home, *arguments, "--workers", 2) as (_, server),
        ThreadPoolExecutor(6) as pool,
    ):
        for n in range(6):
            pool.submit(_try, server, f"question {n} told")
        until(lambda: len(noted(log)) == 6)
        assert running() == "centerlm_running 6.0"
        requests = sqlite3.connect(home / "journal.sqlite.requests")
        owner = str(requests.execute("SELECT owner FROM requests").fetchone()[0])
        requests.close()
        os.kill(int(owner.split("-")[1]), signal.SIGKILL)
        until(lambda: sum(line.startswith("began") for line in noted(log)) > 6)
        until(lambda: running() == "centerlm_running 6.0")
        go_on(log)
        until(lambda: running() == "centerlm_running 0.0")
