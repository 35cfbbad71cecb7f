"""Multi-hop questions over one pooled library, through the real engine.

    python benchmarks/multihop.py --data DIR [--adapter FILE] [--limit N] [--read N]
        [--cache DIR] [--out DIR] [--name NAME]

MuSiQue dev over all paragraphs of MuSiQue, HotpotQA and 2WikiMultihopQA: how many supporting
passages an episode finds with the question alone, searched once and again with what was found; with
the human plan and true answers filled in, or the center's own answers; and with the center's own
plan and answers. Each by words (BM25) and hybrid, human relation steps as written and as sentences.
With --adapter the center is the local model with that adapter and no shown examples. The library
and every model call are kept in the cache folder: after an interruption the same command goes on
where it stopped.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from centerlm.center import CenterLM
from centerlm.errors import InputError
from centerlm.library import Library
from centerlm.library.search import Weights
from centerlm.models import RecordingModel, open_model
from centers import CenterSpec, open_center
from hop_report import HUMAN_ROWS, ROWS, Measured, System, write_report
from hop_runs import MODEL_ROWS, Outcome, Row, run_row
from human_plans import FORMS, Form, HumanPlans, read_plans
from options import add_cache, add_data, add_files, names_of, parser_of
from pool import pool_hash, read_pool
from pool_library import build_library
from reporting import command_line, main_of
from telling import Telling

SEARCHES = ("bm25", "hybrid")


@dataclass(frozen=True, slots=True)
class Arguments:
    """`limit` questions are asked (None: all); on the first `read` of them the center reads."""

    data: Path
    cache: Path
    out: Path
    limit: int | None
    read: int | None
    model: str
    adapter: Path | None
    name: str
    rows: tuple[Row, ...]
    searches: tuple[str, ...]


def parse_arguments(argv: Sequence[str]) -> Arguments:
    parser = parser_of(__doc__)
    add_data(parser)
    add_cache(parser, "the library and the model's answers")
    parser.add_argument("--limit", type=count, help="only so many questions, a random sample")
    parser.add_argument(
        "--read",
        type=count,
        help="the center answers only so many of them (0: no model needed); default all",
    )
    parser.add_argument("--model", default="local", help="the center's model (%(default)s)")
    parser.add_argument("--adapter", type=Path, help="a .gguf adapter for the local model")
    add_files(parser, "multihop")
    parser.add_argument("--rows", type=_rows, default=tuple(ROWS), help=",".join(ROWS))
    parser.add_argument(
        "--searches", type=names_of(SEARCHES, "search"), default=SEARCHES, help=",".join(SEARCHES)
    )
    arguments = Arguments(**vars(parser.parse_args(argv)))
    if arguments.limit == 0:
        parser.error("--limit 0 asks nothing; give 1 or more")
    if arguments.adapter is not None and arguments.model != "local":
        parser.error("--adapter is for --model local")
    if arguments.adapter is not None and not arguments.adapter.is_file():
        parser.error(f"the adapter {arguments.adapter} does not exist; check the path")
    return arguments


def _rows(text: str) -> tuple[Row, ...]:
    if not set(text.split(",")) <= set(ROWS):
        raise argparse.ArgumentTypeError(f"{text}: rows are {', '.join(ROWS)}")
    return tuple(row for row in ROWS if row in text.split(","))


def count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is negative; give 0 or more")
    return number


async def measure(
    arguments: Arguments, libraries: Mapping[str, Library], plans: Mapping[Form, HumanPlans]
) -> dict[System, list[Outcome]]:
    """All systems on one question after the other, so that those done are comparable."""
    total = min(len(p.plans) for p in plans.values())
    asked = min(total, arguments.limit) if arguments.limit is not None else total
    read = min(asked, arguments.read) if arguments.read is not None else asked
    center = _center(arguments) if read else None
    outcomes: dict[System, list[Outcome]] = {}
    try:
        with Telling() as progress:
            bar = progress.add_task("questions", total=asked)
            for number in range(asked):
                reader = center if number < read else None
                for system in _systems(arguments.rows, libraries, reads=reader is not None):
                    human = plans[system.form or "sentences"].plans[number]
                    library = libraries[system.search]
                    outcome = await run_row(system.row, human, library, reader)
                    outcomes.setdefault(system, []).append(outcome)
                progress.advance(bar)
    finally:
        if center is not None:
            await center.model.close()
    return outcomes


def _systems(rows: Sequence[Row], libraries: Mapping[str, Library], *, reads: bool) -> list[System]:
    """Rows of the human plan in both forms, the others once; without a reader those that need
    none.
    """
    systems: list[System] = []
    for row in rows:
        if reads or row not in MODEL_ROWS:
            forms = FORMS if row in HUMAN_ROWS else (None,)
            systems += [System(row, form, search) for form in forms for search in libraries]
    return systems


def _center(arguments: Arguments) -> CenterLM:
    if arguments.adapter is not None:
        return open_center(CenterSpec(arguments.adapter.stem, arguments.adapter), arguments.cache)
    return CenterLM(RecordingModel(open_model(arguments.model), arguments.cache / "answers"))


def run(arguments: Arguments) -> Path:
    """Measure and write the report; returns the Markdown file.

    Raises:
        CenterError: something is missing or broken; the message says what to do.
    """
    started = time.monotonic()
    try:
        pool = read_pool(arguments.data)
        plans: dict[Form, HumanPlans] = {form: read_plans(arguments.data, form) for form in FORMS}
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise InputError(
            f"{arguments.data} is not in the sets' own formats ({type(error).__name__}: {error}); "
            "give a folder with the files as they were published"
        ) from None
    if len({tuple(h.id for h in p.plans) for p in plans.values()}) != 1:
        problems = "; ".join(line for p in plans.values() for line in p.problems)
        raise InputError(f"some human plans are plans in one form only: {problems}")
    with Telling() as progress:
        folder = build_library(pool, arguments.cache, progress)
    with (
        Library.open(folder, embedder=None) as words,
        Library.open(folder) as hybrid,
    ):
        if hybrid.note:
            raise InputError(hybrid.note)
        stats = hybrid.stats(titles=0)
        if stats.passages != len(pool) or stats.with_vectors != len(pool):
            raise InputError(
                f"{folder} holds {stats.passages:,} passages ({stats.with_vectors:,} with vectors) "
                f"of {len(pool):,}; delete the folder and run this again"
            )
        libraries = {"bm25": words, "hybrid": hybrid}
        chosen = {search: libraries[search] for search in arguments.searches}
        outcomes = asyncio.run(measure(arguments, chosen, plans))
    measured = Measured(
        outcomes=outcomes,
        plans=plans,
        command=command_line(),
        model=_model_name(arguments),
        passages=stats.passages,
        weights=asdict(Weights()),
        pool=pool_hash(pool),
        seconds=time.monotonic() - started,
    )
    return write_report(measured, arguments.out, arguments.name)


def _model_name(arguments: Arguments) -> str:
    """The model as the report shows it, an adapter with the beginning of its hash."""
    if arguments.adapter is None:
        return arguments.model
    digest = hashlib.sha256(arguments.adapter.read_bytes()).hexdigest()
    return f"{arguments.model} with {arguments.adapter.stem} ({digest[:16]})"


if __name__ == "__main__":
    sys.exit(main_of(parse_arguments, run))
