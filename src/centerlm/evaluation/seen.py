"""What of an item was there in training: its id, a sub-question, term, triple or relation.

Read from the training part of the same sets. An item of which nothing was seen is "far", any other
"near"; an item that was trained on itself is no test at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from centerlm.errors import InputError
from centerlm.evaluation.sets import FOLDERS, Record, evidences_of, find_file, read_records, set_of
from centerlm.learning.readers.gsm8k import question_id
from centerlm.plan import normalise


@dataclass(frozen=True, slots=True)
class Seen:
    """Ids, questions and pieces of the records that were trained on; `sets` are their sets."""

    ids: frozenset[str]
    pieces: frozenset[str]
    sets: frozenset[str]

    def nearness(self, row: Record) -> str:
        """ "near" if a piece of the record was seen, else "far"; "unknown" where it has none."""
        pieces = set(pieces_of(row))
        if not pieces or not self.sets:
            return "unknown"
        return "near" if pieces & self.pieces else "far"

    def kinds(self, row: Record) -> str:
        """Which kinds of its pieces were seen: "relation, triple", "nothing", ..."""
        seen = sorted({piece.partition(" ")[0] for piece in set(pieces_of(row)) & self.pieces})
        return ", ".join(seen) or "nothing"

    def trained(self, row: Record) -> bool:
        """Whether the record itself was trained on: by its id, or the words of its question."""
        return not self.ids.isdisjoint(_ids(row))


def seen_in(data: Path, sets: Iterable[str] = tuple(FOLDERS)) -> Seen:
    """What stands in the training files of these sets in a folder; sets without one add nothing.

    Raises:
        InputError: a file is there and cannot be read.
    """
    ids: set[str] = set()
    pieces: set[str] = set()
    there: set[str] = set()
    for name in sets:
        path = find_file(data / FOLDERS[name], "train") if name in FOLDERS else None
        if path is None:
            continue
        there.add(name)
        for where, row in read_records(path):
            ids.update(_ids(row))
            try:
                pieces.update(pieces_of(row))
            except (KeyError, IndexError, TypeError, ValueError) as error:
                raise InputError(
                    f"{where} is not a record of {set_of(row)} ({type(error).__name__}: {error}); "
                    "give the training file as it was published, or take it away"
                ) from None
    return Seen(frozenset(ids), frozenset(pieces), frozenset(there))


def _ids(row: Record) -> Iterator[str]:
    for name in ("id", "_id", "qid"):
        if isinstance(row.get(name), str):
            yield row[name]
    question: Any = row.get("question")
    if isinstance(question, str):
        yield question_id(question)
        yield normalise(question)


def pieces_of(row: Record) -> Iterator[str]:
    """What two records can share: sub-questions, relations, subjects with relations, terms."""
    match set_of(row):
        case "musique":
            for part in row["question_decomposition"]:
                text = str(part["question"])
                _, arrow, relation = text.partition(" >> ")
                yield f"relation {normalise(relation)}" if arrow else f"asked {normalise(text)}"
        case "2wiki":
            for subject, relation, _ in evidences_of(row):
                yield f"relation {normalise(relation)}"
                yield f"triple {normalise(subject)} {normalise(relation)}"
        case "strategyqa":
            yield f"term {normalise(str(row.get('term', '')))}"
            for text in row.get("decomposition", ()):
                yield f"asked {normalise(str(text))}"
        case "hotpotqa":
            facts = row["supporting_facts"]
            titles = facts["title"] if isinstance(facts, dict) else [f[0] for f in facts]  # pyright: ignore[reportUnknownVariableType]
            for title in titles:  # pyright: ignore[reportUnknownVariableType]
                yield f"term {normalise(str(title))}"  # pyright: ignore[reportUnknownArgumentType]
        case _:
            return
