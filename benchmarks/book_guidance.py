"""Guidance for what a continuation has to find out, derived from novels themselves.

    python benchmarks/book_guidance.py --data NOVELS --work runs/book-guidance --out plans.jsonl

At each place of the training novels (those that are not dev: see `evaluation.novels`) the base
model scores the true next text after what each possible sub-objective finds; those that raise its
likelihood most are the plan of the place. The file is guidance as `centerlm learn` reads it:

    [data]
    guidance = ["plans.jsonl"]

Scores are kept below --work: the same command goes on where it stopped. A core that multiplies
bfloat16 takes about 12 seconds a place; the default are 54 places.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from book_systems import open_novels
from centerlm.books.likelihood import KeptScorer, TorchScorer
from centerlm.books.needs import Need, needs, plan_of, steps_at
from centerlm.errors import InputError
from centerlm.evaluation.items import Item
from centerlm.evaluation.notes_worth import NOTES_TOKENS
from centerlm.evaluation.novels import dev_novels, read_novels
from centerlm.evaluation.scenarios.book import LAST_TOKENS, BookContinuation
from centerlm.models.weights import write_atomically
from centerlm.sources.book import Book
from options import add_data, parser_of
from reporting import main_of
from telling import Telling

NEXT_WORDS = 220
"""Words of the true next text that are scored: more say more surely what helped."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """`positions` of each of at most so many training novels (None: all)."""

    data: Path
    work: Path
    out: Path
    novels: int | None
    positions: int
    scorer: str
    dtype: str


def parse_arguments(argv: Sequence[str]) -> Arguments:
    parser = parser_of(__doc__)
    add_data(parser)
    parser.add_argument("--work", type=Path, required=True, help="keeps scores and libraries")
    parser.add_argument("--out", type=Path, required=True, help="the file of guidance")
    parser.add_argument("--novels", type=_positive, help="default all that are not dev")
    parser.add_argument("--positions", type=_positive, default=3, help="in each (%(default)s)")
    parser.add_argument("--scorer", default="default", help="folder, hub name or GGUF file")
    parser.add_argument("--dtype", default="bfloat16", help="of the scorer (%(default)s)")
    return Arguments(**vars(parser.parse_args(argv)))


def _positive(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"{text}: give 1 or more")
    return int(text)


def needs_at(scenario: BookContinuation, item: Item) -> list[Need]:
    """What the true next text of an item's place turned out to need."""
    view, place = scenario.view(item), scenario.places[item.id]
    book = Book(view)
    found: dict[str, str] = {}
    for step in steps_at(view):
        source, _, question = step[1:].partition("] ")
        if source == "book":
            finding = book.answer(question)
            text = str(finding.value) if finding.found else ""
        else:
            text = "\n".join(p.text for p in reversed(scenario.library(item).search(question, 2)))
        found[step] = scenario.quotable(item, text)
    following = " ".join(place.position.chapter.split()[:NEXT_WORDS])
    return needs(
        scenario.scorer,
        place.before,
        following,
        found,
        last=LAST_TOKENS,
        notes_tokens=NOTES_TOKENS,
    )


def run(arguments: Arguments) -> Path:
    """Write the guidance; returns its file.

    Raises:
        InputError: every novel is a dev one, or the file cannot be written.
        CenterError: something is missing; the message says what to do.
    """
    novels = read_novels(arguments.data)
    dev = {novel.path for novel in dev_novels(novels)}
    training = [novel for novel in novels if novel.path not in dev][: arguments.novels]
    if not training:
        raise InputError(
            f"all novels in {arguments.data} are for dev; guidance needs some of authors who wrote "
            "earlier, with their years in metadata.csv"
        )
    scenario = open_novels(training, arguments.data, arguments.work, arguments.positions)
    scenario.scorer = KeptScorer(
        TorchScorer(arguments.scorer, arguments.dtype), arguments.work / "likelihood.jsonl"
    )
    lines: list[str] = []
    try:
        with Telling() as progress:
            bar = progress.add_task("places", total=len(scenario.items))
            for item in scenario.items:
                if plan := plan_of(needs_at(scenario, item)):
                    objective = item.objective.text
                    lines.append(json.dumps({"objective": objective, "plan": plan, "by": "books"}))
                progress.advance(bar)
    finally:
        scenario.close()
    try:
        write_atomically(arguments.out, "".join(f"{line}\n" for line in lines).encode())
    except OSError as error:
        raise InputError(f"{arguments.out} cannot be written ({error.strerror})") from None
    return arguments.out


if __name__ == "__main__":
    sys.exit(main_of(parse_arguments, run))
