"""Names that no note has, and the grammar that holds a model to the notes' words."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from centerlm.center import absorb_grammar
from centerlm.copying import copied_rules, is_made_up
from centerlm.finding import Finding, Passage, Status
from centerlm.models.base import Prompt, Sampling
from centerlm.run import Options
from centerlm.verify import contains
from engine import act_of, prose, run, told
from gbnf import accepts, generate, parse_grammar

NOTES = [
    'Olga Brun: Since 1968 Olga Brun, born in Molde (see "The \\ Town"), has built bridges.',
    "Tarn Bridge: It was opened in 1974.",
]


@pytest.mark.parametrize("answer", ["Meadea", "Exchatham Hall", "Olga Bruun", "Brun Olga"])
def test_a_name_that_no_note_has_is_made_up(answer: str) -> None:
    assert is_made_up(answer, NOTES)


@pytest.mark.parametrize(
    "answer",
    ["Molde", "MOLDE", "Olga Brun", "Yes", "no", "True", "4 March", "March 1974", "wooden", "The"],
)
def test_what_notes_have_or_may_say_otherwise_is_not(answer: str) -> None:
    assert not is_made_up(answer, NOTES)


def test_only_runs_of_words_from_a_name_on_are_let_through() -> None:
    rules = parse_grammar(absorb_grammar(len(NOTES), copied_rules(NOTES)))
    for right in ("Molde [1]", "Olga Brun [1] [2]", "Brun, born in Molde [1]", "Town [1]"):
        assert accepts(rules, right), right
    for wrong in ("Meadea [1]", "Since 1968 [1]", "in Molde [1]", "Molde Tarn [1]", "Molde [3]"):
        assert not accepts(rules, wrong), wrong
    assert accepts(rules, "nothing") and not accepts(rules, "Molde")


def test_notes_without_a_name_hold_a_model_to_nothing() -> None:
    assert copied_rules(["it was opened in 1974", ""]) == ""
    assert absorb_grammar(2, copied_rules(["it was", ""])) == absorb_grammar(2)


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=60), max_size=3),
    st.integers(0, 1000),
)
def test_whatever_is_written_stands_in_a_note(texts: list[str], seed: int) -> None:
    notes = [" ".join(text.split()) for text in (*texts, "Elm Hall, by Ada.")]
    written = generate(parse_grammar(absorb_grammar(len(notes), copied_rules(notes))), Random(seed))
    answer = written.partition(" [")[0]
    assert answer == "nothing" or any(answer in note for note in notes)


def test_a_made_up_name_is_read_again_and_held_to_the_notes() -> None:
    passages = (Passage("p1", "Olga Brun is an engineer born in Molde in 1943.", file="a.txt"),)
    docs = prose("docs", lambda seek: Finding(Status.FOUND, passages=passages))

    def outcome(first: str, held: str, constraint: Any = "gbnf") -> Any:
        def say(prompt: Prompt, sampling: Sampling) -> str:
            if act_of(prompt) != "absorb":
                return "1 [docs] Where was Olga Brun born?"
            return held if sampling.grammar and "copied" in sampling.grammar else first

        options = Options(splits=False, reasks=False)
        return run("q", say, [docs], options=options, constraint=constraint)

    found = outcome("Meadea [1]", "Molde [1]")
    assert told(found)[2:] == ["absorb 1", "absorb-copying 1"]
    assert found.answer("1") == "Molde"
    (citation,) = found.solution.finding.citations
    assert contains(citation.quote, "Molde")
    assert told(outcome("Molde [1]", "Elm [1]"))[2:] == ["absorb 1"]
    assert outcome("Meadea [1]", "nothing").status("1") == "nothing"
    free = outcome("Meadea [1]", "Molde [1]", "none")  # nothing can hold it to the notes
    assert told(free)[2:] == ["absorb 1"] and free.answer("1") == "Meadea"
