"""Safe by default: who may call, from where, and how much at once."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from centerlm.config import ServeSettings
from centerlm.errors import ConfigError
from centerlm.serving import connections, guard
from centerlm.serving.guard import HideTokens, Rules, is_loopback, tokens_of
from centerlm.serving.uploads import safe_name
from serving_parts import Served, served

TOKEN, OTHER = "first-token-of-the-tests", "second-token-of-the-tests"
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("guarded")


@pytest.fixture(scope="module")
def guarded(place: Path) -> Iterator[Served]:
    limits = {"max_body": 20_000, "origins": ("https://app.example",)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CENTERLM_TOKEN", f"{TOKEN}, {OTHER}")
        with served("cli_parts:sums", journal=str(place / "journal.sqlite"), **limits) as server:
            yield server


def _bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def test_with_a_token_nobody_is_served_without_it(guarded: Served) -> None:
    for headers in ({}, _bearer("wrong"), {"authorization": f"Basic {TOKEN}"}, _bearer(TOKEN[:-1])):
        for path in ("/v1/models", "/metrics", "/openapi.json", "/v1/episodes/x", "/nothing"):
            answer = guarded.get(path, headers=headers)
            assert answer.status_code == 401, path
            assert answer.headers["www-authenticate"] == "Bearer"
        assert guarded.post(headers=headers).status_code == 401
    assert guarded.get("/health").status_code == 200
    assert guarded.post(headers=_bearer(TOKEN)).status_code == 200


def test_clients_do_not_see_each_others_episodes(guarded: Served) -> None:
    name = guarded.post(headers=_bearer(TOKEN)).headers["centerlm-episode"]
    assert guarded.get(f"/v1/episodes/{name}", headers=_bearer(TOKEN)).status_code == 200
    assert guarded.get(f"/v1/episodes/{name}", headers=_bearer(OTHER)).status_code == 404
    for what in ("cancel", "resume"):
        answer = httpx.post(f"{guarded.url}/episodes/{name}/{what}", headers=_bearer(OTHER))
        assert answer.status_code == 404


def test_a_page_that_rebinds_its_name_is_refused(guarded: Served) -> None:
    for host in ("evil.example", "evil.example:8321", "localhost.evil.example", "127.0.0.1@evil"):
        answer = guarded.get("/health", headers={"host": host})
        assert answer.status_code == 421, host
        assert "[serve] hosts" in answer.json()["error"]["message"]
    for host in ("localhost", "LOCALHOST:99", "127.0.0.1:1", "[::1]:1"):
        assert guarded.get("/health", headers={"host": host}).status_code == 200, host


def test_pages_of_other_sites_are_refused_but_for_those_allowed(guarded: Served) -> None:
    bearer = _bearer(TOKEN)
    for origin in ("https://evil.example", "null", "https://app.example.evil.example"):
        answer = guarded.post(headers=bearer | {"origin": origin})
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers
    assert guarded.post(headers=bearer | {"sec-fetch-site": "cross-site"}).status_code == 403
    good = guarded.post(headers=bearer | {"origin": "https://app.example"})
    assert good.headers["access-control-allow-origin"] == "https://app.example"
    asked = httpx.options(
        f"{guarded.url}/chat/completions",
        headers={"origin": "https://app.example", "access-control-request-method": "POST"},
    )
    assert asked.status_code == 204
    assert "Authorization" in asked.headers["access-control-allow-headers"]
    own = guarded.url.removesuffix("/v1")
    assert guarded.post(headers=bearer | {"origin": own}).status_code == 200


def test_a_form_of_another_site_cannot_send_a_question(guarded: Served) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        answer = httpx.post(
            f"{guarded.url}/chat/completions",
            content=b"{}",
            headers=_bearer(TOKEN) | {"content-type": kind},
        )
        assert answer.status_code == 415, kind


def test_a_body_has_a_limit_declared_or_not(guarded: Served) -> None:
    assert guarded.post("x" * 30_000, headers=_bearer(TOKEN)).status_code == 413

    def endless() -> Iterator[bytes]:
        yield from (b" " * 5_000 for _ in range(8))

    answer = httpx.post(
        f"{guarded.url}/chat/completions", content=endless(), headers=_bearer(TOKEN) | JSON
    )
    assert answer.status_code == 413
    assert "20,000 bytes" in answer.json()["error"]["message"]


def test_a_broken_request_costs_nobody_anything(guarded: Served) -> None:
    port = int(guarded.url.removesuffix("/v1").rpartition(":")[2])
    for data in (
        b"\x00\x01\x02\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 2_000_000 + b"\r\n\r\n",
    ):
        answer = b""
        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as connection,
            suppress(OSError),
        ):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(4096)
        assert b" 200 " not in answer[:20]
    assert guarded.get("/health").status_code == 200


HEAD = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
)


@pytest.mark.parametrize("begun", [b"", HEAD, HEAD + b"Content-Length: 999\r\n\r\n"])
def test_a_request_that_comes_too_slowly_is_ended(
    monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.5)
    monkeypatch.setattr(guard, "BODY_SECONDS", 0.5)
    with served("cli_parts:sums") as server:
        answer = _trickled(server, begun, b" " if begun.endswith(b"\r\n\r\n") else b"X")
        assert server.post().status_code == 200
    if begun.endswith(b"\r\n\r\n"):
        assert b" 408 " in answer


def _trickled(server: Served, begun: bytes, piece: bytes) -> bytes:
    """What is answered before the connection is closed, where there is always more to come."""
    port = int(server.url.removesuffix("/v1").rpartition(":")[2])
    answer, end = b"", time.monotonic() + 10
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(0.1)
        connection.sendall(begun)
        while time.monotonic() < end:
            with suppress(TimeoutError):
                got = connection.recv(4096)
                if not got:
                    return answer
                answer += got
            if begun and not answer:
                connection.sendall(piece)
    raise AssertionError("the connection is still open")


def test_no_websocket_is_opened(guarded: Served, caplog: pytest.LogCaptureFixture) -> None:
    asked = _bearer(TOKEN) | {
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    assert guarded.get("/v1/models", headers=asked).status_code in (200, 403)
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "example.org", "::"])
def test_other_machines_are_served_only_with_a_token(host: str) -> None:
    settings = ServeSettings(host=host)
    with pytest.raises(ConfigError, match="needs a token; set CENTERLM_TOKEN"):
        tokens_of(settings, {})
    assert tokens_of(settings, {"CENTERLM_TOKEN": TOKEN}) == (TOKEN,)


@pytest.mark.parametrize("token", ["tooshort", "with space in the token", "ümlaut-in-the-token"])
def test_a_token_that_is_none_is_refused(token: str) -> None:
    with pytest.raises(ConfigError, match="CENTERLM_TOKEN") as error:
        tokens_of(ServeSettings(), {"CENTERLM_TOKEN": token})
    assert token not in str(error.value)


def test_which_addresses_are_of_this_machine() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.1", "localhost.example", "")))


def test_the_check_of_tokens_takes_as_long_for_each() -> None:
    """Every token is compared whole, whichever matches: times of the first and last are alike."""
    tokens = [f"token-number-{n:04}-of-many" for n in range(2000)]
    rules = Rules.of(ServeSettings(), tokens)

    def best(token: str) -> float:
        times: list[float] = []
        for _ in range(7):
            began = time.perf_counter()
            rules.client(token)
            times.append(time.perf_counter() - began)
        return min(times)

    first, last, none = best(tokens[0]), best(tokens[-1]), best("x" * len(tokens[0]))
    assert max(first, last, none) < 3 * min(first, last, none)
    assert rules.client(tokens[0]) != rules.client(tokens[1])


def test_what_a_source_says_is_data_in_an_answer() -> None:
    with served("serving_parts:hostile", sources=("serving_parts:hostile_source",)) as server:
        answer = server.post(stream=False)
        streamed = server.post(stream=True)
    said = answer.json()["choices"][0]["message"]["content"]
    assert "<script>" in said
    for each, kind in ((answer, "application/json"), (streamed, "text/event-stream")):
        assert each.headers["content-type"].startswith(kind)
        assert each.headers["x-content-type-options"] == "nosniff"
    assert all(line.startswith(("data: ", ":")) for line in streamed.text.splitlines() if line)


def test_each_token_has_a_memory_of_its_own(guarded: Served) -> None:
    from centerlm.serving.parts import Given, Parts

    del guarded
    parts = Parts.open(Given(model="scripted:cli_parts:sums", journal="own.sqlite"), apart=True)
    one, two = (parts.memory_setup(client) for client in ("one", "two"))
    assert one and two and one["path"] == two["path"] and one["project"] != two["project"]
    parts.journal.close()


def test_tokens_stay_out_of_the_log() -> None:
    record = logging.LogRecord("x", 30, "", 1, "header %s", (f"Bearer {TOKEN}",), None)
    HideTokens([TOKEN]).filter(record)
    assert record.getMessage() == "header Bearer ***"


def test_nothing_of_a_token_is_kept(guarded: Served, place: Path) -> None:
    guarded.post(headers=_bearer(TOKEN) | {"idempotency-key": "k"})
    told = guarded.get("/metrics", headers=_bearer(TOKEN)).content
    kept = b"".join(path.read_bytes() for path in place.rglob("*") if path.is_file())
    assert TOKEN.encode() not in kept + told


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("a.txt", "a.txt"),
        ("../../etc/passwd.txt", "passwd.txt"),
        ("C:\\temp\\b.md", "b.md"),
        (".hidden.txt", "hidden.txt"),
        ("a\x00b\n.txt", "a_b_.txt"),
        ("..", "file."),
        ("x" * 300 + ".txt", "x" * 88 + ".txt"),
    ],
)
def test_names_of_uploads_are_names(given: str, kept: str) -> None:
    assert safe_name(given) == kept
