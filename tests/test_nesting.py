"""A slip in taking a nested question apart is mended from the question; everything else stays."""

from __future__ import annotations

import pytest

from centerlm.nesting import leaves_out, mend, why_unparted
from centerlm.plan import Plan, Step, format_plan, parse_plan
from centerlm.reading import PlanReader

QUESTION = "Who is the spouse of the mother of the founder of the employer of the founder of Orla?"
RIGHT = (
    "1 [center] Who is the mother of the founder of the employer of the founder of Orla?\n"
    "2 [people] Who is the spouse of #1?"
)


def mended(plan: str, question: str = QUESTION) -> str:
    return format_plan(Plan(mend(parse_plan(plan).steps, question)))


@pytest.mark.parametrize(
    "rest",
    [
        "the mother of the founder of Orla",
        "the mother of the employer of the founder of the employer of the founder of Or",
        "the mother of the mother of the mother of the mother of the mother of",
        "the founder of the employer of the founder of Orla",
        "the spouse of the mother of the founder of the employer of the founder of Orla",
    ],
)
def test_a_rest_with_links_left_out_or_repeated_is_copied_from_the_question(rest: str) -> None:
    slipped = f"1 [center] Who is {rest}?\n2 [people] Who is the spouse of #1?"
    assert mended(slipped) == RIGHT


def test_what_is_asked_of_a_right_rest_is_what_remains_of_the_question() -> None:
    assert mended(RIGHT.replace("the spouse of #1", "the mother of #1")) == RIGHT


def test_what_stands_around_the_rest_on_both_sides_is_kept() -> None:
    question = "In which year was the founder of the school of Ada Lindt born in #7 Lane?"
    slipped = (
        "1 [center] Who is the founder of Ada Lindt?\n2 [a] In which year was #1 born in ##7 Lane?"
    )
    right = slipped.replace("founder of Ada", "founder of the school of Ada")
    assert mended(slipped, question) == right


@pytest.mark.parametrize(
    ("question", "plan"),
    [
        (QUESTION, RIGHT),
        # Another way of putting it: the words are not the question's.
        (
            "Where was the director of Grey Water born?",
            "1 [center] Who made the film Grey Water?\n2 [documents] Where was #1 born?",
        ),
        (
            "What is the birthplace of the director of Grey Water?",
            "1 [center] Who is the director of Grey Water?\n2 [documents] Where was #1 born?",
        ),
        (
            "Who is the spouse of the director of Grey Water?",
            "1 [center] Who is the director of Grey Water (1994)?\n"
            "2 [documents] Who is the spouse of #1?",
        ),
        # What is left out of the second step may belong to the first.
        (
            "What is the school that the actor playing John Smith in Pocahontas went to?",
            "1 [center] Who is the actor playing John Smith?\n2 [documents] What is #1's school?",
        ),
        # A formula.
        (
            "Which year came 50 years after the founding year of Orla?",
            "1 [center] What is the founding year of Orla?\n2 [calculator] #1 + 50",
        ),
        # The same words in another order.
        (
            "Who is the spouse of the Grey Water director?",
            "1 [center] Who is the director of Grey Water?\n2 [documents] Who is the spouse of #1?",
        ),
        # Two questions that stand side by side, three steps, one, and items of a list.
        (
            "Is the founder of Orla older than the founder of Anna?",
            "1 [center] Who is the founder of Orla?\n2 [center] Who is the founder of Anna?",
        ),
        (
            QUESTION,
            "1 [center] Who is the founder of Orla?\n2 [people] Who is the spouse of #1?\n"
            "3 [people] Who is the mother of #2?",
        ),
        (QUESTION, "1 [center] Who is the mother of the founder of Orla?"),
        (
            "Who are the spouses of the children of the founder of Orla?",
            "1 [center] Who is the founder of Orla?\n2 [people each #1] Who are the spouses of #1?",
        ),
    ],
)
def test_a_plan_without_a_slip_stays(question: str, plan: str) -> None:
    assert mended(plan, question) == plan


def test_a_first_step_for_a_source_stays() -> None:
    plan = (
        "1 [people] Who is the mother of the founder of Orla?\n2 [people] Who is the spouse of #1?"
    )
    assert mended(plan) == plan


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("What is the capital of France?", "France"),
        ("Who wrote the music of The Lord of the Rings?", "The Lord of the Rings"),
        ("In which year did Ada Brandt die?", "Ada Brandt"),
        ('When did "the old mill" burn down?', '"the old mill"'),
    ],
)
def test_to_ask_what_a_name_is_is_no_step(question: str, name: str) -> None:
    plan = f"1 [center] What is {name}?\n2 [a | b] {question.replace(name, '#1')}"
    assert mended(plan, question) == f"1 [a | b] {question}"


