"""What notes on a book are worth for what comes next in it, and what its continuations are like.

    python benchmarks/books.py --data NOVELS --work runs/books [--novels 10] [--positions 10]
        [--rows given,retrieve] [--last 512,2048] [--wide given] [--wide-every 4]

NOVELS is a folder of text files, with `metadata.csv` where there is one. At each position the base
model, without adapter, scores the true next passage after the notes of each row and the last tokens
of the text. The rows `given` (the given questions, asked of the notes of the book) and `retrieve`
(one search with the last words) need no center; `direct`, `fragmentation`, `flat` and `holistic`
are systems of `centerlm evaluate`, run here with the same sources and budget, and `before` is
`holistic` with the adapter of --before. Rows named by --wide
are held against other text too, and at every fourth place also after the last 2,048 tokens, with
people and places renamed, and beside earlier text from ever further back. Every score and every
episode is kept below --work: the same command goes on where it stopped. A core that multiplies
bfloat16 scores 500 to 900 tokens a second: the default takes it 30 to 50 minutes. Start with
--novels 2 --positions 2.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from book_report import write_report
from book_systems import open_novels, system_notes
from centerlm.books.likelihood import KeptScorer, TorchScorer
from centerlm.evaluation.items import Item
from centerlm.evaluation.notes_worth import (
    NOTES_TOKENS,
    choices_of,
    gains_by_distance,
    gains_of,
    other_names,
    renamed_gains,
)
from centerlm.evaluation.novels import Novel, dev_novels, read_novels
from centerlm.evaluation.scenarios.book import LAST_TOKENS, BookContinuation
from options import add_data, add_files, names_of, parser_of
from reporting import command_line, main_of
from telling import Telling

FREE = ("given", "retrieve")
"""Rows that ask no model."""
BACK = (800, 1_600, 3_200, 6_400, 12_800, 25_600, 51_200, 102_400)
"""Words back from a place; the nearest begin before its last tokens."""
SYSTEMS = ("direct", "fragmentation", "flat", "holistic")
BEFORE = "before"
"""The row of `holistic` with another adapter: what training is compared with."""
ROWS = (*FREE, *SYSTEMS, BEFORE)


@dataclass(frozen=True, slots=True)
class Arguments:
    """`positions` of each of so many `novels`; `wide` are the rows measured in every way, at one
    place of each `wide_every`.
    """

    data: Path
    work: Path
    novels: int
    positions: int
    rows: tuple[str, ...]
    wide: tuple[str, ...]
    wide_every: int
    last: tuple[int, ...]
    scorer: str
    dtype: str
    adapter: Path | None
    before: Path | None
    fragmentation: Path | None
    out: Path
    name: str


def parse_arguments(argv: Sequence[str]) -> Arguments:
    parser = parser_of(__doc__)
    add_data(parser)
    parser.add_argument("--work", type=Path, required=True, help="keeps scores and episodes")
    parser.add_argument("--novels", type=int, default=10, help="(%(default)s)")
    parser.add_argument("--positions", type=int, default=10, help="in each novel (%(default)s)")
    rows = names_of(ROWS, "row")
    parser.add_argument("--rows", type=rows, default=FREE, help=",".join(ROWS))
    parser.add_argument("--wide", type=rows, default=("given",), help="(given)")
    parser.add_argument("--wide-every", type=int, default=4, help="places (%(default)s)")
    parser.add_argument("--last", type=_numbers, default=(LAST_TOKENS, 2048), help="(512,2048)")
    parser.add_argument("--scorer", default="default", help="folder, hub name or GGUF file")
    parser.add_argument("--dtype", default="bfloat16", help="of the scorer (%(default)s)")
    parser.add_argument("--adapter", type=Path, help="the center's, of flat and holistic")
    parser.add_argument("--before", type=Path, help="the center's adapter of the row before")
    parser.add_argument("--fragmentation", type=Path, help="the adapter of that row")
    add_files(parser, "books")
    arguments = Arguments(**vars(parser.parse_args(argv)))
    if min(arguments.novels, arguments.positions, arguments.wide_every) < 1:
        parser.error("--novels, --positions and --wide-every are 1 or more")
    if "fragmentation" in arguments.rows and arguments.fragmentation is None:
        parser.error("the row fragmentation needs --fragmentation FILE.gguf")
    if BEFORE in arguments.rows and arguments.before is None:
        parser.error("the row before needs --before FILE.gguf")
    for path in (arguments.adapter, arguments.before, arguments.fragmentation):
        if path is not None and not path.is_file():
            parser.error(f"the adapter {path} does not exist; check the path")
    return arguments


def _numbers(text: str) -> tuple[int, ...]:
    if not all(part.isdigit() and int(part) for part in text.split(",")):
        raise argparse.ArgumentTypeError(f"{text}: give numbers of tokens, as 512,2048")
    return tuple(int(part) for part in text.split(","))


def chosen_novels(novels: Sequence[Novel], count: int) -> list[Novel]:
    """So many dev novels, of as many authors as there are: a second one of each comes later."""
    met: dict[str, int] = {}
    order: list[tuple[int, str, Novel]] = []
    for novel in dev_novels(novels):
        met[novel.author] = met.get(novel.author, 0) + 1
        order.append((met[novel.author] if novel.author else 0, novel.path.name, novel))
    return [novel for _, _, novel in sorted(order, key=lambda each: each[:2])][:count]


def measure(
    scenario: BookContinuation, notes: Mapping[str, Mapping[str, str]], arguments: Arguments
) -> dict[str, dict[str, dict[str, float | None]]]:
    """Scores by row and item. `notes` are by row and item too."""
    found: dict[str, dict[str, dict[str, float | None]]] = {row: {} for row in notes}
    with Telling() as progress:
        bar = progress.add_task("places", total=len(scenario.items) * len(notes))
        # All rows of one place after the other, so that those done are comparable.
        for number, item in enumerate(scenario.items):
            for row, made in notes.items():
                found[row][item.id] = scores_of(
                    scenario,
                    item,
                    made[item.id],
                    made[elsewhere_of(scenario.items, item).id],
                    arguments,
                    main=row in arguments.wide,
                    wide=row in arguments.wide and number % arguments.wide_every == 0,
                )
                progress.advance(bar)
    return found


def elsewhere_of(items: Sequence[Item], item: Item) -> Item:
    """The item half a book away, of the same novel."""
    same = sorted(
        (other for other in items if other.data_set == item.data_set),
        key=lambda other: other.splits["share"],
    )
    return same[(same.index(item) + (len(same) + 1) // 2) % len(same)]


def scores_of(
    scenario: BookContinuation,
    item: Item,
    notes: str,
    elsewhere: str,
    arguments: Arguments,
    *,
    main: bool,
    wide: bool,
) -> dict[str, float | None]:
    """All measures of notes at a place; those of longer contexts with "@N" behind their names."""
    place, scorer = scenario.places[item.id], scenario.scorer
    before, passage = place.before, place.position.passage
    # The main row is held against everything everywhere, the others against the last tokens.
    others = scenario.others(item, elsewhere if elsewhere != notes else "") if main else None
    first, *more = arguments.last
    scores = gains_of(scorer, before, passage, notes, others, first)
    scores |= choices_of(scorer, before, notes, scenario.choice(item), first)
    scores |= scenario.forecast(item, notes)
    scores["notes_tokens"] = float(min(len(scorer.encode(notes)), NOTES_TOKENS))
    if wide and others is not None:
        known = scenario.view(item).known()
        names = other_names(known, scenario.seed)
        scores |= renamed_gains(scorer, before, passage, notes, others, first, names)
        scores |= gains_by_distance(scorer, before, passage, first, BACK)
        for last in more:
            again = gains_of(scorer, before, passage, notes, others, last)
            scores |= {f"{name}@{last}": value for name, value in again.items()}
    return scores


def notes_of(scenario: BookContinuation, arguments: Arguments) -> dict[str, dict[str, str]]:
    """The notes of each row at each item."""
    made: dict[str, dict[str, str]] = {}
    with Telling() as progress:
        for row in arguments.rows:
            if row not in FREE:
                continue
            bar = progress.add_task(f"notes: {row}", total=len(scenario.items))
            made[row] = {}
            for item in scenario.items:
                given = row == "given"
                made[row][item.id] = (
                    scenario.given_notes(item) if given else scenario.retrieved(item)
                )
                progress.advance(bar)
    systems = [row for row in arguments.rows if row in SYSTEMS]
    if BEFORE in arguments.rows:
        told = system_notes(scenario, ["holistic"], arguments.work, arguments.before, None)
        made[BEFORE] = asyncio.run(told)["holistic"]
    if systems:
        made |= asyncio.run(
            system_notes(
                scenario, systems, arguments.work, arguments.adapter, arguments.fragmentation
            )
        )
    return {row: made[row] for row in arguments.rows}


def run(arguments: Arguments) -> Path:
    """Measure and write the report; returns the Markdown file.

    Raises:
        CenterError: something is missing or broken; the message says what to do.
    """
    started = time.monotonic()
    novels = chosen_novels(read_novels(arguments.data), arguments.novels)
    scenario = open_novels(novels, arguments.data, arguments.work, arguments.positions)
    scenario.scorer = KeptScorer(
        TorchScorer(arguments.scorer, arguments.dtype), arguments.work / "likelihood.jsonl"
    )
    try:
        notes = notes_of(scenario, arguments)
        found = measure(scenario, notes, arguments)
    finally:
        scenario.close()
    config: dict[str, Any] = {
        "command": command_line(),
        "scorer": scenario.scorer.name,
        "novels": [novel.path.stem for novel in novels],
        "places": len(scenario.items),
        "last_tokens": list(arguments.last),
        "notes_tokens": NOTES_TOKENS,
        "data_sha256": {name: digest[:16] for name, digest in scenario.hashes.items()},
        "seconds_of_this_call": round(time.monotonic() - started),
    }
    by_novel = {item.id: item.data_set for item in scenario.items}
    return write_report(found, notes, by_novel, config, arguments.out, arguments.name)


if __name__ == "__main__":
    sys.exit(main_of(parse_arguments, run))
