"""Tools of MCP servers as sources, `mcp:SERVER.TOOL`.

A tool's description is one line of its card, its JSON schema what the seek act writes arguments
under; a tool that takes one text gets the step's text. Both are the server's words: they are cut,
cleaned, and never instructions. A tool is taken to change things unless the user says that it only
reads: what the server itself says about that is a hint of its own.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

from centerlm.config import McpSettings
from centerlm.errors import InputError, SourceError
from centerlm.finding import (
    Finding,
    Status,
    Usage,
    clean_text,
    failed,
    found,
    nothing,
    short_answer,
    shortened,
)
from centerlm.mcp.session import McpConnection
from centerlm.sources.base import Card, Seek
from centerlm.sources.bounded import bounded_text, bounded_value

if TYPE_CHECKING:
    from mcp.types import CallToolResult, Tool

T = TypeVar("T")
MAX_SCHEMA = 6_000
"""Characters of a tool's schema as JSON; longer ones fit no prompt of a small model."""
MAX_TEXT = 20_000
_KNOWS = 180
_SCALARS = ("number", "integer", "boolean")
_KEPT = frozenset(
    {
        *("type", "properties", "required", "items", "enum", "const", "anyOf", "minimum"),
        *("maximum", "minItems", "maxItems", "additionalProperties"),
    }
)


class McpTool:
    """One tool as a source."""

    def __init__(self, connection: McpConnection, tool: Tool, *, read: bool) -> None:
        """Raises InputError where no card can be made of the tool."""
        self._connection = connection
        self._tool = tool.name
        self._field = only_text(tool.input_schema)
        self._read = read
        said = short_answer((tool.description or tool.title or tool.name)[:2000])
        self.card = Card(
            name=source_name(connection.name, tool.name),
            knows=shortened(said, _KNOWS),
            effect="read" if read else "write",
            typed=_is_scalar(tool.output_schema),
            shared=True,
            schema=None if self._field else plain_schema(tool.input_schema, tool.name),
        )

    def bound(self, seek: Seek) -> Usage:
        del seek
        return Usage(calls=1)

    async def seek(self, seek: Seek) -> Finding:
        """Call the tool."""
        name = self.card.name
        arguments = {self._field: seek.text} if self._field else dict(seek.arguments or {})
        seconds = self._connection.seconds
        if seek.seconds is not None:
            seconds = min(seconds, seek.seconds)
        try:
            result = await self._connection.call(
                self._tool, arguments, seconds=seconds, again=self._read
            )
        except SourceError as error:
            return replace(failed(str(error), source=name), usage=Usage(calls=1))
        return replace(self._finding(result), usage=Usage(calls=1))

    def _finding(self, result: CallToolResult) -> Finding:
        name = self.card.name
        text, note = bounded_text(self._connection.hide(_text_of(result)), MAX_TEXT)
        if result.is_error:
            return failed(f"{self._tool} failed: {short_answer(text) or 'no reason'}", source=name)
        if self.card.typed and (scalar := _scalar(result.structured_content)) is not None:
            return found(bounded_value(scalar)[0], source=name)
        if not text.strip():
            return nothing(f"{name} returned no text", source=name)
        return Finding(Status.FOUND, text=f"{text}\n[{note}]" if note else text, source=name)


def mcp_sources(
    name: str, settings: McpSettings, *, only: str = ""
) -> tuple[McpConnection, list[McpTool]]:
    """The tools of a server as sources, and the connection they share; `only` names one of them.

    The server is started (or called) once to ask what it has.

    Raises:
        ConfigError, MissingExtraError: the settings or the installation do not allow it.
        InputError: the server cannot be reached, or has no such tool.
    """
    connection = McpConnection(name, settings)
    try:
        tools = _apart(_listed(McpConnection(name, settings)))
    except SourceError as error:
        raise InputError(f"{error}; check [mcp.{name}]") from None
    chosen = [tool for tool in tools if _wanted(name, tool.name, settings.tools, only)]
    if (only or settings.tools) and not chosen:
        known = ", ".join(tool.name[:40] for tool in tools) or "none"
        raise InputError(f"the MCP server {name!r} has no such tool; it has: {known}")
    every = "*" in settings.read
    made = [McpTool(connection, t, read=every or t.name in settings.read) for t in chosen]
    return connection, made


def _wanted(server: str, tool: str, tools: Sequence[str], only: str) -> bool:
    if only:
        return source_name(server, tool) == source_name(server, only)
    return not tools or tool in tools


async def _listed(connection: McpConnection) -> list[Tool]:
    try:
        return await connection.tools()
    finally:
        await connection.close()


