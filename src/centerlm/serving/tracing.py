"""OpenTelemetry spans of what runs, with the names of the GenAI semantic conventions.

An episode is a span `invoke_agent centerlm`, a call of the center's model `chat MODEL`, a request
to a source `execute_tool SOURCE`. No text of questions, answers or findings is in them. Nothing is
sent anywhere unless OpenTelemetry is installed and an exporter is configured in the environment.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from centerlm.errors import ConfigError, MissingExtraError
from centerlm.events import (
    CallFinished,
    CallStarted,
    EpisodeFinished,
    EpisodeResumed,
    EpisodeStarted,
    Event,
    SeekFinished,
    SeekStarted,
)

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

_NS = 1_000_000_000
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def configured_tracer(environment: Mapping[str, str] = os.environ) -> Tracer | None:
    """The tracer that the environment configures (`OTEL_TRACES_EXPORTER`: otlp or console, or an
    OTLP endpoint); None where it configures none.

    Raises:
        ConfigError: the exporter is unknown.
        MissingExtraError: it is not installed.
    """
    kind = environment.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    if not kind and any(environment.get(name) for name in _ENDPOINTS):
        kind = "otlp"
    if kind in ("", "none"):
        return None
    try:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise MissingExtraError("opentelemetry-sdk", "otel") from None
    name = environment.get("OTEL_SERVICE_NAME", "centerlm")
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    provider.add_span_processor(BatchSpanProcessor(_exporter(kind)))
    return provider.get_tracer("centerlm")


def _exporter(kind: str) -> Any:
    if kind == "console":
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter

        return ConsoleSpanExporter(out=sys.stderr)  # what asks over MCP reads standard output
    if kind == "otlp":
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        except ImportError:
            raise MissingExtraError("opentelemetry-exporter-otlp-proto-http", "otel") from None
        return OTLPSpanExporter()
    raise ConfigError(f"OTEL_TRACES_EXPORTER={kind[:40]!r} is not known; use otlp or console")


@dataclass(slots=True)
class Tracing:
    """Spans of the episodes that run here. `model` is the name of the center's."""

    tracer: Tracer
    model: str
    _spans: dict[tuple[str, ...], Span] = field(default_factory=dict[tuple[str, ...], "Span"])

    def tell(self, episode: str, event: Event) -> None:
        """Take in an event of a run; the first one begins the episode's span."""
        match event:
            case EpisodeStarted() | EpisodeResumed():
                self._begin_episode(episode, event)
            case CallStarted():
                self._begin(
                    episode, _key(episode, event, event.act), f"chat {self.model}", event.at,
                    {
                        "gen_ai.operation.name": "chat",
                        "gen_ai.request.model": self.model,
                        "centerlm.act": event.act,
                        "centerlm.path": event.path,
                    },
                )  # fmt: skip
            case CallFinished():
                self._end(
                    _key(episode, event, event.act), event.at, event.error,
                    {
                        "gen_ai.usage.input_tokens": event.usage.prompt_tokens,
                        "gen_ai.usage.output_tokens": event.usage.completion_tokens,
                    },
                )  # fmt: skip
            case SeekStarted():
                self._begin(
                    episode, _key(episode, event, event.source), f"execute_tool {event.source}",
                    event.at,
                    {
                        "gen_ai.operation.name": "execute_tool",
                        "gen_ai.tool.name": event.source,
                        "gen_ai.tool.call.id": f"{episode}/{event.path}/{event.attempt}",
                    },
                )  # fmt: skip
            case SeekFinished():
                problem = "failed" if event.status == "failed" else ""
                self._end(
                    _key(episode, event, event.source), event.at, problem,
                    {"centerlm.status": event.status},
                )  # fmt: skip
            case EpisodeFinished():
                problem = event.status if event.status in ("failed", "cancelled") else ""
                self._end((episode,), event.at, problem, {"centerlm.status": event.status})
                for key in [key for key in self._spans if key[0] == episode]:
                    self._end(key, event.at, "cancelled", {})
            case _:
                pass

    def _begin_episode(self, episode: str, event: EpisodeStarted | EpisodeResumed) -> None:
        self._spans[episode,] = self.tracer.start_span(
            "invoke_agent centerlm",
            start_time=int(event.at * _NS),
            attributes={
                "gen_ai.operation.name": "invoke_agent",
                "gen_ai.agent.name": "centerlm",
                "gen_ai.conversation.id": episode,
                "gen_ai.request.model": self.model,
            },
        )

    def _begin(
        self, episode: str, key: tuple[str, ...], name: str, at: float, attributes: dict[str, str]
    ) -> None:
        from opentelemetry.trace import set_span_in_context

        above = self._spans.get((episode,))
        self._spans[key] = self.tracer.start_span(
            name,
            context=set_span_in_context(above) if above is not None else None,
            start_time=int(at * _NS),
            attributes=attributes,
        )

    def _end(
        self, key: tuple[str, ...], at: float, problem: str, attributes: Mapping[str, str | int]
    ) -> None:
        from opentelemetry.trace import Status, StatusCode

        span = self._spans.pop(key, None)
        if span is None:
            return
        span.set_attributes(attributes)
        if problem:
            span.set_attribute("error.type", problem if len(problem) < 20 else "ModelError")
            span.set_status(Status(StatusCode.ERROR))
        span.end(int(at * _NS))


def _key(
    episode: str, event: CallStarted | CallFinished | SeekStarted | SeekFinished, what: str
) -> tuple[str, ...]:
    return episode, type(event).__name__[:4], event.path, what, str(event.attempt)
