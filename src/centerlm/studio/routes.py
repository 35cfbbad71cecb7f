"""The routes of the studio over a service."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from centerlm.serving.app import Endpoint
from centerlm.serving.guard import COOKIE, FILES, SIGN_IN, Rules
from centerlm.serving.metrics import Metrics
from centerlm.serving.order import Refused
from centerlm.serving.server import Studio
from centerlm.serving.service import Service
from centerlm.studio import files
from centerlm.studio.adapters import use_promoted
from centerlm.studio.asking import Asking
from centerlm.studio.desk import seat
from centerlm.studio.edits import Edits
from centerlm.studio.episodes import Episodes
from centerlm.studio.evaluate import EvaluatePages
from centerlm.studio.guide import Guide
from centerlm.studio.learn import LearnPages
from centerlm.studio.memory import MemoryPages
from centerlm.studio.site import HERE, Site, form_of, went

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp

WRONG_TOKEN_SECONDS = 0.5


class SignIn(msgspec.Struct):
    token: str


def studio_routes(service: Service, metrics: Metrics, rules: Rules, settings: Studio) -> list[Any]:
    """All pages; the center runs with the adapter that was promoted last.

    Raises:
        CenterError: that adapter cannot be used any more, or a library is none.
    """
    from starlette.routing import Mount, Route
    from starlette.staticfiles import StaticFiles

    site = Site(service, metrics, rules, settings)
    use_promoted(service.parts)
    asking = Asking(site)
    asking.libraries()  # each is opened: the first page cannot be shown without
    edits = Edits(site.journal)
    pages = (
        Episodes(site, seat(service.parts)),
        Guide(site, edits),
        MemoryPages(site),
        LearnPages(site, edits),
        EvaluatePages(site),
    )

    async def take(request: Request) -> ASGIApp:
        return await files.take(site, request)

    async def sign_in_page(request: Request) -> ASGIApp:
        return site.page(request, "sign_in.html")

    async def sign_in(request: Request) -> ASGIApp:
        return await _sign_in(site, request)

    served: list[tuple[str, Endpoint, str]] = [
        ("/", asking.page, "GET"),
        ("/ask", asking.ask, "POST"),
        ("/asked", asking.listed, "GET"),
        (FILES, take, "POST"),
        (FILES + "/{digest}/{name}", files.give, "GET"),
        (SIGN_IN, sign_in_page, "GET"),
        (SIGN_IN, sign_in, "POST"),
        *(route for one in pages for route in one.routes()),
    ]
    routes: list[Any] = [
        Route(path, site.serving(path, endpoint), methods=[method])
        for path, endpoint, method in served
    ]
    return [*routes, Mount("/static", StaticFiles(directory=HERE / "static"))]


async def _sign_in(site: Site, request: Request) -> ASGIApp:
    """Begin a session for who has a token."""
    given = await form_of(request, SignIn)
    client, sessions = site.rules.client(given.token.strip()), site.rules.sessions
    if client is None or sessions is None:
        await asyncio.sleep(WRONG_TOKEN_SECONDS)
        raise Refused(403, "this is not a token of this server; give one of CENTERLM_TOKEN")
    answer = went("/")
    answer.set_cookie(COOKIE, sessions.begin(client), httponly=True, samesite="strict", path="/")
    return answer
