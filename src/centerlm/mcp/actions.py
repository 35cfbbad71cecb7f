"""What centerlm does for MCP clients: solve, plan, search and ingest over a service."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from centerlm.errors import InputError, PlanError
from centerlm.events import StepFinished
from centerlm.library import Library
from centerlm.library.walk import find_files
from centerlm.plan import format_plan
from centerlm.plan_alone import plan_alone
from centerlm.screen import plain_line
from centerlm.serving.order import Order, Refused
from centerlm.serving.service import Service
from centerlm.serving.telling import Teller, none_yet, public_file

MAX_PATHS = 1000


@dataclass(frozen=True, slots=True)
class Actions:
    """What the tools do. `roots` are the folders that documents may be ingested from."""

    service: Service
    roots: tuple[Path, ...]

    async def solve(self, client: str, order: Order, progress: Any) -> dict[str, Any]:
        """Solve, telling each step as it ends; cancelled where the caller goes away."""
        accepted = self.service.accept(client, order)
        parts = self.service.parts
        roots = [parts.library.resolve()] if parts.library else []
        teller = Teller(accepted.episode, parts.journal.blob, roots)
        steps = 0
        try:
            async with aclosing(self.service.follow(accepted)) as events:
                async for event in events:
                    teller.take(event)
                    if isinstance(event, StepFinished):
                        steps += 1
                        await progress(steps, plain_line(teller.state.nodes[event.path]))
        finally:
            self.service.leave(accepted)
        return teller.end() if teller.state.settings else dict(none_yet(accepted.episode))

    async def plan(self, client: str, order: Order) -> str:
        """The plan of an order, made in its client's turn and from its budget."""
        service, parts = self.service, self.service.parts
        cards = tuple(source.card for source in parts.sources_of(order))
        async with service.charged(client, order) as (objective, account):
            seconds = objective.budget.seconds
            try:
                async with asyncio.timeout(seconds):
                    made = await plan_alone(
                        parts.center, objective, cards, parts.memory_of(client), account
                    )
            except TimeoutError:
                raise Refused(422, f"there was no plan within {seconds:g} seconds") from None
            except PlanError as error:
                raise Refused(
                    422, f"the model wrote no plan ({error}); solving asks directly"
                ) from None
        return format_plan(made)

    async def search(self, query: str, k: int) -> list[dict[str, Any]]:
        """Passages of the library."""
        folder = self._library()

        def found() -> list[dict[str, Any]]:
            with Library.open(folder) as library:
                return [
                    {
                        "title": passage.title,
                        "text": passage.text,
                        "file": public_file(passage.file, [folder.resolve(), *self.roots]),
                        "start": passage.start,
                        "end": passage.end,
                        "unit": passage.unit,
                        "score": round(passage.score, 4),
                    }
                    for passage in library.search(query, k)
                ]

        return await asyncio.to_thread(found)

    async def ingest(self, paths: list[str]) -> dict[str, Any]:
        """Read files under the roots into the library."""
        folder = self._library()
        allowed = await asyncio.to_thread(self._allowed, paths)

        def read() -> dict[str, Any]:
            with Library.open(folder, create=True) as library:
                report = asdict(library.ingest(allowed))
            problems: list[Mapping[str, str]] = report.pop("problems")
            return {**report, "problems": [problem["reason"] for problem in problems]}

        return await asyncio.to_thread(read)

    def _library(self) -> Path:
        library = self.service.parts.library
        if library is None:
            raise Refused(400, "this server has no library; start it with --library DIR")
        return library

    def _allowed(self, paths: list[str]) -> list[Path]:
        """The paths, all of whose files are under the roots, links followed.

        Raises:
            Refused: one is not, or there are no roots.
        """
        if not self.roots:
            raise Refused(
                403, "this server ingests nothing; name folders in [serve] roots, or with --root"
            )
        if not 0 < len(paths) <= MAX_PATHS:
            raise Refused(400, f"give 1 to {MAX_PATHS:,} paths")
        chosen = [self._under(path) for path in paths]
        for file in find_files(chosen).files:
            self._under(str(file))
        return chosen

    def _under(self, given: str) -> Path:
        path = Path(given)
        try:
            real = (path if path.is_absolute() else self.roots[0] / path).resolve()
        except (OSError, ValueError, RuntimeError):
            raise Refused(400, f"{given[:80]!r} is not a path; check it") from None
        if not any(real.is_relative_to(root) for root in self.roots):
            raise Refused(403, f"{given[:80]!r} is not under a folder that this server may read")
        return real


def root_of(folder: str) -> Path:
    """A folder that documents may be ingested from.

    Raises:
        InputError: it is no folder.
    """
    path = Path(folder).expanduser().resolve()
    if not path.is_dir():
        raise InputError(f"the root {folder} is not a folder; check the path")
    return path
