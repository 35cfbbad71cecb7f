"""EPUB into text, chapter by chapter in reading order: a ZIP, its package file and its pages.

Nothing is unpacked to disk. What the archive claims is not believed: sizes are bounded while
reading, and only names inside the archive are ever opened.
"""

from __future__ import annotations

import io
import posixpath
import zipfile
import zlib
from dataclasses import dataclass
from urllib.parse import unquote
from xml.etree import ElementTree

from centerlm.errors import LibraryError
from centerlm.library.decoding import decode
from centerlm.library.document import TextBuilder, one_line
from centerlm.library.markup import append_html

MAX_UNPACKED_BYTES = 200_000_000
_ENCRYPTION = "META-INF/encryption.xml"
_PAGES = ("application/xhtml+xml", "text/html")


class _DamagedError(LibraryError):
    """A part that is missing, or whose bytes are no longer what was packed."""


@dataclass(slots=True)
class _Archive:
    """An open EPUB; `left` is how many bytes may still be unpacked."""

    name: str
    file: zipfile.ZipFile
    left: int

    def read(self, member: str) -> bytes:
        try:
            with self.file.open(member) as entry:
                data = entry.read(self.left + 1)
        except KeyError:
            raise _DamagedError(
                f"{self.name} lacks its part {member!r}; get a whole copy"
            ) from None
        except RuntimeError:  # what zipfile raises for an encrypted member
            raise LibraryError(
                f"{self.name} is protected by a password; ingest a copy without one"
            ) from None
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError):
            raise _DamagedError(f"{self.name} is damaged at {member!r}; get a whole copy") from None
        self.left -= len(data)
        if self.left < 0:
            raise LibraryError(
                f"{self.name} unpacks to more than {MAX_UNPACKED_BYTES // 1_000_000} MB, "
                "which is not a book; nothing of it was read"
            )
        return data

    def read_xml(self, member: str) -> ElementTree.Element:
        data = self.read(member)
        if b"<!ENTITY" in data:
            raise LibraryError(f"{self.name} declares XML entities in {member!r}; it is not read")
        try:
            return ElementTree.fromstring(data)
        except (ElementTree.ParseError, LookupError, ValueError):
            raise LibraryError(
                f"{self.name} has no valid XML in {member!r}; get a whole copy"
            ) from None


def append_epub(builder: TextBuilder, data: bytes, name: str) -> tuple[str, list[str]]:
    """Add the text of a book to `builder`; returns the book's title, or "", and the parts that are
    missing or damaged, which were left out.

    Raises:
        LibraryError: damaged in every part that may have text or as a whole, protected, unpacking
            to more than 200 MB, or naming parts outside.
    """
    try:
        file = zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, OSError, ValueError):
        raise LibraryError(f"{name} is not an EPUB (no ZIP archive); get a whole copy") from None
    with file:
        archive = _Archive(name, file, MAX_UNPACKED_BYTES)
        package = _package_path(archive)
        root = archive.read_xml(package)
        locked = _locked(archive)
        damage: dict[str, LibraryError] = {}
        for member in _spine(archive, root, posixpath.dirname(package)):
            if member in locked:
                raise LibraryError(f"{name} is locked by its seller (DRM); its text cannot be read")
            try:
                page = _page(archive, member)
            except _DamagedError as error:
                damage[member] = error
            else:
                append_html(builder, page)
    if damage and not builder.build()[0].strip():
        raise next(iter(damage.values()))
    title = root.find(".//{http://purl.org/dc/elements/1.1/}title")
    return (one_line(title.text or "") if title is not None else ""), list(damage)


def _page(archive: _Archive, member: str) -> str:
    data = archive.read(member)
    try:
        return decode(data, f"{archive.name} ({member})", html=True)
    except LibraryError as error:
        raise _DamagedError(str(error)) from None


def _locked(archive: _Archive) -> set[str]:
    """The parts that are encrypted. Fonts often are, in books that can be read."""
    if _ENCRYPTION not in archive.file.namelist():
        return set()
    parts = archive.read_xml(_ENCRYPTION).iterfind(".//{*}CipherReference")
    return {posixpath.normpath(unquote(part.get("URI", ""))) for part in parts}


def _package_path(archive: _Archive) -> str:
    container = archive.read_xml("META-INF/container.xml")
    for item in container.iterfind(".//{*}rootfile"):
        if path := item.get("full-path"):
            return _inside(archive, "", path)
    raise LibraryError(f"{archive.name} names no package file; get a whole copy")


def _spine(archive: _Archive, root: ElementTree.Element, folder: str) -> list[str]:
    """The pages of the book in reading order, each once."""
    hrefs = {
        item.get("id"): item.get("href", "")
        for item in root.iterfind(".//{*}item")
        if item.get("media-type") in _PAGES
    }
    members: dict[str, None] = {}
    for reference in root.iterfind(".//{*}itemref"):
        if href := hrefs.get(reference.get("idref")):
            members[_inside(archive, folder, href)] = None
    return list(members)


def _inside(archive: _Archive, folder: str, href: str) -> str:
    path = posixpath.normpath(posixpath.join(folder, unquote(href.partition("#")[0])))
    if path.startswith(("/", "..")):
        raise LibraryError(f"{archive.name} names a part outside of itself ({href!r}); not read")
    return path
