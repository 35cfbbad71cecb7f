"""OpenAIModel against the fake server: answers, streams, retries, and every way to fail."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from centerlm.errors import ConfigError, ModelError, OutOfBudgetError
from centerlm.models.base import Message, Price, Prompt, Reply, Sampling
from centerlm.models.fake_server import FakeServer, Fault
from centerlm.models.openai import OpenAIModel
from centerlm.models.provider import Provider, Retry

PROMPT = Prompt((Message("system", "You answer."), Message("user", "What is the capital?")))
SAMPLING = Sampling(max_tokens=50)
QUICK = Retry(attempts=3, base=0.001, cap=0.002)


def ask(
    server: FakeServer,
    *,
    sampling: Sampling = SAMPLING,
    retry: Retry = QUICK,
    timeout: float = 20.0,
    on_text: Callable[[str], None] | None = None,
    before_retry: Callable[[], None] | None = None,
    then: Callable[[OpenAIModel], Awaitable[None]] | None = None,
    **settings: object,
) -> Reply:
    async def run() -> Reply:
        async with server:
            provider = Provider(server.base_url, retry=retry, timeout=timeout)
            model = OpenAIModel("small", provider, **settings)  # pyright: ignore
            try:
                reply = await model.complete(
                    PROMPT, sampling, on_text=on_text, before_retry=before_retry
                )
                if then:
                    await then(model)
                return reply
            finally:
                await model.close()

    return asyncio.run(run())


def test_an_answer_with_usage_and_cost() -> None:
    server = FakeServer({"capital": "Paris is the capital."})
    reply = ask(server, price=Price(prompt=1e6, completion=2e6, call=0.5))
    assert reply.text == "Paris is the capital."
    assert not reply.cut
    usage = reply.usage
    assert (usage.calls, usage.prompt_tokens, usage.completion_tokens) == (1, 8, 6)
    assert reply.usage.cost == 8 + 2 * 6 + 0.5
    (request,) = server.requests
    assert [(m.role, m.content) for m in request.messages] == [
        ("system", "You answer."),
        ("user", "What is the capital?"),
    ]
    assert (request.max_tokens, request.temperature, request.seed) == (50, 0.0, 0)


class _Boasts(BaseHTTPRequestHandler):
    """An endpoint whose usage is what the model is called."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        said = {"prompt_tokens": int(asked["model"]), "completion_tokens": int(asked["model"])}
        body = json.dumps({"choices": [{"message": {"content": "Paris"}}], "usage": said}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.mark.parametrize("said", [10**25, 2**63 - 1, -(10**6)])
def test_usage_that_cannot_be_is_not_believed(said: int) -> None:
    async def run() -> Reply:
        model = OpenAIModel(str(said), Provider(f"http://127.0.0.1:{server.server_port}/v1"))
        try:
            return await model.complete(PROMPT, SAMPLING)
        finally:
            await model.close()

    with HTTPServer(("127.0.0.1", 0), _Boasts) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        usage = asyncio.run(run()).usage
        server.shutdown()
        thread.join()
    assert 0 < usage.prompt_tokens < 1000
    assert usage.completion_tokens == len("Paris") + 1


def test_everything_asked_for_is_sent() -> None:
    server = FakeServer(["one", "two"])
    schema = {"type": "object"}
    sampling = Sampling(9, temperature=0.5, top_p=0.9, stop=("x",), seed=7, n=2, schema=schema)
    reply = ask(server, sampling=sampling)
    assert [choice.text for choice in reply.choices] == ["one", "two"]
    request = server.requests[0]
    assert (request.max_tokens, request.seed, request.n, request.stop) == (9, 7, 2, ("x",))
    assert request.response_format is not None
    assert request.response_format["json_schema"]["schema"] == schema


def test_a_grammar_goes_to_servers_that_take_one_and_to_no_other() -> None:
    server = FakeServer(["a", "b"])
    ask(server, sampling=Sampling(5, grammar='root ::= "a"'), constraint="gbnf")
    assert server.requests[0].grammar == 'root ::= "a"'
    with pytest.raises(ModelError, match="constraint"):
        ask(FakeServer(["a"]), sampling=Sampling(5, grammar='root ::= "a"'))


def test_the_token_limit_is_told() -> None:
    assert ask(FakeServer(["word " * 100]), sampling=Sampling(max_tokens=3)).cut


def test_a_stream_arrives_in_pieces() -> None:
    pieces: list[str] = []
    reply = ask(FakeServer(["1 [documents] When?\n2 [documents] é #1"]), on_text=pieces.append)
    assert reply.text == "1 [documents] When?\n2 [documents] é #1" == "".join(pieces)
    assert len(pieces) > 3
    assert reply.usage.prompt_tokens == 8


@pytest.mark.parametrize(
    "fault",
    [Fault(status=429), Fault(status=503), Fault("close"), Fault("truncated"), Fault("empty")],
    ids=lambda fault: f"{fault.kind}-{fault.status}",
)
@pytest.mark.parametrize("stream", [False, True])
def test_passing_faults_are_retried_and_announced(fault: Fault, stream: bool) -> None:
    retries: list[int] = []
    server = FakeServer(["first second", "first second"], faults=[fault])
    if stream and fault.kind == "truncated":
        server.script = ["x", "first second"]
    reply = ask(
        server,
        before_retry=lambda: retries.append(1),
        on_text=(lambda piece: None) if stream else None,
    )
    assert reply.text == "first second"
    assert reply.usage.calls == 2 == server.stats.calls
    assert retries == [1]


def test_before_retry_can_end_the_call() -> None:
    def refuse() -> None:
        raise OutOfBudgetError("no calls left")

    server = FakeServer(["never"], faults=[Fault()])
    with pytest.raises(OutOfBudgetError):
        ask(server, before_retry=refuse)
    assert server.stats.calls == 1


def test_a_stream_that_breaks_after_text_is_not_asked_again() -> None:
    pieces: list[str] = []
    server = FakeServer(["one two three four"], faults=[Fault("truncated")])
    with pytest.raises(ModelError, match="middle") as caught:
        ask(server, on_text=pieces.append)
    assert caught.value.transient
    assert "".join(pieces) == "one two "
    assert server.stats.calls == 1


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_honoured(form: str) -> None:
    when = datetime.now(UTC) + timedelta(seconds=2)
    value = "1" if form == "seconds" else format_datetime(when, usegmt=True)
    server = FakeServer(["yes"], faults=[Fault(status=429, retry_after=value)])
    loop_time: list[float] = []

    async def note(_model: OpenAIModel) -> None:
        loop_time.append(asyncio.get_running_loop().time())

    start = asyncio.new_event_loop().time()
    assert ask(server, then=note).text == "yes"
    # A date has whole seconds: 2 s from now is at least 0.9 s away.
    assert 0.9 <= loop_time[0] - start < 8


def test_a_long_retry_after_ends_the_call() -> None:
    server = FakeServer(["yes"], faults=[Fault(status=429, retry_after="3600")])
    with pytest.raises(ModelError, match="asks to wait 3600 s") as caught:
        ask(server)
    assert caught.value.transient


@pytest.mark.parametrize(
    ("fault", "words", "calls", "transient"),
    [
        (Fault(status=429), "no more requests", 3, True),
        (Fault(status=429, message="insufficient_quota"), "no quota", 1, False),
        (Fault(status=500), "failed", 3, True),
        (Fault(status=401), "OPENAI_API_KEY", 1, False),
        (Fault(status=404), "model 'small'", 1, False),
        (Fault(status=400, message="bad\nfield \x1b[31m"), "bad field", 1, False),
        (Fault(status=302), "redirects", 1, False),
        (Fault("not_json"), "not a chat completion", 1, False),
        (Fault("empty"), "without any choice", 3, True),
        (Fault("close"), "closed the connection", 3, True),
        (Fault("truncated"), "closed the connection", 3, True),
    ],
    ids=lambda value: f"{value.kind}-{value.status}" if isinstance(value, Fault) else None,
)
def test_lasting_faults_are_one_sentence(
    fault: Fault, words: str, calls: int, transient: bool
) -> None:
    server = FakeServer(["x"] * 9, faults=[fault] * 9)
    with pytest.raises(ModelError, match=words) as caught:
        ask(server)
    message = str(caught.value)
    assert server.base_url in message
    assert "\n" not in message and "\x1b" not in message
    assert server.stats.calls == calls
    assert caught.value.transient is transient


@pytest.mark.parametrize(
    ("fault", "withheld"),
    [
        (Fault(status=413), True),
        (Fault(status=400, message="content_filter"), True),
        (Fault(status=400, message="context_length_exceeded"), True),
        (Fault(status=400, message="no such field"), False),
        (Fault(status=401, message="content_filter"), False),
    ],
)
def test_a_prompt_that_is_refused_is_told_from_an_endpoint_that_is(
    fault: Fault, withheld: bool
) -> None:
    with pytest.raises(ModelError) as caught:
        ask(FakeServer(["x"], faults=[fault]))
    assert caught.value.withheld is withheld


def test_a_slow_endpoint_times_out() -> None:
    server = FakeServer(["x"], faults=[Fault("hang")] * 2)
    with pytest.raises(ModelError, match=r"within 0\.2 s; .* gave up after 2 attempts"):
        ask(server, timeout=0.2, retry=Retry(attempts=2, base=0))


def test_an_endpoint_that_is_down() -> None:
    async def run() -> None:
        model = OpenAIModel("m", Provider("http://127.0.0.1:9/v1", retry=QUICK))
        with pytest.raises(ModelError, match=r"127\.0\.0\.1:9/v1 cannot be reached.*server runs"):
            await model.complete(PROMPT, SAMPLING)
        await model.close()

    asyncio.run(run())


def test_a_missing_key_is_found_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    model = OpenAIModel("m", Provider("https://api.invalid/v1"))
    with pytest.raises(ModelError, match="set the environment variable OPENAI_API_KEY"):
        asyncio.run(model.complete(PROMPT, SAMPLING))


def test_the_key_is_sent_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", " sk-secret-1 \n")
    assert ask(FakeServer(["yes"], key="sk-secret-1")).text == "yes"
    fault = Fault(status=401, message="Incorrect key sk-secret-1")
    with pytest.raises(ModelError) as caught:
        ask(FakeServer([], faults=[fault]))
    assert "sk-secret-1" not in str(caught.value)
    assert "[key]" in str(caught.value)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-\nX: y")
    with pytest.raises(ModelError, match="characters that no key has"):
        ask(FakeServer(["yes"]))


@pytest.mark.parametrize(
    "url", ["", "localhost:8000", "ftp://x/v1", "http://", "http://a:b@c/v1", "http://[::1/v1"]
)
def test_an_unusable_base_url(url: str) -> None:
    with pytest.raises(ConfigError, match="base_url") as caught:
        Provider(url)
    assert "a:b" not in str(caught.value)


def test_calls_at_once_are_bounded_for_all_models_of_a_provider() -> None:
    async def run() -> int:
        async with FakeServer(lambda *_: "x", latency=0.02) as server:
            provider = Provider(server.base_url, concurrency=4)
            models = [OpenAIModel(name, provider) for name in ("a", "b")]
            await asyncio.gather(*(m.complete(PROMPT, SAMPLING) for m in models * 8))
            await provider.close()
            return server.stats.peak

    assert asyncio.run(run()) == 4


def test_one_provider_on_several_event_loops() -> None:
    first = FakeServer(["a"])
    provider: list[Provider] = []

    async def run() -> str:
        async with FakeServer(["a"], port=first.port) if provider else first as server:
            provider.append(provider[0] if provider else Provider(server.base_url))
            model = OpenAIModel("m", provider[0])
            text = (await model.complete(PROMPT, SAMPLING)).text
            await model.close()
            return text

    assert [asyncio.run(run()), asyncio.run(run())] == ["a", "a"]


def test_cancelling_a_call_frees_its_place() -> None:
    async def run() -> str:
        async with FakeServer(["late", "soon"], faults=[Fault("hang")]) as server:
            model = OpenAIModel("m", Provider(server.base_url, concurrency=1))
            task = asyncio.create_task(model.complete(PROMPT, SAMPLING))
            await asyncio.sleep(0.5)
            assert server.stats.calls == 1
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            text = (await model.complete(PROMPT, SAMPLING)).text
            await model.close()
            return text

    assert asyncio.run(run()) == "late"


def test_what_on_text_raises_is_not_taken_for_a_network_fault() -> None:
    def refuse(_piece: str) -> None:
        raise BrokenPipeError("the screen is gone")

    server = FakeServer(["a b"] * 3)
    with pytest.raises(BrokenPipeError):
        ask(server, on_text=refuse)
    assert server.stats.calls == 1


@pytest.mark.parametrize("text", ["", "plain", "ünï¢ødé 日本", "a" * 5000, "\ud800 lone"])
def test_count_is_never_less_than_the_bytes(text: str) -> None:
    model = OpenAIModel("m", Provider("http://localhost/v1"))
    assert model.count(Prompt((Message("user", text),))) >= len(text.encode("utf-8", "replace"))


def test_a_lone_surrogate_does_not_stop_a_call() -> None:
    async def run() -> str:
        async with FakeServer({"a?b": "fine"}) as server:
            model = OpenAIModel("m", Provider(server.base_url))
            reply = await model.complete(Prompt((Message("user", "a\ud800b"),)), SAMPLING)
            await model.close()
            return reply.text

    assert asyncio.run(run()) == "fine"


def test_identity_tells_endpoint_and_model_apart() -> None:
    models = [
        OpenAIModel(name, Provider(url), extra=extra)
        for name in ("a", "b")
        for url in ("http://localhost/v1", "http://localhost:1/v1")
        for extra in ({}, {"top_k": 1})
    ]
    assert len({model.identity for model in models}) == 8


def test_jitter_stays_within_its_bounds() -> None:
    from random import Random

    retry, rng = Retry(base=1.0, cap=4.0), Random(0)
    for attempt, most in ((1, 1), (2, 2), (3, 4), (9, 4)):
        waits = [retry.wait(attempt, None, rng) for _ in range(200)]
        assert 0 <= min(waits) < 0.2 * most and 0.8 * most < max(waits) <= most
    assert 7 <= retry.wait(3, 7.0, rng) <= 8


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_fills_the_memory_is_refused(
    stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("centerlm.models.provider.MAX_BODY_BYTES", 1 << 20)
    server = FakeServer(["x" * (2 << 20)])
    with pytest.raises(ModelError, match="sent more than 1 MiB"):
        ask(
            server,
            sampling=Sampling(1 << 20),
            on_text=(lambda piece: None) if stream else None,
        )
    assert server.stats.calls == 1
