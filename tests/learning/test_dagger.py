"""DAgger: the states the center's own answers lead to, and the label of each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from centerlm.journal import MemoryJournal
from centerlm.learning.dagger import State, Visited, dagger_round
from centerlm.learning.rollouts import Question, RolloutSettings
from centerlm.run import Options
from learning.town import FACTS, Town, center, known_from, question, read, says

SETTINGS = RolloutSettings(k=3, options=Options(reasks=False, splits=False, reopens=0))
WORLD = {asked: (answer,) for asked, answer in FACTS.items()} | {"When was Zed born?": ()}


def tried(
    absorb: Callable[[str], str],
    *,
    world: dict[str, tuple[str, ...]] | None = None,
    asked: list[Question] | None = None,
) -> Visited:
    known = known_from(WORLD if world is None else world)
    model = says(lambda asked, sampling: "1 [documents] never asked", absorb=absorb)
    return asyncio.run(
        dagger_round(
            asked or [question()],
            center(model),
            lambda q: [Town()],
            lambda q: known,
            SETTINGS,
            journal=MemoryJournal(),
        )
    )


def asked_of(state: State) -> str:
    return state.prompt.messages[1].text.rpartition("Question: ")[2]


def test_right_readings_are_states_too() -> None:
    seen = tried(read)
    assert [(s.reply, s.answer, s.fold) for s in seen.states] == [
        ("Bea Holt", "Bea Holt", False),
        ("1921", "1921", False),
        ("1921", "1921", True),
    ]
    assert [e.target for e in seen.examples] == ["Bea Holt [2]", "1921 [2]", "1921 [2]"]
    assert (seen.report.right, seen.report.states, seen.report.drifted) == (3, 3, 0)


def test_a_wrong_answer_fills_the_next_question_which_is_labelled_as_asked() -> None:
    """It reads Cal Moor for the mother; then asks when *he* was born, and the notes say it."""
    seen = tried(
        lambda user: "Cal Moor [1]" if "mother of Ada Holt?" in _asked(user) else read(user)
    )
    first, second, fold = seen.states
    assert (first.reply, first.answer) == ("Cal Moor", "Bea Holt")
    assert asked_of(second) == "When was Cal Moor born?"
    assert (second.answer, second.drifted, second.right) == ("1899", True, True)
    assert (fold.answer, fold.right) == ("1899", True)
    assert [e.target for e in seen.examples] == ["Bea Holt [2]", "1899 [2]", "1899 [2]"]
    assert seen.report.drifted == 1


def test_where_the_notes_do_not_hold_it_the_label_is_nothing() -> None:
    """Nobody is called Zed: what it reads there is a false answer."""
    seen = tried(lambda user: "Zed [1]" if "mother" in _asked(user) else "1900 [1]")
    second = seen.states[1]
    assert asked_of(second) == "When was Zed born?"
    assert (second.reply, second.answer) == ("1900", None)
    assert seen.examples[1].target == "nothing"
    assert (seen.report.false_answers, seen.report.false_answer_rate) == (1, 1.0)


def test_a_false_nothing_ends_the_chain_and_is_counted() -> None:
    seen = tried(lambda user: "nothing")
    assert [(s.reply, s.answer) for s in seen.states] == [(None, "Bea Holt")]
    assert (seen.report.false_nothing, seen.report.false_nothing_rate) == (1, 1.0)
    assert seen.report.false_answer_rate == 0.0


def test_what_is_not_known_is_not_labelled() -> None:
    seen = tried(lambda user: "Eve [1]" if "mother" in _asked(user) else read(user))
    assert seen.report.unknown == 1
    assert "When was Eve born?" not in {asked_of(s) for s in seen.states}


def test_a_level_whose_last_step_found_nothing_answers_nothing() -> None:
    """The first finding is no answer of the question, though it is all there is."""
    seen = tried(lambda user: read(user) if "mother of Ada Holt?" in _asked(user) else "nothing")
    folds = [s for s in seen.states if s.fold]
    assert [(s.answer, s.reply) for s in folds] == [(None, None)]
    assert [e.target for e in seen.examples][-1] == "nothing"


def test_equal_prompts_of_several_questions_are_one_state() -> None:
    seen = tried(read, asked=[question("a"), question("b")])
    assert len(seen.states) == 3


def _asked(user: str) -> str:
    return user.rpartition("Question: ")[2]
