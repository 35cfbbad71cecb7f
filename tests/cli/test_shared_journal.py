"""The commands on a journal in PostgreSQL, as a user sees them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cli_run import Run
from postgres_parts import new_database

__all__ = ["new_database"]

SOLVE = ("solve", "q", "--model", "scripted:cli_parts:sums", "--no-memory", "--json")


def test_the_commands_read_the_database_that_the_settings_name(
    run: Run, home: Path, new_database: Callable[[], str]
) -> None:
    (home / "centerlm.toml").write_text(f'[journal]\nurl = "{new_database()}"\n')
    solved = json.loads(run(*SOLVE).out)
    assert solved["answer"] == "10"
    (row,) = json.loads(run("episodes", "--json").out)
    assert (row["name"], row["answer"]) == (solved["episode"], "10")
    assert "10" in run("show", "last").out
    assert run("replay", "last").code == 0
    assert run("episodes", "rm", row["name"]).code == 0
    assert json.loads(run("episodes", "--json").out) == []
    assert not (home / "journal.sqlite").exists()


def test_a_database_that_is_not_there_is_one_sentence(run: Run, home: Path) -> None:
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    (home / "centerlm.toml").write_text('[journal]\nurl = "postgresql://a:secret@127.0.0.1:1/b"\n')
    done = run(*SOLVE)
    assert done.code == 1
    told = done.complaint()
    assert "cannot be reached" in told and "secret" not in told
