"""The chat format, spoken with the real clients."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from centerlm.serving.server import Studio
from serving_parts import Served, served


@pytest.fixture(scope="module")
def sums(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    journal = tmp_path_factory.mktemp("sums") / "journal.sqlite"
    with served("cli_parts:sums", journal=str(journal)) as server:
        yield server


def _client(server: Served) -> openai.OpenAI:
    return openai.OpenAI(base_url=server.url, api_key="none", max_retries=0)


QUESTION: Any = [{"role": "user", "content": "What is twice the sum?"}]


def test_the_openai_client_gets_an_answer_with_every_step(sums: Served) -> None:
    done = _client(sums).chat.completions.create(model="centerlm", messages=QUESTION)
    assert done.choices[0].message.content == "10"
    assert done.choices[0].finish_reason == "stop"
    assert done.usage and done.usage.total_tokens > 0
    more: Any = (done.model_extra or {})["centerlm"]
    assert more["status"] == "answered"
    assert [step["answer"] for step in more["steps"]] == ["5", "10"]


def test_a_stream_tells_plan_and_steps_and_then_the_answer(sums: Served) -> None:
    chunks = list(
        _client(sums).chat.completions.create(
            model="centerlm",
            messages=QUESTION,
            stream=True,
            stream_options={"include_usage": True},
            extra_body={"centerlm": {"reasoning": True}},
        )
    )
    told: list[Any] = [(c.model_extra or {}).get("centerlm") for c in chunks]
    kinds = [event["kind"] for event in told if event]
    assert kinds[0] == "accepted" and kinds[-1] == "ended"
    assert kinds.count("step.finished") == 2
    plan = next(e["plan"] for e in told if e and e["kind"] == "plan.finished")
    assert plan == "1 [calculator] 2 + 3\n2 [calculator] #1 * 2"
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert "".join(delta.content or "" for delta in deltas) == "10"
    reasoning = "".join((d.model_extra or {}).get("reasoning_content", "") for d in deltas)
    assert "Plan:\n1 [calculator] 2 + 3\n" in reasoning and "5 * 2 -> 10" in reasoning
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].usage and chunks[-1].usage.total_tokens > 0


def test_without_events_a_stream_is_the_answer_alone(sums: Served) -> None:
    body = sums.ask(stream=True, centerlm={"events": False})
    with httpx.stream("POST", f"{sums.url}/chat/completions", json=body, timeout=30) as answer:
        lines = [line for line in answer.iter_lines() if line]
    assert lines[-1] == "data: [DONE]"
    chunks = [json.loads(line[6:]) for line in lines[:-1]]
    assert [c["choices"][0]["delta"].get("content") for c in chunks] == ["", "10", None]
    assert [c["centerlm"]["kind"] for c in chunks if "centerlm" in c] == ["accepted", "ended"]


def test_langchain_works_unchanged(sums: Served) -> None:
    langchain = pytest.importorskip("langchain_openai")
    model = langchain.ChatOpenAI(base_url=sums.url, api_key="none", model="centerlm")
    assert model.invoke("What is twice the sum?").content == "10"
    assert "".join(chunk.content for chunk in model.stream("What?")) == "10"


def test_llamaindex_works_unchanged(sums: Served) -> None:
    llamaindex = pytest.importorskip(
        "llama_index.llms.openai_like", reason="its pins do not go with those of the suite"
    )
    model = llamaindex.OpenAILike(
        model="centerlm", api_base=sums.url, api_key="none", is_chat_model=True
    )
    assert model.complete("What is twice the sum?").text == "10"
    assert [chunk.text for chunk in model.stream_complete("What?")][-1] == "10"


def test_models_and_health(sums: Served) -> None:
    assert [model.id for model in _client(sums).models.list()] == ["centerlm"]
    assert _client(sums).models.retrieve("centerlm").owned_by == "centerlm"
    with pytest.raises(openai.NotFoundError, match="use 'centerlm'"):
        _client(sums).models.retrieve("gpt-4o")
    assert sums.get("/health").json() == {"status": "ok"}


def test_what_is_not_there_is_refused_in_the_same_format(sums: Served) -> None:
    missing, wrong = sums.get("/v1/embeddings"), sums.get("/v1/chat/completions")
    assert (missing.status_code, wrong.status_code) == (404, 405)
    assert missing.json()["error"]["message"] == "nothing is at /v1/embeddings"
    assert wrong.json()["error"]["message"] == "GET is not for /v1/chat/completions"
    assert wrong.headers["allow"] == "POST"


def test_an_episode_can_be_looked_at_later(sums: Served) -> None:
    name = sums.post().headers["centerlm-episode"]
    kept = sums.get(f"/v1/episodes/{name}").json()
    assert (kept["state"], kept["answer"], kept["episode"]) == ("done", "10", name)
    assert sums.get("/v1/episodes/nobody").status_code == 404


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"model": "gpt-4o"}, "there is no model 'gpt-4o' here"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "system", "content": "x"}]}, "no message has the role 'user'"),
        ({"messages": [{"role": "user", "content": " "}]}, "is empty; write what is to be"),
        ({"messages": [{"role": "user", "content": "x" * 9000}]}, "9,000 characters"),
        ({"n": 2}, "n is not 1"),
        ({"tools": [{"type": "function"}]}, "tools are not called"),
        ({"response_format": {"type": "json_object"}}, "response_format 'json_object'"),
        ({"centerlm": {"sources": ["web"]}}, "no source 'web' here; known: calculator"),
        ({"centerlm": {"budget": "calls=many"}}, "is not a number"),
        ({"centerlm": {"budget": {"calls": -1}}}, "centerlm.budget.calls is to be at least 0"),
        ({"centerlm": {"budget": {"calls": 10**13}}}, "calls is to be at most 1,000,000,000,000"),
        ({"centerlm": {"budget": "depth=0"}}, "budget depth is to be at least 1"),
        ({"centerlm": {"budget": "seconds=inf"}}, "seconds=inf is more than 1,000,000,000,000"),
        ({"centerlm": {"bugdet": "calls=1"}}, "unknown field `bugdet`"),
        ({"temperature": "hot"}, "temperature"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
            "content of type 'image_url' cannot be read here",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]},
            "has no file_data",
        ),
    ],
)
def test_a_request_that_cannot_be_met_is_refused_in_a_sentence(
    sums: Served, more: dict[str, Any], says: str
) -> None:
    answer = httpx.post(f"{sums.url}/chat/completions", json=sums.ask() | more, timeout=30)
    assert answer.status_code in (400, 404)
    error = answer.json()["error"]
    assert says in error["message"] and "\n" not in error["message"]
    assert error["type"] == "invalid_request_error"


def test_what_is_no_json_is_refused(sums: Served) -> None:
    for body in (b"{", b"\xff", b"[" * 100_000, b'"text"', b""):
        answer = httpx.post(
            f"{sums.url}/chat/completions",
            content=body,
            headers={"content-type": "application/json"},
        )
        assert answer.status_code == 400, body[:10]
        assert "cannot be read" in answer.json()["error"]["message"]


def test_a_budget_bounds_a_request_and_the_server_bounds_the_budget() -> None:
    with served("cli_parts:many", sources=("cli_parts:note",), budget="calls=6") as server:
        for extension in ({}, {"budget": "calls=99"}, {"budget": {"calls": 99, "seconds": 5}}):
            done = server.post(centerlm=extension).json()
            assert done["centerlm"]["status"] != "answered"
            assert 0 < done["centerlm"]["usage"]["calls"] <= 6
        done = server.post(centerlm={"budget": "calls=0"}).json()
        assert done["choices"][0]["finish_reason"] == "length"
        assert done["centerlm"]["status"] == "out_of_budget"
        assert done["centerlm"]["usage"]["calls"] == 0


def test_without_an_answer_the_content_says_why() -> None:
    with served("cli_parts:nothing", sources=("cli_parts:raises",)) as server:
        done = server.post().json()
    assert done["centerlm"]["status"] in ("nothing", "failed")
    assert done["choices"][0]["message"]["content"].startswith("No answer: ")


def _file(text: bytes, name: str, *, url: bool = True) -> list[dict[str, Any]]:
    data = base64.b64encode(text).decode()
    data = f"data:text/plain;base64,{data}" if url else data
    return [
        {"type": "text", "text": "Which river flows through Norburg?"},
        {"type": "file", "file": {"filename": name, "file_data": data}},
    ]


NOTE = b"# Norburg\nThe river Ister flows through Norburg. The Ister is 420 km long.\n"


@pytest.mark.parametrize("url", [True, False])
def test_attached_documents_are_asked_and_cited_by_name(home: Path, url: bool) -> None:
    content = _file(NOTE, "../../etc/notes.md", url=url)
    with served("cli_parts:river", no_memory=True) as server:
        done = server.post(messages=[{"role": "user", "content": content}]).json()
    assert done["choices"][0]["message"]["content"] == "840"
    cites = [cite for step in done["centerlm"]["steps"] for cite in step["citations"]]
    assert {cite["file"] for cite in cites} == {"notes.md"}
    assert str(home) not in json.dumps(done)
    kept = list((home / "uploads").rglob("*.md"))
    assert [path.name for path in kept] == ["notes.md"]


@pytest.mark.parametrize(
    ("text", "name", "says"),
    [
        (NOTE, "run.exe", "of a kind that is not read"),
        (NOTE, "", "of a kind that is not read"),
        (b"", "a.txt", "is empty"),
        (b"%PDF-1.4 not really", "a.pdf", "a.pdf"),
        (b"PK\x03\x04 not really", "a.epub", "a.epub"),
    ],
)
def test_attachments_that_cannot_be_read_are_refused(text: bytes, name: str, says: str) -> None:
    with served("cli_parts:river") as server:
        answer = server.post(messages=[{"role": "user", "content": _file(text, name)}])
    message = answer.json()["error"]["message"]
    assert answer.status_code == 400
    assert says in message and "uploads" not in message  # no folder of this machine


def test_an_attachment_that_cannot_be_kept_is_said_in_a_sentence(home: Path) -> None:
    (home / "uploads").write_text("in the way of the folder")
    with served("cli_parts:river", studio=Studio()) as server:
        sent = {
            "api": server.post(messages=[{"role": "user", "content": _file(NOTE, "a.md")}]),
            "page": httpx.post(
                f"{server.url.removesuffix('/v1')}/files?name=a.md",
                content=NOTE,
                headers={"content-type": "application/octet-stream", "hx-request": "true"},
            ),
        }
    for answer in sent.values():
        assert answer.status_code == 507
        assert "a.md cannot be kept (" in answer.text and str(home) not in answer.text


def test_token_ids_and_log_probabilities_of_every_call_on_request() -> None:
    with served("serving_parts:traced") as server:
        plain = server.post().json()["centerlm"]
        done = server.post(logprobs=True, temperature=0.7, seed=3).json()["centerlm"]
    assert "calls" not in plain
    call = done["calls"][0]
    assert call["act"] == "decompose"
    assert call["messages"][0]["role"] == "system"
    assert call["prompt_token_ids"] == [len(m["content"]) for m in call["messages"]]
    assert "".join(map(chr, call["token_ids"])) == call["text"]
    assert call["logprobs"] == [-0.5] * len(call["text"])


def test_the_openai_client_gets_a_response_in_the_newer_format(sums: Served) -> None:
    client = _client(sums)
    done = client.responses.create(model="centerlm", input="What is twice the sum?")
    assert (done.output_text, done.status) == ("10", "completed")
    assert done.usage and done.usage.total_tokens > 0
    more: Any = (done.model_extra or {})["centerlm"]
    assert [step["answer"] for step in more["steps"]] == ["5", "10"]
    said: Any = [
        {"role": "assistant", "content": [{"type": "output_text", "text": "before"}]},
        {"role": "user", "content": [{"type": "input_text", "text": "What is twice the sum?"}]},
    ]
    again = client.responses.create(model="centerlm", input=said)
    assert (again.output_text, (again.model_extra or {})["centerlm"]["unread_messages"]) == (
        "10",
        1,
    )


def test_a_stream_of_the_newer_format_is_whole(sums: Served) -> None:
    asked: Any = {"model": "centerlm", "input": "What is twice the sum?"}
    events = list(_client(sums).responses.create(**asked, stream=True))
    kinds = [event.type for event in events]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == "response.completed"
    assert [event.sequence_number for event in events] == list(range(len(events)))
    told = [e.model_extra["centerlm"]["kind"] for e in events if e.type == "response.centerlm"]
    assert told.count("step.finished") == 2
    with _client(sums).responses.stream(**asked, extra_body={"centerlm": {"events": False}}) as s:
        assert s.get_final_response().output_text == "10"


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"background": True}, "background"),
        ({"tools": [{"type": "web_search"}]}, "tools"),
        ({"text": {"format": {"type": "json_object"}}}, "response_format"),
        ({"model": "gpt-9"}, "model"),
    ],
)
def test_what_the_newer_format_asks_for_and_is_not_there_is_refused(
    sums: Served, more: dict[str, Any], param: str
) -> None:
    body = {"model": "centerlm", "input": "q", **more}
    answer = httpx.post(f"{sums.url}/responses", json=body)
    assert answer.status_code in (400, 404)
    assert answer.json()["error"]["param"] == param
