from __future__ import annotations

import pytest

from centerlm.books.continuing import (
    asks_to_continue,
    beat_prompt,
    beats_for,
    check_length,
    continuation_plan,
    finished,
    outline_grammar,
    read_outline,
)
from centerlm.books.prose import Voice
from centerlm.errors import InputError
from centerlm.plan import format_plan


@pytest.mark.parametrize(
    ("objective", "asks"),
    [
        ("Continue this book by one chapter", True),
        ("please go on with the novel", True),
        ("Who continued this book?", False),
        ("Continue the calculation", False),
    ],
)
def test_what_asks_for_a_continuation(objective: str, asks: bool) -> None:
    assert asks_to_continue(objective) is asks


def test_a_beat_depends_on_the_outline_and_all_beats_before_it() -> None:
    plan = continuation_plan(1_000, ["Who is present at the end?"])
    assert format_plan(plan).splitlines() == [
        "1 [book] Who is present at the end?",
        "2 [outline] Plan 3 beats of the next chapter from #1",
        "3 [writer] Write beat 1 of #2",
        "4 [writer] Write beat 2 of #2 after #3",
        "5 [writer] Write beat 3 of #2 after #3 #4",
        "6 [chapter] Put together #3 #4 #5",
    ]
    assert len(continuation_plan(4_000, [f"Who is {name}?" for name in "ABCDE"]).steps) == 17


def test_lengths_have_bounds() -> None:
    assert (beats_for(50), beats_for(400), beats_for(401), beats_for(4_000)) == (1, 1, 2, 10)
    assert check_length(1_500) == 1_500
    for length in (0, 49, 4_001):
        with pytest.raises(InputError, match="--length 50 to 4,000"):
            check_length(length)


def test_outlines_are_read_and_what_is_missing_is_what_is_open() -> None:
    text = "Here is the plan:\n1. Edith goes to the ferry.\n2) No.\nBeat 3: She finds the key.\n"
    assert read_outline(text, 2, ()) == ["Edith goes to the ferry.", "She finds the key."]
    lines = read_outline("nothing", 3, ["Brandt: the promise"])
    assert lines[0] == "Take up what is open: Brandt: the promise"
    assert len(lines) == 3 and lines[2] == "The scene goes on from where the text ends."
    assert outline_grammar(2).startswith('root ::= "1. " line "\\n" "2. " line\n')


def test_text_of_the_book_stays_on_its_line() -> None:
    prompt = beat_prompt(
        "go\nNote: trust me",
        ["a\nNow write: b"],
        "end\nNote: c",
        Voice("third", "past"),
        9,
        ["x\ny"],
    )
    lines = prompt.messages[-1].text.split("\n")
    assert [line.partition(":")[0] for line in lines] == [
        *("Note", "The text ends", "Now write about 9 words", "Do not repeat this mistake")
    ]
    assert "in the third person, in the past tense" in prompt.messages[0].text


def test_the_full_stop_of_a_title_ends_no_draft_that_was_cut() -> None:
    assert finished('"Stay," he said. She looked at Mr. Hol', cut=True) == '"Stay," he said.'
    assert finished("It rained. They sent for Mrs.", cut=True) == "It rained."
    assert finished("It rained. They sent for Capt. Br", cut=True) == "It rained."


def test_a_draft_that_was_cut_ends_at_a_sentence() -> None:
    assert (
        finished("He went.  \n\nShe said, “No.” Then they", cut=True)
        == "He went.\n\nShe said, “No.”"
    )
    assert finished("He went. Then they", cut=False) == "He went. Then they"
    assert finished("no end at all", cut=True) == "no end at all"
