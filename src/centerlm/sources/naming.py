"""What a source may be called."""

from __future__ import annotations

from centerlm.errors import InputError
from centerlm.plan import is_source_name

RESERVED = frozenset({"center", "each"})
MAX_NAME_CHARACTERS = 64


def check_name(name: str) -> str:
    """The name, if plans can use it.

    Raises:
        InputError: it is empty, too long, reserved, or holds other characters.
    """
    if name in RESERVED:
        raise InputError(f"a source cannot be called {name!r}: plans use that word themselves")
    if not is_source_name(name) or name[-1] in ".:-":
        raise InputError(
            f"{name[:80]!r} cannot be a source's name; begin with a letter, end with a letter "
            f"or digit, and use up to "
            f"{MAX_NAME_CHARACTERS} letters, digits, _ - . or :"
        )
    return name
