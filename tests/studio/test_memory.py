"""The page of the memory in the browser: what is known, where from, and forgetting it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx

from centerlm.library import Library
from centerlm.postgres_journal import PostgresJournal
from postgres_parts import new_database
from serving_parts import until
from studio_parts import Seen, studio

__all__ = ["new_database"]

Look = Callable[..., Seen]


def test_what_was_learned_is_shown_with_its_origin_and_forgotten(look: Look, home: Path) -> None:
    (home / "note.md").write_text(
        "# Norburg\nThe river Ister flows through Norburg. The Ister is 420 km long.\n"
    )
    with Library.open(home / "library", create=True, embedder=None) as library:
        library.ingest([home / "note.md"])
    with studio(
        "cli_parts:river", sources=("calculator",), library=str(home / "library"), no_memory=False
    ) as served:
        seen = look(served.url)
        assert "Nothing is remembered yet" in seen.go("/memory").inner_text("main")
        at = seen.ask("How long is twice the river?")
        page = seen.page
        page.wait_for_selector(".outcome.is-answered")
        until(lambda: "Which river flows" in httpx.get(f"{served.url}/memory", timeout=30).text)
        seen.go("/memory")
        link = page.locator("table a.asked", has_text="Which river flows")
        kind = link.get_attribute("href")
        link.click()
        page.wait_for_selector("#detail h2:has-text('Which river flows')")
        page.locator("#detail summary").first.click()
        assert page.locator(f"#detail a[href='{at}']").count() >= 1
        page.on("dialog", lambda dialog: dialog.accept())
        with page.expect_navigation():  # the page goes back to the table by itself
            page.get_by_role("button", name="Forget this kind").click()
        assert httpx.get(served.url + kind, timeout=30).status_code == 400
        assert page.locator("table a.asked", has_text="Which river flows").count() == 0
        page.locator("summary", has_text="Forget more").click()
        page.fill("#everything", "all")
        page.get_by_role("button", name="Forget everything").click()
        page.wait_for_selector("#messages:has-text('type the word forget')")
        page.fill("#everything", "forget")
        page.get_by_role("button", name="Forget everything").click()
        page.wait_for_selector(".empty:has-text('Nothing is remembered yet')")


def test_where_the_memory_is_off_the_page_says_how_to_turn_it_on() -> None:
    with studio("cli_parts:sums", sources=("calculator",), no_memory=True) as served:
        answer = httpx.get(f"{served.url}/memory", timeout=30)
        assert answer.status_code == 200 and "without <code>--no-memory</code>" in answer.text
        forget = httpx.post(f"{served.url}/memory/forget", json={"kind": "1"}, timeout=30)
        assert forget.status_code == 409


def test_a_number_that_nothing_can_have_is_refused() -> None:
    with studio("cli_parts:sums", sources=("calculator",), no_memory=False) as served:
        huge = "9" * 20
        note = httpx.get(f"{served.url}/memory/notes/{huge}", timeout=30)
        assert note.status_code == 400 and "there is no note" in note.text
        for what in ({"kind": huge}, {"note": huge}, {"kind": "\N{SUPERSCRIPT TWO}"}):
            forget = httpx.post(f"{served.url}/memory/forget", json=what, timeout=30)
            assert forget.status_code == 400, what
        for what in ({"kind": "7"}, {"note": "7"}, {"source": "none"}):
            forget = httpx.post(f"{served.url}/memory/forget", json=what, timeout=30)
            assert "see all under Memory" in forget.text and "centerlm memory" not in forget.text


def test_what_is_forgotten_on_the_page_is_said_to_other_machines(
    home: Path, new_database: Callable[[], str]
) -> None:
    url = new_database()
    (home / "centerlm.toml").write_text(f'[journal]\nurl = "{url}"\n[memory]\nproject = "p"\n')
    with studio("cli_parts:sums", sources=("calculator",), no_memory=False) as served:
        unknown = httpx.post(f"{served.url}/memory/forget", json={"source": "none"}, timeout=30)
        assert unknown.status_code == 400
        all_ = httpx.post(f"{served.url}/memory/forget", json={"everything": "forget"}, timeout=30)
        assert all_.status_code < 400
    journal = PostgresJournal(url)
    assert [(row.project, row.what) for row in journal.forgettings("p", 0)] == [("p", "all")]
    journal.close()