@pytest.mark.parametrize(
    ("question", "plan"),
    [
        (
            "Who is the mother of Ada Lindt?",
            "1 [center] Who is the mother of Ada Lindt?\n2 [a] Who is the mother of #1?",
        ),
        (
            "What is Ada Lindt's country?",
            "1 [center] What is Ada Lindt's country?\n2 [a] What is #1's country?",
        ),
        ("Who is Elm's mayor?", "1 [center] Who is Elm's mayor?\n2 [a] Who is #1?"),
        (
            "What is the company that published Grey Water?",
            "1 [center] What is the company that published Grey Water?\n2 [a] What did #1 sell?",
        ),
    ],
)
def test_to_ask_the_whole_question_first_is_no_step(question: str, plan: str) -> None:
    assert mended(plan, question) == f"1 [a] {question}"


def test_a_whole_question_before_its_last_link_is_its_rest() -> None:
    question = "Who is the mother of the mayor of Elm?"
    plan = f"1 [center] {question}\n2 [a] Who is the mother of #1?"
    right = "1 [center] Who is the mayor of Elm?\n2 [a] Who is the mother of #1?"
    assert mended(plan, question) == right


def test_a_rest_that_is_no_name_is_a_step() -> None:
    question = "What is the capital of the country of Ada Brandt?"
    plan = "1 [center] What is the country of Ada Brandt?\n2 [a] What is the capital of #1?"
    assert mended(plan, question) == plan


def test_a_mended_step_is_never_longer_than_a_step_may_be() -> None:
    question = f"Who is the spouse of {'the mother of ' * 20}Orla?"
    slipped = "1 [center] Who is the mother of Orla?\n2 [people] Who is the spouse of #1?"
    assert mended(slipped, question) == slipped


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_the_reader_gives_mended_steps_once(size: int) -> None:
    slipped = RIGHT.replace(" of the employer of the founder", "")
    reader = PlanReader(["people"], question=QUESTION)
    early = [
        step
        for start in range(0, len(slipped), size)
        for step in reader.feed(slipped[start : start + size])
    ]
    assert early == []
    assert format_plan(Plan(tuple(reader.finish(cut=False)))) == RIGHT
    assert str(reader.plan()) == RIGHT


def test_the_reader_waits_only_where_a_slip_may_be_mended() -> None:
    reader = PlanReader(["a"], question=QUESTION)
    assert [s.id for s in reader.feed("1 [a] Who is Orla?\n")] == [1]
    assert [s.id for s in reader.feed("2 [a] Who is the spouse of #1?\n")] == [2]
    reader = PlanReader(["a"], question=QUESTION)
    assert [s.id for s in reader.feed("1 [center] Who is Orla?\n")] == []
    assert [s.id for s in reader.feed("2 [a] Who is the spouse of #1?\n")] == []
    assert [s.id for s in reader.feed("3 [a] Who is Anna?\n")] == [1, 2, 3]
    assert [s.id for s in reader.finish(cut=False)] == []


@pytest.mark.parametrize(
    ("left_out", "question", "plan"),
    [
        (True, QUESTION, "1 [a] Who is the spouse of the founder of Orla?"),
        (True, QUESTION, "1 [center] Who is the spouse of the founder of the founder of Orla?"),
        (True, QUESTION, "1 [a] Who is the spouse of the founder of Orla?\n2 [a] Where is Orla?"),
        (True, "Where did Orla's mayor's mother die?", "1 [a] Where did Orla's mother die?"),
        (False, QUESTION, f"1 [a] {QUESTION}"),
        # What is about a part of it, or says it otherwise, or leaves a remark out.
        (False, QUESTION, "1 [a] Who is the founder of Orla?"),
        (False, QUESTION, "1 [a] Who married the mother of the founder of Orla?"),
        (False, "What is the capital of beautiful Peru?", "1 [a] What is the capital of Peru?"),
        (False, "Who, if I may ask, wrote Orla?", "1 [a] Who wrote Orla?"),
        # The innermost part, from which the next step goes on.
        (
            False,
            "Who is the father of the mayor of the birthplace of the father of Ada?",
            "1 [a] Who is the father of Ada?\n2 [a] Who is the father of the mayor of #1?",
        ),
    ],
)
def test_a_question_with_a_link_left_out_asks_something_else(
    left_out: bool, question: str, plan: str
) -> None:
    assert leaves_out(parse_plan(plan).steps, question) == left_out


