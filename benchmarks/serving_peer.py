"""A LangGraph server that does the plan of the serving benchmark: the peer of `centerlm serve`.

    python benchmarks/serving_peer.py --base-url URL --folder DIR

Plan, request to the source, absorb: three nodes of a compiled `StateGraph` with LangChain's OpenAI
client, states kept by LangGraph's SQLite checkpointer in WAL mode, as a server of such a graph has
to keep them if nothing is to be lost. The same HTTP server (uvicorn, Starlette) as centerlm's. It
prints its address. Needs langgraph, langgraph-checkpoint-sqlite and langchain-openai.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, TypedDict
from uuid import uuid4

from serving_script import lookup


class State(TypedDict, total=False):
    question: str
    plan: str
    note: str
    answer: str


def application(base_url: str, folder: Path) -> Any:
    from langchain_openai import ChatOpenAI
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
    from langgraph.graph import END, START, StateGraph
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    model = ChatOpenAI(model="fake", base_url=base_url, api_key="none", max_tokens=256)

    async def plan(state: State) -> State:
        asked = f"Question: {state['question']}"
        said = await model.ainvoke([("system", "Break the question into steps."), ("user", asked)])
        return {"plan": str(said.content)}

    async def seek(state: State) -> State:
        step = state["plan"].partition("] ")[2].strip()
        return {"note": (await lookup(step))["note"]}

    async def absorb(state: State) -> State:
        shown = f"[1] {state['note']}\nQuestion: {state['question']}"
        said = await model.ainvoke([("system", "Answer from the notes."), ("user", shown)])
        return {"answer": str(said.content).partition(" [")[0]}

    graph = StateGraph(State)
    for name, node in (("planning", plan), ("seeking", seek), ("absorbing", absorb)):
        graph.add_node(name, node)
    order = (START, "planning", "seeking", "absorbing", END)
    for edge in pairwise(order):
        graph.add_edge(*edge)
    compiled: Any = None

    @asynccontextmanager
    async def opened(app: Starlette) -> AsyncGenerator[None]:
        nonlocal compiled
        del app
        async with AsyncSqliteSaver.from_conn_string(str(folder / "graph.sqlite")) as saver:
            compiled = graph.compile(checkpointer=saver)
            yield

    async def chat(request: Request) -> JSONResponse:
        question = (await request.json())["messages"][-1]["content"]
        config = {"configurable": {"thread_id": uuid4().hex}}
        state = await compiled.ainvoke({"question": question}, config)
        message = {"role": "assistant", "content": state["answer"]}
        return JSONResponse({"choices": [{"index": 0, "message": message}]})

    return Starlette(
        routes=[Route("/v1/chat/completions", chat, methods=["POST"])], lifespan=opened
    )


def main() -> int:
    import uvicorn

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    given = parser.parse_args()

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            port = self.servers[0].sockets[0].getsockname()[1]
            print(f"http://127.0.0.1:{port}/v1/chat/completions", flush=True)

    app = application(given.base_url, given.folder)
    config = uvicorn.Config(app, port=0, log_level="warning", access_log=False, http="h11")
    Server(config).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
