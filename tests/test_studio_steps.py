"""All about one step, as the studio tells it."""

from __future__ import annotations

from centerlm.acts import Guided
from centerlm.finding import found
from centerlm.studio.steps import detail_of
from engine import PLAIN, Asks, run
from remembered import BORN, opened, teach


def test_what_was_recalled_is_told_in_words_lines_orders_and_plans_of_people_alike() -> None:
    memory = opened()
    teach(memory, "docs", [0] * 12)
    teach(memory, "mirror", [0] * 12)
    teach(memory, "oracle", [1] * 12)
    plan = f"1 [docs | mirror] {BORN}"
    memory.remember("edited", [], guided=Guided(BORN, plan))
    sources = [Asks("docs", {}), Asks("mirror", {}), Asks("oracle", lambda seek: found("1901"))]
    outcome = run(BORN, {BORN: plan}, sources, memory=memory, options=PLAIN)
    root, step = (detail_of(outcome.events, path, outcome.blob) for path in ("", "1"))
    assert root is not None and step is not None
    assert root.recalled[0].startswith("oracle answered 12 of 12")
    assert root.recalled[-1] == f"{BORN}\n{plan}"
    order, elsewhere = step.recalled
    assert order in {f"Asked in this order: {n}" for n in ("docs, mirror", "mirror, docs")}
    assert elsewhere == "May be asked though the plan does not name it: oracle"
