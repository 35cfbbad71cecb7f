"""The responses format, as far as it is spoken here: the same objectives and answers as chat.

Nothing is kept under a response's id: what would go on from one (`previous_response_id`,
`conversation`) or fetch one later (`background`) is refused, and `store` is ignored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import msgspec

from centerlm.serving.chat import (
    MAX_MESSAGES,
    MODEL,
    ChatMessage,
    ChatRequest,
    Extension,
    FilePart,
    Part,
    ResponseFormat,
    checked,
    decoded,
    text_of,
    usage_of,
)
from centerlm.serving.order import Refused


class InputPart(msgspec.Struct):
    """A part of an input message: `input_text`, `input_file`, or `output_text` of an answer."""

    type: str
    text: str | None = None
    file_data: str | None = None
    filename: str | None = None


class InputMessage(msgspec.Struct):
    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[InputPart]
    type: Literal["message"] = "message"


class TextFormat(msgspec.Struct):
    format: ResponseFormat | None = None


class ResponsesRequest(msgspec.Struct):
    """A request for a response. Other fields of the format are ignored."""

    model: str
    input: str | Annotated[list[InputMessage], msgspec.Meta(min_length=1, max_length=MAX_MESSAGES)]
    stream: bool | None = None
    tools: list[Any] | None = None
    text: TextFormat | None = None
    user: str | None = None
    previous_response_id: str | None = None
    conversation: Any = None
    background: bool | None = None
    centerlm: Extension | None = None


_decoder: msgspec.json.Decoder[ResponsesRequest] = msgspec.json.Decoder(ResponsesRequest)


def read_responses(body: bytes) -> ChatRequest:
    """The request in a body, as the chat request that asks the same.

    Raises:
        Refused: it is not JSON, a field is of another type, or it asks for what is not there.
    """
    asked = decoded(_decoder, body)
    for name in ("previous_response_id", "conversation", "background"):
        if getattr(asked, name):
            raise Refused(
                400,
                f"{name} is not supported: each request is one objective, and is answered at once",
                param=name,
            )
    given = asked.input
    messages = [ChatMessage("user", given)] if isinstance(given, str) else [*map(_message, given)]
    return checked(
        ChatRequest(
            asked.model,
            messages,
            stream=asked.stream,
            tools=asked.tools,
            response_format=asked.text.format if asked.text else None,
            user=asked.user,
            centerlm=asked.centerlm,
        )
    )


def _message(message: InputMessage) -> ChatMessage:
    content = message.content
    return ChatMessage(
        message.role, content if isinstance(content, str) else [*map(_part, content)]
    )


def _part(part: InputPart) -> Part:
    match part.type:
        case "input_text" | "output_text":
            return Part("text", part.text)
        case "input_file":
            return Part("file", file=FilePart(part.file_data, part.filename))
        case other:
            return Part({"input_image": "image_url"}.get(other, other))


def response(data: Mapping[str, Any], created: int, more: Mapping[str, Any]) -> dict[str, Any]:
    """A whole response; the field `centerlm` has all that `centerlm solve --json` prints."""
    usage = usage_of(data)
    cut = data["status"] == "out_of_budget"
    return {
        **_begun(data["episode"], created),
        "status": "incomplete" if cut else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "output": [_item(data["episode"], text_of(data))],
        "usage": {
            "input_tokens": usage["prompt_tokens"],
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": usage["completion_tokens"],
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": usage["total_tokens"],
        },
        "centerlm": {**data, **more},
    }


def _begun(episode: str, created: int) -> dict[str, Any]:
    """A response that has no output yet."""
    return {
        "id": f"resp_{episode}",
        "object": "response",
        "created_at": created,
        "status": "in_progress",
        "model": MODEL,
        "output": [],
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "parallel_tool_calls": False,
        "tool_choice": "none",
        "tools": [],
        "temperature": None,
        "top_p": None,
        "usage": None,
    }


def _item(episode: str, text: str | None) -> dict[str, Any]:
    """The message of the answer; None: it is yet to come."""
    return {
        "type": "message",
        "id": f"msg_{episode}",
        "status": "in_progress" if text is None else "completed",
        "role": "assistant",
        "content": [] if text is None else [_text(text)],
    }


def _text(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": []}


class Stream:
    """The events of one response, numbered. An episode's own are `response.centerlm`, each with
    what chat has in its extension field; reasoning text is in them.
    """

    def __init__(self, episode: str, created: int) -> None:
        self._episode = episode
        self._created = created
        self._number = -1

    def _event(self, kind: str, **fields: Any) -> dict[str, Any]:
        self._number += 1
        return {"type": f"response.{kind}", "sequence_number": self._number, **fields}

    def begun(self) -> Iterator[dict[str, Any]]:
        for kind in ("created", "in_progress"):
            yield self._event(kind, response=_begun(self._episode, self._created))

    def told(self, told: Mapping[str, Any] | None, line: str) -> dict[str, Any]:
        more = {"reasoning": line} if line else {}
        return self._event("centerlm", centerlm={**(told or {}), **more})

    def ended(self, data: Mapping[str, Any], more: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        text, at = text_of(data), {"item_id": f"msg_{self._episode}", "output_index": 0}
        part = {**at, "content_index": 0}
        yield self._event("output_item.added", output_index=0, item=_item(self._episode, None))
        yield self._event("content_part.added", **part, part=_text(""))
        yield self._event("output_text.delta", **part, delta=text, logprobs=[])
        yield self._event("output_text.done", **part, text=text, logprobs=[])
        yield self._event("content_part.done", **part, part=_text(text))
        yield self._event("output_item.done", output_index=0, item=_item(self._episode, text))
        whole = response(data, self._created, more)
        yield self._event(str(whole["status"]), response=whole)
