"""What stands in front of every request: host, origin, token and size.

A page in a browser can send requests to this machine too. So requests are refused unless they name
a host they may name (a page that rebinds its own name to 127.0.0.1 does not), come from no page or
from an allowed one, and bear a token where there is one. Without a token only this machine is
listened to.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from centerlm.config import ServeSettings
from centerlm.errors import ConfigError
from centerlm.serving.order import Refused

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MIN_TOKEN = 16
BODY_SECONDS = 60.0
SLOWEST = 10_000
"""Bytes a second: what has come gives a body so much more time than BODY_SECONDS."""
MAX_PATH = 4000
"""Characters: under what a number in a path may have (Python reads 4,300 digits)."""
_OPEN = frozenset({"/health"})
_OPEN_PAGES = ("/sign-in", "/static/")
SIGN_IN = "/sign-in"
FILES = "/files"
"""Where the studio takes files, as they are."""
COOKIE = "centerlm-session"
SESSION_SECONDS = 12 * 3600.0
_MAX_SESSIONS = 1000
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?", re.ASCII)
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_METHODS, _HEADERS = "GET, POST, DELETE", "Authorization, Content-Type, Idempotency-Key"


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is of this machine alone."""
    try:
        return host == "localhost" or ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def tokens_of(settings: ServeSettings, environment: Mapping[str, str]) -> tuple[str, ...]:
    """The tokens that clients may bear; () for none.

    Raises:
        ConfigError: one is short or holds characters that no header carries, or there is none and
            more than this machine would be listened to.
    """
    name = settings.token_env
    text = environment.get(name, "") if name else ""
    tokens = tuple(part.strip() for part in text.split(",") if part.strip())
    for token in tokens:
        if len(token) < MIN_TOKEN or not re.fullmatch(r"[!-+\--~]+", token, re.ASCII):
            raise ConfigError(
                f"a token in {name} is shorter than {MIN_TOKEN} characters or holds other than "
                "plain ones; make one with: python -c 'import secrets; "
                "print(secrets.token_urlsafe())'"
            )
    if not tokens and not is_loopback(settings.host):
        raise ConfigError(
            f"serving on {settings.host} is open to other machines, so it needs a token; set "
            f"{name or 'token_env and its variable'} to a secret of {MIN_TOKEN} characters or "
            "more, or serve on 127.0.0.1"
        )
    return tokens


@dataclass(frozen=True, slots=True)
class Rules:
    """`digests` are SHA-256 of the tokens; `hosts` are names that requests may use, with any port
    (none: any, where there is a token); `origins` are pages that may call, as scheme://host:port.
    `sessions` are those of a studio: it has pages of its own, and takes files of `max_file` bytes.
    """

    digests: tuple[bytes, ...]
    hosts: frozenset[str]
    origins: frozenset[str]
    max_body: int
    sessions: Sessions | None = None
    max_file: int = 0

    @classmethod
    def of(
        cls, settings: ServeSettings, tokens: Sequence[str], sessions: Sessions | None = None
    ) -> Rules:
        hosts = frozenset(host.lower() for host in settings.hosts)
        if is_loopback(settings.host):
            hosts |= {*_LOOPBACK}
        return cls(
            tuple(hashlib.sha256(token.encode()).digest() for token in tokens),
            hosts,
            frozenset(origin.lower().rstrip("/") for origin in settings.origins),
            settings.max_body,
            sessions,
            settings.max_file,
        )

    def limit(self, scope: Scope) -> int:
        """The most bytes that a request may have."""
        return self.max_file if self._takes_file(scope) else self.max_body

    def kind(self, scope: Scope) -> str:
        """The type that a body has to have: none that a form of another site could send."""
        return "application/octet-stream" if self._takes_file(scope) else "application/json"

    def _takes_file(self, scope: Scope) -> bool:
        return self.sessions is not None and scope["path"] == FILES

    def client(self, bearer: str) -> str | None:
        """Who bears this token; None for nobody. Takes as long whichever token it is."""
        given, found = hashlib.sha256(bearer.encode("utf-8", "replace")).digest(), None
        for digest in self.digests:
            if hmac.compare_digest(digest, given):
                found = f"token-{digest.hex()[:12]}"
        return found


