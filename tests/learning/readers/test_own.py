"""The project's own guidance: every bad line is listed with its number, the rest is used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from centerlm.errors import InputError
from centerlm.learning.guidance import Read
from centerlm.learning.readers import read_own

PLAN = "1 [documents] Who leads Norburg?\n2 [documents] When was #1 born?"


def line(objective: str = "When was the leader of Norburg born?", **more: Any) -> str:
    return json.dumps({"objective": objective, "plan": PLAN} | more)


def read(folder: Path, *lines: str | bytes, **more: Any) -> Read:
    path = folder / "guidance.jsonl"
    path.write_bytes(b"\n".join(one if isinstance(one, bytes) else one.encode() for one in lines))
    return read_own(path, **more)


def listed(read: Read) -> list[tuple[int, str]]:
    return [(int(one.where.rpartition(":")[2]), one.kind) for one in read.skipped]


def test_a_full_line_is_read_whole(tmp_path: Path) -> None:
    got = read(
        tmp_path,
        line(
            by="ada", when="2026-05-01T12:00:00Z", edited_from="1 [center] When?", answer="1950",
            answers={"1": "Bo Holm"},
        ),
    )  # fmt: skip
    (one,) = got.guidance
    assert (str(one.plan), one.by, one.when) == (PLAN, "ada", "2026-05-01T12:00:00Z")
    assert (one.edited_from, one.answer, dict(one.answers)) == (
        "1 [center] When?", "1950", {1: "Bo Holm"},
    )  # fmt: skip
    assert got.counts == {"own: edit of another plan": 1}


def test_ids_depend_on_objective_and_person_alone(tmp_path: Path) -> None:
    one = read(tmp_path, line(by="ada")).guidance[0].id
    same = read(tmp_path, "", line(by="ada", plan="1 [documents] When?")).guidance[0].id
    other = read(tmp_path, line(by="bo")).guidance[0].id
    assert one == same != other


def test_every_bad_line_is_listed_and_the_rest_is_used(tmp_path: Path) -> None:
    def json_plan(*steps: tuple[int, str]) -> dict[str, Any]:
        return {"steps": [{"id": i, "sources": ["documents"], "text": t} for i, t in steps]}

    got = read(
        tmp_path,
        "\ufeff" + line("a"),
        "not json",
        line("b").encode("utf-16-le"),
        "Größe".encode("latin-1"),
        json.dumps(["a list"]),
        json.dumps({"objective": "no plan"}),
        line("c", plan=json_plan((1, "What is #2?"), (2, "What is #1?"))),
        line("d", plan="1 [calculator] #2\n2 [calculator] #1"),
        line("e", plan="1 [wikipedia] Who?"),
        line("f", plan="Who?"),
        line(" "),
        line("g", when="yesterday"),
        line("h", edited_from="Who?"),
        line("i", answers={"3": "x"}),
        line("j", planned_by="ada"),
        '{"objective": "a", "plan": {"steps": ' + "[" * 100_000,
        line("k" * 9_000),
        "",
        line("z", plan=json_plan((2, "When was #1 born?"), (1, "Who leads Norburg?"))),
    )
    assert [one.objective for one in got.guidance] == ["a", "z"]
    assert str(got.guidance[1].plan) == PLAN
    assert listed(got) == [
        (2, "not json"), (3, "not json"), (4, "wrong encoding"), (5, "not a record"),
        (6, "not a record"), (7, "cyclic"), (8, "cyclic"), (9, "unknown source"),
        (10, "not a plan"), (11, "no objective"), (12, "not a record"), (13, "not a plan"),
        (14, "not a record"), (15, "not a record"), (16, "not json"), (17, "too long"),
    ]  # fmt: skip
    assert "depends on itself" in got.skipped[5].reason
    assert "'wikipedia'" in got.skipped[7].reason
    assert all(one.reason and "\n" not in one.reason for one in got.skipped)


def test_of_contradictory_plans_of_one_person_the_later_counts(tmp_path: Path) -> None:
    def at(by: str, when: str, text: str) -> str:
        return line("Who leads?", by=by, when=when, plan=f"1 [documents] {text}")

    got = read(
        tmp_path,
        at("ada", "2026-05-02", "A"),
        at("ada", "2026-05-01T23:00+01:00", "B"),  # earlier, though below
        at("bo", "", "A"),
        at("bo", "2026-05-02", "B"),
        at("bo", "", "B"),
        at("cy", "", "A"),
    )
    assert [(g.by, g.plan.steps[0].text) for g in got.guidance] == [
        ("ada", "A"), ("bo", "B"), ("cy", "A"),
    ]  # fmt: skip
    assert listed(got) == [(2, "contradictory"), (3, "contradictory"), (4, "repeated")]
    assert "line 1" in got.skipped[0].reason


def test_sources_of_ones_own_are_named(tmp_path: Path) -> None:
    lines = [line("a", plan="1 [stock] How many?"), line("b", plan="1 [expert:law | center] Who?")]
    assert listed(read(tmp_path, *lines)) == [(1, "unknown source")]
    assert not read(tmp_path, *lines, sources=["stock"]).skipped


def test_a_utf_16_file_is_refused_as_a_whole(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="UTF-16"):
        read(tmp_path, line().encode("utf-16"))


def test_an_empty_file_gives_nothing(tmp_path: Path) -> None:
    assert read(tmp_path, "") == Read(())
