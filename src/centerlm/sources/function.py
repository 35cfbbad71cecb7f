"""A plain Python function as a knowledge source.

    @source
    def population(country: str) -> int:
        "How many people live in a country."

Its name, the first line of its docstring and its type hints make the card. What it returns is a
typed value that passes unchanged; what it raises is a failed finding.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast, overload

from centerlm.errors import InputError, OutOfBudgetError, SourceError
from centerlm.finding import Finding, Usage, failed, found, nothing, short_answer
from centerlm.sources.base import Card, Effect, Seek
from centerlm.sources.bounded import bounded_finding, bounded_text, bounded_value
from centerlm.sources.naming import check_name
from centerlm.sources.threads import DaemonThreads

Function = Callable[..., Any]

DEFAULT_THREADS = 32


class FunctionSource:
    """A function with a card. Calling it calls the function; `seek` asks it as a source."""

    def __init__(
        self, function: Function, card: Card, arguments: type[Any] | None, *, threads: int
    ) -> None:
        self.card = card
        self._function = function
        self._arguments = arguments
        self._whole_seek = _takes_seek(function)
        self._is_async = _is_async(function)
        self._threads = DaemonThreads(threads)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<source {self.card.name}>"

    def bound(self, seek: Seek) -> Usage:
        del seek
        return Usage(calls=1, cost=self.card.price)

    async def seek(self, seek: Seek) -> Finding:
        try:
            args, kwargs = self._bind(seek)
            result = await self._call(args, kwargs)
            finding = self._as_finding(result)
        except OutOfBudgetError:
            raise
        except SourceError as error:
            finding = failed(f"{self.card.name}: {error}", source=self.card.name)
        except (Exception, SystemExit) as error:  # noqa: BLE001 (a user's function: anything may come)
            reason = short_answer(f"{type(error).__name__}: {str(error)[:1000]}")
            finding = failed(f"{self.card.name} raised {reason}", source=self.card.name)
        if finding.usage == Usage():
            finding = replace(finding, usage=Usage(calls=1, cost=self.card.price))
        return finding

    def _bind(self, seek: Seek) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if self._whole_seek:
            return (seek,), {}
        if self._arguments is None:
            return (seek.text,), {}
        return (), _converted(self._arguments, seek.arguments)

    async def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self._is_async:
            return await self._function(*args, **kwargs)
        result = await self._threads.run(lambda: self._function(*args, **kwargs))
        return await result if inspect.isawaitable(result) else result

    def _as_finding(self, result: object) -> Finding:
        name = self.card.name
        if isinstance(result, Finding):
            return bounded_finding(result, name)
        if isinstance(result, Mapping):
            return self._as_text(cast("Mapping[Any, Any]", result))
        value, note = bounded_value(result)
        if value is None or (isinstance(value, str) and not value.strip()):
            return nothing(f"{name} returned nothing", source=name)
        return found(value, source=name, text=note)

    def _as_text(self, result: Mapping[Any, Any]) -> Finding:
        """Structured data is free text to absorb: it has no short answer of its own."""
        import msgspec

        try:
            encoded = msgspec.json.encode(result).decode()
        except (TypeError, ValueError, msgspec.MsgspecError) as error:
            raise SourceError(f"returned data that is not JSON: {error}") from None
        text, note = bounded_text(encoded)
        return found_text(f"{text}\n[{note}]" if note else text, self.card.name)


def found_text(text: str, source: str) -> Finding:
    """A finding of free text, still to be absorbed."""
    return replace(found("", source=source), answer=None, value=None, text=text)


@overload
def source(function: Function, /) -> FunctionSource: ...
@overload
def source(
    *,
    name: str | None = None,
    knows: str | None = None,
    limits: str = "",
    effect: Effect = "read",
    shared: bool = True,
    price: float = 0.0,
    latency: float | None = None,
    threads: int = DEFAULT_THREADS,
) -> Callable[[Function], FunctionSource]: ...
def source(
    function: Function | None = None,
    /,
    *,
    name: str | None = None,
    knows: str | None = None,
    limits: str = "",
    effect: Effect = "read",
    shared: bool = True,
    price: float = 0.0,
    latency: float | None = None,
    threads: int = DEFAULT_THREADS,
) -> FunctionSource | Callable[[Function], FunctionSource]:
    """Turn a function, async or not, into a source.

    A function of one text gets the sub-objective; one of one `Seek` gets the whole request; any
    other gets arguments, written by the center under the JSON schema of its type hints. A function
    that is not async runs in one of `threads` daemon threads (1 or more).

    Raises:
        InputError: the function has no usable name, description, parameters or type hints.
    """

    def wrap(function: Function) -> FunctionSource:
        given = name if name is not None else getattr(function, "__name__", "")
        check_name(given)
        about = knows if knows is not None else _first_line(function)
        if not about:
            raise InputError(
                f"source {given!r} does not say what it knows; write a docstring or give knows=..."
            )
        arguments, schema = _describe(function, given)
        card = Card(
            given,
            about,
            limits=limits,
            effect=effect,
            typed=_hints(function, given).get("return") is not Finding,
            shared=shared,
            price=price,
            latency=latency,
            schema=schema,
        )
        return FunctionSource(function, card, arguments, threads=max(1, threads))

    return wrap if function is None else wrap(function)


def _first_line(function: Function) -> str:
    return next(iter((inspect.getdoc(function) or "").strip().splitlines()), "").strip()


def _is_async(function: Function) -> bool:
    call = getattr(function, "__call__", None)  # noqa: B004 (the method itself is inspected)
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)


def _takes_seek(function: Function) -> bool:
    hints = _hints(function, "")
    hints.pop("return", None)
    return list(hints.values()) == [Seek]


def _hints(function: Function, name: str) -> dict[str, Any]:
    target = function if inspect.isroutine(function) else getattr(type(function), "__call__")  # noqa: B004, B009
    try:
        return typing.get_type_hints(target, include_extras=True)
    except (NameError, TypeError, AttributeError) as error:
        raise InputError(f"the type hints of source {name!r} cannot be read: {error}") from None


def _describe(function: Function, name: str) -> tuple[type[Any] | None, Mapping[str, Any] | None]:
    """The type of its arguments and their JSON schema; both None where it takes one text."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        raise InputError(f"source {name!r} has no readable signature; wrap it in a def") from None
    if not parameters:
        raise InputError(f"source {name!r} takes nothing, so it cannot be asked; give it a text")
    hints = _hints(function, name)
    kinds = {p.kind for p in parameters}
    if kinds & {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}:
        raise InputError(f"source {name!r} takes * arguments; name each with a type hint")
    required = [p for p in parameters if p.default is p.empty]
    if len(parameters) == 1 and hints.get(parameters[0].name, str) in (str, Seek):
        if parameters[0].kind is not inspect.Parameter.KEYWORD_ONLY:
            return None, None
    elif inspect.Parameter.POSITIONAL_ONLY in kinds:
        raise InputError(f"source {name!r} takes several positional-only arguments; drop the /")
    untyped = [p.name for p in required if p.name not in hints]
    if untyped:
        raise InputError(f"source {name!r} needs a type hint for {', '.join(untyped)}")
    return _schema(parameters, hints, name)


