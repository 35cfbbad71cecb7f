"""Citations of recordings and videos open at their second, and give no file but the episode's."""

from __future__ import annotations

import wave
from collections.abc import Callable
from pathlib import Path

import httpx

from centerlm.events import EpisodeFinished, EpisodeStarted, StepFinished, StepPlanned, digest
from centerlm.finding import Citation, Finding, Status
from centerlm.journal import SqliteJournal
from centerlm.objective import Objective
from centerlm.recorder import finding_blob, to_blob
from studio_parts import Seen, studio

Look = Callable[..., Seen]


def _sound(path: Path) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(2 * 8000 * 4))
    return path


def _record(home: Path, attached: Path, *cited: Path) -> None:
    journal = SqliteJournal(home / "journal.sqlite")
    setup = {"attachments": [str(attached)], "library": None}
    settings = to_blob({"objective": Objective("When?"), "setup": setup, "sources": []})
    said = 'a voice says "halt"'
    cites = tuple(
        Citation("p", file=str(path), title="talk", start=2.5, end=3.0, unit="seconds", quote=said)
        for path in cited
    )
    finding = finding_blob(Finding(Status.FOUND, answer="halt", citations=cites, source="audio"))
    blobs = {digest(settings): settings, digest(finding): finding}
    journal.append("heard", EpisodeStarted(question="When?", settings=digest(settings)), blobs)
    journal.append("heard", StepPlanned(path="1", line="1 [audio] When?"))
    ended = StepFinished(
        path="1", status="found", answer="halt", source="audio", finding=digest(finding)
    )
    journal.append("heard", ended)
    journal.append("heard", EpisodeFinished(status="answered", answer="halt"))
    journal.write()
    journal.close()


def test_a_recording_opens_at_its_second_and_no_other_file_is_given(look: Look, home: Path) -> None:
    own, other = _sound(home / "talk.wav"), _sound(home / "secret.wav")
    _record(home, own, own, other)
    with studio("cli_parts:sums", sources=("calculator",)) as served:
        seen = look(served.url)
        page = seen.go("/episodes/heard")
        page.locator("#s-1 a.asked").click()
        page.locator("#detail a.open-cite").first.click()
        page.wait_for_selector("#detail audio")
        assert "0:02.5 to 0:03.0" in page.inner_text("#detail")
        page.wait_for_function("() => document.querySelector('#detail audio').currentTime === 2.5")
        at = f"{served.url}/episodes/heard/steps/1/cites"
        part = httpx.get(f"{at}/0/file", headers={"range": "bytes=0-3"})
        assert (part.status_code, part.content) == (206, b"RIFF")
        assert part.headers["content-type"] in ("audio/x-wav", "audio/wav")
        assert httpx.get(f"{at}/1/file").status_code == 404
        assert str(home) not in page.content()
