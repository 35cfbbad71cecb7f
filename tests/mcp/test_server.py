"""centerlm as an MCP server, asked with the SDK's own client."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

pytest.importorskip("mcp")

from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

from centerlm.journal import SqliteJournal
from centerlm.library import Library
from centerlm.library.walk import find_files
from centerlm.mcp.server import build
from centerlm.serving.server import Plan, opened_service, plan_of
from mcp import Client, StdioServerParameters
from serving_parts import noted, served, until

T = TypeVar("T")
TESTS = Path(__file__).parents[1]
NOTE = "# Norburg\nThe river Ister flows through Norburg. The Ister is 420 km long.\n"


@asynccontextmanager
async def _connected(plan: Plan) -> AsyncIterator[Client]:
    """A client of a server in this process."""
    async with (
        opened_service(plan) as service,
        Client(build(service, plan.serve.roots)) as client,
    ):
        yield client


def _ask(plan: Plan, work: Callable[[Client], Awaitable[T]]) -> T:
    async def run() -> T:
        async with asyncio.timeout(60), _connected(plan) as client:
            return await work(client)

    return asyncio.run(run())


def _plan(script: str, **more: Any) -> Plan:
    return plan_of(model=f"scripted:{script}", no_memory=True, mcp=True, **more)


def _text(result: Any) -> str:
    return " ".join(block.text for block in result.content)


def test_the_tools_are_described() -> None:
    async def look(client: Client) -> Any:
        return (await client.list_tools()).tools

    tools = {tool.name: tool for tool in _ask(_plan("cli_parts:sums"), look)}
    assert set(tools) == {"solve", "plan", "search", "ingest"}
    assert tools["solve"].input_schema["required"] == ["question"]
    assert tools["solve"].description == "Answer a composed question with every step and citation."
    assert tools["search"].annotations.read_only_hint
    assert "ctx" not in tools["solve"].input_schema["properties"]


def test_solve_tells_steps_and_gives_the_answer_with_all_of_them() -> None:
    lines: list[str] = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        del done, total
        lines.append(message or "")

    async def ask(client: Client) -> Any:
        arguments = {"question": "What is twice the sum?", "budget": "calls=9"}
        return await client.call_tool("solve", arguments, progress_callback=progress)

    result = _ask(_plan("cli_parts:sums"), ask)
    assert not result.is_error
    data = result.structured_content
    assert (data["answer"], data["status"]) == ("10", "answered")
    assert [step["answer"] for step in data["steps"]] == ["5", "10"]
    assert len(lines) == 2 and lines[1].startswith("✓ 2 [calculator] 5 * 2 -> 10")


def test_plan_runs_nothing() -> None:
    async def ask(client: Client) -> Any:
        return await client.call_tool("plan", {"question": "What?"})

    assert _text(_ask(_plan("cli_parts:sums"), ask)).startswith("1 [calculator] 2 + 3\n2 ")


def test_plans_count_in_the_budget_of_their_client(home: Path) -> None:
    (home / "centerlm.toml").write_text("[serve]\nclient_calls = 2\n")

    async def ask(client: Client) -> list[Any]:
        return [await client.call_tool("plan", {"question": f"What? {n}"}) for n in range(3)] + [
            await client.call_tool("solve", {"question": "What?"})
        ]

    *plans, last, solved = _ask(_plan("cli_parts:sums"), ask)
    assert all(_text(plan).startswith("1 [calculator]") for plan in plans)
    assert last.is_error and "this client's calls of 3600 seconds are spent" in _text(last)
    assert solved.is_error


def test_a_plan_is_not_made_beyond_the_budget() -> None:
    async def ask(client: Client) -> Any:
        return await client.call_tool("plan", {"question": "What?"})

    refused = _ask(_plan("cli_parts:sums", budget="tokens=10"), ask)
    assert refused.is_error and "the budget has too few tokens left" in _text(refused)


def test_documents_are_ingested_from_the_roots_alone_and_searched(home: Path) -> None:
    inside, outside = home / "documents", home / "elsewhere"
    for folder in (inside, outside):
        folder.mkdir()
        (folder / "norburg.md").write_text(NOTE)
    (inside / "link.md").symlink_to(outside / "norburg.md")

    async def ask(client: Client) -> Any:
        async def call(tool: str, **arguments: Any) -> Any:
            return await client.call_tool(tool, arguments)

        return {
            "relative": await call("ingest", paths=["norburg.md"]),
            "search": await call("search", query="Which river flows through Norburg?"),
            "solve": await call("solve", question="What is twice the length of the river?"),
            "outside": await call("ingest", paths=[str(outside)]),
            "up": await call("ingest", paths=["../elsewhere/norburg.md"]),
            "link": await call("ingest", paths=[str(inside)]),
            "none": await call("ingest", paths=[]),
        }

    plan = _plan("cli_parts:river", library=str(home / "library"), roots=(str(inside),))
    Library.open(home / "library", create=True, embedder=None).close()
    done = _ask(plan, ask)
    assert done["relative"].structured_content["added"] == 1, _text(done["relative"])
    (passage, *_) = done["search"].structured_content["passages"]
    assert "Ister" in passage["text"] and passage["file"] == "norburg.md"
    assert done["solve"].structured_content["answer"] == "840"
    for bad in ("outside", "up", "link"):
        assert done[bad].is_error and "not under a folder" in _text(done[bad]), bad
    assert done["none"].is_error
    assert str(home) not in _text(done["solve"]) + _text(done["search"])


def test_others_are_served_while_a_folder_is_looked_through(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from centerlm.mcp import actions

    looking, served_meanwhile = threading.Event(), threading.Event()

    def slowly(paths: list[Path]) -> Any:
        looking.set()
        assert served_meanwhile.wait(10), "nobody was served"
        return find_files(paths)

    monkeypatch.setattr(actions, "find_files", slowly)
    (home / "a.md").write_text(NOTE)
    Library.open(home / "library", create=True, embedder=None).close()

    async def ask(client: Client) -> Any:
        ingest = asyncio.create_task(client.call_tool("ingest", {"paths": ["a.md"]}))
        await asyncio.to_thread(looking.wait, 10)
        served_meanwhile.set()
        return await ingest

    plan = _plan("cli_parts:river", library=str(home / "library"), roots=(str(home),))
    assert _ask(plan, ask).structured_content["added"] == 1


@pytest.mark.parametrize(
    ("tool", "arguments", "says"),
    [
        ("solve", {"question": " "}, "the question is empty"),
        ("solve", {"question": "x", "sources": ["web"]}, "no source 'web' here"),
        ("solve", {"question": "x", "budget": "calls=many"}, "is not a number"),
        ("solve", {}, "question"),
        ("search", {"query": "x"}, "this server has no library"),
        ("ingest", {"paths": ["/etc/passwd"]}, "this server has no library"),
        ("nothing", {}, "nothing"),
    ],
)
def test_what_cannot_be_done_is_a_tools_error(
    tool: str, arguments: dict[str, Any], says: str
) -> None:
    async def ask(client: Client) -> str:
        try:
            result = await client.call_tool(tool, arguments)
        except Exception as error:  # noqa: BLE001 - the client's own, for unknown tools
            return str(error)
        assert result.is_error
        return _text(result)

    assert says in _ask(_plan("cli_parts:sums"), ask)


def test_a_caller_that_goes_away_cancels(home: Path) -> None:
    plan = _plan("serving_parts:waiting", sources=("serving_parts:waits",))

    async def ask(client: Client) -> None:
        log = home / "log"
        call = asyncio.create_task(client.call_tool("solve", {"question": "long 60"}))
        await asyncio.to_thread(until, lambda: noted(log))
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        await asyncio.to_thread(until, lambda: noted(log)[-1] == "stopped long 60")

    _ask(plan, ask)
    journal = SqliteJournal(home / "journal.sqlite")
    assert [row.status for row in journal.summaries()] == ["cancelled"]
    journal.close()


def test_over_standard_input_and_output(home: Path) -> None:
    paths = [str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "centerlm", "mcp", "--model", "scripted:cli_parts:sums", "--no-memory"],
        env=dict(env),
        cwd=home,
    )

    async def run() -> Any:
        async with asyncio.timeout(120), Client(server) as client:
            return await client.call_tool("solve", {"question": "What?"})

    assert asyncio.run(run()).structured_content["answer"] == "10"


def test_over_http_behind_the_same_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    token = "the-token-of-the-tests"
    monkeypatch.setenv("CENTERLM_TOKEN", token)

    async def run(url: str, bearer: str) -> Any:
        headers = {"Authorization": f"Bearer {bearer}"}
        async with asyncio.timeout(60), create_mcp_http_client(headers=headers) as http:
            transport = streamable_http_client(url, http_client=http)
            async with Client(transport) as client:
                return await client.call_tool("solve", {"question": "What?"})

    with served("cli_parts:sums", mcp=True) as server:
        url = server.url.removesuffix("/v1") + "/mcp"
        assert asyncio.run(run(url, token)).structured_content["answer"] == "10"
        assert server.get("/mcp").status_code == 401
        with pytest.raises(BaseExceptionGroup) as refused:
            asyncio.run(run(url, "wrong"))
        assert token not in str(refused.value.exceptions)
