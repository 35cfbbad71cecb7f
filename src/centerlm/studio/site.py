"""What all pages share: the templates, answers as HTML, errors as sentences, forms as data."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from centerlm.errors import InputError
from centerlm.finding import clean_text
from centerlm.screen import MARKS
from centerlm.serving.accepted import Accepted
from centerlm.serving.app import Answering, Endpoint, later
from centerlm.serving.guard import Rules
from centerlm.serving.metrics import Metrics
from centerlm.serving.order import Refused
from centerlm.serving.server import Studio
from centerlm.serving.service import Service
from centerlm.serving.wire import body_of
from centerlm.stored_journal import StoredJournal

if TYPE_CHECKING:
    from jinja2 import Environment
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

HERE = Path(__file__).parent
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Nothing runs or loads in a page but what is in the package, whatever a finding says."""

PAGES = {
    "/": "Ask",
    "/guide": "Guide",
    "/memory": "Memory",
    "/learn": "Learn",
    "/evaluate": "Evaluate",
}
T = TypeVar("T")


@dataclass
class Site:
    """The pages over a service."""

    service: Service
    metrics: Metrics
    rules: Rules
    settings: Studio

    @cached_property
    def templates(self) -> Environment:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined

        made = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        made.filters |= {"ago": ago, "amount": amount, "clean": clean_text}
        shown: dict[str, Any] = made.globals
        shown |= {"marks": MARKS, "span": span}
        return made

    @property
    def journal(self) -> StoredJournal:
        return self.service.parts.journal

    def page(self, request: Request, name: str, /, *, status: int = 200, **more: Any) -> Response:
        """A whole page."""
        path = request.url.path
        here = next((at for at in PAGES if at != "/" and path.startswith(at)), "/")
        text = self.templates.get_template(name).render(
            pages=PAGES, here=here, signed=bool(self.rules.digests), **more
        )
        return html(text, status=status)

    def part(self, name: str, /, **more: Any) -> Response:
        """A part of a page."""
        return html(self.text(name, **more))

    def opened(self, request: Request, name: str, /, **more: Any) -> Response:
        """What was clicked: NAME.html for the page it was clicked on, NAME_page.html by itself."""
        if from_page(request):
            return self.part(f"{name}.html", **more)
        return self.page(request, f"{name}_page.html", **more)

    def text(self, name: str, /, **more: Any) -> str:
        return self.templates.get_template(name).render(**more)

    def serving(self, path: str, endpoint: Endpoint) -> Paging:
        """An endpoint whose errors are pages, or parts of them."""
        return Paging(self, endpoint, path, self.metrics)

    def own(self, request: Request, name: str) -> Accepted | None:
        """The request of this client that an episode answers; None for one of the command line.

        Raises:
            Refused: there is no such episode, or it is another client's.
        """
        client = client_of(request)
        accepted = self.service.store.of_episode(client, name)
        if accepted is None:
            missing = Refused(404, f"there is no episode {name[:80]!r}; see all under Ask")
            if self.service.parts.apart:
                raise missing
            try:
                self.journal.events(name, 1 << 30)
            except InputError:
                raise missing from None
        return accepted


class Paging(Answering):
    """An endpoint of the pages: what it raises is shown, with what to do, where it happened."""

    def __init__(self, site: Site, endpoint: Endpoint, route: str, metrics: Metrics) -> None:
        super().__init__(endpoint, route, metrics)
        self._site = site

    def refusal(self, request: Request, refused: Refused) -> ASGIApp:
        headers = later(refused)
        message = clean_text(refused.message)
        if from_page(request):
            text = self._site.text("problem.html", message=message)
            headers |= {"HX-Retarget": "#messages", "HX-Reswap": "innerHTML"}
            return html(text, status=refused.status, headers=headers)
        return self._site.page(
            request, "wrong.html", status=refused.status, message=message, title="Not possible"
        )


def html(text: str, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer that is HTML, under the policy of all pages."""
    from starlette.responses import HTMLResponse

    return HTMLResponse(
        text.encode("utf-8", "replace"),
        status_code=status,
        headers={"content-security-policy": POLICY, **(headers or {})},
    )


def went(path: str) -> Response:
    """What sends the browser on to another page, after a form was sent."""
    from starlette.responses import Response

    return Response(status_code=204, headers={"HX-Redirect": path})


def from_page(request: Request) -> bool:
    """Whether the script of a page asks, for a part of it."""
    return "hx-request" in request.headers


def client_of(request: Request) -> str:
    return request.scope["state"]["client"]


async def form_of(request: Request, kind: type[T]) -> T:
    """What a form sent, as a struct of strings.

    Raises:
        Refused: it is no JSON, or a field is missing or of another kind.
    """
    try:
        return msgspec.json.decode(await body_of(request), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(400, f"the form cannot be read ({error}); reload the page") from None


def ago(at: float, now: float | None = None) -> str:
    """How long ago a time (seconds since 1970) is, in words."""
    seconds = max((time.time() if now is None else now) - at, 0)
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return "just now"


def amount(number: float) -> str:
    """A number for people: 1,234 or 0.0012."""
    return f"{number:,}" if isinstance(number, int) else f"{number:,.4g}"


def span(start: float, end: float, unit: str) -> str:
    """Where a passage stands, in words."""
    if unit != "seconds":
        return f"characters {start:,.0f} to {end:,.0f}"
    first, last = (f"{int(t) // 60}:{t % 60:04.1f}" for t in (start, end))
    return first if first == last else f"{first} to {last}"