def _schema(
    parameters: list[inspect.Parameter], hints: dict[str, Any], name: str
) -> tuple[type[Any], Mapping[str, Any]]:
    import msgspec

    fields: list[Any] = [
        (p.name, hints.get(p.name, Any))
        if p.default is p.empty
        else (p.name, hints.get(p.name, Any), p.default)
        for p in parameters
    ]
    try:
        arguments = msgspec.defstruct("Arguments", fields, kw_only=True, forbid_unknown_fields=True)
        (top,), parts = msgspec.json.schema_components([arguments], ref_template="#/$defs/{name}")
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"the type hints of source {name!r} make no JSON schema: {error}"
        ) from None
    schema = dict(parts.pop("Arguments", top))
    schema.pop("title", None)
    if parts:
        schema["$defs"] = parts
    return arguments, schema


def _converted(arguments: type[Any], given: Mapping[str, Any] | None) -> dict[str, Any]:
    """The arguments in the types the function asks for; numbers may come as text.

    Raises:
        SourceError: one is missing, unknown or of another type.
    """
    import msgspec

    if given is None:
        raise SourceError("needs arguments that follow its schema, and got none")
    try:
        checked = msgspec.convert(dict(given), arguments, strict=False)
    except msgspec.ValidationError as error:
        raise SourceError(f"cannot use its arguments: {error}") from None
    names: tuple[str, ...] = arguments.__struct_fields__
    return {field: getattr(checked, field) for field in names}
