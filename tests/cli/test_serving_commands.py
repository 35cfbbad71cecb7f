"""`serve` and `mcp` at the command line: what cannot be served is said in one sentence."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from cli_run import Run, finish, process

MODEL = ("--model", "scripted:cli_parts:sums")


@pytest.mark.parametrize("command", [("serve",), ("mcp", "--http")])
def test_what_cannot_be_served_is_refused_before_anything_starts(
    run: Run, home: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.delenv("CENTERLM_TOKEN", raising=False)
    open_ = run(*command, *MODEL, "--host", "0.0.0.0")
    assert open_.code == 2 and "needs a token; set CENTERLM_TOKEN" in open_.complaint()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        busy = run(*command, *MODEL, "--port", port)
    assert busy.code == 2 and f"127.0.0.1:{port} cannot be listened on" in busy.complaint()
    (home / "centerlm.toml").write_text("[serve]\nprot = 1\n")
    wrong = run(*command, *MODEL)
    assert wrong.code == 2 and "port" in wrong.complaint()


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--source", "web"), "there is no source 'web'"),
        (("--library", "nowhere"), "nowhere"),
        (("--source", "mcp:town"), "there is no MCP server 'town'; known: none"),
        (("--budget", "calls=many"), "is not a number"),
    ],
)
def test_parts_that_cannot_be_opened_end_the_server(
    run: Run, more: tuple[str, ...], says: str
) -> None:
    done = run("serve", *MODEL, "--port", 0, *more)
    assert done.code == 2 and says in done.complaint()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_journal_that_cannot_be_opened_ends_the_server_as_it_ends_solve(
    home: Path, workers: int
) -> None:
    arguments = (*MODEL, "--port", 0, "--workers", workers, "--journal", "/proc/none/j.sqlite")
    done = finish(process(home, "serve", *arguments), 120)
    assert done.code == 1 and "Traceback" not in done.err
    assert "the journal /proc/none/j.sqlite cannot be opened" in done.err


def test_a_studio_with_a_library_that_is_none_does_not_start(run: Run) -> None:
    done = run("studio", *MODEL, "--port", 0, "--also", "nowhere")
    assert done.code == 2 and "nowhere holds no library" in done.complaint()


def test_a_studio_without_its_folder_of_reports_does_not_start(run: Run) -> None:
    done = run("studio", *MODEL, "--port", 0, "--also", "nowhere", "--reports", "nope")
    assert done.code == 2 and "there is no folder nope for --reports" in done.complaint()


def test_a_missing_extra_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    done = run("serve", *MODEL)
    assert done.code == 2
    assert done.complaint() == "uvicorn is not installed; run: pip install 'centerlm[serve]'"


def test_a_root_that_is_no_folder_is_refused(run: Run, home: Path) -> None:
    (home / "file").write_text("x")
    done = run("mcp", *MODEL, "--root", home / "file")
    assert done.code == 2 and "file" in done.complaint()
