"""The seeking memory of one project, as the engine knows it (`protocols.Memory`).

Recalling costs an embedding and a search over at most 1,024 kinds; learning is one short
transaction and runs no model. What goes wrong with the file while a solve runs costs no answer:
nothing is recalled or learned, and `problems` says why.
"""

from __future__ import annotations

import asyncio
import sqlite3
import struct
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Literal, TypeVar

import msgspec

from centerlm.acts import Experience, Guided
from centerlm.errors import CenterError, InputError, MissingExtraError, MissingWeightsError
from centerlm.events import Event
from centerlm.finding import Finding, nothing
from centerlm.library.embed import Embedder, find_embedder
from centerlm.memory.filing import file_inbox, key_of, mark, put, take_out, waiting
from centerlm.memory.guided import guided_of, plans_like, put_plan, take_out_plan
from centerlm.memory.index import KindIndex
from centerlm.memory.kinds import MeaningSpace, Space, WordSpace, mask
from centerlm.memory.notes import Note, notes_of
from centerlm.memory.noting import put_notes, take_out_notes
from centerlm.memory.outcomes import Blob, Outcome, outcomes
from centerlm.memory.recalling import (
    SourceView,
    drawn_order,
    lines_of,
    missed_source,
    queries_of,
    view_sources,
)
from centerlm.memory.store import connect, copied, transaction, unusable
from centerlm.memory.web import KnowledgeWeb
from centerlm.plan import CENTER
from centerlm.sources.base import KNOWN, Card, Source
from centerlm.sources.known import Known

MAX_PROJECT = 1000
_ALIKE = 3
_FAILURES = (sqlite3.Error, struct.error, msgspec.DecodeError, CenterError)

T = TypeVar("T")


