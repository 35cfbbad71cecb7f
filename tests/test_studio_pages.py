"""The pages of the studio as a program asks them: what a browser would send, without one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from centerlm.library import Library
from centerlm.serving.server import Studio
from own_home import home
from serving_parts import WAIT, Served, served, until

__all__ = ["home"]

NOTE = "# Norburg\nThe river Ister flows through Norburg. The Ister is 420 km long.\n"


def _send(server: Served, path: str, **form: Any) -> str:
    """Send a form; where the browser is sent then."""
    url = server.url.removesuffix("/v1") + path
    answer = httpx.post(url, json=form, headers={"hx-request": "true"}, timeout=WAIT)
    assert answer.status_code == 204, answer.text
    return answer.headers["hx-redirect"]


def _ended(server: Served, page: str) -> dict[str, Any]:
    def done() -> Any:
        told = server.get(f"/v1{page}").json()
        return told["state"] == "done" and told

    return until(done)


def test_a_plan_that_is_run_again_asks_the_library_it_asked_before(home: Path) -> None:
    (home / "norburg.md").write_text(NOTE)
    folder = home.resolve() / "also"
    with Library.open(folder, create=True, embedder=None) as library:
        library.ingest([home / "norburg.md"])
    with served("cli_parts:river", studio=Studio((str(folder),))) as server:
        page = _send(server, "/ask", question="How long is it twice?", library=str(folder))
        first = _ended(server, page)
        said = {"plan": first["plan"], "verdict": "run"}
        page = _send(server, page.replace("episodes", "guide") + "/say", **said)
        again = _ended(server, page)
    assert first["answer"] == again["answer"] == "840"


def test_what_ran_out_of_budget_goes_on_with_as_much_again() -> None:
    with served("serving_parts:long", sources=("cli_parts:note",), studio=Studio()) as server:
        given = {"centerlm": {"budget": "calls=8"}}
        name = server.post(**given).headers["centerlm-episode"]
        page = f"/episodes/{name}"
        assert "Go on with as much again" in server.get(page, headers={"accept": "text/html"}).text
        assert _send(server, f"{page}/resume") == page
        ended = _ended(server, page)
    assert (ended["status"], ended["usage"]["calls"]) == ("answered", 14)
