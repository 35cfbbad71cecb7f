"""Packages of the extra `media`, imported when a processor first needs them."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any


def load(module: str, *, extra: str = "media") -> Any:
    """The imported module.

    Raises:
        MissingExtraError: it is not installed.
    """
    from centerlm.errors import MissingExtraError

    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or module, extra) from None


def version_of(package: str) -> str:
    """The installed version of a package.

    Raises:
        MissingExtraError: it is not installed.
    """
    from importlib import metadata

    from centerlm.errors import MissingExtraError

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        raise MissingExtraError(package, "media") from None


def installed(module: str) -> bool:
    """Whether a module can be imported; nothing is imported."""
    return importlib.util.find_spec(module.partition(".")[0]) is not None
