"""Events: at most 2 KB whatever they say, and blobs of any text."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from centerlm.episode import episode_to_json, fold
from centerlm.errors import JournalError
from centerlm.events import (
    MAX_EVENT_BYTES,
    CallFinished,
    CallStarted,
    EpisodeFinished,
    EpisodeStarted,
    Event,
    PlanFinished,
    SeekFinished,
    SeekStarted,
    StepFinished,
    StepJoined,
    StepPlanned,
    StepReopened,
    StepStarted,
    decode_event,
    digest,
    encode_event,
    fit,
)
from centerlm.finding import Finding, Status, Usage, short_answer
from centerlm.journal import SqliteJournal
from centerlm.objective import Objective
from centerlm.past import past_of
from centerlm.recorder import Recorder, finding_blob, to_blob
from centerlm.solver import solve
from centerlm.sources.base import Card, Seek
from world import center


def started(question: str = "q", at: float = 1.0) -> EpisodeStarted:
    return EpisodeStarted(question=question, settings=digest(b"s"), at=at)


def stored(path: Path) -> list[bytes]:
    """The events another connection sees."""
    with sqlite3.connect(path) as db:
        return [row[0] for row in db.execute("SELECT data FROM events ORDER BY episode, seq")]


# --- sizes

LONG = st.one_of(
    st.text(max_size=20),
    st.text(st.sampled_from('a"\\\n\x00\x1f\u2028é日😀\u0300\ud800'), max_size=3000),
    st.sampled_from(["😀" * 3000, "\x01" * 3000, '"' * 3000, "\ud800" * 3000, "日" * 10**6]),
)
SHORT = st.text(st.characters(codec="utf-8"), max_size=400).map(short_answer)
NAME = st.sampled_from(["documents", "x" * 64])
PATH = st.sampled_from(["", "3", ".".join(["32"] * 60)])
HASH = st.just("f" * 32)
USAGE = st.just(Usage(10**9, 10**12, 10**12, 123456.123456789, 0.1 + 0.2))


def built(kind: type[Event], **fields: st.SearchStrategy[object]) -> st.SearchStrategy[Event]:
    return st.builds(kind, path=PATH, at=st.floats(1e9, 2e9), **fields)


EVENTS = st.one_of(
    built(EpisodeStarted, question=LONG, settings=HASH, seed=st.integers(0, 2**63)),
    built(CallStarted, act=st.just("decompose"), attempt=st.just(190), prompt=HASH, bound=USAGE),
    built(CallFinished, act=st.just("absorb"), attempt=st.just(190), error=LONG, usage=USAGE),
    built(StepPlanned, line=LONG),
    built(PlanFinished, plan=HASH, steps=st.just(32), edited=HASH, problem=LONG),
    built(StepStarted, text=LONG, sources=st.lists(NAME, max_size=60).map(tuple), key=HASH),
    built(StepJoined, to=PATH),
    built(SeekStarted, source=NAME, attempt=st.just(190), text=LONG, bound=USAGE),
    built(SeekFinished, source=NAME, attempt=st.just(1), finding=HASH, status=st.just("found")),
    built(StepReopened, reason=LONG),
    built(
        StepFinished,
        status=st.just("out_of_budget"),
        finding=HASH,
        answer=SHORT,
        source=NAME,
        tried=st.lists(NAME, max_size=60).map(tuple),
        cites=st.lists(LONG, max_size=60).map(tuple),
        reason=LONG,
        key=HASH,
    ),
    built(EpisodeFinished, status=st.just("partial"), finding=HASH, answer=SHORT, reason=LONG),
)


@given(EVENTS, st.floats(1e9, 2e9))
def test_an_event_takes_at_most_two_kilobytes_whatever_it_says(event: Event, at: float) -> None:
    fitted = fit(event)
    data = encode_event(fitted)
    assert len(data) <= MAX_EVENT_BYTES
    assert decode_event(data) == fitted
    assert fit(fitted) == fitted
    later = msgspec.structs.replace(fit(msgspec.structs.replace(event, at=at)), at=event.at)
    assert later == fitted  # what is cut does not depend on the time
    if isinstance(event, StepFinished):
        assert fitted.status == event.status
        assert fitted.finding == event.finding
        assert fitted.key == event.key
        if len(event.path) < 10 and len(event.tried) < 6:
            assert fitted.answer == event.answer  # other texts give way first


def test_events_that_fit_are_left_alone() -> None:
    event = StepFinished(path="1", status="found", answer="é" * 200, reason="x" * 300)
    assert fit(event) is event


class Loud:
    """A source whose findings are as long and as odd as they get."""

    def __init__(self, text: str) -> None:
        self.text = text

    card = Card("loud", "anything")

    def bound(self, seek: Seek) -> Usage:
        return Usage(calls=1)

    async def seek(self, seek: Seek) -> Finding:
        if "fails" in seek.text:
            raise ValueError(self.text)
        return Finding(Status.FOUND, answer=self.text, text=self.text, reason=self.text)


@pytest.mark.parametrize("text", ["😀" * 50_000, "\x01\x9f" * 50_000, "\ud800", '"\\' * 9000])
def test_long_and_odd_contents_make_small_events(tmp_path: Path, text: str) -> None:
    question = ("😀" * 4000)[:3990] + " known?"
    plans = {"known?": f"1 [loud] {'😀' * 190}\n2 [loud] fails\n3 [loud] {'日' * 180} #1"}
    journal = SqliteJournal(tmp_path / "j.db")
    solution = asyncio.run(
        solve(
            Objective(question), center=center(plans=plans), sources=[Loud(text)], journal=journal
        )
    )
    events = stored(journal.path)
    assert len(events) > 15
    assert max(map(len, events)) <= MAX_EVENT_BYTES
    assert fold(journal.events(solution.episode)) == solution.tree
    json.dumps(episode_to_json(solution.tree, solution.episode, journal.blob)).encode()


@given(st.text(st.characters(), max_size=50))
def test_blobs_hold_any_text(text: str) -> None:
    data = to_blob({"text": text + "\udc80"})
    assert msgspec.json.decode(data)["text"].endswith("?")
    assert finding_blob(Finding(Status.FOUND, text=text))


def test_a_blob_is_stored_once(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "j.db")
    for name in ("a", "b"):
        recorder = Recorder(name, journal, seed=0, past=past_of([]))
        recorder.emit(started(), settings=b"same")
        recorder.emit(started(), settings=b"same", other=name.encode())
    journal.write()
    rows = sqlite3.connect(journal.path).execute("SELECT hash, data FROM blobs").fetchall()
    assert dict(rows) == {digest(data): data for data in (b"same", b"a", b"b")}
    assert journal.blob(digest(b"same")) == b"same"
    with pytest.raises(JournalError, match="has lost content"):
        journal.blob(digest(b"other"))