@dataclass(slots=True)
class Sessions:
    """Who is signed in to the pages, by the hash of the secret in the cookie; gone with the
    process.
    """

    clock: Callable[[], float] = time.monotonic
    _known: OrderedDict[bytes, tuple[str, float]] = field(
        default_factory=lambda: OrderedDict[bytes, tuple[str, float]]()
    )

    def begin(self, client: str) -> str:
        """The secret of a new session."""
        secret = secrets.token_urlsafe(32)
        self._known[_digest(secret)] = client, self.clock() + SESSION_SECONDS
        while len(self._known) > _MAX_SESSIONS:
            self._known.popitem(last=False)
        return secret

    def client(self, headers: Mapping[str, str]) -> str | None:
        """Who sends a request, by its cookie; None for nobody."""
        for part in headers.get("cookie", "").split(";"):
            name, _, secret = part.strip().partition("=")
            client, until = self._known.get(_digest(secret), (None, 0.0))
            if name == COOKIE and client is not None and self.clock() < until:
                return client
        return None


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()


@dataclass(frozen=True, slots=True)
class Guard:
    """ASGI middleware. The client's name is put into the scope's state, as `client`."""

    app: ASGIApp
    rules: Rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # none are served: answered with 403
            await send({"type": "websocket.close"})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in scope["headers"]
        }
        origin = headers.get("origin", "").lower()
        allowed = origin in self.rules.origins and bool(origin)
        try:
            self._check(scope, headers, allowed=allowed)
        except Refused as refused:
            if refused.status == 401 and self._wants_page(scope, headers):
                await _reply(send, 303, b"", ((b"location", SIGN_IN.encode()),))
                return
            await reply_error(send, refused)
            return
        extra = _cors(origin) if allowed else ()
        if scope["method"] == "OPTIONS" and allowed:
            await _reply(send, 204, b"", extra)
            return
        body = _Body(receive, self.rules.limit(scope))
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message.get("headers", ()), *_ALWAYS, *extra]
            await send(message)

        try:
            await self.app(scope, body.receive, sending)
        except Refused as refused:
            if started:
                raise
            await reply_error(send, refused, extra)

    def _check(self, scope: Scope, headers: Mapping[str, str], *, allowed: bool) -> None:
        """Raises Refused where the request may not be made."""
        if len(scope["path"]) > MAX_PATH or "\0" in scope["path"]:
            raise Refused(404, "nothing is at this address", code="not_found")
        host = _HOST.fullmatch(headers.get("host", ""))
        if host is None or (self.rules.hosts and host[1].lower() not in self.rules.hosts):
            raise Refused(
                421,
                "this host name is not served here; name it in [serve] hosts",
                code="host_not_allowed",
            )
        origin = headers.get("origin")
        own = f"{scope['scheme']}://{headers.get('host', '')}".lower()
        foreign = origin is not None and origin.lower() != own
        if headers.get("sec-fetch-site", "") in ("cross-site", "same-site"):
            # A link of another site may lead to a page here: it sees nothing of what it gets.
            foreign = not (self._wants_page(scope, headers) and _navigates(headers))
        if foreign and not allowed:
            raise Refused(
                403,
                "pages of other sites may not call this server; name theirs in [serve] origins",
                code="origin_not_allowed",
            )
        if scope["method"] == "OPTIONS" and allowed:
            return
        scope.setdefault("state", {})["client"] = self._client(scope, headers)
        length = headers.get("content-length", "0")
        limit, wanted = self.rules.limit(scope), self.rules.kind(scope)
        if not length.isdigit() or int(length) > limit:
            raise _too_large(limit)
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        sends = int(length) > 0 or "transfer-encoding" in headers
        if scope["method"] not in _SAFE and sends and kind != wanted:
            what = "JSON" if wanted == "application/json" else "a file as it is"
            raise Refused(415, f"send {what}, with Content-Type: {wanted}")

    def _client(self, scope: Scope, headers: Mapping[str, str]) -> str:
        sessions = self.rules.sessions
        if not self.rules.digests or scope["path"] in _OPEN:
            return "local"
        if sessions is not None:
            if scope["path"].startswith(_OPEN_PAGES):
                return "local"
            if (known := sessions.client(headers)) is not None:
                return known
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        client = self.rules.client(bearer.strip()) if scheme.lower() == "bearer" else None
        if client is None:
            raise Refused(
                401,
                "a valid token is needed; send it as Authorization: Bearer TOKEN",
                code="invalid_api_key",
            )
        return client

    def _wants_page(self, scope: Scope, headers: Mapping[str, str]) -> bool:
        asked = scope["method"] == "GET" and "text/html" in headers.get("accept", "")
        return self.rules.sessions is not None and asked


