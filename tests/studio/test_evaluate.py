"""The page of evaluations: reports that `centerlm evaluate` wrote, and no other file."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from centerlm.serving.server import Studio
from cli_run import MODULE, environment
from studio_parts import Seen, studio

Look = Callable[..., Seen]


@pytest.fixture
def reports(home: Path) -> Path:
    """A folder with the report of a small evaluation of its own."""
    items = [{"question": f"What is {n} + 3?", "answer": str(n + 3), "id": f"i{n}"} for n in (1, 2)]
    (home / "own.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    arguments = ["evaluate", "ood_qa", "--data", str(home / "own.jsonl"), "--system", "direct"]
    arguments += ["--model", "scripted:cli_parts:nothing", "--out", str(home / "reports" / "first")]
    done = subprocess.run(
        [*MODULE, *arguments], env=environment(home), cwd=home, capture_output=True, text=True
    )
    assert (home / "reports" / "first" / "results.json").is_file(), done.stderr
    return home / "reports"


def test_reports_are_listed_and_their_pages_shown(look: Look, reports: Path) -> None:
    (reports / "secret.html").write_text("secret")
    hostile = reports / "first" / "hostile.html"
    hostile.write_text("<body>x<script>document.title='owned'</script>")
    (reports / "broken").mkdir()
    (reports / "broken" / "results.json").write_text('{"systems": 3}')
    given = Studio(reports=str(reports))
    with studio("cli_parts:sums", sources=("calculator",), studio=given) as served:
        seen = look(served.url)
        page = seen.go("/evaluate")
        assert page.locator(".card").count() == 1
        assert "ood_qa, 2 items" in page.inner_text(".card")
        page.get_by_role("link", name="first").click()
        page.get_by_role("link", name="What is 1 + 3?").click()
        page.wait_for_selector("h3:text('Right')")
        for path in (
            "secret.html",
            "first/../../journal.sqlite",
            "%2e%2e/own.jsonl",
            "first/x.html",
        ):
            answer = httpx.get(f"{served.url}/evaluate/report/{path}")
            assert answer.status_code == 404, path
        answer = httpx.get(f"{served.url}/evaluate/report/first/hostile.html")
        assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_an_address_that_can_be_none_is_not_found(home: Path) -> None:
    (home / "results.json").write_text("{}")
    given = Studio(reports=str(home))
    with studio("cli_parts:sums", sources=("calculator",), studio=given) as served:
        for path in ("%00", "a/%00.html", "a" * 300 + ".html", "a" * 5000 + ".html"):
            answer = httpx.get(f"{served.url}/evaluate/report/{path}", timeout=30)
            assert answer.status_code == 404, path[:20]
        digits = "9" * 5000
        for path in (f"learn/{digits}", f"memory/notes/{digits}", f"episodes/a/steps/1/{digits}"):
            assert httpx.get(f"{served.url}/{path}", timeout=30).status_code == 404, path[:20]


def test_without_a_report_the_page_teaches(home: Path) -> None:
    given = Studio(reports=str(home))
    with studio("cli_parts:sums", sources=("calculator",), studio=given) as served:
        assert "centerlm evaluate ood_qa" in httpx.get(f"{served.url}/evaluate").text
