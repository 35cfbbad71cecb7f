"""The page of evaluations: the reports in a folder, and their pages of items, as written."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from centerlm.learning.run_folder import read_json
from centerlm.serving.order import Refused
from centerlm.studio.site import Site

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp

RESULTS, DEPTH, MOST = "results.json", 3, 200
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; sandbox allow-popups"
)
"""Reports hold what models and sources said: nothing of it runs."""


PAGE = "report/index.html"
"""In the folder of an evaluation: the first page of its report."""


@dataclass(frozen=True, slots=True)
class Report:
    """A report: where it stands under the folder, and its systems as (name, mean, low, high)."""

    at: str
    scenario: str
    n: int
    metric: str
    systems: tuple[tuple[str, float, float, float], ...]
    when: float
    whole: bool


@dataclass(slots=True)
class EvaluatePages:
    """The endpoints."""

    site: Site

    def routes(self) -> list[tuple[str, Any, str]]:
        return [
            ("/evaluate", self.page, "GET"),
            ("/evaluate/report/{path:path}", self.file, "GET"),
        ]

    @property
    def root(self) -> Path:
        return Path(self.site.settings.reports).resolve()

    async def page(self, request: Request) -> ASGIApp:
        """All reports, the newest first."""
        reports = await asyncio.to_thread(lambda: sorted(_reports(self.root), key=_newest))
        return self.site.page(request, "evaluate.html", reports=reports, root=self.root.name)

    async def file(self, request: Request) -> ASGIApp:
        """A file of a report: a page, its figures, its results; nothing else of the folder.

        Raises:
            Refused: there is no such file.
        """
        from starlette.responses import FileResponse

        path = await asyncio.to_thread(_inside, self.root, request.path_params["path"])
        headers = {"content-security-policy": _POLICY}
        return FileResponse(path, media_type=_KINDS[path.suffix], headers=headers)


def _newest(report: Report) -> float:
    return -report.when


def _inside(root: Path, given: str) -> Path:
    path = root / given
    try:
        path = path.resolve()
        reports = [at for at in path.parents if (at / RESULTS).is_file()]
        inside = path.is_relative_to(root) and any(at.is_relative_to(root) for at in reports)
        found = inside and path.suffix in _KINDS and path.is_file()
    except OSError:  # no file system has such a name
        found = False
    if not found:
        raise Refused(404, "there is no such page; see all reports under Evaluate")
    return path


def _reports(root: Path) -> Iterator[Report]:
    found = 0
    for folder, below, files in os.walk(root):
        at = Path(folder).relative_to(root)
        below[:] = [] if len(at.parts) >= DEPTH else sorted(n for n in below if n[0] not in "._")
        if RESULTS in files and (report := _report(Path(folder), str(at))) is not None:
            yield report
            found += 1
        if found >= MOST:
            return


def _report(folder: Path, at: str) -> Report | None:
    """The report of a folder; None where its results are none."""
    data = read_json(folder / RESULTS)
    if data is None:
        return None
    try:
        metric = str(data["metric"])
        systems = tuple(
            (str(name), float(cell["value"]), float(cell["low"]), float(cell["high"]))
            for name, system in data["systems"].items()
            if (cell := system["metrics"].get(metric)) is not None
        )
        return Report(
            "" if at == "." else f"{at}/",
            str(data["scenario"]),
            int(data["n"]),
            metric,
            systems,
            (folder / RESULTS).stat().st_mtime,
            (folder / PAGE).is_file(),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OSError):
        return None
