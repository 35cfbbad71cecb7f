"""Correcting plans in the browser, and what is kept of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import httpx

from centerlm.events import PlanReviewed
from centerlm.journal import SqliteJournal
from centerlm.learning.readers.own import read_own
from serving_parts import until
from studio_parts import Seen, studio

Look = Callable[..., Seen]


def test_a_plan_is_corrected_before_it_runs_and_kept_as_guidance(look: Look, home: Path) -> None:
    with studio("cli_parts:sums", sources=("calculator",)) as served:
        seen = look(served.url)
        at = seen.ask("What is twice the sum?", plan=True)
        page = seen.page
        page.get_by_role("link", name="Look at the plan").click()
        page.wait_for_selector("svg.graph")
        assert page.locator("svg.graph a.box").count() == 2
        assert "waits for you" not in page.inner_text("main")

        page.fill("#plan-text", "1 [calculator] 2 + 3\n2 [calculato] #1 * 2")
        page.wait_for_selector("#checked .problem:has-text('did you mean calculator?')")
        page.fill("#plan-text", "1 [calculator] 2 + 3\n2 [calculator] #1 * 2")
        page.wait_for_selector("svg.graph")
        page.locator("a.box").nth(1).click()
        page.locator("#card-2 button", has_text="Up").click()
        page.wait_for_selector(".problem:has-text('step 2 needs #1')")
        page.locator("a.box").nth(1).click()
        page.fill("#text-2", "#1 * 3")
        page.locator("#card-2").get_by_role("button", name="Change the words").click()
        page.wait_for_selector("#checked:has-text('corrected')")
        assert page.input_value("#plan-text").endswith("#1 * 3")

        page.fill("#by", "Ada <b>")
        page.fill("#why", "thrice, not twice")
        page.get_by_label("2 poor").check()
        page.get_by_role("button", name="Accept and run").click()
        page.wait_for_selector(".outcome.is-answered")
        assert page.url == served.url + at
        assert page.inner_text(".final") == "15"

        lines = httpx.get(f"{served.url}/guide/guidance.jsonl").text.splitlines()
        assert len(lines) == 1
        kept = json.loads(lines[0])
        assert kept.pop("when")
        assert kept == {
            "objective": "What is twice the sum?",
            "plan": "1 [calculator] 2 + 3\n2 [calculator] #1 * 3",
            "edited_from": "1 [calculator] 2 + 3\n2 [calculator] #1 * 2",
            "by": "Ada <b>",
            "why": "thrice, not twice",
            "rating": 2,
        }
        (file := home / "guidance.jsonl").write_text(lines[0])
        assert len(read_own(file).guidance) == 1
        assert "corrected" in seen.go("/guide").inner_text("main").casefold()


def test_rejected_plans_do_not_run_and_ended_ones_can_be_kept_or_run_again(
    look: Look, home: Path
) -> None:
    with studio("cli_parts:sums", sources=("calculator",)) as served:
        seen = look(served.url)
        assert "No plan to look at" in seen.go("/guide").inner_text("main")
        at = seen.ask("What is it?", plan=True)
        page = seen.page
        page.get_by_role("link", name="Look at the plan").click()
        page.get_by_role("button", name="Reject").click()
        page.wait_for_url("**/guide")
        assert "rejected" in seen.go(at).inner_text("main")
        again = httpx.post(f"{served.url}{at}/resume")
        assert again.status_code == 409

        at = seen.ask("How much is it?")
        page.wait_for_selector(".outcome.is-answered")
        seen.go("/guide").get_by_role("link", name="How much is it?").click()
        page.fill("#plan-text", "1 [calculator] 7 * 6")
        page.wait_for_selector("#checked:has-text('corrected')")
        page.get_by_role("button", name="Keep as guidance").click()
        page.wait_for_url("**/guide")
        name = at.rpartition("/")[2]
        seen.go(f"/guide/{name}")
        assert page.input_value("#plan-text") == "1 [calculator] 7 * 6"
        page.get_by_role("button", name="Run this plan").click()
        page.wait_for_url("**/episodes/*")
        page.wait_for_selector(".outcome.is-answered")
        assert page.inner_text(".final") == "42"
        wrong = httpx.post(
            f"{served.url}/guide/{name}/say", json={"plan": "nonsense", "verdict": "run"}
        )
        assert wrong.status_code == 400 and "line 1" in wrong.text
    journal = SqliteJournal(home / "journal.sqlite")
    said = [e.verdict for e in journal.events(name) if isinstance(e, PlanReviewed)]
    journal.close()
    assert said == ["edited"]


OUTSIDE = """() => [...document.querySelectorAll("svg.graph a.box")].flatMap(box => {
    const frame = box.querySelector("rect").getBoundingClientRect();
    const texts = box.querySelectorAll("text").length
        ? [...box.querySelectorAll("text")] : [...box.querySelectorAll("p")];
    return texts.map(text => text.getBoundingClientRect())
        .filter(at => at.right > frame.right || at.bottom > frame.bottom);
}).length"""


def test_the_words_of_a_step_stay_in_its_box(look: Look) -> None:
    with studio("cli_parts:sums", sources=("calculator",)) as served:
        seen = look(served.url)
        seen.ask("What is twice the sum?", plan=True)
        page = seen.page
        page.get_by_role("link", name="Look at the plan").click()
        wide = "MWMWMWMW " * 20, "あ" * 200, "x" * 200, "author of The Grey Harbour was born? " * 4
        lines = [f"{n} [calculator | calculator] {text[:200]}" for n, text in enumerate(wide, 1)]
        page.fill("#plan-text", "\n".join(lines))
        page.wait_for_selector("#card-4", state="attached")
        assert page.locator("svg.graph a.box").count() == len(wide)
        assert page.evaluate(OUTSIDE) == 0


def test_what_a_rejected_plan_cost_counts_for_the_budget_of_who_asked() -> None:
    with studio("cli_parts:sums", client_calls=8, budget="calls=8") as served:
        asked = {"question": "What is twice the sum?", "first": "plan"}
        for _ in range(10):
            answer = httpx.post(f"{served.url}/ask", json=asked)
            if answer.status_code != 204:
                break
            name = answer.headers["hx-redirect"].rpartition("/")[2]
            say = f"{served.url}/guide/{name}/say"
            until(lambda at=say: httpx.post(at, json={"plan": "", "verdict": "reject"}).is_success)
        assert answer.status_code == 429
