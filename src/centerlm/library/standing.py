"""Whether what a passage was cited for still stands in a library.

The id of a passage is a hash of its file's content and its place, so that a citation holds as long
as its passage has the same id. Where the file changed, the words decide.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

from centerlm.finding import Citation
from centerlm.library.store import Store


def passage_id(file: str, digest: str, position: int, start: float) -> str:
    """What a passage is, not where it is stored: the id survives a new ingest of the same file."""
    return hashlib.sha256(f"{file}\0{digest}\0{position}\0{start}".encode()).hexdigest()[:16]


_PASSAGES = (
    'SELECT f.sha256, d.position, d.title, p.start, p."end", p.heading, p.text '
    "FROM files f JOIN documents d ON d.file = f.id JOIN passages p ON p.document = d.id "
    "WHERE f.path = ?"
)


def standing(store: Store, citation: Citation) -> Citation | str | None:
    """The citation as it holds now, or why it holds no more; None where the library has no such
    file. `citation.quote` decides in a file that changed: where a passage of it has these words,
    that one is cited.

    Raises:
        LibraryError: the library cannot be read.
    """
    file, words = citation.file, _words(citation.quote)
    with store.errors():
        run = store.connection().execute
        if run("SELECT 1 FROM files WHERE path = ?", (file,)).fetchone() is None:
            return None
        same_place = run(f"{_PASSAGES} AND p.start = ?", (file, citation.start))
        for digest, position, _, start, *_ in same_place:
            if passage_id(file, digest, position, start) == citation.passage:
                return citation
        for digest, position, title, start, end, heading, text in run(_PASSAGES, (file,)):
            if words and words in _words(text):
                return replace(
                    citation,
                    passage=passage_id(file, digest, position, start),
                    title=f"{title}: {heading}" if heading and heading != title else title,
                    start=start,
                    end=end,
                )
    return f"{file} has changed and no longer says so"


def _words(text: str) -> str:
    return " ".join(text.removesuffix("…").split())
