"""Break (Wolfson et al., TACL 2020): questions of ten sets with their decompositions in QDMR.

The official CSV gives `return flights ;return #1 from denver ;...` with the operator of each step.
Selections, projections and filters become questions; aggregates, comparisons, arithmetic and sets
become calls of the calculator. What neither can say (groups, filters by a computed value) is
listed with its reason.
"""

from __future__ import annotations

import ast
import csv
import io
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path

from centerlm.errors import InputError
from centerlm.learning.guidance import Guidance, Read, Skipped
from centerlm.learning.readers.common import Made, Unusable, compose, convert, read_bytes, tidy
from centerlm.learning.readers.qdmr_steps import Operation, plan_steps
from centerlm.plan import MAX_STEPS, MAX_TEXT

NAME = "qdmr"

DOMAINS = ("drop", "cwq", "comqa")
"""The domains read by default: questions over text."""

_SOURCES = {"clevr": "image", "nlvr2": "image"}
_HOTPOT = "hotpot"
_COLUMNS = ("question_id", "question_text", "decomposition", "operators")


def read_qdmr(path: Path, *, domains: Collection[str] = DOMAINS, hotpot: bool = False) -> Read:
    """Guidance from an official CSV of Break.

    `domains` are lower-case first parts of the ids ("drop", "cwq", "comqa", "clevr", "nlvr2",
    "atis", "spider", "geo"); rows of HotpotQA are read only with `hotpot`. Rows left out that way
    are in the counts. `by` is "qdmr:DOMAIN"; questions about images go to the source `image`.

    Raises:
        InputError: the file is missing, unreadable, or has not the columns of Break.
    """
    wanted = {name.lower() for name in domains} - {_HOTPOT}
    if hotpot:
        wanted.add(_HOTPOT)
    left_out: dict[str, int] = {}
    rows: list[tuple[int, dict[str, str] | Skipped]] = []
    for number, row in _rows(path):
        domain = _domain(row) if isinstance(row, dict) else None
        if domain is None or domain in wanted:
            rows.append((number, row))
        else:
            name = f"qdmr: {domain} left out"
            left_out[name] = left_out.get(name, 0) + 1
    level = ":high" if "high" in path.name else ""
    read = convert(path, rows, partial(_make, level=level))
    return Read(read.guidance, read.skipped, {**read.counts, **left_out})


def _domain(row: dict[str, str]) -> str:
    return row["question_id"].split("_")[0].lower()


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str] | Skipped]]:
    """Rows by column, each with the line it starts on."""
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text (byte {error.start}); convert it") from None
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        head = next(reader, list[str]())
        if missing := [name for name in _COLUMNS if name not in head]:
            raise InputError(f"{path} has no column {missing[0]!r}; it is no CSV of Break")
        line = reader.line_num + 1
        for cells in reader:
            if len(cells) == len(head):
                yield line, dict(zip(head, cells, strict=True))
            elif cells:
                reason = f"{len(cells)} columns, the head has {len(head)}"
                yield line, Skipped(f"{path}:{line}", reason, "not a record")
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: {error}") from None


def _make(row: dict[str, str], where: str, *, level: str) -> Made:
    del where
    domain = _domain(row)
    steps = plan_steps(_operations(row), _SOURCES.get(domain, "documents"))
    plan, _ = compose(steps)
    question = tidy(row["question_text"])
    if not question:
        raise Unusable("no question", "the record has no question")
    return Made(Guidance(row["question_id"] + level, question, plan, f"{NAME}:{domain}"))


def _operations(row: dict[str, str]) -> list[Operation]:
    """The steps as text without "return", each with its operator."""
    try:
        names: object = ast.literal_eval(row["operators"])
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise Unusable("not a record", "the operators are not a list") from None
    parts = [tidy(part) for part in row["decomposition"].split(";")]
    parts = [part.removeprefix("return").strip() for part in parts if part]
    if not isinstance(names, list):
        raise Unusable("not a record", "the operators are not a list")
    kinds = [str(name).lower() for name in names]  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
    if not parts or len(kinds) != len(parts) or not all(parts):
        raise Unusable("malformed", f"{len(parts)} steps, {len(kinds)} operators")
    if (longest := max(map(len, parts))) > 2 * MAX_TEXT:
        raise Unusable("too long", f"a step has {longest:,} characters")
    if len(parts) > MAX_STEPS:
        raise Unusable("too many steps", f"{len(parts)} steps are more than {MAX_STEPS}")
    if any(" return " in part for part in parts):
        raise Unusable("malformed", "two steps stand in one")
    return [Operation(kind, text) for kind, text in zip(kinds, parts, strict=True)]
