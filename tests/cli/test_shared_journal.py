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


def test_what_is_no_address_of_a_database_is_named(run: Run, home: Path) -> None:
    (home / "centerlm.toml").write_text('[journal]\nurl = "foo"\n')
    done = run(*SOLVE)
    assert (done.code, "write postgresql://HOST/DATABASE" in done.complaint()) == (2, True)


def sources(run: Run, *options: object) -> set[str]:
    kinds = json.loads(run("memory", "list", "--json", *options).out)
    return {source["source"] for kind in kinds for source in kind["sources"]}


def asked(run: Run) -> int:
    return sum(kind["asked"] for kind in json.loads(run("memory", "list", "--json").out))


def test_what_is_forgotten_or_removed_is_so_on_another_machine(
    run: Run, home: Path, new_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, other = new_database(), home / "other"
    other.mkdir()
    settings = f'[journal]\nurl = "{url}"\n[memory]\nproject = "shared"\npath = "memory.sqlite"\n'
    for folder in (home, other):
        (folder / "centerlm.toml").write_text(settings)
    remembering = SOLVE[:-2]
    for folder in (home, other):
        monkeypatch.chdir(folder)
        assert run(*remembering).code == 0
        assert sources(run) == {"calculator"}
    assert run("memory", "forget", "--source", "calculator").out == "forgot the source calculator\n"
    assert sources(run) == set()
    monkeypatch.chdir(home)
    assert sources(run) == {"calculator"}  # it has not looked since
    once = asked(run)
    assert run(*remembering).code == 0
    assert asked(run) == once  # the last solve alone
    assert run("episodes", "rm", "--before", "2100-01-01").code == 0
    assert sources(run) == set()
    assert "nothing is remembered of an episode" in run("memory", "forget", "--episode", "x").err


def test_where_the_database_is_not_there_nothing_is_forgotten(run: Run, home: Path) -> None:
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    assert run(*SOLVE[:-2]).code == 0
    settings = '[journal]\nurl = "postgresql://a:secret@127.0.0.1:1/b"\n'
    (home / "centerlm.toml").write_text(settings)
    for what in (["--all"], ["--source", "calculator"], ["1"]):
        done = run("memory", "forget", *what)
        assert done.code == 1
        told = done.complaint()
        assert "cannot be reached" in told and told.endswith("; nothing is forgotten")
        assert "secret" not in told
    assert sources(run) == {"calculator"}
