"""Questions that give options to choose from. Pure: no I/O, no model."""

from __future__ import annotations

import re

_ONE_OF = re.compile(r"^(.*?)\?*\s*One of:\s*(.+)$", re.DOTALL)


def options_of(text: str) -> tuple[str, tuple[str, ...]] | None:
    """A question and its options, of "...? One of: this; that; the other"; None without options."""
    match = _ONE_OF.match(text.strip())
    if match is None:
        return None
    options = tuple(part.strip(" .") for part in match[2].split(";"))
    return (match[1].strip(), options) if len(options) > 1 and all(options) else None