@pytest.mark.parametrize(
    ("again", "plan"),
    [
        (True, f"1 [center] {QUESTION}"),
        (True, f"1 [center] {QUESTION.replace('Who', 'What')}"),
        (False, f"1 [a] {QUESTION}"),
        (False, "1 [center] Who is the founder of Orla?"),
        (False, f"1 [center] {QUESTION}\n2 [a] Who is the founder of #1?"),
    ],
)
def test_the_whole_question_for_the_center_asks_it_again(again: bool, plan: str) -> None:
    steps = parse_plan(plan, sources=("a", "center")).steps
    assert bool(why_unparted(steps, QUESTION)) == again


def test_a_plan_that_leaves_a_link_out_gives_no_step() -> None:
    reader = PlanReader(("a", "center"), question=QUESTION)
    assert reader.feed("1 [a] Who is the spouse of the founder of Orla?\n") == []
    assert reader.finish(cut=False) == []
    assert reader.unparted


@pytest.mark.parametrize(
    ("phrase", "asks"),
    [
        ("the birthplace of the mother of Ada", "What"),
        ("the home city of the person who governs Elm", "What"),
        ("the country whose capital is the residence of Ada's mother", "What"),
        ("the company that published the book of Ada", "What"),
        ("the employer of the spouse of Ada", "What"),
        ("the river that flows through the birthplace of Ada", "What"),
        ("the head office of the employer of Ada", "What"),
        ("the person married to the mayor of Elm", "Who"),
        ("the head of state of the homeland of Ada", "Who"),
        ("the partner in marriage of the founder of Orla", "Who"),
        ("the brother or sister of the director of Grey Water", "Who"),
        ("the one descended directly from the author of Orla", "Who"),
    ],
)
def test_a_mended_rest_is_asked_for_as_what_it_is(phrase: str, asks: str) -> None:
    noun = phrase.rpartition(" ")[2]
    slipped = f"1 [center] Where is {noun} of {noun}?\n2 [people] What is the age of #1?"
    assert mended(slipped, f"What is the age of {phrase}?").startswith(
        f"1 [center] {asks} is {phrase}?"
    )


@pytest.mark.parametrize("character", ["\u200b", "\u200f", "\x07", "\ufeff"])
def test_a_mended_step_holds_no_character_that_no_step_may_hold(character: str) -> None:
    """Else the plan could not be read again where its episode is gone on with."""
    question = f"Who is the mayor of the{character} birthplace of the author of Elm Street?"
    steps = (
        Step(1, ("center",), "Where is the birthplace of Elm Street?"),
        Step(2, ("documents",), "Who is the mayor of #1?"),
    )
    mended = Plan(mend(steps, question))
    assert mended.steps != steps
    assert parse_plan(format_plan(mended)) == mended


CHOICE = "what does the dog do with the bone? One of: runs away; licks the toy; chews the bed"
CUT = "what does the dog do with the bone? One of: runs away; licks"


@pytest.mark.parametrize("form", ["gbnf", "none"])
@pytest.mark.parametrize("plan", [f"1 [video] {CUT}", f"1 [video] {CUT}\n2 [video] {CUT} the bed"])
def test_a_choice_that_is_asked_again_is_asked_once_and_whole(form: str, plan: str) -> None:
    whole = f"1 [video] {CHOICE}"
    if form == "none":
        assert mended(plan, CHOICE) == whole
        return
    reader = PlanReader(["video"], question=CHOICE)
    started = [step for piece in plan for step in reader.feed(piece)] + reader.finish(cut=False)
    assert format_plan(Plan(tuple(started))) == whole


def test_a_choice_too_long_for_a_step_is_asked_as_it_was_written_first() -> None:
    long = f"{CHOICE}; {'walks over to the other one; ' * 8}sleeps"
    assert mended(f"1 [video] {CUT}\n2 [video] {CUT} the", long) == f"1 [video] {CUT}"


@pytest.mark.parametrize(
    "plan",
    [
        f"1 [video] {CUT}\n2 [calculator] count(#1)",
        f"1 [video] When does the dog get the bone?\n2 [video] {CUT} after #1",
        f"1 [center] {CUT}\n2 [video] {CUT}",
    ],
)
def test_what_takes_a_choice_apart_stays(plan: str) -> None:
    assert mended(plan, CHOICE) == plan
    assert mended(f"1 [video] {CUT}", CHOICE.replace("One of:", "Is it")) == f"1 [video] {CUT}"
