"""Which plans come first: those that went badly, differ from like ones, or like those corrected."""

from __future__ import annotations

from dataclasses import replace

from centerlm.studio.queue import Planned, queue

ONE = (("documents",), ())
GOOD = Planned("a", "When was Ada Brandt born?", "1 [documents] x", (ONE,), 0.0, "", "", 1.0)


def _named(*given: Planned) -> list[str]:
    return [candidate.planned.name for candidate in queue(given)]


def test_what_went_badly_comes_first_and_what_was_looked_at_not_at_all() -> None:
    bad = replace(GOOD, name="b", question="Who owns the mill of Tarn?", failed=0.5, why="1 of 2")
    seen = replace(bad, name="c", failed=1.0, verdict="accepted")
    assert _named(GOOD, bad, seen) == ["b", "a"]
    assert queue([GOOD, bad])[0].reasons == ("1 of 2",)


def test_like_questions_with_other_plans_or_corrections_count() -> None:
    like = replace(GOOD, name="b", question="When was Otto Lind born?", shape=(ONE, ONE))
    other = replace(GOOD, name="c", question="How many bridges cross the river?", at=9.0)
    corrected = replace(GOOD, name="d", question="When was Karl Aas born?", verdict="edited")
    assert _named(GOOD, like, other)[-1] == "c"
    found = {c.planned.name: c for c in queue([GOOD, other, corrected])}
    assert list(found) == ["a", "c"]
    assert found["a"].reasons == ("1 of 1 plans for like questions were corrected",)
    assert found["c"].score == 0.0


def test_equal_ones_come_newest_first() -> None:
    later = replace(GOOD, name="b", question="Where does the Ister end?", at=2.0)
    assert _named(GOOD, later) == ["b", "a"]
