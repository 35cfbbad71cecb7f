"""The chat completions format, as far as it is spoken here: requests read, whole answers written.

What would change the meaning of a request and is not supported is refused; what only tunes another
kind of model (`max_tokens`, `presence_penalty`, ...) is ignored. Of the messages the last one of
the user is the objective: each request is one objective.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from centerlm.errors import InputError
from centerlm.objective import AnswerType, Budget
from centerlm.serving.order import Limits, Order, Refused, Sampled

T = TypeVar("T")

MODEL = "centerlm"
MAX_MESSAGES = 1000
_BOUND = re.compile(r"Expected `(?:int|float)` ([<>]=) (-?[\d.]+) - at `\$\.(.+)`")
_REFUSED_PARTS = ("image_url", "input_audio", "video_url", "refusal")


class FilePart(msgspec.Struct):
    """An attached document: `file_data` is a data URL or base64, `filename` tells its kind."""

    file_data: str | None = None
    filename: str | None = None
    file_id: str | None = None


class Part(msgspec.Struct):
    """A part of a message's content: `text` or `file`."""

    type: str
    text: str | None = None
    file: FilePart | None = None


class ChatMessage(msgspec.Struct):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None


class Extension(msgspec.Struct, forbid_unknown_fields=True):
    """The field `centerlm` of a request. `budget` has the limits of this request, as text
    ("calls=40,seconds=60") or as an object; `sources` are some of the server's; `reasoning` streams
    plan and steps as reasoning text too; `events` streams them as objects.
    """

    budget: Limits | str | None = None
    sources: tuple[str, ...] = ()
    answer_type: AnswerType = "any"
    reasoning: bool = False
    events: bool = True


class StreamOptions(msgspec.Struct):
    include_usage: bool = False


class ResponseFormat(msgspec.Struct):
    type: str


class ChatRequest(msgspec.Struct):
    """A request for a chat completion. Other fields of the format are ignored."""

    model: str
    messages: Annotated[list[ChatMessage], msgspec.Meta(min_length=1, max_length=MAX_MESSAGES)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: int | None = None
    seed: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, msgspec.Meta(gt=0, le=1)] | None = None
    logprobs: bool | None = None
    return_token_ids: bool | None = None
    tools: list[Any] | None = None
    functions: list[Any] | None = None
    response_format: ResponseFormat | None = None
    modalities: list[str] | None = None
    user: str | None = None
    centerlm: Extension | None = None

    @property
    def traced(self) -> bool:
        """Whether the calls behind the answer are wanted, with token ids and log-probabilities."""
        return bool(self.logprobs or self.return_token_ids)

    @property
    def extension(self) -> Extension:
        return self.centerlm or Extension()


class ResumeRequest(msgspec.Struct, forbid_unknown_fields=True):
    """How an episode is to go on: with `budget`, limits in the place of its own."""

    budget: Limits | str | None = None


_resumes: msgspec.json.Decoder[ResumeRequest] = msgspec.json.Decoder(ResumeRequest)
_decoder: msgspec.json.Decoder[ChatRequest] = msgspec.json.Decoder(ChatRequest)


def read_request(body: bytes) -> ChatRequest:
    """The request in a body.

    Raises:
        Refused: it is not JSON, a field is of another type, or it asks for what is not there.
    """
    return checked(decoded(_decoder, body))


def read_resume(body: bytes) -> Limits:
    """The limits in a body, which may be empty.

    Raises:
        Refused: it is not JSON, a field is unknown or of another type, or no budget.
    """
    return limits_of(decoded(_resumes, body).budget if body else None)