def _apart(work: Coroutine[Any, Any, T]) -> T:
    """Run to its end on an event loop of its own, whether or not this thread has one running."""
    done: list[T] = []
    problem: list[BaseException] = []

    def run() -> None:
        try:
            done.append(asyncio.run(work))
        except BaseException as error:  # noqa: BLE001 - a thread's boundary: the caller gets it
            problem.append(error)

    thread = threading.Thread(target=run, name="centerlm-mcp", daemon=True)
    thread.start()
    thread.join()
    if problem:
        raise problem[0]
    return done[0]


def source_name(server: str, tool: str) -> str:
    """What plans call a tool: other characters become "_", and long names are cut."""
    plain = re.sub(r"[^A-Za-z0-9_.-]", "_", f"{server}.{tool}")
    return f"mcp:{plain}"[:64].rstrip(".:-")


def only_text(schema: Mapping[str, Any]) -> str | None:
    """The one field of a tool that takes one text and needs nothing else; None for others."""
    fields = cast("Mapping[str, Any]", schema.get("properties") or {})
    needed = cast("Sequence[str]", schema.get("required") or ())
    texts = [name for name, field in fields.items() if _is_text(field)]
    if list(needed) == texts[:1] and len(needed) == 1:
        return texts[0]
    if not needed and len(fields) == 1 and texts:
        return texts[0]
    return None


def _is_text(field: Any) -> bool:
    match field:
        case {"type": "string"}:
            return "enum" not in field
        case _:
            return False


def plain_schema(schema: Mapping[str, Any], tool: str) -> dict[str, Any]:
    """A tool's schema as the card has it: its references followed, its prose and patterns left out,
    its texts bounded, so that decoding under it ends.

    Raises:
        InputError: it is no object, refers to itself, or is too long.
    """
    where = f"the schema of the tool {tool[:60]!r}"
    parts = cast("Mapping[str, Any]", schema.get("$defs") or schema.get("definitions") or {})
    try:
        made = _plain(schema, parts, 0)
        text = json.dumps(made)
    except (RecursionError, TypeError, ValueError) as error:
        raise InputError(f"{where} cannot be used: {short_answer(str(error))}") from None
    if not isinstance(made, dict) or len(text) > MAX_SCHEMA:
        raise InputError(f"{where} has more than {MAX_SCHEMA:,} characters, or is no object")
    return {"type": "object", **cast("dict[str, Any]", made)}


def _plain(part: Any, parts: Mapping[str, Any], depth: int) -> Any:
    if depth > 12:
        raise ValueError("it is nested too deeply, or refers to itself")
    if isinstance(part, list):
        return [_plain(item, parts, depth + 1) for item in cast("list[Any]", part)]
    if not isinstance(part, dict):
        return clean_text(part)[:100] if isinstance(part, str) else part
    given = cast("dict[str, Any]", part)
    if isinstance(reference := given.get("$ref"), str):
        name = reference.rpartition("/")[2]
        if name not in parts:
            raise ValueError(f"it refers to {name[:40]!r}, which is not there")
        return _plain(parts[name], parts, depth + 1)
    kept: dict[str, Any] = {}
    for key, value in given.items():
        if key == "properties" and isinstance(value, dict):
            fields = cast("dict[str, Any]", value)
            kept[key] = {n[:64]: _plain(field, parts, depth + 1) for n, field in fields.items()}
        elif key in _KEPT:
            kept[key] = _plain(value, parts, depth + 1)
    if kept.get("type") == "string" and "enum" not in kept:
        kept["maxLength"] = min(int(given.get("maxLength") or 200), 200)
    return kept


def _is_scalar(schema: Mapping[str, Any] | None) -> bool:
    """Whether a tool's result is one number or yes-no, as the SDK wraps it."""
    fields = (schema or {}).get("properties")
    if not isinstance(fields, dict) or list(cast("dict[str, Any]", fields)) != ["result"]:
        return False
    field = cast("dict[str, Any]", fields)["result"]
    return isinstance(field, dict) and cast("dict[str, Any]", field).get("type") in _SCALARS


def _scalar(content: Any) -> int | float | bool | None:
    match content:
        case {"result": bool() | int() | float() as value}:
            return value
        case _:
            return None


def _text_of(result: CallToolResult) -> str:
    """The text of a result; what is no text is named."""
    pieces = [
        str(getattr(block, "text", "")) or f"[{getattr(block, 'type', 'content')} left out]"
        for block in result.content
    ]
    if not pieces and result.structured_content is not None:
        return json.dumps(result.structured_content, ensure_ascii=False)
    return "\n".join(pieces)
