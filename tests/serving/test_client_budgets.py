"""What a client may spend: over all its requests, workers, and what goes on again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep
from typing import Any

import httpx
import pytest

from centerlm.serving import service
from centerlm.serving.order import bounded
from postgres_parts import Store, new_database, store
from serving_parts import WAIT, WAITS, go_on, newest_episode, noted, served, until

__all__ = ["new_database", "store"]


def test_a_clients_budget_holds_for_all_its_requests() -> None:
    with served("cli_parts:sums", client_calls=5, budget="calls=3") as server:
        answers = [server.post() for _ in range(6)]
        assert [a.status_code for a in answers[:2]] == [200, 200]
        assert answers[-1].status_code == 429
        assert answers[-1].json()["error"]["code"] == "insufficient_quota"
        spent = [a.json()["centerlm"]["usage"]["calls"] for a in answers if a.status_code == 200]
        assert sum(spent) == 5
        assert server.post(user="another").status_code == 200


def test_a_clients_budget_holds_for_what_goes_on_as_well(home: Path) -> None:
    log = home / "log"
    with (
        served("serving_parts:waiting", sources=WAITS, client_calls=6, budget="calls=6") as server,
        ThreadPoolExecutor(2) as pool,
    ):

        def begun(question: str, **more: Any) -> str:
            pool.submit(server.post, question, **more)
            until(lambda: f"began {question}" in noted(log))
            return str(newest_episode(Store(home)))

        def resumed(name: str) -> httpx.Response:
            return httpx.post(f"{server.url}/episodes/{name}/resume")

        first = begun("number 0 told", headers={"idempotency-key": "first"})
        assert httpx.post(f"{server.url}/episodes/{first}/cancel").status_code == 202
        until(lambda: server.get(f"/v1/episodes/{first}").json()["state"] == "cancelled")
        second = begun("number 1 told", headers={"idempotency-key": "second"})
        assert resumed(first).json()["error"]["code"] == "insufficient_quota"
        httpx.post(f"{server.url}/episodes/{second}/cancel")
        until(lambda: server.get(f"/v1/episodes/{second}").json()["state"] == "cancelled")
        assert resumed(first).status_code == 202
        assert server.post("number 2 0").json()["error"]["code"] == "insufficient_quota"
        go_on(log)


def test_two_workers_do_not_give_a_client_the_same_rest_of_its_budget(
    home: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.configure()
    settings = {"client_calls": 5, "budget": "calls=5"}
    with (
        served("cli_parts:sums", **settings) as one,
        served("cli_parts:sums", **settings) as two,
        ThreadPoolExecutor(1) as pool,
    ):
        others: list[Any] = []

        def while_the_other(*given: Any) -> Any:
            if not others:
                others.append(pool.submit(two.post))
                sleep(0.5)  # time enough to take the same
            return bounded(*given)

        monkeypatch.setattr(service, "bounded", while_the_other)
        spent = [
            answer.json()["centerlm"]["usage"]["calls"]
            for answer in (one.post(), others[0].result())
            if answer.status_code == 200
        ]
        assert sum(spent) <= 5  # each alone takes 3


def test_an_episode_that_ran_out_of_budget_is_finished_with_more() -> None:
    with served(
        "serving_parts:long", sources=("cli_parts:note",), budget="calls=20", client_calls=25
    ) as server:
        url = f"{server.url}/episodes/"

        def resumed(name: str, **body: Any) -> tuple[str, int]:
            answer = httpx.post(f"{url}{name}/resume", json=body, timeout=WAIT)
            assert answer.status_code == 202, answer.text
            ended = until(lambda: (s := httpx.get(url + name).json())["state"] == "done" and s)
            return ended["status"], ended["usage"]["calls"]

        given = {"centerlm": {"budget": "calls=6"}}
        name = server.post(**given).headers["centerlm-episode"]
        for bad in ({"budget": "calls=many"}, {"budget": {"calls": -1}}, {"budgets": "calls=2"}):
            refused = httpx.post(f"{url}{name}/resume", json=bad)
            assert refused.status_code == 400 and "budget" in refused.json()["error"]["message"]
        assert resumed(name) == ("out_of_budget", 6)
        assert resumed(name, budget="calls=900") == ("answered", 14)
        # The budget of the client, and of one request, goes over what is asked.
        other = server.post(user="other", **given).headers["centerlm-episode"]
        status, calls = resumed(other, budget={"calls": 8})
        assert status == "out_of_budget" and 6 < calls <= 8
        third = server.post(**given).headers["centerlm-episode"]
        status, calls = resumed(third, budget="calls=900")
        assert status == "out_of_budget" and 6 < calls <= 11
