"""Which sources a solve may use: given objects and functions, installed plugins, references.

Plugins are entry points of the group `centerlm.sources`, loaded only when they are asked for. A
name is unique; what cannot be loaded is said in one sentence and takes nothing else with it.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

from centerlm.errors import CenterError, InputError
from centerlm.sources.base import Card, Source
from centerlm.sources.function import source
from centerlm.sources.naming import check_name

GROUP = "centerlm.sources"


@dataclass(frozen=True, slots=True)
class Loaded:
    """Plugins by name, and a sentence for each that could not be loaded."""

    sources: Mapping[str, Source]
    problems: tuple[str, ...]


def collect(things: Iterable[object]) -> dict[str, Source]:
    """Sources by name, of Source objects, their classes, and plain functions.

    Raises:
        InputError: one is no source, or two have the same name.
    """
    sources: dict[str, Source] = {}
    for thing in things:
        one = as_source(thing)
        if one.card.name in sources:
            raise InputError(f"two sources are called {one.card.name!r}; rename one")
        sources[one.card.name] = one
    return sources


def as_source(thing: object, *, name: str | None = None) -> Source:
    """A Source as it is, a class of sources without arguments made, a function turned into one.

    Raises:
        InputError: it is none of these, or its name cannot be used.
    """
    if inspect.isclass(thing):
        try:
            thing = cast("type[Any]", thing)()
        except TypeError as error:
            raise InputError(f"{thing!r} cannot be made without arguments: {error}") from None
    if _is_source(thing):
        one = cast("Source", thing)
        check_name(one.card.name)
        return one
    if callable(thing):
        return source(name=name)(thing)
    raise InputError(
        f"{type(thing).__name__} is not a source; give an object with card, bound and seek, "
        "or a function"
    )


def _is_source(thing: object) -> bool:
    return (
        isinstance(getattr(thing, "card", None), Card)
        and callable(getattr(thing, "bound", None))
        and callable(getattr(thing, "seek", None))
    )


def resolve(names: Iterable[str], known: Mapping[str, Source]) -> dict[str, Source]:
    """The sources of these names: known ones, plugins, or `module:object` references.

    Raises:
        InputError: a name is unknown (close ones are offered) or its source cannot be loaded.
    """
    found: dict[str, Source] = {}
    for name in names:
        one = known.get(name) or _load_plugin(name) or _load_reference(name, known)
        if found.get(one.card.name, one) is not one:
            raise InputError(f"two sources are called {one.card.name!r}; rename one")
        found[one.card.name] = one
    return found


def plugins() -> dict[str, EntryPoint]:
    """Installed plugins by name, not loaded."""
    return {point.name: point for point in entry_points(group=GROUP)}


def load_plugins() -> Loaded:
    """Every installed plugin; broken ones become sentences."""
    sources: dict[str, Source] = {}
    problems: list[str] = []
    for name, point in plugins().items():
        try:
            sources[name] = _from_plugin(point)
        except InputError as error:
            problems.append(str(error))
    return Loaded(sources, tuple(problems))


def _load_plugin(name: str) -> Source | None:
    point = plugins().get(name)
    return None if point is None else _from_plugin(point)


def _from_plugin(point: EntryPoint) -> Source:
    try:
        check_name(point.name)
        one = as_source(point.load(), name=point.name)
    except CenterError as error:
        raise InputError(f"plugin {point.name!r} ({point.value}): {error}") from None
    except Exception as error:  # noqa: BLE001 (a plugin's own code runs here: anything may come)
        raise InputError(
            f"plugin {point.name!r} ({point.value}) cannot be loaded: "
            f"{type(error).__name__}: {error}; update or uninstall its package"
        ) from None
    if one.card.name != point.name:
        raise InputError(
            f"plugin {point.name!r} ({point.value}) gives a source called {one.card.name!r}; "
            "the two names must be the same"
        )
    return one


def _load_reference(name: str, known: Mapping[str, Source]) -> Source:
    module, _, attribute = name.partition(":")
    if not (attribute and _is_dotted(module) and _is_dotted(attribute)):
        raise _unknown(name, known)
    try:
        loaded: object = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and (module + ".").startswith(error.name + "."):
            raise _unknown(name, known) from None
        raise InputError(f"source {name!r} cannot be loaded: {error}") from None
    except Exception as error:  # noqa: BLE001 (a user's module runs here: anything may come)
        raise InputError(
            f"source {name!r} cannot be loaded: {type(error).__name__}: {error}"
        ) from None
    for part in attribute.split("."):
        if not hasattr(loaded, part):
            raise InputError(f"source {name!r} cannot be loaded: {module} has no {attribute!r}")
        loaded = getattr(loaded, part)
    return as_source(loaded)


def _is_dotted(text: str) -> bool:
    return all(part.isidentifier() for part in text.split("."))


def _unknown(name: str, known: Mapping[str, Source]) -> InputError:
    names = sorted({*known, *plugins()})
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    listed = ", ".join(names) or "none"
    return InputError(f"there is no source {name[:80]!r}; {hint}known: {listed}")
