from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from centerlm.learning.relations import is_relation, relation_to_question


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("#1 >> place of birth", "Where was #1 born?"),
        ("Port Blair >> capital of", "What is Port Blair the capital of?"),
        ("A {} B >> spouse", "Who is A {} B married to?"),
        ("X  >>  Located in the administrative territorial entity ",
         "In which county, district, state or province is X located?"),
        ("X >> favourite colour", "What is the favourite colour of X?"),
        ("X >> mother >> place of birth", "Where was the mother of X born?"),
        ("X >> country?", "Which country is X in?"),
    ],
)  # fmt: skip
def test_relations_become_sentences(text: str, question: str) -> None:
    assert is_relation(text)
    assert relation_to_question(text) == question


@pytest.mark.parametrize("text", ["Who wrote X?", "", ">>", "X >>", ">> spouse", "1 > 2"])
def test_anything_else_is_unchanged(text: str) -> None:
    assert relation_to_question(text) == text
    assert not is_relation(text)


@given(st.text(max_size=60), st.text(max_size=60))
def test_references_and_subjects_survive(subject: str, relation: str) -> None:
    question = relation_to_question(f"#3 {subject} >> {relation}")
    assert "#3" in question