def _navigates(headers: Mapping[str, str]) -> bool:
    """Whether a browser shows what it gets as a page of its own, not in a frame of another."""
    return (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")) == (
        "navigate",
        "document",
    )


_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)


@dataclass(slots=True)
class _Body:
    """A request's body, bounded in size and time."""

    inner: Receive
    limit: int
    size: int = 0
    whole: bool = False
    began: float = field(default_factory=time.monotonic)

    async def receive(self) -> Message:
        if self.whole:
            return await self.inner()
        left = self.began + BODY_SECONDS + self.size / SLOWEST - time.monotonic()
        try:
            async with asyncio.timeout(left):
                message = await self.inner()
        except TimeoutError:
            raise Refused(408, "the request took too long to arrive; send it again") from None
        if message["type"] == "http.request":
            self.size += len(message.get("body", b""))
            self.whole = not message.get("more_body", False)
            if self.size > self.limit:
                raise _too_large(self.limit)
        return message


def _too_large(limit: int) -> Refused:
    return Refused(
        413, f"the request has more than {limit:,} bytes; put long documents into a library"
    )


def _cors(origin: str) -> tuple[tuple[bytes, bytes], ...]:
    return (
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-allow-methods", _METHODS.encode()),
        (b"access-control-allow-headers", _HEADERS.encode()),
        (b"vary", b"Origin"),
    )


def error_body(refused: Refused) -> dict[str, Any]:
    """The error object of the OpenAI format."""
    kinds = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
    default = "server_error" if refused.status >= 500 else "invalid_request_error"
    return {
        "error": {
            "message": refused.message,
            "type": kinds.get(refused.status, default),
            "param": refused.param,
            "code": refused.code,
        }
    }


async def reply_error(
    send: Send, refused: Refused, extra: Sequence[tuple[bytes, bytes]] = ()
) -> None:
    """Answer with an error."""
    headers = [(b"content-type", b"application/json"), *extra]
    if refused.retry_after is not None:
        headers.append((b"retry-after", str(max(round(refused.retry_after), 1)).encode()))
    if refused.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    body = json.dumps(error_body(refused), ensure_ascii=False).encode("utf-8", "replace")
    await _reply(send, refused.status, body, headers)


async def _reply(
    send: Send, status: int, body: bytes, headers: Sequence[tuple[bytes, bytes]]
) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [*headers, *_ALWAYS, length],
        }
    )
    await send({"type": "http.response.body", "body": body})


class HideTokens(logging.Filter):
    """Keeps tokens out of the log, wherever they come from."""

    def __init__(self, tokens: Sequence[str]) -> None:
        super().__init__()
        self._tokens = tuple(tokens)

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if any(token in text for token in self._tokens):
            for token in self._tokens:
                text = text.replace(token, "***")
            record.msg, record.args = text, ()
        return True
