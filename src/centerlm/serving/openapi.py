"""The OpenAPI description of the API, from the types that requests are read with."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import msgspec

from centerlm.serving.chat import MODEL, ChatRequest, ResumeRequest
from centerlm.serving.responses import ResponsesRequest

_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": "string"},
            },
        }
    },
}
_STATUSES = {
    "400": "the request cannot be met as it is",
    "401": "a valid token is needed",
    "403": "a page of another site may not call",
    "404": "there is no such thing",
    "408": "the request took too long to arrive",
    "409": "the episode is not in a state for that",
    "413": "the request is too large",
    "415": "the request is not JSON",
    "421": "the host name is not served",
    "422": "the Idempotency-Key came with another request",
    "429": "too many wait, or the client's budget is spent; Retry-After says when to come again",
    "503": "the server is stopping, or cannot write; Retry-After says when to come again",
    "507": "an attached file cannot be kept",
}


def specification() -> dict[str, Any]:
    """The OpenAPI 3.1 description, as plain JSON."""
    (chat, responses, resumes), components = msgspec.json.schema_components(
        [ChatRequest, ResponsesRequest, ResumeRequest], ref_template="#/components/schemas/{name}"
    )
    for kind in ("ChatRequest", "ResponsesRequest"):
        components[kind]["properties"]["model"] = {"const": MODEL, "type": "string"}
    name = [{"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}]
    key = [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "schema": {"type": "string", "pattern": "^[!-~]{1,200}$"},
        }
    ]
    return {
        "openapi": "3.1.0",
        "info": {"title": "centerlm", "version": version("centerlm")},
        "components": {
            "schemas": {**components, "Error": _ERROR},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
        "paths": {
            "/v1/chat/completions": {
                "post": {
                    "summary": f"Answer an objective (model {MODEL!r})",
                    "parameters": key,
                    "requestBody": {
                        "required": True,
                        "content": {"application/json": {"schema": chat}},
                    },
                    "responses": _responses("a chat completion, or server-sent chunks of it"),
                }
            },
            "/v1/responses": {
                "post": {
                    "summary": "The same in the responses format",
                    "parameters": key,
                    "requestBody": {
                        "required": True,
                        "content": {"application/json": {"schema": responses}},
                    },
                    "responses": _responses("a response, or server-sent events of it"),
                }
            },
            "/v1/models": {"get": _get("The models")},
            "/v1/models/{name}": {"get": {**_get("A model"), "parameters": name}},
            "/v1/episodes/{name}": {
                "get": {**_get("What became of a request"), "parameters": name}
            },
            "/v1/episodes/{name}/cancel": {
                "post": {**_get("Stop a request", "202"), "parameters": name}
            },
            "/v1/episodes/{name}/resume": {
                "post": {
                    **_get("Go on with a request", "202"),
                    "parameters": name,
                    "requestBody": {
                        "required": False,
                        "content": {"application/json": {"schema": resumes}},
                    },
                }
            },
            "/health": {"get": _get("Whether requests are taken")},
            "/metrics": {"get": _get("Metrics in Prometheus' text format")},
            "/openapi.json": {"get": _get("This description")},
        },
    }


def _get(summary: str, status: str = "200") -> dict[str, Any]:
    return {"summary": summary, "responses": _responses("done", status)}


def _responses(about: str, status: str = "200") -> dict[str, Any]:
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {
        status: {"description": about},
        **{code: {"description": text, "content": error} for code, text in _STATUSES.items()},
    }
