"""Export and import: the same experience elsewhere, and files that cannot be taken."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from centerlm.errors import MemoryFileError
from centerlm.memory.exchange import Imported, export_memory, import_memory
from centerlm.memory.forgetting import forget_episodes
from centerlm.memory.outcomes import Outcome
from centerlm.memory.views import list_kinds, show_kind
from remembered import BORN, SEAT, Clock, opened, outcome, teach


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    memory = opened()
    teach(memory, "docs", [1] * 6 + [0], plain=True)
    teach(memory, "mirror", [0.5] * 3, cost=0.25, seconds=2.0)
    memory.remember("last", [outcome("docs", 1.0, SEAT, query="county seat")])
    assert export_memory(memory, tmp_path / "x.jsonl") == 11
    return tmp_path / "x.jsonl"


def test_what_is_imported_is_what_was_exported(exported: Path) -> None:
    memory = opened()
    assert import_memory(memory, exported) == Imported(11, 0, 0, 0)
    again = exported.with_name("again.jsonl")
    export_memory(memory, again)
    assert again.read_bytes() == exported.read_bytes()
    assert show_kind(memory, BORN).sources[0].found == 6
    assert import_memory(memory, exported) == Imported(0, 11, 0, 0)
    assert {k.like: k.asked for k in list_kinds(memory)} == {BORN: 10, SEAT: 1}


def _edit(file: Path, change: Callable[[list[str]], None]) -> Path:
    lines = file.read_text().split("\n")
    change(lines)
    file.write_text("\n".join(lines))
    return file


def _says_otherwise(line: str) -> str:
    data = json.loads(line)
    return json.dumps(data | {"success": 1.0 - data["success"]})


def test_where_a_file_contradicts_the_memory_the_memory_stands(exported: Path) -> None:
    memory = opened()
    import_memory(memory, exported)
    before = list_kinds(memory)
    _edit(exported, lambda lines: lines.__setitem__(3, _says_otherwise(lines[3])))
    done = import_memory(memory, exported)
    assert (done.new, done.there, done.contradicting) == (0, 10, 1)
    assert "line 4 (docs in episode episode-2) contradicts what is remembered" in done.first
    assert list_kinds(memory) == before


def test_where_a_file_contradicts_itself_neither_is_taken(exported: Path) -> None:
    def change(lines: list[str]) -> None:
        lines.insert(3, _says_otherwise(lines[2]))
        lines[-2] = '{"outcomes": 12}'

    done = import_memory(opened(), _edit(exported, change))
    assert (done.new, done.contradicting) == (10, 1)
    assert "line 4" in done.first and "contradicts line 3" in done.first


def test_what_was_forgotten_does_not_come_back(exported: Path) -> None:
    memory = opened()
    memory.remember("last", [outcome("docs", 1.0, SEAT)])
    forget_episodes(memory, ["last"])
    assert import_memory(memory, exported) == Imported(10, 0, 1, 0)


def test_older_experience_pushes_nothing_newer_out_and_is_no_news(tmp_path: Path) -> None:
    """A source that broke since is not believed to work because it did elsewhere, long ago."""
    clock = Clock()
    old, file = opened(clock=clock), tmp_path / "old.jsonl"
    old.remember("elsewhere", [_born(n, 1.0, clock.now - 900 + n) for n in range(100)])
    export_memory(old, file)
    mine = opened(clock=clock)
    mine.remember("here", [_born(n, 0.0, clock.now - 100 + n) for n in range(100)])
    assert import_memory(mine, file).new == 100
    (kind,) = list_kinds(mine)
    (docs,) = show_kind(mine, str(kind.id)).sources
    assert (docs.found, docs.asked, docs.episodes) == (0, 100, ("elsewhere", "here"))
    assert docs.high < 0.1
    assert kind.asked == 200
    # The other way round comes to the same.
    there = opened(clock=clock)
    export_memory(mine, file)
    assert import_memory(there, file).contradicting == 0
    assert [k.sources for k in list_kinds(there)] == [k.sources for k in list_kinds(mine)]
    forget_episodes(mine, ["here"])
    assert [s.found for k in list_kinds(mine) for s in k.sources] == [27]


def _born(number: int, success: float, at: float) -> Outcome:
    return outcome("docs", success, entry=f"{number}/0", at=at)


REFUSED: dict[str, tuple[Callable[[list[str]], object], str]] = {
    "half": (lambda lines: lines.__delitem__(slice(5, None)), "is not whole"),
    "cut in a line": (
        lambda lines: lines.__setitem__(slice(5, None), [lines[5][:20]]),
        "not whole",
    ),
    "a line missing": (lambda lines: lines.pop(4), "is not whole"),
    "newer": (
        lambda lines: lines.__setitem__(0, '{"format":"centerlm-memory","version":9}'),
        "newer centerlm",
    ),
    "other project": (
        lambda lines: lines.__setitem__(0, lines[0].replace("default", "theirs")),
        r"'theirs', and this one is 'default'.*--any-project",
    ),
    "something else": (lambda lines: lines.__setitem__(0, "[1]"), "no exported memory"),
    "no numbers": (
        lambda lines: lines.__setitem__(2, lines[2].replace('"success":1.0', '"success":"yes"')),
        "line 3 is no outcome .*nothing was imported",
    ),
    "out of range": (
        lambda lines: lines.__setitem__(2, lines[2].replace('"success":1.0', '"success":7.0')),
        "line 3 is no outcome",
    ),
    "an entry that only looks like a number": (
        lambda lines: lines.__setitem__(2, re.sub(r'"entry":"#\d+"', '"entry":"#²"', lines[2])),
        "line 3 is no outcome",
    ),
    "an entry with too many digits": (
        lambda lines: lines.__setitem__(
            2, re.sub(r'"entry":"#\d+"', f'"entry":"#{"9" * 5000}"', lines[2])
        ),
        "line 3 is no outcome",
    ),
    "a source no plan can name": (
        lambda lines: lines.__setitem__(2, lines[2].replace('"docs"', '"a b"')),
        "line 3 is no outcome",
    ),
    "a field nobody knows": (
        lambda lines: lines.__setitem__(2, lines[2].replace("{", '{"trust":9,')),
        "line 3 is no outcome",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_cannot_be_taken_changes_nothing(exported: Path, case: str) -> None:
    change, sentence = REFUSED[case]
    _edit(exported, lambda lines: (change(lines), None)[1])
    memory = opened()
    teach(memory, "docs", [1])
    with pytest.raises(MemoryFileError, match=sentence):
        import_memory(memory, exported)
    assert [k.asked for k in list_kinds(memory)] == [1]


def test_experience_of_another_project_can_be_taken_on_purpose(exported: Path) -> None:
    memory = opened(project="mine")
    assert import_memory(memory, exported, any_project=True).new == 11


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MemoryFileError, match=r"cannot be read .*check the path"):
        import_memory(opened(), tmp_path / "none.jsonl")
