"""Rollouts: groups, sampling, names, resuming after a kill, fresh questions, curricula."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from centerlm.errors import InputError
from centerlm.events import CallStarted
from centerlm.journal import MemoryJournal, SqliteJournal
from centerlm.learning.rollouts import RolloutSettings, episode_name, fresh, rollouts
from centerlm.run import Options
from learning.town import MOTHER_BORN, PLAN, TEACHER, Town, center, question, says

PLAIN = Options(reasks=False, splits=False, reopens=0)
SETTINGS = RolloutSettings(k=3, concurrency=2, options=PLAIN)


def test_groups_stand_in_order_and_are_solved_by_the_solver() -> None:
    model = says(lambda asked, sampling: PLAN if "mother" in asked else TEACHER)
    questions = [
        question("a"),
        question("b", "When was the teacher of Ada Holt born?", "1899", TEACHER),
    ]
    groups = asyncio.run(
        rollouts(questions, center(model), lambda q: [Town()], SETTINGS, journal=MemoryJournal())
    )
    assert [[r.sample for r in group] for group in groups] == [[0, 1, 2]] * 2
    assert [group[0].question.id for group in groups] == ["a", "b"]
    assert {r.tree.answer for r in groups[0]} == {"1921"}
    assert {r.tree.answer for r in groups[1]} == {"1899"}
    assert len({r.episode for group in groups for r in group}) == 6


def test_the_first_episode_is_greedy_the_others_are_sampled_each_with_its_seeds() -> None:
    model = says(lambda asked, sampling: PLAN)
    settings = RolloutSettings(
        k=3, concurrency=1, acts=frozenset({"decompose"}), temperature=0.9, options=PLAIN
    )
    asyncio.run(
        rollouts([question()], center(model), lambda q: [Town()], settings, journal=MemoryJournal())
    )
    plans = [c.sampling for c in model.calls if c.prompt.messages[0].text.startswith("Break")]
    reads = [c.sampling for c in model.calls if not c.prompt.messages[0].text.startswith("Break")]
    assert [s.temperature for s in plans] == [0.0, 0.9, 0.9]
    assert {s.temperature for s in reads} == {0.0}
    assert len({s.seed for s in plans}) == 3


def test_log_probabilities_are_asked_for_in_every_act() -> None:
    model = says(lambda asked, sampling: PLAN)
    settings = RolloutSettings(k=2, logprobs=True, options=PLAIN)
    asyncio.run(
        rollouts([question()], center(model), lambda q: [Town()], settings, journal=MemoryJournal())
    )
    assert all(call.sampling.logprobs for call in model.calls)


def test_what_is_finished_is_not_run_again(tmp_path: Path) -> None:
    first, again = (says(lambda asked, sampling: PLAN) for _ in range(2))
    source = Town()

    async def twice() -> None:
        for model in (first, again):
            journal = SqliteJournal(tmp_path / "journal.sqlite")
            groups = await rollouts(
                [question()], center(model), lambda q: [source], SETTINGS, journal=journal
            )
            assert [r.kept for r in groups[0]] == [model is again] * 3
            assert groups[0][2].tree.answer == "1921"
            journal.close()

    asyncio.run(twice())
    assert len(first.calls) == 3 * 4
    assert not again.calls


def test_a_kill_loses_nothing_that_came_back(tmp_path: Path) -> None:
    """Stopped in the middle of an episode, the next run makes only the calls still missing."""
    path = tmp_path / "journal.sqlite"
    model = says(lambda asked, sampling: PLAN)
    settings = RolloutSettings(k=4, concurrency=1, options=PLAIN)

    async def stopped() -> None:
        journal = SqliteJournal(path)
        task = asyncio.create_task(
            rollouts([question()], center(model), lambda q: [Town()], settings, journal=journal)
        )
        while len(model.calls) < 6:  # noqa: ASYNC110 - a model has no event to wait for; the second episode has its plan and its first reading
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        journal.close()

    asyncio.run(stopped())
    before = len(model.calls)
    more = says(lambda asked, sampling: PLAN)

    async def go_on() -> None:
        journal = SqliteJournal(path)
        groups = await rollouts(
            [question()], center(more), lambda q: [Town()], settings, journal=journal
        )
        assert [r.tree.answer for r in groups[0]] == ["1921"] * 4
        assert groups[0][0].kept
        events = [e for r in groups[0] for e in r.events if isinstance(e, CallStarted)]
        assert (
            len(
                {
                    (e.path, e.act, e.attempt)
                    for e in groups[0][1].events
                    if isinstance(e, CallStarted)
                }
            )
            == 4
        )
        assert len(events) <= 16 + 1
        journal.close()

    asyncio.run(go_on())
    assert before + len(more.calls) in (16, 17)  # the call that was cut off is made again


KILLED = """
import asyncio, os, signal, sys
from learning.town import PLAN, Town, center, question, read, says
from learning.test_rollouts import PLAIN
from centerlm.journal import SqliteJournal
from centerlm.learning.rollouts import RolloutSettings, rollouts

calls = 0

def absorb(user):
    global calls
    calls += 1
    if calls == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return read(user)

