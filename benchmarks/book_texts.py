"""Continuations of novels: do they agree with their book, and are they written as by its author.

    python benchmarks/book_texts.py --data NOVELS --work runs/book-texts [--novels 10]
        [--length 400]

Half way through each dev novel: `plan` is what `centerlm solve "Continue this
book"` does, with the center's questions; `direct` has the last words of the text only; `retrieve`
the most similar earlier passages too; `author` is the true text. All write with the same model;
calls and tokens are told beside. Measured without a judge (see `evaluation.text_measures`); with
--judge another model is shown pairs of texts in both orders and may call a tie. Everything is kept
below --work: the same command goes on where it stopped. With the local model a novel takes about a
minute of one core.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from book_report import Row, interval_of
from book_systems import open_novels
from books import chosen_novels
from centerlm.books.continuing import beat_prompt, finished
from centerlm.books.prose import Voice
from centerlm.center import CenterLM
from centerlm.continuing import continuation_of, continuing
from centerlm.episode import fold
from centerlm.evaluation.items import Item
from centerlm.evaluation.novels import dev_novels, read_novels, text_of
from centerlm.evaluation.scenarios.book import BookContinuation
from centerlm.evaluation.text_measures import Author, pieces_of, text_measures
from centerlm.finding import Usage
from centerlm.journal import SqliteJournal
from centerlm.models import RecordingModel, open_model
from centerlm.models.base import LanguageModel, Sampling
from centerlm.objective import Budget, Objective
from centerlm.run import Options
from centerlm.solver import solve
from centers import CenterSpec, open_center
from judging import Verdicts, judged
from options import add_data, add_files, parser_of
from reporting import command_line, config_lines, main_of, number, table, versions, write
from telling import Telling

ASKED = "Continue this book by one chapter"
ROWS = ("plan", "direct", "retrieve", "author")
MEASURES = (
    "consistency", "names_enough", "copies_nothing", "contradictions", "distinct_in_range",
    "repetition_in_range", "delta", "delta_closest", "length_error",
)  # fmt: skip
_TAIL = 220
_GOAL = "what happens next"


@dataclass(frozen=True, slots=True)
class Arguments:
    data: Path
    work: Path
    novels: int
    length: int
    model: str
    adapter: Path | None
    judge: str | None
    out: Path
    name: str


@dataclass(frozen=True, slots=True)
class Written:
    """A text and what it cost."""

    text: str
    usage: Usage = Usage()  # noqa: RUF009 - frozen


def parse_arguments(argv: Sequence[str]) -> Arguments:
    parser = parser_of(__doc__)
    add_data(parser)
    parser.add_argument("--work", type=Path, required=True, help="keeps texts and libraries")
    parser.add_argument("--novels", type=_positive, default=10, help="(%(default)s)")
    parser.add_argument("--length", type=_positive, default=400, help="words (%(default)s)")
    parser.add_argument("--model", default="local", help="that writes (%(default)s)")
    parser.add_argument("--adapter", type=Path, help="a .gguf adapter of the center that plans")
    parser.add_argument("--judge", help="a model that compares, as --model")
    add_files(parser, "book_texts")
    return Arguments(**vars(parser.parse_args(argv)))


def _positive(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"{text}: give 1 or more")
    return int(text)


def middles(items: Sequence[Item]) -> list[Item]:
    """One item a novel: the one nearest to half way through it."""
    found: dict[str, Item] = {}
    for item in sorted(items, key=lambda i: (abs(float(i.splits["share"]) - 0.5), i.id)):
        found.setdefault(item.data_set, item)
    return list(found.values())


async def planned(
    scenario: BookContinuation,
    item: Item,
    center: CenterLM,
    writer: LanguageModel,
    journal: SqliteJournal,
    length: int,
) -> Written:
    """The continuation that the engine makes, from the journal where it is finished."""
    folder = scenario.library(item).folder
    made = continuing(ASKED, folder, length, center, writer)
    solution = await solve(
        Objective(ASKED, budget=Budget()),
        center=made.center,
        sources=made.sources,
        journal=journal,
        options=Options(seek_seconds=None),
        episode=f"plan-{item.id}-{length}",
    )
    tree = fold(journal.events(solution.episode))
    return Written(continuation_of(tree, journal.blob)["text"], tree.usage)


async def plain(
    scenario: BookContinuation, item: Item, writer: LanguageModel, length: int, *, retrieve: bool
) -> Written:
    """What the model writes after the last words, or after similar passages and the last words."""
    view = scenario.view(item)
    notes = scenario.retrieved(item).split("\n")[-3:] if retrieve else []
    prompt = beat_prompt(_GOAL, notes, view.tail(_TAIL), Voice("unclear", "unclear"), length, [])
    reply = await writer.complete(
        prompt, Sampling(int(1.6 * length) + 16, temperature=0.7, top_p=0.95, seed=scenario.seed)
    )
    return Written(finished(reply.text, reply.cut), reply.usage)


async def written(
    scenario: BookContinuation, arguments: Arguments
) -> tuple[dict[str, dict[str, Written]], str]:
    """The texts by row and item, and what the writer is called."""
    center = open_center(CenterSpec("center", arguments.adapter), arguments.work, slots=1)
    writer = RecordingModel(open_model(arguments.model), arguments.work / "writer")
    texts: dict[str, dict[str, Written]] = {row: {} for row in ROWS}
    length = arguments.length
    try:
        with Telling() as progress, closing(SqliteJournal(arguments.work / "texts.sqlite")) as kept:
            bar = progress.add_task("texts", total=len(scenario.items))
            for item in scenario.items:
                after = scenario.places[item.id].position.chapter.split()
                texts["plan"][item.id] = await planned(scenario, item, center, writer, kept, length)
                for row in ("direct", "retrieve"):
                    texts[row][item.id] = await plain(
                        scenario, item, writer, length, retrieve=row == "retrieve"
                    )
                texts["author"][item.id] = Written(" ".join(after[:length]))
                progress.advance(bar)
    finally:
        await center.model.close()
        await writer.close()
    return texts, writer.identity


def authors_of(scenario: BookContinuation, arguments: Arguments) -> dict[str, Author]:
    """By item: its book up to there, with pieces of all other authors' dev novels."""
    pieces: dict[str, list[str]] = {}
    for novel in dev_novels(read_novels(arguments.data)):
        author = novel.author or novel.path.stem
        pieces.setdefault(author, []).extend(pieces_of(text_of(novel), arguments.length)[::4])
    made: dict[str, Author] = {}
    for item in scenario.items:
        place = scenario.places[item.id]
        name = place.novel.author or place.novel.path.stem
        others = {author: many for author, many in pieces.items() if author != name}
        known = scenario.view(item).known()
        made[item.id] = Author(name, known, pieces_of(place.before, arguments.length), others)
    return made


