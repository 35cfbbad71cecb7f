"""PDF into text, a section a page, through pypdf."""

from __future__ import annotations

import io
import logging
import re

from centerlm.errors import LibraryError
from centerlm.library.document import TextBuilder, one_line, safe_text

_HYPHEN = re.compile(r"(?<=[^\W\d_])-\n(?=[^\W\d_])")


def append_pdf(builder: TextBuilder, data: bytes, name: str) -> tuple[str, list[int]]:
    """Add every page's text to `builder`; returns the title in the file's properties, or "", and
    the numbers of the pages that are damaged, which were left out.

    Raises:
        LibraryError: the file needs a password, is damaged on every page that may have text, or has
            no text (a scan).
    """
    import pypdf
    from pypdf.errors import DependencyError, PyPdfError

    # pypdf logs a line for every oddity of a file; the ingest report says what matters.
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    damage: dict[int, Exception] = {}
    pages: dict[int, str] = {}
    try:
        reader = pypdf.PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise LibraryError(
                f"{name} is protected by a password; save a copy without one and ingest that"
            )
        for number, page in enumerate(reader.pages, start=1):
            try:
                pages[number] = safe_text(_HYPHEN.sub("", page.extract_text())).strip()
            except DependencyError:
                raise
            except Exception as error:  # noqa: BLE001  a malformed page makes pypdf raise nearly anything
                damage[number] = error
        title = one_line(str((reader.metadata and reader.metadata.title) or ""))
    except DependencyError:
        raise LibraryError(
            f"{name} is encrypted in a way that cannot be read here; save a copy without a password"
        ) from None
    except (PyPdfError, OSError) as error:
        raise _damaged(name, error) from None
    except LibraryError:
        raise
    except Exception as error:  # noqa: BLE001  a malformed PDF makes pypdf raise nearly anything
        raise _damaged(name, error) from None
    if not any(pages.values()):
        if damage:
            raise _damaged(name, next(iter(damage.values())))
        raise LibraryError(
            f"{name} has no text on any of its {len(pages)} pages, it may be a scan; "
            "recognise its text (OCR) first"
        )
    for number, text in pages.items():
        if text:
            builder.begin_section(f"page {number}")
            builder.add(text)
    return title, list(damage)


def _damaged(name: str, error: Exception) -> LibraryError:
    return LibraryError(
        f"{name} is not a whole PDF ({type(error).__name__}); open it in a viewer and save it again"
    )
