"""Asking in the browser: the live tree, its steps and citations, stopping, sharing, attaching."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from centerlm.serving.server import Studio
from serving_parts import until
from studio_parts import Seen, studio

Look = Callable[..., Seen]
NOTE = b"# Norburg\nThe river Ister flows through Norburg. The Ister is 420 km long.\n"


def test_a_question_grows_a_tree_and_its_steps_tell_all(look: Look) -> None:
    with studio("cli_parts:nested", sources=("cli_parts:numbers", "calculator")) as served:
        seen = look(served.url)
        seen.ask("What is ten times each?")
        page = seen.page
        page.wait_for_selector(".outcome.is-answered")
        assert "10, 20, 30, 40" in page.inner_text(".final")
        rows = page.locator(".tree .row")
        assert rows.count() == 8
        page.locator("#s-1\\.1 a.asked").click()
        page.wait_for_selector("#detail h2:has-text('Step 1.1')")
        detail = page.inner_text("#detail")
        assert "2 + 2" in detail and "Asked of calculator" in detail
        page.get_by_text("How the plan and the answer were made").click()
        page.wait_for_selector("#detail h2:has-text('The whole')")
        page.locator("#detail summary").first.click()
        assert "Break the question" in page.inner_text("#detail")

        page.locator("#s-1 a.asked").first.focus()
        for key, path in (
            ("ArrowDown", "1.1"),
            ("ArrowDown", "2"),
            ("ArrowUp", "1.1"),
            ("ArrowLeft", "1"),
        ):
            page.keyboard.press(key)
            row = page.evaluate("document.activeElement.closest('li').id")
            assert row == f"s-{path}", key
        page.keyboard.press("ArrowLeft")
        assert not page.locator("#s-1\\.1").is_visible()


def test_what_a_finding_says_stays_text(look: Look) -> None:
    with studio("serving_parts:hostile", sources=("serving_parts:hostile_source",)) as served:
        seen = look(served.url)
        at = seen.ask("<script>document.title='owned'</script><b id=bold>What?</b>")
        page = seen.page
        page.wait_for_selector(".outcome:not(.is-running)")
        page.locator("#s-1 a.asked").click()
        page.wait_for_selector("#detail:has-text('Asked of hostile_source')")
        assert "<script>document.title='owned'</script>" in page.inner_text("#detail")
        file = httpx.get(f"{served.url}{at}/share").text
        (shared := Path("shared.html").resolve()).write_text(file, encoding="utf-8")
        for where in (at, f"{at}/steps/1", "/", shared.as_uri()):
            page.goto(where if "file:" in where else served.url + where)
            assert "owned" not in page.title().split("'")[0].replace("<script>document.title=", "")
            assert page.locator("img[src=x], #bold, body script:not([src])").count() == 0
        answer = httpx.get(served.url + at)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy


def test_the_page_of_an_episode_that_has_just_ended_is_its_end() -> None:
    with studio("serving_parts:waiting", sources=("serving_parts:waits",)) as served:
        asked = httpx.post(f"{served.url}/ask", json={"question": "wait 1"})
        at = asked.headers["hx-redirect"]
        page = until(lambda: "data-live" not in (text := httpx.get(served.url + at).text) and text)
        assert 'class="outcome is-answered"' in page and "waited for wait 1" in page


def test_pause_goes_on_where_it_was_and_cancel_ends(look: Look, home: Path) -> None:
    sources = ("serving_parts:waits",)
    with studio("serving_parts:waiting", sources=sources) as served:
        seen = look(served.url)
        at = seen.ask("wait 60")
        page = seen.page
        page.wait_for_selector("#s-1.is-running")
        page.get_by_role("button", name="Pause").click()
        page.wait_for_selector(".chip:text('paused')")
        page.get_by_role("button", name="Go on").click()
        page.wait_for_selector("#s-1.is-running")
        page.get_by_role("button", name="Cancel").click()
        page.wait_for_selector(".chip:text('cancelled')")
        assert "stopped wait 60" in (home / "log").read_text()
        assert "cancelled" in seen.go("/").inner_text(".list")
        gone = httpx.post(f"{served.url}{at}/pause", headers={"hx-request": "true"})
        assert gone.status_code == 409 and "has ended already" in gone.text


def test_files_dropped_in_are_shown_asked_and_cited(look: Look, home: Path) -> None:
    with studio("cli_parts:river", sources=("calculator",), no_memory=True) as served:
        seen = look(served.url)
        page = seen.go()
        assert "No library" in page.inner_text("form.ask")
        data = page.evaluate_handle(
            """(text) => { const data = new DataTransfer();
            data.items.add(new File([text], "../notes.md")); return data; }""",
            NOTE.decode(),
        )
        page.dispatch_event("#drop", "drop", {"dataTransfer": data})
        page.wait_for_selector(".attached figcaption:has-text('notes.md')")
        page.set_input_files("#choose", {"name": "x.exe", "mimeType": "", "buffer": b"MZ"})
        page.wait_for_selector("#messages:has-text('of a kind that is not read')")
        page.set_input_files(
            "#choose", {"name": "dot.png", "mimeType": "image/png", "buffer": _png()}
        )
        page.wait_for_selector(".attached img")
        page.wait_for_function("document.querySelector('.attached img').naturalWidth == 1")
        page.get_by_role("button", name="Remove dot.png").click()
        page.fill("#question", "Twice the river's length?")
        page.get_by_role("button", name="Ask", exact=True).click()
        page.wait_for_selector(".outcome.is-answered")
        assert page.inner_text(".final") == "840"
        page.locator("#s-1 a.asked").click()
        page.locator("#detail a.open-cite").first.click()
        page.wait_for_selector("#detail mark")
        assert "Ister" in page.inner_text("#detail mark")
        assert str(home) not in page.content()
        shared = httpx.get(page.url + "/share").text
        assert "840" in shared and "notes.md" in shared and str(home) not in shared
        assert "<script" not in shared and "http" not in re.sub(r"http-equiv", "", shared)


def _png() -> bytes:
    import base64

    return base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E"
        "rkJggg=="
    )


def test_a_problem_says_what_to_do_and_keeps_what_was_typed(look: Look) -> None:
    with studio("cli_parts:sums", sources=("calculator",)) as served:
        seen = look(served.url)
        page = seen.go()
        page.fill("#question", "x" * 10)
        page.get_by_text("Budget and answer").click()
        page.fill("input[name=calls]", "0")
        page.evaluate("document.querySelector('input[name=calls]').type = 'text'")
        page.fill("input[name=calls]", "many")
        page.get_by_role("button", name="Ask", exact=True).click()
        page.wait_for_selector("#messages .problem")
        assert "is not a number; write e.g. calls=10" in page.inner_text("#messages")
        assert page.input_value("#question") == "x" * 10
        assert "there is no episode" in httpx.get(f"{served.url}/episodes/nobody").text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/files/" + "0" * 32 + "/a.txt", 400),
        ("/files/..%2f..%2fetc/passwd", 404),
        ("/files/" + "0" * 32 + "/..%2f..%2fjournal.sqlite", 404),
        ("/static/../site.py", 404),
        ("/episodes/x/steps/1/cites/0/file", 404),
    ],
)
def test_no_file_outside_is_given(path: str, status: int) -> None:
    with studio("cli_parts:sums", sources=("calculator",)) as served:
        answer = httpx.get(served.url + path)
        assert answer.status_code == status, answer.text


def test_pages_of_other_sites_and_forms_cannot_ask() -> None:
    with studio("cli_parts:sums", sources=("calculator",)) as served:
        body = json.dumps({"question": "What?"})
        kinds = {"content-type": "application/json"}
        forged = httpx.post(
            f"{served.url}/ask", content=body, headers=kinds | {"origin": "https://x.y"}
        )
        assert forged.status_code == 403
        plain = httpx.post(f"{served.url}/ask", data={"question": "What?"})
        assert plain.status_code == 415
        rebound = httpx.get(served.url, headers={"host": "evil.example"})
        assert rebound.status_code == 421
        linked = {"sec-fetch-site": "cross-site", "accept": "text/html"}
        assert httpx.get(served.url, headers=linked).status_code == 403
        shown = linked | {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
        assert httpx.get(served.url, headers=shown).status_code == 200
        framed = shown | {"sec-fetch-dest": "iframe"}
        assert httpx.get(served.url, headers=framed).status_code == 403


def test_with_a_token_one_signs_in(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CENTERLM_TOKEN", "a-token-of-the-tests, another-token-of-them")
    with studio("cli_parts:sums", sources=("calculator",)) as served:
        assert httpx.get(served.url).status_code == 401
        assert httpx.post(f"{served.url}/files?name=a.txt", content=b"x").status_code == 401
        seen = look(served.url)
        page = seen.go()
        assert page.url.endswith("/sign-in")
        page.fill("#token", "a-wrong-token-of-them")
        page.keyboard.press("Enter")
        page.wait_for_selector("#messages:has-text('not a token of this server')")
        page.fill("#token", "another-token-of-them")
        page.keyboard.press("Enter")
        page.wait_for_selector("#question")
        assert "token" not in page.evaluate("document.cookie")
        at = seen.ask("What?")
        page.wait_for_selector(".outcome.is-answered")
        other = httpx.get(served.url + at, headers={"authorization": "Bearer a-token-of-the-tests"})
        assert other.status_code == 404


def test_other_libraries_only_where_they_are_served(home: Path) -> None:
    with studio("cli_parts:sums", sources=("calculator",), studio=Studio()) as served:
        answer = httpx.post(f"{served.url}/ask", json={"question": "What?", "library": str(home)})
        assert answer.status_code == 400 and "this library is not served" in answer.text


def test_a_person_is_asked_on_the_page(look: Look) -> None:
    with studio("cli_parts:asks", sources=("person",)) as served:
        seen = look(served.url)
        seen.ask("Where am I from?")
        page = seen.page
        page.wait_for_selector("#questions:has-text('Where were you born?')")
        page.fill("#questions textarea", "in <i>Tarn</i>")
        page.get_by_role("button", name="Answer").click()
        page.wait_for_selector(".outcome.is-answered")
        assert page.inner_text(".final") == "in <i>Tarn</i>"
        assert page.locator("#questions form").count() == 0
