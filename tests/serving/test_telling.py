"""What operators are told: metrics, traces, and the description of the API."""

from __future__ import annotations

from typing import Any

import pytest

from centerlm.errors import ConfigError
from centerlm.serving.telling import public_file
from centerlm.serving.tracing import Tracing, configured_tracer
from serving_parts import served


def test_metrics_count_requests_episodes_calls_and_seeks() -> None:
    with served("cli_parts:sums") as server:
        server.post()
        server.post(n=2)
        told = server.get("/metrics").text
    for line in (
        'centerlm_requests_total{route="/v1/chat/completions",status="200"} 1.0',
        'centerlm_requests_total{route="/v1/chat/completions",status="400"} 1.0',
        'centerlm_episodes_total{status="answered"} 1.0',
        'centerlm_model_calls_total{act="decompose",ok="true"} 1.0',
        'centerlm_seeks_total{source="calculator",status="found"} 2.0',
        'centerlm_request_seconds_count{route="/v1/chat/completions"} 2.0',
        "centerlm_running 0.0",
    ):
        assert line in told.splitlines(), line


def test_traces_have_the_names_of_the_conventions(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = pytest.importorskip("opentelemetry.sdk.trace")
    export = pytest.importorskip("opentelemetry.sdk.trace.export")
    memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    kept = memory.InMemorySpanExporter()
    provider = trace.TracerProvider()
    provider.add_span_processor(export.SimpleSpanProcessor(kept))
    tracer = provider.get_tracer("test")
    monkeypatch.setattr("centerlm.serving.server.configured_tracer", lambda: tracer)
    with served("cli_parts:sums") as server:
        server.post("What is the secret of twice the sum?")
    spans: list[Any] = list(kept.get_finished_spans())
    names = [span.name for span in spans]
    assert names.count("execute_tool calculator") == 2
    assert names.count("chat scripted") == 1
    (root,) = (span for span in spans if span.name == "invoke_agent centerlm")
    for span in spans:
        assert span is root or span.parent.span_id == root.context.span_id
        assert root.start_time <= span.start_time <= span.end_time <= root.end_time
    chat = next(span for span in spans if span.name == "chat scripted")
    assert chat.attributes["gen_ai.operation.name"] == "chat"
    assert chat.attributes["gen_ai.usage.output_tokens"] > 0
    assert "secret" not in str([dict(span.attributes) for span in spans])


def test_spans_on_the_console_keep_out_of_standard_output(
    capfd: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("opentelemetry.sdk.trace")
    tracer: Any = configured_tracer({"OTEL_TRACES_EXPORTER": "console"})
    tracer.start_span("invoke_agent centerlm").end()
    tracer.span_processor.force_flush()
    out, err = capfd.readouterr()
    assert out == "" and "invoke_agent centerlm" in err  # `centerlm mcp` talks on it


def test_nothing_is_traced_unless_the_environment_says_so() -> None:
    assert configured_tracer({}) is None
    assert configured_tracer({"OTEL_TRACES_EXPORTER": "none"}) is None
    with pytest.raises(ConfigError, match="'zipkin' is not known; use otlp or console"):
        configured_tracer({"OTEL_TRACES_EXPORTER": "zipkin"})
    assert Tracing(configured_tracer({"OTEL_TRACES_EXPORTER": "console"}), "m")  # pyright: ignore[reportArgumentType]


def test_files_are_named_without_the_folders_of_this_machine() -> None:
    from pathlib import Path

    roots = [Path("/data/library")]
    assert public_file("/data/library/a/b.md", roots) == "a/b.md"
    assert public_file("/home/someone/notes.md", roots) == "notes.md"
    assert public_file("", roots) == ""


def test_any_request_of_the_description_is_answered_without_a_server_error() -> None:
    schemathesis = pytest.importorskip("schemathesis")
    from hypothesis import HealthCheck, settings

    with served("cli_parts:sums") as server:
        url = server.url.removesuffix("/v1")
        schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
        statuses: list[int] = []

        for operation in schema.get_all_operations():
            case = operation.ok()

            @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
            @_given(case.as_strategy())
            def answered(case: Any) -> None:
                response = case.call(base_url=url, timeout=30)
                assert response.status_code < 500, response.text
                statuses.append(response.status_code)

            answered()
    assert {200, 400} <= set(statuses)


def _given(strategy: Any) -> Any:
    from hypothesis import given

    return given(case=strategy)
