"""Pictures of a book: who appears when, the outline of a continuation, notes gain by distance.

    python benchmarks/book_pictures.py --book NOVEL.txt --out DIR [--continuation SOLVED.json]
        [--results docs/results/books.json]

SOLVED.json is what `centerlm solve "Continue this book ..." --json` printed. Each picture is an SVG
file; the same input gives the same bytes.
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from centerlm.books.noting import observe, take_notes
from centerlm.books.observations import Observation
from centerlm.books.structure import read_structure
from centerlm.errors import CenterError, InputError
from centerlm.library.decoding import decode
from centerlm.library.document import safe_text
from centerlm.library.readers import read_bytes
from options import parser_of

PEOPLE = 14
"""Rows of the thread map: the most mentioned."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """`continuation` and `results` may be left out; so are their pictures then."""

    book: Path
    out: Path
    continuation: Path | None
    results: Path | None


def parse_arguments(argv: Sequence[str]) -> Arguments:
    parser = parser_of(__doc__)
    parser.add_argument("--book", type=Path, required=True, help="a novel as text")
    parser.add_argument("--out", type=Path, required=True, help="folder of the pictures")
    parser.add_argument("--continuation", type=Path, help="what solve --json printed")
    parser.add_argument("--results", type=Path, help="the JSON of benchmarks/books.py")
    return Arguments(**vars(parser.parse_args(argv)))


def seen_in(book: Path) -> list[Observation]:
    """Everything noted of a book.

    Raises:
        InputError: the file cannot be read as text.
        MissingExtraError: the extra `books` is not installed.
    """
    text = safe_text(decode(read_bytes(book), str(book)))
    structure = read_structure(text)
    return list(observe(text, structure, take_notes(text, structure)))


def draw_people(seen: Sequence[Observation], target: Path) -> None:
    """The thread map: each person's scenes over the book, where they die, what is left open.

    Raises:
        InputError: nobody is named.
    """
    people = sorted(
        (o for o in seen if o.kind == "person"), key=lambda o: -int(o.data["mentions"])
    )[:PEOPLE]
    if not people:
        raise InputError("nobody is named in the book; a thread map needs people")
    people.sort(key=lambda o: o.start)
    rows = {person.subject: row for row, person in enumerate(people)}
    length = max(o.end for o in seen)
    figure, panel = _figure(8.6, 0.9 + 0.3 * len(rows))
    for o in seen:
        row = rows.get(o.subject)
        if row is None:
            continue
        at = 100 * o.start / length
        if o.kind == "person":
            panel.plot([at, 100 * o.end / length], [row, row], color="#c9d1da", linewidth=1)
        elif o.kind == "present":
            panel.scatter(at, row, s=6 + 7 * int(o.data["mentions"]) ** 0.5, color="#0b5cad",
                          alpha=0.55, linewidths=0)  # fmt: skip
        elif o.kind == "death":
            panel.scatter(at, row, marker="x", s=60, color="#a1261d", zorder=3)
        elif o.kind == "thread" and o.data["closed"] < 0:
            panel.scatter(at, row - 0.3, marker="v", s=12, color="#c2571a", linewidths=0)
    for chapter in (o for o in seen if o.kind == "chapter"):
        panel.axvline(100 * chapter.start / length, color="#eceff2", linewidth=0.6, zorder=0)
    panel.set_yticks(range(len(rows)), list(rows))
    panel.invert_yaxis()
    panel.set_xlabel("per cent of the book (lines: chapters; dots: scenes, the larger the more "
                     "named; x: dead; triangles: left open)", fontsize=8)  # fmt: skip
    _save(figure, target)


def draw_outline(made: Mapping[str, Any], target: Path) -> None:
    """The outline tree of a continuation: what was asked, the outline, its beats.

    Raises:
        InputError: it has no outline.
    """
    if not made.get("outline"):
        raise InputError("the continuation has no outline; give the output of a finished solve")
    beats: list[str] = []
    written = made.get("beats") or []
    for number, line in enumerate(made["outline"]):
        beat = f"beat {number + 1}: {line}"
        if number < len(written):
            kept = written[number]
            beat += f"\n→ {kept['goal']}" if kept["goal"] != line else ""
            beat += f"\ndrafts: {kept['drafts']}, problems left: {len(kept['problems'])}"
        beats.append(beat)
    asked = [note["question"] for note in made.get("notes") or []]
    rows = max(len(asked), len(beats))
    figure, panel = _figure(11, 0.4 + 0.95 * rows)
    panel.set_axis_off()
    panel.set_xlim(0, 9)
    panel.set_ylim(rows, 0)
    middle = rows / 2
    for column, texts, colour in ((0.1, asked, "#e7f0fa"), (5.2, beats, "#fbeee4")):
        for number, text in enumerate(texts):
            y = (number + 0.5) * rows / len(texts)
            _box(panel, column, y, text, colour, 26 if column < 1 else 46)
            start, end = ((1.9, y), (3.1, middle)) if column < 1 else ((4.4, middle), (5.1, y))
            panel.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": "#6b6b6b"})
    planned = made.get("planned_by") or "notes"
    _box(panel, 3.2, middle, f"outline\n({planned})", "#e8f3ec", 16)
    _save(figure, target)


def draw_distances(report: Mapping[str, Any], target: Path) -> None:
    """Bits per byte that earlier text saves, by words back; and what the notes save.

    Raises:
        InputError: distances were not measured.
    """
    row = next(iter(report["rows"].values()))
    cells = {int(name[5:]): cell for name, cell in row.items() if name.startswith("back_") and cell}
    if not cells:
        raise InputError("the results hold no distances; measure with benchmarks/books.py --wide")
    figure, panel = _figure(6.4, 3.6)
    back = sorted(cells)
    panel.plot(back, [cells[d]["value"] for d in back], marker="o", label="earlier text")
    panel.fill_between(
        back, [cells[d]["low"] for d in back], [cells[d]["high"] for d in back], alpha=0.15
    )
    notes = row["notes_gain"]
    panel.axhline(notes["value"], color="#c2571a", label="notes")
    panel.axhspan(notes["low"], notes["high"], color="#c2571a", alpha=0.12, linewidth=0)
    panel.axhline(0, color="#6b6b6b", linewidth=0.8)
    panel.set_xscale("log", base=2)
    panel.set_xticks(back, [f"{d:,}" for d in back], fontsize=8)
    panel.set_xlabel("words back in the book")
    panel.set_ylabel("bits per byte saved")
    panel.legend(frameon=False)
    _save(figure, target)


def _box(panel: Any, x: float, y: float, text: str, colour: str, width: int) -> None:
    lines = [part for line in text.split("\n") for part in textwrap.wrap(line, width)[:3]]
    panel.text(x, y, "\n".join(lines), va="center", fontsize=8, parse_math=False,
               bbox={"facecolor": colour, "edgecolor": "#9aa4ae", "boxstyle": "round"})  # fmt: skip


def _figure(width: float, height: float) -> tuple[Any, Any]:
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot

    # No time and no random ids in the file: the same figures give the same bytes.
    mpl.rcParams["svg.hashsalt"] = "centerlm"
    mpl.rcParams["svg.fonttype"] = "none"  # words stay words: they can be searched
    return pyplot.subplots(figsize=(width, height), layout="constrained")


def _save(figure: Any, target: Path) -> None:
    from matplotlib import pyplot

    figure.savefig(target, metadata={"Date": None})
    pyplot.close(figure)


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is no JSON that can be read ({error}); check the path") from None


def run(arguments: Arguments) -> list[Path]:
    """Draw what there is; returns the pictures.

    Raises:
        InputError: a file cannot be read, or has nothing to draw.
    """
    arguments.out.mkdir(parents=True, exist_ok=True)
    drawn = [arguments.out / "book_people.svg"]
    draw_people(seen_in(arguments.book), drawn[0])
    if arguments.continuation is not None:
        made = _json(arguments.continuation)
        drawn.append(arguments.out / "book_outline.svg")
        draw_outline(made.get("continuation") or made, drawn[-1])
    if arguments.results is not None:
        drawn.append(arguments.out / "books.svg")
        draw_distances(_json(arguments.results), drawn[-1])
    return drawn


def main() -> int:
    try:
        for path in run(parse_arguments(sys.argv[1:])):
            print(path)
    except CenterError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
