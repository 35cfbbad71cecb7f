"""Solving, planning and looking back at episodes, as a user does it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli_run import Result, Run

QUESTION = "How long is twice the river of Norburg?"
STATUSES = {"answered", "partial", "nothing", "failed", "cancelled", "out_of_budget"}


@pytest.fixture
def solved(run: Run, library: Path) -> Result:
    return run("solve", QUESTION, "--library", library, "--model", "scripted:cli_parts:river")


def check_shape(data: dict[str, Any]) -> None:
    """The object that `solve --json` promises; more than it are only reasons and sources tried."""
    keys = {"answer", "status", "episode", "plan", "steps", "citations", "usage"}
    assert set(data) - {"reason"} == keys
    assert data["answer"] is None or isinstance(data["answer"], str)
    assert data["status"] in STATUSES
    assert isinstance(data["episode"], str) and isinstance(data["plan"], str)
    usage = data["usage"]
    assert set(usage) == {"calls", "prompt_tokens", "completion_tokens", "seconds", "cost"}
    assert all(isinstance(value, int | float) and value >= 0 for value in usage.values())
    _check_citations(data["citations"])
    _check_steps(data["steps"])


def _check_steps(steps: list[dict[str, Any]]) -> None:
    for step in steps:
        keys = {"id", "source", "objective", "answer", "status", "citations", "steps"}
        assert set(step) - {"reason", "tried"} == keys
        assert step["status"] in STATUSES
        assert isinstance(step["objective"], str)
        assert step["answer"] is None or isinstance(step["answer"], str)
        _check_citations(step["citations"])
        _check_steps(step["steps"])
        assert all(below["id"].startswith(step["id"] + ".") for below in step["steps"])


def _check_citations(citations: list[dict[str, Any]]) -> None:
    for cite in citations:
        assert set(cite) == {"passage", "file", "title", "start", "end", "unit", "quote"}


def test_prints_answer_and_citations_apart_from_the_steps(solved: Result) -> None:
    assert solved.code == 0
    lines = solved.out.splitlines()
    assert lines[1] == "840"
    assert "The Ister is a river" in lines[2]
    assert lines[3].strip().endswith("articles/ister.md 0-48")
    assert lines[4].startswith("episode ") and "6 calls" in lines[4]
    assert solved.err.splitlines()[0] == QUESTION
    assert [line[:3] for line in solved.err.splitlines()[1:]] == ["✓ 1", "✓ 2", "✓ 3"]
    assert "[documents] How long is the Ister in km? -> 420  (Ister)" in solved.err


def test_json_is_one_object_of_the_promised_shape(run: Run, library: Path) -> None:
    done = run(
        "solve", QUESTION, "--library", library, "--model", "scripted:cli_parts:river", "--json"
    )
    assert (done.code, done.err) == (0, "")
    data = json.loads(done.out)
    check_shape(data)
    assert (data["answer"], data["status"]) == ("840", "answered")
    assert data["plan"].splitlines()[2] == "3 [calculator] #2 * 2"
    assert [step["source"] for step in data["steps"]] == ["documents", "documents", "calculator"]
    assert data["steps"][1]["objective"] == "How long is the Ister in km?"
    assert data["citations"][0]["file"].endswith("ister.md")


def test_json_shows_children_and_items_below_their_steps(run: Run) -> None:
    done = run(
        "solve", "The outer", "--source", "calculator", "--source", "cli_parts:numbers",
        "--model", "scripted:cli_parts:nested", "--json",
    )  # fmt: skip
    data = json.loads(done.out)
    check_shape(data)
    assert done.code == 0
    child, numbers, each = data["steps"]
    assert [step["id"] for step in child["steps"]] == ["1.1"]
    assert numbers["answer"] == "1, 2, 3, 4"
    assert [step["answer"] for step in each["steps"]] == ["10", "20", "30", "40"]


def test_json_of_less_than_an_answer_has_the_same_shape(run: Run, library: Path) -> None:
    done = run(
        "solve", "Who?", "--library", library, "--model", "scripted:cli_parts:nothing", "--json"
    )
    check_shape(json.loads(done.out))
    assert json.loads(done.out)["status"] == "nothing"
    assert done.code == 1
    assert done.complaint().startswith("nothing: ")


def test_output_that_cannot_hold_every_character_stays_json(
    run: Run, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import io
    import sys

    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", out)
    code = run(
        "solve", "Wo fließt der Fluß?", "--library", library,
        "--model", "scripted:cli_parts:river", "--json",
    ).code  # fmt: skip
    out.seek(0)
    assert code == 0
    check_shape(json.loads(out.read()))


def test_question_from_a_pipe(run: Run, library: Path) -> None:
    done = run(
        "solve", "--library", library, "--model", "scripted:cli_parts:river", "--json",
        stdin=f"\n{QUESTION}\n".encode(),
    )  # fmt: skip
    assert done.code == 0
    shown = run("episodes", "--json")
    assert json.loads(shown.out)[0]["question"] == QUESTION


def test_cited_words_without_a_title_are_quoted_alone(run: Run) -> None:
    done = run(
        "solve", "Who?", "--model", "scripted:cli_parts:archive", "--source", "cli_parts:untitled"
    )
    assert done.out.splitlines()[1:3] == ["Ada", "  [1] Ada painted it."]
    assert done.out.splitlines()[3].startswith("episode ")
    assert "()" not in done.out + done.err


def test_attached_documents_are_asked(run: Run, library: Path) -> None:
    files = sorted((library.parent / "articles").iterdir())
    options = [part for file in files for part in ("--attach", str(file))]
    done = run("solve", QUESTION, *options, "--model", "scripted:cli_parts:river")
    assert done.code == 0
    assert done.out.splitlines()[1] == "840"


def test_plan_is_printed_and_not_run(run: Run, library: Path, home: Path) -> None:
    given = ("plan", QUESTION, "--library", library, "--model", "scripted:cli_parts:river")
    text = run(*given)
    assert text.code == 0
    assert text.out.splitlines()[1] == "2 [documents] How long is #1 in km?"
    data = json.loads(run(*given, "--json").out)
    assert data["objective"] == QUESTION and data["plan"] + "\n" == text.out
    assert not (home / "journal.sqlite").exists()


def test_plan_of_a_model_that_writes_none_is_one_sentence(run: Run) -> None:
    done = run("plan", "Why?", "--model", "scripted:cli_parts:nonsense")
    assert done.code == 1
    assert done.complaint().startswith("the model wrote no plan (")


def test_show_prints_the_tree_again(run: Run, solved: Result) -> None:
    name = solved.out.split("episode ")[1].split(":")[0]
    for which in ("last", name, name[:9]):
        shown = run("show", which)
        assert shown.code == 0
        assert "✓ 3 [calculator] 420 * 2 -> 840" in shown.out
        assert shown.out.endswith(solved.out[solved.out.index("\n840") :])
    check_shape(json.loads(run("show", "last", "--json").out))


def test_replay_is_the_recorded_outcome_without_a_model(run: Run, solved: Result) -> None:
    shown, replayed = run("show", "last", "--json"), run("replay", "last", "--json")
    assert (replayed.code, replayed.err) == (0, "")
    assert replayed.out == shown.out
    assert "✓ 2 [documents] How long is the Ister in km? -> 420" in run("replay", "last").out


def test_replay_of_children_lists_and_failures(run: Run) -> None:
    run(
        "solve", "The outer", "--source", "calculator", "--source", "cli_parts:numbers",
        "--model", "scripted:cli_parts:nested",
    )  # fmt: skip
    assert run("replay", "last", "--json").out == run("show", "last", "--json").out
    run(
        "solve", "raises", "--source", "calculator", "--source", "cli_parts:raises",
        "--model", "scripted:cli_parts:misbehaved",
    )  # fmt: skip
    replayed = run("replay", "last", "--json")
    assert replayed.out == run("show", "last", "--json").out
    assert "differs" not in replayed.err


def test_a_failure_is_replayed_as_it_was(run: Run) -> None:
    run("solve", "What?", "--model", "scripted:cli_parts:speechless")
    shown, replayed = run("show", "last", "--json"), run("replay", "last", "--json")
    assert (replayed.code, replayed.out) == (1, shown.out)
    assert replayed.complaint().startswith("failed: no rule of the script fits")


def test_an_episode_that_was_not_ended_is_not_replayed(run: Run, solved: Result) -> None:
    import sqlite3

    database = sqlite3.connect("journal.sqlite")
    database.execute(
        "DELETE FROM events WHERE seq >= (SELECT max(seq) - 3 FROM events)"
    )  # as a kill leaves it
    database.commit()
    database.close()
    done = run("replay", "last")
    assert done.code == 2
    assert "has not ended; finish it with: centerlm resume" in done.complaint()


def test_episodes_are_listed_newest_first_and_removed(run: Run, solved: Result) -> None:
    run("solve", "What is the sum?", "--model", "scripted:cli_parts:sums")
    listed = run("episodes").out.splitlines()
    assert len(listed) == 2
    assert "What is the sum? -> 10" in listed[0] and "answered" in listed[0]
    assert len(run("episodes", "--limit", 1).out.splitlines()) == 1
    name = listed[0].split()[0]
    assert run("episodes", "rm", name).out == f"removed {name}\n"
    assert run("show", name).code == 2
    assert run("episodes", "rm", "--before", "2001-01-01").out == "removed 0 episodes\n"
    assert run("episodes", "rm", "--before", "2999-01-01").out == "removed 1 episode\n"
    assert json.loads(run("episodes", "--json").out) == []


def test_looking_at_episodes_makes_no_journal(run: Run, home: Path) -> None:
    at = home / "not" / "there.sqlite"
    assert run("episodes", "--journal", at).out.startswith(f"no episodes yet in {at}; ")
    shown = run("show", "last", "--journal", at)
    assert shown.code == 2
    assert f"no journal {at} is there yet" in shown.complaint()
    assert run("episodes", "rm", "--before", "2026-01-01", "--journal", at).code == 0
    assert not at.parent.exists()


def test_resuming_an_ended_episode_says_where_to_see_it(run: Run, solved: Result) -> None:
    done = run("resume", "last")
    assert done.code == 2
    assert "has ended (answered); see it with: centerlm show" in done.complaint()


def test_budget_that_ends_prints_the_best_so_far_and_resumes_with_more(
    run: Run, library: Path
) -> None:
    given = (QUESTION, "--library", library, "--model", "scripted:cli_parts:river")
    own = ("--journal", "own.sqlite")
    short = run("solve", *given, *own, "--budget", "calls=4", "--json")
    data = json.loads(short.out)
    check_shape(data)
    assert (short.code, data["status"]) == (1, "out_of_budget")
    assert data["usage"]["calls"] <= 4
    again = f"centerlm resume {data['episode']} --journal own.sqlite --budget"
    assert again in short.complaint()
    assert again in run("replay", "last", *own).complaint()
    more = run("resume", data["episode"], *own, "--budget", "calls=40", "--json")
    assert (more.code, json.loads(more.out)["answer"]) == (0, "840")


def test_depth_that_ends_is_an_answer_all_the_same(run: Run) -> None:
    done = run(
        "solve", "Where?", "--model", "scripted:cli_parts:recursive",
        "--budget", "depth=2,calls=60", "--json",
    )  # fmt: skip
    data = json.loads(done.out)
    check_shape(data)
    assert data["answer"] == "somewhere"
    assert max(len(step["steps"]) for step in data["steps"]) == 2
    assert not any(below["steps"] for step in data["steps"] for below in step["steps"])
