"""The benchmark of the guidance loop: who is in which part, what is a share, what the page says."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from centerlm.errors import InputError
from centerlm.evaluation.corrections import Corrections
from centerlm.learning.guidance import Guidance
from centerlm.plan import parse_plan

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def path() -> Iterator[None]:
    """Benchmarks are programs, not a package: their folder is on the path while they run."""
    sys.path.insert(0, str(BENCHMARKS))
    yield
    sys.path.remove(str(BENCHMARKS))


def _guidance(family: str, number: int) -> Guidance:
    plan = parse_plan(f"1 [documents] Who wrote book {number} of {family}?\n2 [documents] Is #1?")
    return Guidance(f"{family}-{number}", f"Is the writer of {number} {family}?", plan, family)


def test_families_are_mixed_evenly_and_objectives_are_there_once() -> None:
    from guidance_loop import _mixed

    read = [_guidance(family, n) for family in ("a", "b", "c") for n in range(9)] * 2
    mixed = _mixed(read, ("a", "b"), 12, 0)
    assert [one.by for one in mixed] == ["a", "b"] * 6
    assert len({one.objective for one in mixed}) == 12
    assert mixed == _mixed(list(reversed(read)), ("a", "b"), 12, 0)
    with pytest.raises(InputError, match="ask for fewer"):
        _mixed(read, ("a", "b"), 19, 0)


def test_held_out_are_other_sets_or_what_asks_like_nothing_corrected() -> None:
    from guidance_loop import FAMILIES, GUIDED, HELD_OUT, SETS, held_out

    read = [_guidance(family, n) for family in (*GUIDED, *HELD_OUT) for n in range(4)]
    plan = read[0].plan
    alike = Guidance("cwq-9", "Is the writer of 9 qdmr:cwq?", plan, "qdmr:cwq")
    unlike = [Guidance(f"{family}-8", f"Where is {family}?", plan, family) for family in GUIDED]
    stream = [one for one in read if one.by in GUIDED]
    read += [alike, *unlike]
    assert {one.by for one in held_out(read, stream, 8, SETS)} == set(HELD_OUT)
    assert list(held_out(read, stream, 3, FAMILIES)) == unlike
    with pytest.raises(InputError, match="ask for fewer"):
        held_out(read, stream, 4, FAMILIES)


def test_pairs_are_edits_of_what_was_a_plan_and_another() -> None:
    from guidance_loop import edit_pairs

    asked = [_guidance("a", n) for n in range(3)]
    (pair,) = edit_pairs(asked, [asked[0].plan, None, asked[0].plan])
    assert (pair.id, pair.rejected) == ("a-2", str(asked[0].plan))
    assert pair.prompt.messages[-1].text == f"Question: {asked[2].objective}"


def _counted(arm: str, point: int, totals: list[int]) -> list[Any]:
    from guidance_report import Counted

    return [
        Counted(arm, point, f"q{n}", "ab"[n % 2], Corrections(rewrite=total), total + 1, 2)
        for n, total in enumerate(totals)
    ]


def test_the_page_says_what_is_left_against_the_aim() -> None:
    from guidance_report import page_of, report_of, share_left

    counted = [
        *_counted("start", 0, [4] * 10),
        *_counted("weights", 200, [2, 1] * 5),
        *_counted("memory", 200, [3] * 10),
    ]
    report = report_of(counted, _counted("corrected", 200, [4, 2]), {"command": "python x"})
    weights = report["cells"][1]
    assert weights["left"] == {"value": 0.375, "low": pytest.approx(0.3, abs=0.06)} | {
        "high": pytest.approx(0.45, abs=0.06)
    }
    assert weights["families"]["a"]["corrections"]["value"] == 2
    assert weights["fewer"]["value"] == 2.5
    page = page_of(report, "guidance")
    assert "weights: 37.5" in page
    assert page.count(": met") == 1
    assert page.count(": missed") == 1
    assert share_left([1.0], [0.0]).value == 1.0
