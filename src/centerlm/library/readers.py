"""Files into documents: text, Markdown, HTML, PDF, EPUB and JSON Lines of {title, text}.

A file that cannot be read becomes one sentence (`Problem`), never an exception, so that an ingest
goes on. Files are regular files of at most 200 MB: the size is looked at before anything is read.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from centerlm.books.structure import read_structure
from centerlm.errors import LibraryError
from centerlm.library.decoding import decode
from centerlm.library.document import (
    Document,
    Problem,
    Section,
    TextBuilder,
    one_line,
    safe_text,
)
from centerlm.library.epub import append_epub
from centerlm.library.markup import append_html
from centerlm.library.pdf import append_pdf

MAX_FILE_BYTES = 200_000_000
_MARKDOWN = (".md", ".markdown")
_PLAIN = (".txt", ".text", "")
_HTML = (".html", ".htm", ".xhtml")
_DAMAGED = {
    ".pdf": ("on page", "open it in a viewer and save it again"),
    ".epub": ("at its part", "get a whole copy"),
}
"""Where a file lacks some of its text, and what mends it."""
SUFFIXES = frozenset({".txt", ".text", ".rst", ".pdf", ".epub", ".jsonl", *_MARKDOWN, *_HTML})

_HEADING = re.compile(r"^ {0,3}(#{1,6})[ \t]+(\S.*)$", re.MULTILINE)
_FENCE = re.compile(r"^ {0,3}(```|~~~).*?(?:^ {0,3}\1|\Z)", re.MULTILINE | re.DOTALL)


def read_file(path: Path, *, max_bytes: int = MAX_FILE_BYTES) -> Iterator[Document | Problem]:
    """The documents of one file, in order; a kind the name does not tell is read as text."""
    name = str(path)
    try:
        data = read_bytes(path, max_bytes=max_bytes)
        yield from parse(data, name)
    except LibraryError as error:
        yield Problem(name, str(error))


def read_bytes(path: Path, *, max_bytes: int = MAX_FILE_BYTES) -> bytes:
    """The content of a regular file.

    Raises:
        LibraryError: missing, no regular file, empty, too large, or not readable.
    """
    try:
        info = path.stat()
        if not stat.S_ISREG(info.st_mode):
            raise LibraryError(f"{path} is not a file that can be read; give documents or folders")
        if info.st_size > max_bytes:
            raise LibraryError(
                f"{path} has {info.st_size / 1e6:,.0f} MB, more than the limit of "
                f"{max_bytes / 1e6:,.0f} MB; split it into smaller files"
            )
        if not os.access(path, os.R_OK):
            raise PermissionError
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except FileNotFoundError:
        raise LibraryError(f"{path} does not exist; check the path") from None
    except PermissionError:
        raise LibraryError(f"{path} may not be read; change its permissions") from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise LibraryError(f"{path} cannot be read ({reason}); check the path") from None
    if len(data) > max_bytes:
        raise LibraryError(f"{path} grows while it is read; ingest it when it is finished")
    if not data.strip():
        raise LibraryError(f"{path} is empty; nothing to read")
    return data


def parse(data: bytes, name: str) -> Iterator[Document | Problem]:
    """The documents in `data`, the content of a file called `name`.

    Raises:
        LibraryError: the whole file cannot be read.
    """
    suffix = Path(name).suffix.lower()
    digest = hashlib.sha256(data).hexdigest()
    if suffix == ".jsonl":
        yield from _read_lines(data, name, digest)
        return
    builder = TextBuilder()
    damaged: Sequence[int | str] = ()
    if suffix == ".pdf":
        title, damaged = append_pdf(builder, data, name)
    elif suffix == ".epub":
        title, damaged = append_epub(builder, data, name)
    elif suffix in _HTML:
        title = append_html(builder, decode(data, name, html=True))
    elif suffix in _MARKDOWN:
        title = _append_markdown(builder, safe_text(decode(data, name)))
    else:
        title = ""
        builder.add(safe_text(decode(data, name)))
    text, sections = builder.build()
    if not text.strip():
        raise LibraryError(f"{name} holds no text; nothing to read")
    if suffix in _PLAIN:
        sections = _chapters(text)
    yield Document(title or _title_of(name), text, name, digest, sections)
    if damaged:
        where, mend = _DAMAGED[suffix]
        yield Problem(
            name,
            f"{name} is damaged {where} {_first(damaged)}, which was left out; {mend}",
        )


def _first(numbers: Sequence[int | str], count: int = 5) -> str:
    """The first of some numbers, in words."""
    return ", ".join(map(str, numbers[:count])) + (", ..." if len(numbers) > count else "")


def _chapters(text: str) -> tuple[Section, ...]:
    """The chapters of plain text as sections, where it has any."""
    structure = read_structure(text)
    if len(structure.told) < 2:
        return ()
    return tuple(Section(one_line(c.heading), c.start, c.end) for c in structure.chapters)


def _append_markdown(builder: TextBuilder, text: str) -> str:
    """Add Markdown as it stands, a section a heading; returns its first top heading, or ""."""
    fenced = [match.span() for match in _FENCE.finditer(text)]
    title, start, inside = "", 0, 0
    for match in _HEADING.finditer(text):
        while inside < len(fenced) and fenced[inside][1] <= match.start():
            inside += 1
        if inside < len(fenced) and fenced[inside][0] <= match.start():
            continue
        builder.add(text[start : match.start()], "")
        heading = _without_closing(match[2].rstrip())
        builder.begin_section(heading)
        start = match.start()
        if not title and len(match[1]) == 1:
            title = one_line(heading)
    builder.add(text[start:], "")
    return title


def _without_closing(heading: str) -> str:
    """The words of "Words ##"; those of "About C#" are all of it."""
    words = heading.rstrip("#")
    return words.rstrip() if not words or words[-1].isspace() else heading


def _read_lines(data: bytes, name: str, digest: str) -> Iterator[Document | Problem]:
    """One document a line: an object with `text` and, if it likes, `title`."""
    bad: list[int] = []
    for number, line in enumerate(decode(data, name).split("\n"), start=1):
        if not line.strip():
            continue
        record = _record(line)
        text = safe_text(record[1]) if record else ""
        if record is None or not text.strip():
            bad.append(number)
            continue
        title = one_line(record[0]) or f"{_title_of(name)}, line {number}"
        yield Document(title, text, name, digest, position=number - 1)
    if bad:
        yield Problem(
            name,
            f'{name} has {len(bad):,} lines that are no {{"title", "text"}} object with text '
            f"(line {_first(bad)}); they were left out",
        )


def _record(line: str) -> tuple[str, str] | None:
    try:
        record: Any = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict):
        return None
    fields = cast("dict[str, Any]", record)
    title, text = fields.get("title") or "", fields.get("text")
    if isinstance(title, str) and isinstance(text, str):
        return title, text
    return None


def _title_of(name: str) -> str:
    return one_line(re.sub(r"[_\s]+", " ", Path(name).stem)) or "untitled"
