"""What a source may be called."""

from __future__ import annotations

import re

from centerlm.errors import InputError

RESERVED = frozenset({"center", "each"})
MAX_NAME_CHARACTERS = 64
_NAME = re.compile(r"[A-Za-z_](?:[A-Za-z0-9_.:-]*[A-Za-z0-9_])?")


def check_name(name: str) -> str:
    """The name, if plans can use it.

    Raises:
        InputError: it is empty, too long, reserved, or holds other characters.
    """
    if name in RESERVED:
        raise InputError(f"a source cannot be called {name!r}: plans use that word themselves")
    if len(name) > MAX_NAME_CHARACTERS or not _NAME.fullmatch(name):
        raise InputError(
            f"{name[:80]!r} cannot be a source's name; begin with a letter, end with a letter "
            f"or digit, and use up to "
            f"{MAX_NAME_CHARACTERS} letters, digits, _ - . or :"
        )
    return name