def decoded(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """A body as the type of its decoder.

    Raises:
        Refused: it is not JSON, or a field is of another type.
    """
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(400, f"the request cannot be read: {_said(error)}") from None


def _said(error: Exception) -> str:
    """A number that is out of its bounds in words of our own, all else in msgspec's."""
    if (match := _BOUND.fullmatch(str(error))) is None:
        return str(error)
    bound = "at most" if match[1] == "<=" else "at least"
    return f"{match[3]} is to be {bound} {float(match[2]):,.15g}"


def checked(request: ChatRequest) -> ChatRequest:
    """The request, if all it asks for is there.

    Raises:
        Refused: it is of another model, or asks for what is not there.
    """
    if request.model != MODEL:
        raise Refused(
            404,
            f"there is no model {request.model[:80]!r} here; use {MODEL!r}",
            code="model_not_found",
            param="model",
        )
    for name, problem in _unsupported(request):
        raise Refused(400, problem, param=name)
    return request


def _unsupported(request: ChatRequest) -> Sequence[tuple[str, str]]:
    kind = request.response_format.type if request.response_format else "text"
    wanted: dict[str, str | bool] = {
        "n": (request.n or 1) != 1 and "n is not 1; send as many requests as answers are wanted",
        "tools": bool(request.tools)
        and "tools are not called on behalf of clients; give the server sources instead",
        "functions": bool(request.functions)
        and "functions are not called on behalf of clients; give the server sources instead",
        "response_format": kind != "text"
        and f"response_format {kind[:40]!r} is not supported; use centerlm.answer_type",
        "modalities": any(m != "text" for m in request.modalities or ())
        and "answers are text; leave modalities out",
    }
    return [(name, problem) for name, problem in wanted.items() if isinstance(problem, str)]


class Read(msgspec.Struct):
    """What a request asks: its text, its attachments (name and data URL or base64), and how many
    messages were left unread.
    """

    question: str
    files: list[FilePart]
    unread: int


def question_of(request: ChatRequest) -> Read:
    """The objective of a request: the last message of the user.

    Raises:
        Refused: there is none, or a part of it is of a kind that is not read.
    """
    at = max((n for n, m in enumerate(request.messages) if m.role == "user"), default=-1)
    if at < 0:
        raise Refused(400, "no message has the role 'user'; the last one is the question",
                      param="messages")  # fmt: skip
    content = request.messages[at].content
    parts = [Part("text", content)] if isinstance(content, str) else content or []
    texts: list[str] = []
    files: list[FilePart] = []
    for part in parts:
        match part:
            case Part(type="text", text=str(text)):
                texts.append(text)
            case Part(type="file", file=FilePart() as file):
                files.append(file)
            case _:
                raise Refused(400, _unread(part.type), param="messages")
    return Read("\n".join(texts), files, len(request.messages) - 1)


def _unread(kind: str) -> str:
    if kind in _REFUSED_PARTS:
        return f"content of type {kind!r} cannot be read here; attach documents as type 'file'"
    return f"content of type {kind[:40]!r} is incomplete or unknown; use 'text' or 'file'"


def order_of(request: ChatRequest, question: str, attachments: Sequence[str]) -> Order:
    """The order of a request whose attachments are stored.

    Raises:
        Refused: its budget cannot be read.
    """
    extension = request.extension
    return Order(
        question=question,
        answer_type=extension.answer_type,
        limits=limits_of(extension.budget, "centerlm.budget"),
        sources=extension.sources,
        attachments=tuple(attachments),
        seed=request.seed,
        sampled=Sampled(request.temperature or 0.0, request.top_p or 1.0)
        if request.traced
        else None,
    )


def limits_of(budget: Limits | str | None, param: str = "budget") -> Limits:
    """Raises Refused, which names the field `param`, where a budget cannot be read."""
    if budget is None:
        return Limits()
    if isinstance(budget, Limits):
        return budget
    try:
        given = Budget.parse(budget)
        named = {part.partition("=")[0].strip() for part in budget.split(",")}
        fields = {name: getattr(given, name) for name in Limits.__struct_fields__ if name in named}
        return msgspec.convert(fields, Limits)
    except InputError as error:
        raise Refused(400, str(error), param=param) from None
    except msgspec.ValidationError as error:
        raise Refused(400, f"budget {_said(error)}", param=param) from None


_FINISH = {"out_of_budget": "length"}


def finish_of(status: str) -> str:
    """The format's reason for an end."""
    return _FINISH.get(status, "stop")


def text_of(data: Mapping[str, Any]) -> str:
    """What a reader sees: the answer, or in one sentence that there is none."""
    if data["answer"]:
        return str(data["answer"])
    why = str(data["reason"] or data["status"].replace("_", " ")).rstrip(".")
    return f"No answer: {why}."


def usage_of(data: Mapping[str, Any]) -> dict[str, int]:
    usage = data["usage"]
    prompt, completion = usage["prompt_tokens"], usage["completion_tokens"]
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


def completion(
    data: Mapping[str, Any], created: int, *, reasoning: str, more: Mapping[str, Any]
) -> dict[str, Any]:
    """A whole chat completion; the field `centerlm` has all that `centerlm solve --json` prints."""
    message: dict[str, Any] = {"role": "assistant", "content": text_of(data)}
    if reasoning:
        message["reasoning_content"] = reasoning
    return {
        "id": f"chatcmpl-{data['episode']}",
        "object": "chat.completion",
        "created": created,
        "model": MODEL,
        "choices": [
            {
                "index": 0,
                "message": message,
                "finish_reason": finish_of(data["status"]),
                "logprobs": None,
            }
        ],
        "usage": usage_of(data),
        "centerlm": {**data, **more},
    }
