from __future__ import annotations

from byte_scorer import ByteScorer
from centerlm.evaluation.notes_worth import Choice, choices_of

BEFORE = "The gulls came in and the rain fell. " * 40 + "Then the boat went down the river."
PASSAGES = (
    "The gulls and the rain again.",
    "The boat was on the river.",
    "The fire had gone out then.",
)


def test_the_passage_that_takes_up_what_was_last_told_is_chosen_without_notes_too() -> None:
    found = choices_of(ByteScorer(), BEFORE, "", Choice(PASSAGES, 1), 34)
    assert found == {"choice": 1.0, "choice_bare": 1.0}
    assert choices_of(ByteScorer(), BEFORE, "", Choice(PASSAGES, 0), 34)["choice"] == 0.0


def test_notes_make_what_they_name_likelier() -> None:
    found = choices_of(
        ByteScorer(), BEFORE, "Fire gone out, fire gone out.", Choice(PASSAGES, 2), 34
    )
    assert found == {"choice": 1.0, "choice_bare": 0.0}