model = says(lambda asked, sampling: PLAN, absorb=absorb)
settings = RolloutSettings(k=3, concurrency=1, options=PLAIN)
journal = SqliteJournal(sys.argv[1])
asyncio.run(rollouts([question()], center(model), lambda q: [Town()], settings, journal=journal))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_killed_process_is_gone_on_with(tmp_path: Path) -> None:
    """Killed in its fifth reading, in the second episode: what came before it is there."""
    path = tmp_path / "journal.sqlite"
    where = {"PYTHONPATH": os.pathsep.join([*sys.path, str(Path(__file__).parents[1])])}
    run = [sys.executable, "-c", KILLED, str(path)]
    ended = subprocess.run(run, env=os.environ | where, capture_output=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    more = says(lambda asked, sampling: PLAN)

    async def go_on() -> None:
        journal = SqliteJournal(path)
        settings = RolloutSettings(k=3, concurrency=1, options=PLAIN)
        groups = await rollouts(
            [question()], center(more), lambda q: [Town()], settings, journal=journal
        )
        assert [(r.tree.answer, r.kept) for r in groups[0]] == [
            ("1921", True),
            ("1921", False),
            ("1921", False),
        ]
        journal.close()

    asyncio.run(go_on())
    assert len(more.calls) == 2 + 4  # a reading and the fold of the second, all of the third


def test_other_settings_policy_or_question_have_other_episodes() -> None:
    one, other = says(lambda asked, sampling: PLAN), says(lambda asked, sampling: PLAN)
    other.name = "other"
    q = question()
    base = episode_name(q, 1, center(one), SETTINGS, None)
    warm = RolloutSettings(k=3, concurrency=9, temperature=1.0, options=PLAIN)
    wide = RolloutSettings(k=8, concurrency=9, options=PLAIN)
    assert episode_name(q, 1, center(one), wide, None) == base
    assert episode_name(q, 0, center(one), warm, None) == episode_name(
        q, 0, center(one), wide, None
    )
    others = {
        episode_name(q, 1, center(one), warm, None),
        episode_name(q, 1, center(other), SETTINGS, None),
        episode_name(q, 1, center(one), SETTINGS, 1),
        episode_name(question("z"), 1, center(one), SETTINGS, None),
        episode_name(q, 2, center(one), SETTINGS, None),
    }
    assert len(others | {base}) == 6


@pytest.mark.parametrize("used", [{"q1"}, {"q1:plan", "x"}])
def test_questions_that_were_trained_on_are_refused(used: set[str]) -> None:
    model = says(lambda asked, sampling: PLAN)
    work = rollouts(
        [question(), question("b")],
        center(model),
        lambda q: [Town()],
        SETTINGS,
        journal=MemoryJournal(),
        used_ids=used,
    )
    with pytest.raises(InputError, match=r"1 of 2 questions were trained on \(q1\)"):
        asyncio.run(work)
    assert not model.calls
    kept, refused = fresh([question(), question("b")], used)
    assert [q.id for q in kept] == ["b"]
    assert [q.id for q in refused] == ["q1"]


def test_one_id_for_two_questions_is_refused() -> None:
    model = says(lambda asked, sampling: PLAN)
    work = rollouts(
        [question(), question()], center(model), lambda q: [], SETTINGS, journal=MemoryJournal()
    )
    with pytest.raises(InputError, match="two questions have the id q1"):
        asyncio.run(work)


@pytest.mark.parametrize(("left", "acts"), [(1, ["2"]), (2, ["1", "2"]), (0, [])])
def test_near_the_end_only_the_last_findings_are_left_to_the_center(
    left: int, acts: list[str]
) -> None:
    """With one finding left, a model that cannot plan still gets its last reading to do."""
    model = says(lambda asked, sampling: "1 [documents] Who is Zed?")
    journal = MemoryJournal()
    settings = RolloutSettings(k=1, options=PLAIN)
    groups = asyncio.run(
        rollouts(
            [question()], center(model), lambda q: [Town()], settings, journal=journal, left=left
        )
    )
    assert groups[0][0].tree.answer == "1921"
    asked = {c.prompt.messages[-1].text.rpartition("Question: ")[2] for c in model.calls}
    steps = {"1": "Who is the mother of Ada Holt?", "2": "When was Bea Holt born?"}
    assert asked == {steps[a] for a in acts} | {MOTHER_BORN}


def test_a_question_without_plans_cannot_be_begun_near_its_end() -> None:
    bare = replace(question(), plans={}, findings=())
    model = says(lambda asked, sampling: PLAN)
    work = rollouts(
        [bare], center(model), lambda q: [Town()], SETTINGS, journal=MemoryJournal(), left=1
    )
    with pytest.raises(InputError, match="q1 cannot be begun near its end"):
        asyncio.run(work)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"k": 0}, "at least 1"),
        ({"concurrency": 0}, "at least 1"),
        ({"temperature": 0.0}, "above 0"),
        ({"top_p": 0.0}, "top_p"),
        ({"acts": frozenset({"plan"})}, "no act 'plan'"),
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        RolloutSettings(**wrong)  # pyright: ignore[reportArgumentType] - that is the test
