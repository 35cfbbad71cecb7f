"""The game of 24: what counts as a solution, what the verifier says, and the random proposer."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from centerlm.errors import InputError, SourceError
from centerlm.evaluation.game24 import Game24, read_game24
from centerlm.finding import Finding, Status

PUZZLE = Game24((4, 9, 10, 13))


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("(13 - 9) * (10 - 4)", True),
        ("(10 − 4) × (13 − 9) = 24", True),
        ("[13-9]*[10-4].", True),
        ("13 + 9 + 10 - 4", False),
        ("(13 - 9) * (10 - 4) * 1", False),
        ("24", False),
        ("4 * 9 - 10", False),
        ("(13 - 9) ** 2 + 8", False),
        ("__import__('os')", False),
        ("4 / (13 - 13)", False),
        ("", False),
    ],
)
def test_only_an_expression_of_the_numbers_that_makes_24_is_right(answer: str, right: bool) -> None:
    assert PUZZLE.right(answer) is right


def test_the_verifier_says_what_a_proposal_gives() -> None:
    check = PUZZLE.experiment()
    made = check.run(("(13 - 9) * (10 - 4)",))
    assert isinstance(made, Finding) and made.value == "(13 - 9) * (10 - 4)"
    missed = check.run(("13 + 9 + 10 + 4",))
    assert isinstance(missed, Finding)
    assert (missed.status, missed.reason) == (Status.NOTHING, "13 + 9 + 10 + 4 is 36, not 24")
    with pytest.raises(SourceError, match="it uses 1, 2, not 4, 9, 10, 13"):
        check.run(("1 + 2",))


def test_random_proposals_use_the_numbers_and_seldom_make_24() -> None:
    draw = random.Random(0)
    proposals = [PUZZLE.propose(draw) for _ in range(200)]
    assert all(PUZZLE.valid(text) or "/" in text for text in proposals)
    assert len(set(proposals)) > 150
    easy = Game24((1, 1, 4, 6))
    draw, again = random.Random(1), random.Random(1)
    tried = [easy.tried(draw) for _ in range(300)]
    assert tried == [easy.right(easy.propose(again)) for _ in range(300)]
    assert 0 < sum(tried) < 100


def test_what_is_no_table_of_puzzles_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "puzzles.csv"
    file.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="no column Puzzles"):
        read_game24(file)
    file.write_text("Puzzles\n1 2 x 4\n")
    with pytest.raises(InputError, match=":2 holds no puzzle"):
        read_game24(file)
    file.write_text("Puzzles\n1 \u00b2 3 4\n", encoding="utf-8")
    with pytest.raises(InputError, match=":2 holds no puzzle"):
        read_game24(file)
    file.write_text(f"Puzzles\n{'1 ' * 70_000}\n")
    with pytest.raises(InputError, match="is no table"):
        read_game24(file)
    file.write_text("Rank,Puzzles\n\u00b2,1 2 3 4\n", encoding="utf-8")
    assert [puzzle.rank for puzzle in read_game24(file)] == [0]
