"""Bytes of a file into text, whatever its encoding, or the reason why they are no text.

The rule: a byte order mark decides; else text that is valid UTF-8 is UTF-8; else bytes with the
zero pattern of UTF-16 are UTF-16; else bytes with zeros or many control codes are binary; the rest
is Windows-1252, or Latin-1 where a byte has no meaning in that.
"""

from __future__ import annotations

import codecs
import re
from contextlib import suppress

from centerlm.errors import LibraryError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_MAX_CONTROL_SHARE = 0.01
_CHARSET = re.compile(
    rb"""(?:\A\s*<\?xml[^>]{0,100}\sencoding|<meta[^>]{0,200}charset)\s*=\s*["']?([\w.:-]{1,40})""",
    re.IGNORECASE,
)
_NO_CHARSETS = frozenset({"idna", "punycode", "raw_unicode_escape", "undefined", "unicode_escape"})
"""Codecs of Python's that no file is written in."""


def decode(data: bytes, name: str, *, html: bool = False) -> str:
    """Text of `data`; with `html` a declared charset is believed where no byte order mark is.

    Raises:
        LibraryError: the bytes are no text; `name` is the file it speaks of.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _strict(data, encoding, name)
    if html and (declared := _CHARSET.search(data[:2048])):
        # A wrong declaration is common; then the bytes decide.
        with suppress(LookupError, UnicodeDecodeError):
            return data.decode(_declared(declared[1].decode("ascii")))
    if b"\0" not in data:
        try:
            return _checked(data, data.decode("utf-8"), name)
        except UnicodeDecodeError:
            pass
    elif encoding := _wide_encoding(data):
        with suppress(UnicodeDecodeError):  # without a mark it is a guess, and what fails is binary
            return data.decode(encoding)
    _refuse_binary(data, name)
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _declared(name: str) -> str:
    """The encoding that a page means by the name it declares, as browsers take it.

    Raises:
        LookupError: it is none that the page can be in.
    """
    name = codecs.lookup(name).name.replace("-", "_")
    if name in ("iso8859_1", "ascii"):
        return "cp1252"  # quotation marks and dashes stand there, control codes in Latin-1
    if name in _NO_CHARSETS or name.startswith(("utf_16", "utf_32", "utf_7")):
        raise LookupError(name)  # the declaration itself was read byte by byte
    return name


def _strict(data: bytes, encoding: str, name: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise LibraryError(
            f"{name} says it is {encoding.removesuffix('-sig')} but is not, at byte "
            f"{error.start:,}; save it as UTF-8"
        ) from None


def _checked(data: bytes, text: str, name: str) -> str:
    _refuse_binary(data, name)
    return text


def _refuse_binary(data: bytes, name: str) -> None:
    sample = data[: 1 << 20]
    if b"\0" in data or len(_CONTROL.findall(sample)) > _MAX_CONTROL_SHARE * len(sample):
        raise LibraryError(
            f"{name} is not text but binary data; give text, Markdown, HTML, PDF, EPUB or JSONL"
        )


def _wide_encoding(data: bytes) -> str | None:
    """UTF-16 without a mark: Western text has its zeros all in odd, or all in even, bytes."""
    sample = data[: 1 << 16]
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    half = len(sample) // 2
    if odd > 0.4 * half and even < 0.02 * half:
        return "utf-16-le"
    if even > 0.4 * half and odd < 0.02 * half:
        return "utf-16-be"
    return None
