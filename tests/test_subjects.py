"""Passages about another subject than the question's, and which questions have one."""

from __future__ import annotations

import pytest

from centerlm.acts import Note
from centerlm.subjects import all_of_another, is_of_another, subject_of

PIKE = Note("Thomas Pike", "Thomas Pike was a general. He died in 1644.")
BRANDT = Note("Ada Brandt", "Ada Brandt, born in Elm in 1871, was a painter.")


@pytest.mark.parametrize(
    ("question", "subject"),
    [
        ("When did Ada Brandt die?", "Ada Brandt"),
        ("On which day did Géza von Bolváry die?", "Géza von Bolváry"),
        ("What is the capital of Norland?", "Norland"),
        ("Who is the owner of Warner Bros. Records?", "Warner Bros. Records"),
        ("What is the name of the castle in Toronto?", "Toronto"),
        ("Who directed The Glass Orchestra?", "The Glass Orchestra"),
        ("When was Rivers of Stone published?", "Rivers of Stone"),
        ('Who wrote "Winter Songs"?', "Winter Songs"),
        ("Who was Ada Brandt's teacher?", "Ada Brandt"),
        # Several names, none, or the first word of the question alone.
        ("Which is deeper, Lake Vanern or Lake Vattern?", ""),
        ("When was the mill built?", ""),
        ("Norland has which capital?", ""),
        # A part of a part.
        ("Who is the brother of the engineer who designed the Skarvik Bridge?", ""),
        ("How many spectators does the stadium of Molde FK hold?", ""),
        ("Who taught Ada Brandt's teacher of painting?", ""),
        # A name that says of what kind it is.
        ("Which Norwegian composer wrote the suite?", ""),
    ],
)
def test_the_subject_of_a_plain_question(question: str, subject: str) -> None:
    assert subject_of(question) == subject


@pytest.mark.parametrize(
    ("subject", "note", "other"),
    [
        ("Ada Brandt", PIKE, True),
        ("Ada Brandt", BRANDT, False),
        ("Brandt", BRANDT, False),
        ("Painter Ada Maria Brandt", BRANDT, False),
        ("Ada Lovelace", BRANDT, True),
        ("Elm", BRANDT, False),
        # Under another name than its title, or under none, a passage may speak of anything.
        ("Acme", Note("about.md", "The company was founded in 1998."), False),
        ("Acme", Note("Company handbook", "We were founded in 1998."), False),
        ("Acme", Note("", "The company was founded in 1998."), False),
        ("Elm", Note("Oak (town)", "Oak is a town."), True),
        ("Elm", Note("Oak, Norland", "Oak is a town."), True),
        ("Oak", Note("Oak, Norland", "It is a town."), False),
    ],
)
def test_whether_a_passage_is_of_another(subject: str, note: Note, other: bool) -> None:
    assert is_of_another(subject, note) is other


def test_all_cited_passages_have_to_be_of_another() -> None:
    question = "When did Ada Brandt die?"
    assert all_of_another(question, [PIKE])
    assert not all_of_another(question, [PIKE, BRANDT])
    assert not all_of_another(question, [])
    assert not all_of_another("When did she die?", [PIKE])