def run(arguments: Arguments) -> Path:
    """Write, measure and report; returns the Markdown file.

    Raises:
        CenterError: something is missing or broken; the message says what to do.
    """
    started = time.monotonic()
    novels = chosen_novels(read_novels(arguments.data), arguments.novels)
    scenario = open_novels(novels, arguments.data, arguments.work)
    scenario.items = middles(scenario.items)
    try:
        texts, writer = asyncio.run(written(scenario, arguments))
        authors = authors_of(scenario, arguments)
    finally:
        scenario.close()
    rows: dict[str, dict[str, dict[str, float | None]]] = {
        row: {
            item: {
                **text_measures(made.text, authors[item], arguments.length),
                "calls": float(made.usage.calls),
                "tokens": float(made.usage.tokens),
            }
            for item, made in by_item.items()
        }
        for row, by_item in texts.items()
    }
    verdicts = asyncio.run(judged(scenario, texts, arguments)) if arguments.judge else {}
    config: dict[str, Any] = {
        "command": command_line(),
        "writer": writer,
        "novels": [novel.path.stem for novel in novels],
        "length": arguments.length,
        "seconds_of_this_call": round(time.monotonic() - started),
    }
    by_novel = {item.id: item.data_set for item in scenario.items}
    return write_texts(rows, verdicts, by_novel, config, arguments)


def write_texts(
    rows: Mapping[str, Row],
    verdicts: Mapping[str, Verdicts],
    novels: Mapping[str, str],
    config: Mapping[str, Any],
    arguments: Arguments,
) -> Path:
    """Write NAME.json and NAME.md; returns the latter."""
    metrics = {
        row: {
            metric: interval_of(scores, metric, novels)
            for metric in dict.fromkeys(m for each in scores.values() for m in each)
        }
        for row, scores in rows.items()
    }
    page = [
        "# Books: what continuations are like",
        "",
        f"Half way through each of {len(config['novels'])} novels, about {config['length']} words. "
        "Shares of 1 unless the head says else; 95 % intervals over novels. `author` is the true "
        "text: what the measures say of it is the most that can be asked.",
        "",
        *table(
            ["measure", *metrics],
            [
                [name.replace("_", " "), *(number(each.get(name)) for each in metrics.values())]
                for name in (*MEASURES, "words", "calls", "tokens")
            ],
        ),
    ]
    if verdicts:
        page += ["", "## Pairs, judged in both orders", ""]
        page += table(
            ["first - second", "first better", "ties", "second better"],
            [[pair, str(v.first), str(v.ties), str(v.second)] for pair, v in verdicts.items()],
        )
    report = {
        "config": {**config, "versions": versions()},
        "rows": metrics,
        "items": {row: dict(scores) for row, scores in rows.items()},
        "verdicts": {
            pair: {"first": v.first, "ties": v.ties, "second": v.second}
            for pair, v in verdicts.items()
        },
    }
    text = "\n".join([*page, *config_lines(config)]) + "\n"
    return write(arguments.out, arguments.name, report, text)


if __name__ == "__main__":
    sys.exit(main_of(parse_arguments, run))
