"""The words of a question as the index knows them, and how many passages have each.

BM25 has to visit every passage that has any of the words asked for. Where a library is large, the
rarest words are enough to find the candidates: `affordable` keeps words, rarest first, while the
passages to visit stay within a number of rows.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping, Sequence

MAX_QUERY_CHARACTERS = 2000
MAX_TERMS = 32

_TERM = re.compile(r"[^\W_]+")
_FUNCTION_WORDS_TEXT = """
a an and are as at be been by did do does for from had has have he her his how i in into is it its
many much of on or s she that the their them there these they this to was were what when where
which who whom whose why will with would
"""
_FUNCTION_WORDS = frozenset(_FUNCTION_WORDS_TEXT.split())


def query_terms(query: str) -> list[str]:
    """The words of a question that say what it is about, each once; all if it has no other."""
    words = list(dict.fromkeys(_TERM.findall(query[:MAX_QUERY_CHARACTERS].lower())))
    return [word for word in words if word not in _FUNCTION_WORDS][:MAX_TERMS] or words[:MAX_TERMS]


def count_terms(connection: sqlite3.Connection, terms: Sequence[str]) -> dict[str, int]:
    """How many passages have each term."""
    return {term: frequency(connection, term) for term in terms}


def affordable(counts: Mapping[str, int], rows: int) -> list[str]:
    """Terms, rarest first, that together stand in at most `rows` passages, and at least one.

    Terms that stand nowhere are left out.
    """
    kept: list[str] = []
    for term, passages in sorted(counts.items(), key=lambda item: (item[1], item[0])):
        if not passages:
            continue
        rows -= passages
        if kept and rows < 0:
            break
        kept.append(term)
    return kept


def frequency(connection: sqlite3.Connection, term: str) -> int:
    """How many passages have the term in any form (cities, city).

    The stored counts of common terms may be behind by a tenth of the library.
    """
    counts = [_count(connection, stem) for stem in _stems(connection, term)]
    return min(counts, default=0)


def _count(connection: sqlite3.Connection, stem: str) -> int:
    for table, column in (("common_terms", "passages"), ("terms", "doc")):
        row = connection.execute(f"SELECT {column} FROM {table} WHERE term = ?", (stem,)).fetchone()
        if row:
            return int(row[0])
    return 0


def _stems(connection: sqlite3.Connection, term: str) -> list[str]:
    """What the index's tokenizer makes of a term; only SQLite can say, so it is asked."""
    connection.execute("DELETE FROM temp.asked")
    connection.execute("INSERT INTO temp.asked (word) VALUES (?)", (term,))
    return [row[0] for row in connection.execute("SELECT term FROM temp.asked_terms")]
