"""Two machines with one journal and a memory file each: what one forgets, the other does too."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from centerlm.catching_up import catch_up, due, learn_newest
from centerlm.center import CenterLM
from centerlm.errors import InputError, JournalError
from centerlm.forgettings import Forgetting
from centerlm.memory import SeekingMemory, applying
from centerlm.memory.applying import applied
from centerlm.memory.forgetting import Wanted
from centerlm.memory.notes import ref_of
from centerlm.memory.store import VERSION
from centerlm.memory.views import list_kinds
from centerlm.memory.web_views import list_notes
from centerlm.models.scripted import ScriptedModel
from centerlm.objective import Objective
from centerlm.postgres_forgettings import add
from centerlm.postgres_journal import PostgresJournal
from centerlm.shared_forgetting import forget_everywhere
from centerlm.solver import solve
from centerlm.sources.calculator import Calculator
from postgres_parts import new_database
from remembered import BORN, SEAT, opened, outcome
from webs import LENGTH, PLANS, RIVER, WHOLE, Shelf, says

__all__ = ["new_database"]

PROJECT = "archive"


@dataclass
class Machine:
    """A memory of its own, and the journal that it shares."""

    path: Path
    url: str

    @contextmanager
    def opened(self) -> Generator[tuple[SeekingMemory, PostgresJournal]]:
        memory = SeekingMemory(self.path, project=PROJECT, embedder=None)
        with closing(memory), closing(PostgresJournal(self.url)) as journal:
            yield memory, journal
        assert memory.problems == []

    def solve(self, shelf: Shelf, question: str = WHOLE) -> str:
        """The name of the episode."""
        setup = {"memory": {"project": PROJECT, "path": str(self.path)}}
        with self.opened() as (memory, journal):
            solution = asyncio.run(
                solve(
                    Objective(question),
                    center=CenterLM(ScriptedModel(says(PLANS))),
                    sources=[shelf.source, Calculator()],
                    memory=memory,
                    journal=journal,
                    setup=setup,
                )
            )
            return solution.episode

    def hear(self) -> None:
        """What a server does every few seconds."""
        with self.opened() as (memory, journal):
            asyncio.run(learn_newest(memory, journal, {}))

    def hear_of_forgetting(self) -> None:
        """Without learning an episode before."""
        with self.opened() as (memory, journal):
            heard = due(memory, journal)
            assert heard is not None
            heard.apply()

    def forget(self, **wanted: Any) -> bool:
        with self.opened() as (memory, journal):
            return forget_everywhere(memory, Wanted(**wanted), journal)

    def number(self, question: str) -> int:
        """The number that a kind of question has here."""
        with self.opened() as (memory, _):
            (kind,) = memory.alike(question)[:1]
            return kind

    @property
    def kinds(self) -> dict[str, dict[str, int]]:
        """How often each source was asked for what is like a question."""
        with self.opened() as (memory, _):
            memory.settle()
            return {k.like: {s.source: s.asked for s in k.sources} for k in list_kinds(memory)}

    @property
    def notes(self) -> dict[str, int]:
        """The numbers of the notes by their questions."""
        with self.opened() as (memory, _):
            return {note.question: note.id for note in list_notes(memory, limit=100)}

    @property
    def applied(self) -> int:
        with self.opened() as (memory, journal):
            return applied(memory.connection, memory.project_id, journal.database)

    def tables(self) -> list[list[Any]]:
        """All that it knows, but where it stands in the shared database."""
        with closing(sqlite3.connect(self.path)) as db:
            names = ("kinds", "arms", "records", "exemplars", "notes", "episodes", "projects")
            return [db.execute(f"SELECT * FROM {name}").fetchall() for name in names]


@pytest.fixture
def machines(tmp_path: Path, new_database: Callable[[], str]) -> tuple[Machine, Machine]:
    url = new_database()
    return Machine(tmp_path / "one.sqlite", url), Machine(tmp_path / "two.sqlite", url)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


@pytest.fixture
def taught(machines: tuple[Machine, Machine], shelf: Shelf) -> tuple[Machine, Machine]:
    """Both know two episodes; each gives its own numbers to what they taught."""
    one, two = machines
    with two.opened() as (memory, _):
        memory.remember("of its own", [outcome("told", 1.0, SEAT, at=1.0)])
        memory.settle()
    one.solve(shelf)
    one.solve(shelf, RIVER)
    two.hear()
    assert two.kinds == {**one.kinds, SEAT: {"told": 1}}
    assert set(two.notes) == set(one.notes) == {RIVER, LENGTH, WHOLE}
    return one, two


def test_a_kind_is_forgotten_by_its_text(taught: tuple[Machine, Machine]) -> None:
    one, two = taught
    kind = one.number(RIVER)
    assert two.number(RIVER) != kind
    assert one.forget(kinds=(kind,))
    assert RIVER not in one.kinds and LENGTH in one.kinds
    two.hear()
    assert two.kinds == {**one.kinds, SEAT: {"told": 1}}
    with pytest.raises(InputError, match="there is no kind"):
        one.forget(kinds=(kind,))


def test_a_source_is_forgotten_with_its_notes(taught: tuple[Machine, Machine]) -> None:
    one, two = taught
    assert one.forget(source="documents")
    two.hear()
    assert two.kinds == {**one.kinds, SEAT: {"told": 1}}
    assert {name for sources in one.kinds.values() for name in sources} == {"calculator"}
    assert one.notes == two.notes == {}
    with pytest.raises(InputError, match="nothing is remembered of a source"):
        one.forget(source="documents")


def test_a_note_is_forgotten_by_what_it_says(taught: tuple[Machine, Machine]) -> None:
    one, two = taught
    assert one.forget(notes=(one.notes[LENGTH],))
    two.hear()
    assert set(one.notes) == set(two.notes) == {RIVER}  # and what rested on it
    assert two.kinds == {**one.kinds, SEAT: {"told": 1}}


def test_an_episode_is_forgotten_also_where_it_was_not_learned_yet(
    machines: tuple[Machine, Machine], shelf: Shelf
) -> None:
    one, two = machines
    own, others = one.solve(shelf), two.solve(shelf, RIVER)
    assert not one.forget(episode="never")
    assert one.forget(episode=others)
    assert one.forget(episode=own)
    for machine in (one, two):
        machine.hear()
        machine.hear()
        assert machine.kinds == machine.notes == {}


def test_all_is_forgotten_up_to_its_time(machines: tuple[Machine, Machine], shelf: Shelf) -> None:
    one, two = machines
    one.solve(shelf)
    with two.opened() as (memory, _):  # before it has heard of anything
        memory.remember("own", [outcome("told", 1.0, SEAT, at=1.0)], ended=1.0)
    assert one.forget(everything=True)
    with two.opened() as (memory, _):
        later = memory.now() + 9
        memory.remember("later", [outcome("told", 1.0, BORN, at=later)], ended=later)
    two.hear()
    assert (one.kinds, one.notes) == ({}, {})
    assert two.kinds == {BORN: {"told": 1}}
    with two.opened() as (memory, _):
        assert memory.forgotten_until() > 1.0
        assert memory.taught_by() == ["later"]
        assert not memory.remember("own", [outcome("told", 1.0, SEAT)])
    one.solve(shelf, RIVER)
    two.hear()
    assert two.kinds == {BORN: {"told": 1}, RIVER: {"documents": 1}}


def test_a_removed_episode_is_forgotten_in_every_project(
    taught: tuple[Machine, Machine],
) -> None:
    one, two = taught
    other = SeekingMemory(two.path, project="other", embedder=None)
    with one.opened() as (memory, journal):
        first, _ = memory.taught_by()
        other.remember(first, [outcome("documents", 1.0, RIVER)])
        journal.remove(first)
    two.hear()
    assert two.kinds == {RIVER: {"documents": 1}, SEAT: {"told": 1}}
    other.settle()
    assert list_kinds(other) == []
    other.close()


def test_what_ended_before_and_is_learned_later_stays_forgotten(
    machines: tuple[Machine, Machine], shelf: Shelf
) -> None:
    """A machine that had heard of the forgetting before it looked for the episode."""
    one, two = machines
    one.solve(shelf)
    one.forget(source="documents")
    two.hear_of_forgetting()
    assert two.applied == one.applied == 1
    two.hear()
    assert two.kinds == one.kinds
    assert two.notes == one.notes == {}
    one.solve(shelf, RIVER)  # newer than what was said: it counts
    two.hear()
    assert two.kinds == one.kinds
    assert two.kinds[RIVER] == {"documents": 1}


def test_a_solve_hears_of_it_when_it_begins(taught: tuple[Machine, Machine]) -> None:
    one, two = taught
    one.forget(source="documents")
    with two.opened() as (memory, journal):
        catch_up(memory, {"project": PROJECT, "path": str(two.path)}, journal)
    assert two.kinds == {**one.kinds, SEAT: {"told": 1}}


def test_done_twice_or_late_it_comes_to_the_same(taught: tuple[Machine, Machine]) -> None:
    one, two = taught
    one.forget(kinds=(one.number(LENGTH),))
    one.forget(notes=(one.notes[RIVER],))
    with one.opened() as (memory, _):
        _, second = memory.taught_by()
    one.forget(episode=second)
    two.hear()
    assert one.applied == two.applied == 3
    known = two.tables()
    with two.opened() as (memory, journal):
        rows = journal.forgettings(PROJECT, 0)
        assert [(row.id, row.what) for row in rows] == [(1, "kind"), (2, "note"), (3, "episode")]
        assert rows[1].value == str(ref_of(RIVER, "Ister"))
        project, index = memory.project_id, memory.index
        applying.apply(memory.connection, project, index, journal.database, rows)
    assert (two.tables(), two.applied) == (known, 3)


def test_a_kind_is_what_its_text_would_join_and_no_newer_outcome() -> None:
    memory = opened()
    memory.remember("old", [outcome("docs", 1.0, "When was Ada Brandt born?", at=100.0)])
    memory.remember("near", [outcome("docs", 1.0, "When is Bob Hill born?", at=100.0)])
    memory.remember("new", [outcome("docs", 0.0, "When was Carl Lund born?", at=200.0)])
    memory.remember("else", [outcome("docs", 1.0, SEAT, at=100.0)])
    memory.settle()
    said = Forgetting("default", "kind", "When is NAME born?", 100.5, 7)
    for _ in range(2):
        applying.apply(memory.connection, memory.project_id, memory.index, "db", [said])
        kinds = {kind.like: kind.asked for kind in list_kinds(memory)}
        assert kinds == {"When was Carl Lund born?": 1, SEAT: 1}
    (record,) = memory.connection.execute("SELECT length(window)/29 FROM records").fetchone()
    assert record == 2
    assert applied(memory.connection, memory.project_id, "db") == 7


class _KilledError(Exception):
    """Stands for the death of the process."""


def test_a_kill_before_the_effect_is_made_good_at_the_next_occasion(
    taught: tuple[Machine, Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = taught

    def killed(*given: object) -> None:
        raise _KilledError

    with monkeypatch.context() as patch, pytest.raises(_KilledError):
        patch.setattr(applying, "apply", killed)
        one.forget(source="documents")
    assert LENGTH in one.kinds and one.applied == 0
    two.hear()
    one.hear()
    assert one.notes == two.notes == {}
    assert two.kinds == {**one.kinds, SEAT: {"told": 1}}


def test_a_kill_between_learning_and_forgetting_is_made_good_too(
    machines: tuple[Machine, Machine], shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = machines
    one.solve(shelf)
    one.forget(source="documents")
    two.hear_of_forgetting()

    def killed(*given: object) -> None:
        raise _KilledError

    with monkeypatch.context() as patch, pytest.raises(_KilledError):
        patch.setattr(applying, "apply", killed)
        two.hear()
    assert LENGTH in two.kinds
    two.hear()
    assert (two.kinds, two.notes) == (one.kinds, {})


def test_the_effect_and_how_far_it_came_are_one_transaction(
    taught: tuple[Machine, Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = taught
    one.forget(source="documents")
    before = two.tables()

    def fails(*given: object) -> None:
        raise _KilledError

    with monkeypatch.context() as patch, pytest.raises(_KilledError):
        patch.setattr(applying, "set_applied", fails)
        two.hear()
    assert (two.tables(), two.applied) == (before, 0)


def test_a_file_of_the_time_before_is_migrated(taught: tuple[Machine, Machine]) -> None:
    one, two = taught
    with closing(sqlite3.connect(two.path)) as db:
        db.execute("DROP TABLE applied")
        db.execute("PRAGMA user_version=3")
    one.forget(source="documents")
    two.hear()
    assert two.kinds == {**one.kinds, SEAT: {"told": 1}}
    with closing(sqlite3.connect(two.path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (VERSION,)


def test_another_database_is_begun_from_its_first_row(
    taught: tuple[Machine, Machine], new_database: Callable[[], str]
) -> None:
    one, two = taught
    one.forget(notes=(one.notes[LENGTH],))
    two.hear()
    moved = Machine(two.path, new_database())
    with moved.opened() as (memory, journal):
        journal.say_forgotten([Forgetting(PROJECT, "source", "told", memory.now())])
    moved.hear()
    assert SEAT not in moved.kinds
    assert (moved.applied, two.applied) == (1, 1)


def test_other_projects_do_not_hear_of_it(taught: tuple[Machine, Machine]) -> None:
    one, two = taught
    with one.opened() as (_, journal):
        journal.say_forgotten([Forgetting("other", "all", "", 4e9)])
    known = two.kinds
    two.hear()
    assert two.kinds == known


def test_rows_can_be_read_in_the_order_of_their_ids(
    machines: tuple[Machine, Machine],
) -> None:
    """One that is not committed yet keeps those after it back."""
    one, two = machines
    with one.opened() as (_, first), two.opened() as (_, second):
        row = Forgetting(PROJECT, "source", "a", 1.0)
        waiting = threading.Thread(target=second.say_forgotten, args=([row],))
        with first._transaction():
            add(first._session, [row])
            waiting.start()
            waiting.join(0.5)
            assert waiting.is_alive()
        waiting.join(60)
        assert [row.id for row in first.forgettings(PROJECT, 0)] == [1, 2]


def test_where_the_database_is_lost_nothing_is_forgotten(
    taught: tuple[Machine, Machine],
) -> None:
    one, _ = taught
    before = one.tables()
    with one.opened() as (memory, journal):
        journal._session._connection.close()
        with pytest.raises(JournalError):
            forget_everywhere(memory, Wanted(source="documents"), journal)
    assert (one.tables(), one.applied) == (before, 0)
