"""Options compared with what was observed."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import pytest

from centerlm.media.choosing import (
    BLIND,
    FEATURES,
    LEXICAL,
    choose,
    common,
    compare,
    focus,
    material,
    options_meant,
    stems,
    weights,
)
from centerlm.media.observation import Observation
from centerlm.options import options_of

np = pytest.importorskip("numpy")

SEEN = [
    Observation(0, 4, "caption", "A man sits on a bench in a park."),
    Observation(4, 8, "caption", "A dog runs towards the man with a ball."),
    Observation(8, 12, "caption", "The man throws the ball across the grass."),
    Observation(12, 16, "caption", "They walk home in the rain."),
]


class Words:
    """Vectors of the words of a text: what shares words is near."""

    name = "words"

    def embed(self, texts: Sequence[str]) -> Any:
        rows = np.zeros((len(texts), 64), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for stem in stems(text) or ["nothing"]:
                row[zlib.crc32(stem.encode()) % 64] += 1
            row /= np.linalg.norm(row)
        return rows


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Why? One of: a b; c; d", ("Why", ("a b", "c", "d"))),
        ("what does he do? One of: sit.; run", ("what does he do", ("sit", "run"))),
        ("One of: a; b", ("", ("a", "b"))),
        ("Why? One of: a", None),
        ("Why? One of: a;; b", None),
        ("Which one of the two?", None),
        ("", None),
    ],
)
def test_options_are_read(text: str, read: tuple[str, tuple[str, ...]] | None) -> None:
    assert options_of(text) == read


def test_a_step_that_asks_the_question_without_its_options_means_them() -> None:
    root = "why did the man throw the ball? One of: a; b"
    meant = ("why did the man throw the ball", ("a", "b"))
    assert options_meant("Why did the man throw the ball?", root) == meant
    assert options_meant("When did the dog run?", root) is None
    assert options_meant("Why did the man throw the ball?", "Why did the man throw it?") is None
    assert options_meant("", root) is None


def test_the_option_that_was_observed_is_chosen_and_its_seconds_are_cited() -> None:
    read = material(SEEN, Words())
    question = "what does the man do with the ball"
    options = ("eats it", "throws the ball across the grass", "sells it to a woman")
    chosen = choose(question, options, read, Words())
    assert chosen is not None
    assert (chosen.index, chosen.option) == (1, options[1])
    assert 1 / 3 < chosen.confidence <= 1
    assert SEEN[2] in chosen.observations
    assert len(chosen.observations) <= 3
    assert list(chosen.observations) == sorted(chosen.observations, key=lambda o: o.start)


def test_comparisons_are_of_the_options_with_each_other() -> None:
    read = material(SEEN, Words())
    rows = compare("why", ("a dog", "a cat", "rain"), read, Words()).features
    assert [len(row) for row in rows] == [len(FEATURES)] * 3
    assert [sum(column) for column in zip(*rows, strict=True)] == pytest.approx(
        [0.0] * len(FEATURES), abs=1e-6
    )
    assert compare("why", ("a", "a"), read, Words()).features[0] == pytest.approx(
        [0.0] * len(FEATURES), abs=1e-6
    )


def test_nothing_observed_chooses_nothing() -> None:
    assert choose("why", ("a", "b"), material([], Words()), Words()) is None


@pytest.mark.parametrize(
    ("question", "most"),
    [
        ("what happens at the beginning", 0),
        ("what happens at the end of the video", 3),
        ("what does the man do after the dog runs", 2),
        ("what did the man do before he throws the ball", 1),
        ("what does the dog do while the man throws the ball across the grass", 2),
    ],
)
def test_the_seconds_that_a_question_names_count_most(question: str, most: int) -> None:
    shares = focus(question, material(SEEN, Words()), Words())
    assert shares.index(max(shares)) == most


def test_weights_are_of_all_comparisons() -> None:
    assert len(weights()) == len(FEATURES)
    assert set(FEATURES) >= BLIND | LEXICAL
    assert any(weights())
    assert all(0 < share <= 1 for share in common().values())
    assert common()["man"] > common().get("trombone", 0.0)
