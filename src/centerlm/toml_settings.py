"""Reading settings from a TOML file: what is wrong in it is said in one sentence."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from centerlm.errors import ConfigError

NOT_EMPTY = r"\S"
"""The pattern of a setting that may be left out, but not be empty."""

_Settings = TypeVar("_Settings", bound=msgspec.Struct)


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """The tables of a file that is called `what` ("configuration").

    Raises:
        ConfigError: it is missing, not UTF-8 or not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"the {what} {path} cannot be read ({error.strerror}); check the path"
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(f"the {what} {path} is not UTF-8 text; save it as such") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"the {what} {path} is not TOML: {error}") from None


def settings_of(
    data: Mapping[str, Any],
    kind: type[_Settings],
    where: str,
    known: Callable[[str], tuple[str, ...]],
) -> _Settings:
    """Tables as settings of a kind. `where` begins the sentence about what is wrong; `known` gives
    the names of the settings of a section ("" for the top).

    Raises:
        ConfigError: a setting is unknown or wrong; says which, and what there is.
    """
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {_mend(str(error), known)}") from None


def _mend(problem: str, known: Callable[[str], tuple[str, ...]]) -> str:
    """msgspec's sentence about a setting, in the words of the file."""
    text, _, where = problem.partition(" - at ")
    path = where.strip("`").removeprefix("$").lstrip(".")
    if match := re.fullmatch(r"Object contains unknown field `(.*)`", text):
        names = known(path)
        close = get_close_matches(match[1], names, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        place = f" in [{path.replace('[...]', '.NAME')}]" if path else ""
        return f"there is no setting {match[1]!r}{place}; {hint}known: {', '.join(names)}"
    if text.endswith(f"matching regex {NOT_EMPTY!r}"):
        return f"{path}: it is empty; fill it in, or leave the setting out"
    return f"{path or 'it'}: {text[:1].lower()}{text[1:].replace('`', '')}"