class SeekingMemory:
    """Experience of one project in a SQLite file; other projects' in it are never seen.

    `embedder` "installed" takes MiniLM where it is installed, None compares by words. With `learns`
    False it recalls from a copy, and the file never changes: for evaluation, where no item may
    teach another. With `keeps` it keeps findings as notes; they are used from `open_web` on.
    `problems` are sentences about what could not be recalled or learned, `missed` those about the
    sources that did best and are no longer there.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        project: str = "default",
        embedder: Embedder | Literal["installed"] | None = "installed",
        learns: bool = True,
        keeps: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Open the memory, made if it is new.

        Raises:
            InputError: the project has no name, or one that is too long.
            MemoryFileError: the file is no memory, is damaged, too new, or not accessible.
        """
        if not 0 < len(project.strip()) <= MAX_PROJECT:
            raise InputError(f"a project has a name of 1 to {MAX_PROJECT} characters")
        self.path = path if path == ":memory:" else Path(path)
        self.project = project
        self.learns = learns
        self.keeps = keeps
        self.problems: list[str] = []
        self.missed: list[str] = []
        self._embedder = embedder
        self._clock = clock
        self._lock = threading.Lock()
        self._db = connect(self.path) if learns else copied(self.path)
        self._index: KindIndex | None = None
        self._plans: KindIndex | None = None
        self._id: int | None = None
        self._web: KnowledgeWeb | None = None

    def open_web(self, sources: Sequence[Source], reader: str) -> Source:
        """Use what is known, with the sources of one solve, for the center of this identity.

        Returns the source `known`, to be given to the solve with the others. From now on plans are
        shown what is known, and a step whose very question is known asks `known` first.

        Raises:
            MemoryFileError: the file cannot be read.
        """
        try:
            project = self._project()
        except sqlite3.Error as error:
            raise unusable(self.path, error) from error
        self._web = KnowledgeWeb(
            self._db, project, tuple(sources), reader, self.learns, self._likest
        )
        return Known(self._ask_web)

    async def known(self, text: str) -> tuple[str, ...]:
        """Lines on what is known of what a text names; none where the web is not open."""
        web = self._web
        if web is None:
            return ()
        return await self.guarded(lambda: web.lines(text, self._clock()), ())

    async def _ask_web(self, question: str) -> Finding:
        web = self._web
        lost = nothing("what is known cannot be read", source=KNOWN)
        if web is None:
            return lost
        return await self.guarded(lambda: web.answer(question, self._clock()), lost)

    async def recall(self, objective: str, cards: tuple[Card, ...]) -> Experience:
        """What is known already of what an objective names, lines on the kinds that it resembles
        (which of these sources answered them), and people's plans of objectives like it.

        None where a source that writes is offered: a plan that saw what was recalled may not name
        it (see Trust in the explanation of the engine), and the user gave it to be used.
        """
        if any(card.effect == "write" for card in cards):
            return Experience()
        names = tuple(card.name for card in cards)

        def experience() -> Experience:
            known = ()
            if self._web is not None and KNOWN in names:
                known = self._web.lines(objective, self._clock())
            kinds = self._alike(objective)
            lines = known + lines_of(self._db, self._project(), kinds, names, self._clock())
            for kind in kinds[:1]:
                told = missed_source(self._db, self._project(), kind, names, self._clock())
                if told and told not in self.missed:
                    self.missed.append(told)
            return Experience(lines, self._plans_like(objective, names))

        return await self.guarded(experience, Experience())

    async def order(self, objective: str, sources: tuple[str, ...], seed: int) -> tuple[str, ...]:
        """The sources in the order in which to ask them; as they are where nothing is known. Before
        them `known`, offered or not, where the web is open and has the answer to this very
        objective.

        Thompson sampling: a source that may be better is tried in proportion. The same seed and
        the same experience give the same order.
        """

        def order() -> tuple[str, ...]:
            return tuple(dict.fromkeys((*first(), *ordered())))

        def first() -> tuple[str, ...]:
            web = self._web
            if web is None:
                return ()
            return (KNOWN,) if web.exact(objective, self._clock())[0] else ()

        def ordered() -> tuple[str, ...]:
            if len(sources) < 2 or CENTER in sources:
                return sources
            views = self._views(objective, sources)  # files what waits: then it is known
            return self._drawn(views, seed) if self._knows(sources) else sources

        return await self.guarded(order, sources)

    async def elsewhere(
        self, objective: str, sources: tuple[str, ...], seed: int, *, explores: bool
    ) -> tuple[str, ...]:
        """Which of these sources to ask though no plan named them, by Thompson sampling as `order`:
        those that answered at least half of the questions of this kind that they were asked; all
        of them where it `explores`.
        """

        def order() -> tuple[str, ...]:
            views = self._views(objective, sources)
            worth = [v for v in views if explores or (v.found and 2 * v.found >= v.asked)]
            return self._drawn(worth, seed)

        return await self.guarded(order, ())

    async def queries(self, objective: str, source: str) -> Experience:
        """Lines about other words in which a source was asked the like, and found it."""
        found = await self.guarded(lambda: queries_of(self._db, self._alike(objective), source), ())
        return Experience(found)

    async def learn(self, episode: str, events: Sequence[Event], blob: Blob) -> None:
        """Take in an ended episode: once, however often; what it told before is replaced."""
        if not self.learns:
            return
        try:
            found = outcomes(events, blob)  # here: a journal belongs to its thread
            notes = notes_of(events, blob) if self.keeps else ()
            guided = guided_of(events, blob)
        except CenterError as error:
            self.problems.append(str(error))
            return
        ended = events[-1].at if events else None
        await self.guarded(lambda: self.remember(episode, found, notes, guided, ended), None)

    def remember(
        self,
        episode: str,
        found: Sequence[Outcome],
        notes: Sequence[Note] = (),
        guided: Guided | None = None,
        ended: float | None = None,
    ) -> bool:
        """Take in outcomes, notes and a person's plan as those of an episode, in place of what it
        told before. It `ended` then (seconds since 1970), or now.

        Returns whether they were taken in: not those of an episode that was forgotten.

        Raises:
            sqlite3.Error: the file cannot be written.
        """
        project, key = self._project(), key_of(episode)
        ended = self._clock() if ended is None else ended
        with transaction(self._db):
            row = self._db.execute(
                "SELECT forgotten FROM episodes WHERE project=? AND key=?", (project, key)
            ).fetchone()
            if row and row[0]:
                return False
            if row:
                take_out(self._db, project, key)
                take_out_notes(self._db, project, key)
                take_out_plan(self._db, project, key)
            mark(self._db, project, episode, ended)
            put(self._db, project, key, found)
            if row or notes:
                put_notes(self._db, project, key, notes, self._clock())
            if guided is not None:
                put_plan(self._db, project, key, guided, ended)
        return True

    def learned(self, episode: str) -> bool:
        """Whether an episode was taken in, or was forgotten since."""
        row = self._db.execute(
            "SELECT 1 FROM episodes WHERE project=? AND key=?", (self._project(), key_of(episode))
        ).fetchone()
        return row is not None

    def taught_by(self) -> list[str]:
        """The episodes that were learned and not forgotten, the oldest first.

        Raises:
            sqlite3.Error: the file cannot be read.
        """
        rows = self._db.execute(
            "SELECT name FROM episodes WHERE project=? AND NOT forgotten ORDER BY at, name",
            (self._project(),),
        )
        return [str(row[0]) for row in rows]

    def forgotten_until(self) -> float:
        """Episodes that ended before this (seconds since 1970) were forgotten all together."""
        row = self._db.execute(
            "SELECT forgotten FROM projects WHERE id=?", (self._project(),)
        ).fetchone()
        return float(row[0])

    def views(self, objective: str, sources: Sequence[str]) -> list[SourceView]:
        """What is known of each source on the kind that an objective resembles most.

        Raises:
            sqlite3.Error: the file cannot be read.
        """
        with self._lock:
            return self._views(objective, sources)

    def alike(self, objective: str) -> list[int]:
        """The numbers of the kinds that a question resembles, the nearest first; at most three.

        Raises:
            sqlite3.Error: the file cannot be read.
        """
        with self._lock:
            return self._alike(objective)

    def now(self) -> float:
        """Seconds since 1970 by this memory's clock."""
        return self._clock()

    def settle(self) -> None:
        """File what was learned and not yet filed."""
        with self._lock:
            self._file()

    @property
    def connection(self) -> sqlite3.Connection:
        """For what lists, exports and forgets; everything waiting should be filed (`settle`)."""
        return self._db

    @property
    def project_id(self) -> int:
        return self._project()

    @property
    def index(self) -> KindIndex:
        """The project's kinds, and how questions are compared."""
        if self._index is None:
            self._index = KindIndex(self._space(), self._project())
        return self._index

    def close(self) -> None:
        with self._lock:  # a recall that was cancelled may still be under way
            self._db.close()

    def _project(self) -> int:
        if self._id is None:
            row = self._db.execute(
                "SELECT id FROM projects WHERE name=?", (self.project,)
            ).fetchone()
            if row is None:
                self._db.execute("INSERT OR IGNORE INTO projects(name) VALUES (?)", (self.project,))
                return self._project()
            self._id = int(row[0])
        return self._id

    def _space(self) -> Space:
        if self._embedder is None:
            return WordSpace()
        if not isinstance(self._embedder, str):
            return MeaningSpace(self._embedder)
        try:
            return MeaningSpace(find_embedder())
        except (MissingExtraError, MissingWeightsError):
            return WordSpace()

    def _likest(self, question: str, others: Sequence[str]) -> list[int]:
        """The places of other questions by how like they are to one, the likest first."""
        if not others:
            return []
        space = self.index.space
        table = space.table()
        for vector in space.embed([mask(other) for other in others]):
            table.add(vector)
        (asked,) = space.embed([mask(question)])
        places = [place for place, _ in table.nearest(asked, len(others))]
        return list(dict.fromkeys([*places, *range(len(others))]))

    def _file(self) -> None:
        project = self._project()
        if not waiting(self._db, project):
            return
        index = self.index  # loads the embedding before anything is locked
        try:
            with transaction(self._db):
                file_inbox(self._db, project, index)
        except BaseException:
            index.stale()
            raise

    def _alike(self, objective: str, count: int = _ALIKE) -> list[int]:
        """The kinds that a question resembles, the nearest first."""
        self._file()
        project = self._project()
        query = "SELECT 1 FROM kinds WHERE project=? LIMIT 1"
        if not self._db.execute(query, (project,)).fetchone():
            return []
        index = self.index
        index.refresh(self._db)
        (vector,) = index.embed([objective])
        near = index.nearest(vector, count)
        return [kind for kind, likeness in near if likeness >= index.space.resembles]

    def _plans_like(self, objective: str, sources: Sequence[str]) -> tuple[Guided, ...]:
        query = "SELECT 1 FROM plans WHERE project=? LIMIT 1"
        if not self._db.execute(query, (self._project(),)).fetchone():
            return ()
        if self._plans is None:
            self._plans = KindIndex(self.index.space, self._project(), "plans")
        return plans_like(self._db, self._plans, objective, sources)

    def _views(self, objective: str, sources: Sequence[str]) -> list[SourceView]:
        kinds = self._alike(objective, 1)
        kind = kinds[0] if kinds else None
        return view_sources(self._db, self._project(), kind, sources, self._clock())

    def _drawn(self, views: Sequence[SourceView], seed: int) -> tuple[str, ...]:
        """The sources in the order in which to ask them."""
        (ticks,) = self._db.execute(
            "SELECT coalesce(sum(ticks), 0) FROM kinds WHERE project=?", (self._project(),)
        ).fetchone()
        return drawn_order(views, Random(f"{seed}:{ticks}"))

    def _knows(self, sources: Sequence[str]) -> bool:
        """Whether anything is known of one of the sources."""
        marks = ",".join("?" * len(sources))
        query = f"SELECT 1 FROM records WHERE project=? AND source IN ({marks}) LIMIT 1"
        return self._db.execute(query, (self._project(), *sources)).fetchone() is not None

    async def guarded(self, work: Callable[[], T], otherwise: T) -> T:
        """Do it in a thread, and nothing else meanwhile; if the file fails, say so once and go on
        without.
        """

        def locked() -> T:
            with self._lock:
                return work()

        try:
            return await asyncio.to_thread(locked)
        except _FAILURES as error:
            sentence = (
                str(error) if isinstance(error, CenterError) else str(unusable(self.path, error))
            )
            if sentence not in self.problems:
                self.problems.append(sentence)
            return otherwise
