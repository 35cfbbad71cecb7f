"""Good experience becomes examples; episodes that went wrong, or were forgotten, do not."""

from __future__ import annotations

import pytest

from centerlm.finding import Finding, Passage, Status
from centerlm.journal import MemoryJournal
from centerlm.learning.consolidating import ORIGIN, WEIGHT, consolidate
from centerlm.memory import SeekingMemory
from centerlm.memory.forgetting import forget_episodes
from engine import Asks, run, script
from remembered import BORN, opened, teach

AUTHOR = "Who wrote Salt?"
QUESTION = "When was the author of Salt born?"
PLAN = f"1 [docs] {AUTHOR}\n2 [docs] When was #1 born?"
SAID = {AUTHOR: "Salt is a book by Ada Brandt.", BORN: "Ada Brandt was born in 1901."}
READ = {AUTHOR: "Ada Brandt [1]", BORN: "1901 [1]", QUESTION: "1901 [2]"}


def _docs() -> Asks:
    def reply(seek: object) -> Finding:
        text = SAID.get(getattr(seek, "text", ""), "Nothing of note.")
        return Finding(Status.FOUND, passages=(Passage(text, text, title="Book"),))

    return Asks("docs", reply, typed=False)


@pytest.fixture
def journal() -> MemoryJournal:
    return MemoryJournal()


def _solved(memory: SeekingMemory, journal: MemoryJournal, episode: str, **read: str) -> None:
    plans = script({QUESTION: PLAN}, absorb=lambda question: read.get("all") or READ[question])
    run(QUESTION, plans, [_docs()], memory=memory, journal=journal, episode=episode)


def test_the_acts_of_a_good_episode_are_learned_at_half_weight(journal: MemoryJournal) -> None:
    memory = opened()
    _solved(memory, journal, "good")
    done = consolidate(memory, journal)
    assert (done.episodes, done.left_out) == (1, {})
    by_act = {(e.act, e.prompt.messages[-1].text.rpartition("\n")[2]): e for e in done.examples}
    plan = by_act["decompose", f"Question: {QUESTION}"]
    assert plan.target.strip() == PLAN
    assert (plan.origin, plan.weight) == (ORIGIN, WEIGHT)
    assert by_act["absorb", f"Question: {BORN}"].target == "1901 [1]"
    assert len(done.examples) == 4  # the plan, two readings, the fold


def test_the_same_done_twice_is_learned_once(journal: MemoryJournal) -> None:
    memory = opened()
    for episode in ("one", "two"):
        _solved(memory, journal, episode)
    assert len(consolidate(memory, journal).examples) == 4


def test_what_the_citations_do_not_bear_is_not_learned(journal: MemoryJournal) -> None:
    memory = opened()
    _solved(memory, journal, "bad", all="Bob Hill [1]")
    done = consolidate(memory, journal)
    assert (done.examples, done.left_out) == ((), {"a step was not borne out": 1})


def test_what_was_forgotten_or_removed_is_not_learned(journal: MemoryJournal) -> None:
    memory = opened()
    for episode in ("one", "two"):
        _solved(memory, journal, episode)
    forget_episodes(memory, ["one"])
    assert consolidate(memory, journal).episodes == 1
    memory.remember("never-here", [])
    forget_episodes(memory, ["two"])
    assert consolidate(memory, journal).examples == ()


def test_a_choice_that_is_bad_by_now_is_not_learned(journal: MemoryJournal) -> None:
    memory = opened()
    _solved(memory, journal, "good")
    teach(memory, "docs", [0] * 8, BORN)
    done = consolidate(memory, journal)
    assert (done.examples, done.left_out["a source has broken since"]) == ((), 1)
