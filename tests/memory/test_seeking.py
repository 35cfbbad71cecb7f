"""The seeking memory: what it recalls, that it counts once, stays bounded, and forgets."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from centerlm.errors import InputError
from centerlm.memory import SeekingMemory
from centerlm.memory.filing import MAX_INBOX
from centerlm.memory.forgetting import (
    forget_all,
    forget_episodes,
    forget_kinds,
    forget_source,
)
from centerlm.memory.kinds import WordSpace
from centerlm.memory.views import list_kinds, show_kind
from centerlm.sources.base import Card
from remembered import BORN, SEAT, Clock, opened, outcome, teach

DOCS, MIRROR, MAIL = (
    Card("docs", "texts"),
    Card("mirror", "texts"),
    Card("mail", "", effect="write"),
)


def recalled(memory: SeekingMemory, objective: str, *cards: Card) -> tuple[str, ...]:
    lines = asyncio.run(memory.recall(objective, cards or (DOCS, MIRROR))).lines
    assert memory.problems == []
    return lines


def ordered(memory: SeekingMemory, text: str, *sources: str, seed: int = 0) -> tuple[str, ...]:
    order = asyncio.run(memory.order(text, sources or ("docs", "mirror"), seed))
    assert memory.problems == []
    return order


def test_a_new_memory_recalls_nothing_and_changes_no_order() -> None:
    memory = opened()
    assert recalled(memory, BORN) == ()
    assert ordered(memory, BORN, "mirror", "docs") == ("mirror", "docs")
    assert asyncio.run(memory.queries(BORN, "docs")).lines == ()


def test_it_recalls_which_source_answered_questions_alike() -> None:
    memory = opened()
    teach(memory, "docs", [1] * 9 + [0])
    teach(memory, "mirror", [0] * 5)
    assert recalled(memory, "When was the author of Salt born?") == (
        f"docs answered 9 of 10 like: {BORN}",
        f"mirror answered 0 of 5 like: {BORN}",
    )
    assert recalled(memory, "How deep is the lake?") == ()


def test_it_speaks_only_of_sources_that_are_offered() -> None:
    memory = opened()
    teach(memory, "docs", [1] * 5)
    teach(memory, "gone", [1] * 20)
    assert recalled(memory, BORN) == (f"docs answered 5 of 5 like: {BORN}",)
    assert set(ordered(memory, BORN)) == {"docs", "mirror"}


def test_it_says_that_the_source_that_answered_best_is_gone() -> None:
    memory = opened()
    teach(memory, "docs", [1, 0, 0, 0])
    teach(memory, "gone", [1] * 9 + [0])
    recalled(memory, BORN, Card("gone", "texts"), DOCS)
    assert memory.missed == []
    recalled(memory, BORN)
    recalled(memory, BORN)
    (told,) = memory.missed
    assert told.startswith("gone, which answered 9 of 10 questions like these, is not among the")
    assert {view.source: view.asked for view in memory.views(BORN, ["gone"])} == {"gone": 10}


def test_a_source_that_is_gone_and_did_worse_is_not_missed() -> None:
    memory = opened()
    teach(memory, "docs", [1] * 9)
    teach(memory, "gone", [1, 0, 0, 0])
    recalled(memory, BORN)
    assert memory.missed == []


def test_two_questions_are_too_few_to_speak_of() -> None:
    memory = opened()
    teach(memory, "docs", [1, 1])
    assert recalled(memory, BORN) == ()


def test_it_recalls_no_line_where_a_source_that_writes_is_offered() -> None:
    memory = opened()
    teach(memory, "docs", [1] * 9)
    assert recalled(memory, BORN, DOCS, MAIL) == ()


def test_lines_quote_what_was_asked_before_anything_was_found_where_they_can() -> None:
    memory = opened()
    teach(memory, "docs", [1] * 3, BORN, plain=True)
    teach(memory, "docs", [1] * 3, "When was Secret Answer born?")
    assert recalled(memory, "When was Bob Hill born?") == (f"docs answered 6 of 6 like: {BORN}",)


def test_the_better_source_comes_first_and_the_other_is_tried_at_times() -> None:
    memory = opened()
    teach(memory, "docs", [0, 0, 0, 0, 1])
    teach(memory, "mirror", [1] * 8)
    first = Counter(ordered(memory, BORN, seed=seed)[0] for seed in range(100))
    assert first["mirror"] > 95
    unsure = opened()
    teach(unsure, "docs", [0, 1])
    teach(unsure, "mirror", [1, 1])
    first = Counter(ordered(unsure, BORN, seed=seed)[0] for seed in range(100))
    assert 5 < first["docs"] < 50


def test_the_same_seed_and_experience_give_the_same_order() -> None:
    memory = opened()
    teach(memory, "docs", [1, 0])
    orders = [ordered(memory, BORN, seed=seed) for seed in range(20)]
    assert orders == [ordered(memory, BORN, seed=seed) for seed in range(20)]
    assert len(set(orders)) == 2


def test_of_two_as_good_the_cheaper_comes_first() -> None:
    memory = opened()
    teach(memory, "docs", [1] * 60, cost=1.0, seconds=90.0)
    teach(memory, "mirror", [1] * 60, cost=0.0, seconds=0.1)
    first = Counter(ordered(memory, BORN, seed=seed)[0] for seed in range(50))
    assert first["mirror"] == 50


def test_a_source_known_only_from_other_kinds_is_judged_by_them() -> None:
    memory = opened()
    teach(memory, "docs", [1] * 20)
    teach(memory, "mirror", [0] * 20)
    first = Counter(ordered(memory, SEAT, seed=seed)[0] for seed in range(50))
    assert first["docs"] > 45


def test_other_words_that_found_something_are_recalled() -> None:
    memory = opened()
    memory.remember("e1", [outcome("docs", 1.0, SEAT, query="county seat Van Hook")])
    memory.remember("e2", [outcome("docs", 0.0, SEAT, query="van hook")])
    lines = asyncio.run(memory.queries("What is the seat of Lake County?", "docs")).lines
    assert lines == (f"asking county seat Van Hook found: {SEAT}",)
    assert asyncio.run(memory.queries(SEAT, "mirror")).lines == ()


def test_a_source_that_breaks_is_noticed() -> None:
    memory = opened()
    teach(memory, "docs", [1] * 50 + [0] * 6)
    (docs,) = memory.views(BORN, ["docs"])
    assert docs.posterior.mean < 0.3
    assert recalled(memory, BORN) == (f"docs answered 0 of 6 like: {BORN}",)


def test_old_evidence_fades_with_time() -> None:
    clock = Clock()
    memory = opened(clock=clock)
    teach(memory, "docs", [0] * 10)
    (fresh,) = memory.views(BORN, ["docs"])
    clock.now += 2 * 365 * 86_400
    (old,) = memory.views(BORN, ["docs"])
    assert fresh.posterior.mean < 0.15 < 0.4 < old.posterior.mean


def test_an_episode_counts_once_and_its_last_telling_stands() -> None:
    memory = opened()
    for told in ([outcome("docs", 0.0)], [outcome("docs", 1.0), outcome("docs", 1.0, SEAT)]):
        for _ in range(2):
            assert memory.remember("e", told)
            memory.settle()
    kinds = list_kinds(memory)
    assert {k.like: (k.sources[0].found, k.sources[0].asked) for k in kinds} == {
        BORN: (1, 1),
        SEAT: (1, 1),
    }


def test_it_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("centerlm.memory.filing.MAX_KINDS", 8)
    memory = opened()
    for number in range(20):
        word = f"w{chr(97 + number)}x"
        teach(memory, "docs", [1] * 40, f"{word} {word}{word}", at=1e9 + number)
        memory.settle()
    db = memory.connection
    count = {table: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in
             ("kinds", "arms", "exemplars", "records", "inbox")}  # fmt: skip
    assert count == {"kinds": 8, "arms": 8, "exemplars": 8 * 32, "records": 1, "inbox": 0}
    assert list_kinds(memory)[0].like == "wtx wtxwtx"  # those asked last are kept
    (window,) = db.execute("SELECT max(length(window)) FROM records").fetchone()
    assert window < 128 * 29


def test_projects_never_see_each_other(tmp_path: Path) -> None:
    one, other = (opened(tmp_path / "m.sqlite", project=name) for name in ("one", "other"))
    teach(one, "docs", [1] * 9)
    assert recalled(one, BORN)
    assert recalled(other, BORN) == ()
    assert list_kinds(other) == []
    with pytest.raises(InputError, match="nothing like this"):
        show_kind(other, BORN)


def test_what_two_processes_learn_at_once_is_all_there(tmp_path: Path) -> None:
    one, other = (opened(tmp_path / "m.sqlite") for _ in range(2))
    for number in range(6):
        assert one.remember(f"one-{number}", [outcome("docs", 1.0)])
        assert other.remember(f"other-{number}", [outcome("docs", 1.0, SEAT)])
        recalled(one, BORN)
        recalled(other, SEAT)
    for memory in (one, other):
        assert {k.like: k.asked for k in list_kinds(memory)} == {BORN: 6, SEAT: 6}


def test_one_that_does_not_learn_never_changes(tmp_path: Path) -> None:
    from centerlm.finding import found
    from engine import Asks, run

    file = tmp_path / "m.sqlite"
    memory = opened(file)
    teach(memory, "docs", [1] * 5)  # and not filed yet
    memory.close()
    before = file.read_bytes()
    frozen = opened(file, learns=False)
    run("q", {"q": f"1 [docs] {BORN}"}, [Asks("docs", lambda seek: found("x"))], memory=frozen)
    assert recalled(frozen, BORN) == (f"docs answered 5 of 5 like: {BORN}",)
    frozen.close()
    assert file.read_bytes() == before


def test_one_that_does_not_learn_makes_no_file(tmp_path: Path) -> None:
    frozen = opened(tmp_path / "m.sqlite", learns=False)
    assert recalled(frozen, BORN) == ()
    assert list(tmp_path.iterdir()) == []


def test_what_waits_in_one_project_pushes_nothing_out_of_another(tmp_path: Path) -> None:
    mine, busy = opened(tmp_path / "m", project="mine"), opened(tmp_path / "m", project="busy")
    teach(mine, "docs", [1] * 5)
    busy.remember("many", [outcome("docs", 0.0, SEAT, entry=f"{n}/0") for n in range(MAX_INBOX)])
    assert recalled(mine, BORN) == (f"docs answered 5 of 5 like: {BORN}",)


def test_a_project_has_a_name() -> None:
    with pytest.raises(InputError, match="1 to 1000 characters"):
        opened(project=" ")


def test_forgetting_an_episode_leaves_nothing_of_it() -> None:
    memory, plain = opened(), opened()
    for where in (memory, plain):
        where.remember("good", [outcome("docs", 1.0), outcome("docs", 1.0, SEAT, entry="2/0")])
    memory.remember("bad", [outcome("docs", 0.0, query="secret words"), outcome("x", 1.0, "Why?")])
    memory.settle()
    assert forget_episodes(memory, ["bad", "never-there"]) == 1
    assert list_kinds(memory) == list_kinds(plain)
    assert b"secret" not in b"".join(memory.connection.serialize().splitlines())
    assert not memory.remember("bad", [outcome("docs", 0.0)])  # it stays forgotten
    assert forget_episodes(memory, ["bad"]) == 0
    assert memory.learned("bad")


def test_forgetting_before_it_is_filed_works_too() -> None:
    memory = opened()
    memory.remember("e", [outcome("docs", 1.0)])
    assert forget_episodes(memory, ["e"]) == 1
    assert list_kinds(memory) == []


def test_forgetting_kinds_and_sources() -> None:
    memory = opened()
    teach(memory, "docs", [1] * 3)
    teach(memory, "mirror", [0] * 3)
    teach(memory, "docs", [1] * 3, SEAT)
    forget_source(memory, "mirror")
    assert recalled(memory, BORN) == (f"docs answered 3 of 3 like: {BORN}",)
    with pytest.raises(InputError, match="nothing is remembered of a source 'mirror'"):
        forget_source(memory, "mirror")
    (kind,) = [k.id for k in list_kinds(memory) if k.like == BORN]
    forget_kinds(memory, [kind, kind])
    (seat,) = list_kinds(memory)
    assert seat.like == SEAT
    with pytest.raises(InputError, match=f"there is no kind {kind}"):
        forget_kinds(memory, [seat.id, kind])
    assert list_kinds(memory) == [seat]  # none of them is forgotten


class Forgetful(WordSpace):
    """While questions are compared, another process forgets."""

    def __init__(self, forget: Callable[[], object]) -> None:
        self._forget = forget

    def embed(self, texts: Sequence[str]) -> list[dict[str, float]]:
        self._forget()
        return super().embed(texts)


def test_what_another_process_forgets_meanwhile_is_not_recalled(tmp_path: Path) -> None:
    memory, other = opened(tmp_path / "m"), opened(tmp_path / "m")
    teach(memory, "docs", [1] * 5)
    assert recalled(memory, BORN)
    memory.index.space = Forgetful(lambda: forget_all(other))
    assert recalled(memory, BORN) == ()
    teach(other, "docs", [1] * 5)
    other.settle()
    assert ordered(memory, BORN) == ("docs", "mirror")
    teach(other, "docs", [1] * 5)
    other.settle()
    with pytest.raises(InputError, match="nothing like this question is remembered"):
        show_kind(memory, BORN)


def test_forgetting_all_lets_nothing_back_in() -> None:
    memory = opened()
    teach(memory, "docs", [1] * 5)
    forget_all(memory)
    assert list_kinds(memory) == []
    assert not memory.remember("episode-0", [outcome("docs", 1.0)])
    assert memory.remember("a-new-one", [outcome("docs", 1.0)])
    assert memory.forgotten_until() == memory.now()


def test_forgetting_while_another_process_solves(tmp_path: Path) -> None:
    solving, person = (opened(tmp_path / "m.sqlite") for _ in range(2))
    teach(solving, "docs", [1] * 5)
    assert recalled(solving, BORN)
    forget_all(person)
    assert recalled(solving, BORN) == ()
    assert ordered(solving, BORN, "mirror", "docs") == ("mirror", "docs")
    assert solving.remember("under-way", [outcome("docs", 1.0)])  # what it learns is new
    assert [k.asked for k in list_kinds(person)] == [1]


class _Axes:
    """An embedder that puts every known text on an axis of its own."""

    name = "axes"

    def __init__(self) -> None:
        self.texts: list[str] = []

    def embed(self, texts: Any) -> Any:
        rows = np.zeros((len(texts), 384), dtype=np.float32)
        for row, text in enumerate(texts):
            if text not in self.texts:
                self.texts.append(text)
            rows[row, self.texts.index(text)] = 1.0
        return rows


def test_what_was_learned_by_words_is_found_by_meaning_later(tmp_path: Path) -> None:
    teach(opened(tmp_path / "m.sqlite"), "docs", [1] * 4)
    opened(tmp_path / "m.sqlite").settle()
    for _ in range(2):  # the second time from the stored vectors
        later = SeekingMemory(tmp_path / "m.sqlite", embedder=_Axes(), clock=Clock())
        assert recalled(later, BORN) == (f"docs answered 4 of 4 like: {BORN}",)
        later.close()
    assert recalled(opened(tmp_path / "m.sqlite"), BORN)


def test_a_file_that_fails_during_a_solve_costs_no_answer(tmp_path: Path) -> None:
    memory = opened(tmp_path / "m.sqlite")
    teach(memory, "docs", [1] * 4)
    memory.connection.execute("DROP TABLE inbox")
    assert asyncio.run(memory.recall(BORN, (DOCS,))).lines == ()
    assert asyncio.run(memory.order(BORN, ("a", "b"), 0)) == ("a", "b")
    asyncio.run(memory.learn("e", [], lambda name: b""))
    (problem,) = memory.problems
    assert "cannot be used (no such table: inbox)" in problem
    assert "--no-memory" in problem
