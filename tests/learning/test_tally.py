"""The statistics of a reading."""

from __future__ import annotations

import io

from rich.console import Console

from centerlm.learning.guidance import Guidance, Read, Skipped
from centerlm.learning.tally import statistics, tally
from centerlm.plan import parse_plan

LONG = "\n".join(f"{k} [calculator] {k} + 1" for k in range(1, 8))
READ = Read(
    guidance=(
        Guidance("a", "Who?", parse_plan("1 [documents] Who?"), "musique", answer="Ada"),
        Guidance("b", "Who?", parse_plan("1 [person | documents] Who?"), "musique"),
        Guidance("c", "How many?", parse_plan(LONG), "[gsm8k]"),
    ),
    skipped=(
        Skipped("data/gsm8k/train.jsonl:3", "the calls give 5", "not reproduced"),
        Skipped("data/gsm8k/train.jsonl:9", "the calls give 6", "not reproduced"),
        Skipped("data/gsm8k/train.jsonl:9", "no [calls]", "no calls"),
    ),
    counts={"qdmr: geo left out": 50},
)


def test_counts_by_set_steps_source_and_reason() -> None:
    got = tally(READ)
    one = got.sets["musique"]
    assert (one.plans, dict(one.steps), one.answered) == (2, {1: 2}, 1)
    assert dict(one.sources) == {"documents": 2, "person": 1}
    assert got.skipped["gsm8k/train.jsonl", "not reproduced"] == (2, "line 3: the calls give 5")


def test_tables_show_every_number_and_no_markup() -> None:
    out = io.StringIO()
    Console(file=out, width=120).print(statistics(READ))
    rows = [line.split("│") for line in out.getvalue().splitlines() if "│" in line]
    cells = [[cell.strip() for cell in row[1:-1]] for row in rows]
    assert ["musique", "2", "1.0", "2", "0", "0", "0", "0", "0", "documents 2"] in cells
    assert ["[gsm8k]", "1", "7.0", "0", "0", "0", "0", "0", "1", "calculator 7"] in cells
    assert ["gsm8k/train.jsonl", "no calls", "1", "line 9: no [calls]"] in cells
    assert ["qdmr: geo left out", "50"] in cells


def test_nothing_read_is_an_empty_table() -> None:
    out = io.StringIO()
    Console(file=out, width=80).print(statistics(Read(())))
    assert "not used" not in out.getvalue()
