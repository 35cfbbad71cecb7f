"""Examples kept in a file come back as they were."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from centerlm.errors import InputError
from centerlm.learning.example import TrainingExample
from centerlm.learning.preferences import Preference
from centerlm.learning.stored import (
    read_examples,
    read_preferences,
    write_examples,
    write_preferences,
)
from centerlm.models.base import Message, Prompt

_text = st.text(st.characters(codec="utf-8"), max_size=20)
_prompt = st.builds(
    lambda texts: Prompt(tuple(Message("user", text) for text in texts)),
    st.lists(_text, min_size=1, max_size=3),
)
_example = st.builds(
    TrainingExample,
    st.sampled_from(["decompose", "seek", "absorb", "answer"]),
    _prompt,
    _text,
    _text,
    _text,
    st.floats(0, 2),
)
_preference = st.builds(Preference, _prompt, _text, _text, _text, _text, st.floats(0, 2))


def test_an_example_is_a_row_of_prompt_and_completion(tmp_path: Path) -> None:
    prompt = Prompt((Message("system", "Plan."), Message("user", "Wer führt „Norburg“?\n")))
    target = "1 [documents] Who leads Norburg?"
    example = TrainingExample("decompose", prompt, target, "2hop__1_2", "musique", 0.5)
    write_examples(tmp_path / "examples.jsonl", [example])
    assert json.loads((tmp_path / "examples.jsonl").read_text(encoding="utf-8")) == {
        "prompt": [
            {"role": "system", "content": "Plan."},
            {"role": "user", "content": "Wer führt „Norburg“?\n"},
        ],
        "completion": [{"role": "assistant", "content": target}],
        "act": "decompose",
        "id": "2hop__1_2",
        "origin": "musique",
        "weight": 0.5,
    }


@settings(max_examples=25, deadline=None)
@given(st.lists(_example, max_size=5))
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, examples: list[TrainingExample]
) -> None:
    path = tmp_path_factory.mktemp("stored") / "deep" / "examples.jsonl"
    write_examples(path, examples)
    assert read_examples(path) == examples


@settings(max_examples=25, deadline=None)
@given(st.lists(_preference, max_size=5))
def test_preferences_that_are_written_are_read(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[Preference]
) -> None:
    path = tmp_path_factory.mktemp("stored") / "preferences.jsonl"
    write_preferences(path, pairs)
    assert read_preferences(path) == pairs


def test_a_line_that_is_no_preference_is_named(tmp_path: Path) -> None:
    path = tmp_path / "preferences.jsonl"
    path.write_text('{"prompt": [{"role": "user", "content": "a"}], "chosen": []}\n')
    with pytest.raises(InputError, match="line 1 is no preference"):
        read_preferences(path)


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"prompt": []}', '{"prompt": [{"role": "god", "content": "x"}]}', "7"]
)
def test_a_line_that_is_no_example_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "examples.jsonl"
    good = TrainingExample("absorb", Prompt((Message("user", "a"),)), "b", "1", "made")
    write_examples(path, [good])
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(InputError, match="line 2 is no training example"):
        read_examples(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_examples(tmp_path / "none.jsonl")
