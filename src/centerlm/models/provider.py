"""One endpoint that speaks the OpenAI wire format: connections, limits and retries.

Every model of the same endpoint shares one `Provider`, and with it one connection pool and one
semaphore on each event loop. A provider knows HTTP and when to ask again; it knows nothing of
prompts. It follows no redirect and reads no proxy variables: requests go to `base_url` alone.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import random
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from centerlm.errors import ConfigError, ModelError
from centerlm.finding import short_answer

if TYPE_CHECKING:
    import aiohttp

MAX_BODY_BYTES = 64 << 20
_RETRIED_STATUSES = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})


@dataclass(frozen=True, slots=True)
class Retry:
    """When to ask again: at most `attempts` requests a call.

    The wait before attempt k + 1 is uniform in 0..min(`cap`, `base` * 2^k) seconds ("full jitter",
    Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015), or what Retry-After
    says plus such a jitter. A Retry-After above `longest` seconds ends the call at once.
    """

    attempts: int = 5
    base: float = 0.5
    cap: float = 20.0
    longest: float = 60.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or min(self.base, self.cap, self.longest) < 0:
            raise ConfigError("retries need at least one attempt and waits of zero or more seconds")

    def wait(self, attempt: int, retry_after: float | None, rng: random.Random) -> float:
        """Seconds to wait after failed attempt number `attempt` (1, 2, ...)."""
        jitter = rng.uniform(0.0, min(self.cap, self.base * 2 ** (attempt - 1)))
        if retry_after is None:
            return jitter
        return retry_after + min(jitter, self.base)


_WITHHELD = (
    b"content_filter",
    b"content_policy_violation",
    b"context_length_exceeded",
    b"exceed_context_size_error",
)
"""Codes of endpoints that refuse a prompt for what it says, or for its length."""


class RequestError(Exception):
    """One attempt failed. `transient`: another may succeed; `retry_after` in seconds, if told;
    `withheld`: it is this prompt that is not answered.
    """

    def __init__(
        self,
        message: str,
        *,
        transient: bool = False,
        retry_after: float | None = None,
        withheld: bool = False,
    ) -> None:
        super().__init__(message)
        self.transient = transient
        self.retry_after = retry_after
        self.withheld = withheld


@dataclass(slots=True)
class _Pool:
    session: aiohttp.ClientSession
    semaphore: asyncio.Semaphore


@dataclass(slots=True, weakref_slot=True)
class Provider:
    """An endpoint, e.g. `Provider("https://api.openai.com/v1")`.

    `key_env` names the environment variable that holds the API key; "" says that the endpoint needs
    none. On loopback addresses a missing key is fine. `concurrency` bounds the requests in flight,
    `timeout` is seconds for a whole attempt, `connect_timeout` for opening a connection.

    Raises:
        ConfigError: `base_url` is not an http(s) address, or a limit is not positive.
    """

    base_url: str
    key_env: str = "OPENAI_API_KEY"
    concurrency: int = 64
    timeout: float = 300.0
    connect_timeout: float = 10.0
    retry: Retry = Retry()
    rng: random.Random = field(default_factory=random.Random, repr=False)
    _pools: WeakKeyDictionary[asyncio.AbstractEventLoop, _Pool] = field(
        default_factory=lambda: WeakKeyDictionary[asyncio.AbstractEventLoop, _Pool](),
        init=False,
        repr=False,
    )

    def __post_init__(self) -> None:
        self.base_url = self.base_url.strip().rstrip("/").removesuffix("/chat/completions")
        try:
            parts = urlsplit(self.base_url)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname)
            _ = parts.port
        except ValueError:
            usable, parts = False, urlsplit("")
        if not usable or parts.username or parts.password or parts.query or parts.fragment:
            raise ConfigError(
                "base_url is not a plain http(s) address; write e.g. http://localhost:8000/v1 "
                "and put the key in an environment variable"
            )
        if self.concurrency < 1 or self.timeout <= 0 or self.connect_timeout <= 0:
            raise ConfigError(
                f"{self.base_url}: concurrency, timeout and connect_timeout must be positive"
            )

    @property
    def loopback(self) -> bool:
        host = urlsplit(self.base_url).hostname or ""
        try:
            return host == "localhost" or ip_address(host).is_loopback
        except ValueError:
            return False

    def key(self) -> str:
        """The API key, or "" where none is needed.

        Raises:
            ModelError: the environment variable is unset, or holds what no key is made of.
        """
        value = os.environ.get(self.key_env, "").strip() if self.key_env else ""
        if not value and self.key_env and not self.loopback:
            raise ModelError(
                f"{self.base_url}: there is no API key; set the environment variable "
                f'{self.key_env}, or key_env = "" if the endpoint needs none'
            )
        if not (value.isascii() and value.isprintable()):
            raise ModelError(
                f"{self.base_url}: the API key in {self.key_env} holds characters that no key "
                "has; set it again"
            )
        return value

    async def send(self, body: bytes, model: str) -> bytes:
        """Post `body` to chat/completions; the whole answer. `model` is named in messages.

        Raises:
            RequestError: no answer, or one with an error status.
            ModelError: there is no key.
        """
        key = self.key()
        pool = self._pool()
        async with pool.semaphore:
            with self._network():
                response = await self._post(pool, body, key)
                async with response:
                    data = await self._read(response)
        if response.status != 200:
            raise self._refused(response, data, model, key)
        return data

    async def _post(self, pool: _Pool, body: bytes, key: str) -> aiohttp.ClientResponse:
        return await pool.session.post(
            self.base_url + "/chat/completions",
            data=body,
            headers=_headers(key),
            allow_redirects=False,
        )

    async def stream(self, body: bytes, model: str) -> AsyncGenerator[bytes, None]:
        """Post `body` to chat/completions; the data of each server-sent event as it arrives.

        Raises: as `send`.
        """
        key = self.key()
        pool = self._pool()
        async with pool.semaphore:
            with self._network():
                response = await self._post(pool, body, key)
            async with response:
                if response.status != 200:
                    with self._network():
                        data = await self._read(response)
                    raise self._refused(response, data, model, key)
                rest = b""
                while True:
                    with self._network():
                        chunk = await response.content.readany()
                    lines = (rest + chunk).split(b"\n")
                    rest = lines.pop() if chunk else b""
                    for line in lines:
                        if line.startswith(b"data:"):
                            yield line[5:].strip()
                    if not chunk:
                        return
                    if len(rest) > MAX_BODY_BYTES:
                        raise self._too_long()

    async def close(self) -> None:
        """Close the connections of the running event loop. The provider stays usable."""
        pool = self._pools.pop(asyncio.get_running_loop(), None)
        if pool:
            await pool.session.close()

    def _pool(self) -> _Pool:
        loop = asyncio.get_running_loop()
        pool = self._pools.get(loop)
        if pool is None:
            import aiohttp

            session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(
                    total=self.timeout, sock_connect=self.connect_timeout
                ),
            )
            pool = self._pools[loop] = _Pool(session, asyncio.Semaphore(self.concurrency))
        return pool

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        """The body, refused above 64 MiB so that no server can fill the memory."""
        length = response.content_length
        if length is not None and length <= MAX_BODY_BYTES:
            return await response.read()
        parts: list[bytes] = []
        size = 0
        async for chunk in response.content.iter_any():
            size += len(chunk)
            if size > MAX_BODY_BYTES:
                raise self._too_long()
            parts.append(chunk)
        return b"".join(parts)

    def _too_long(self) -> RequestError:
        return RequestError(
            f"{self.base_url} sent more than {MAX_BODY_BYTES >> 20} MiB; check that base_url is "
            "that of a chat completions endpoint"
        )

    @contextmanager
    def _network(self) -> Generator[None, None, None]:
        import aiohttp

        try:
            yield
        except TimeoutError:
            raise RequestError(
                f"{self.base_url} did not answer within {self.timeout:g} s; try again, or raise "
                "its timeout",
                transient=True,
            ) from None
        except (aiohttp.InvalidURL, aiohttp.ClientConnectorCertificateError) as error:
            raise RequestError(
                f"{self.base_url} cannot be used: {short_answer(str(error))}; check base_url"
            ) from None
        except aiohttp.ClientConnectorError as error:
            raise RequestError(
                f"{self.base_url} cannot be reached ({error.os_error.strerror or error.os_error}); "
                "check that the server runs and that base_url is right",
                transient=True,
            ) from None
        except (aiohttp.ClientError, OSError) as error:
            raise RequestError(
                f"{self.base_url} closed the connection before its answer was complete "
                f"({type(error).__name__}); try again",
                transient=True,
            ) from None

    def _refused(
        self, response: aiohttp.ClientResponse, body: bytes, model: str, key: str
    ) -> RequestError:
        detail = _detail(body)
        if key:
            detail = detail.replace(key, "[key]")
        status = response.status
        transient = status in _RETRIED_STATUSES and "insufficient_quota" not in detail
        advice = _advice(status, model=model, key_env=self.key_env, transient=transient)
        return RequestError(
            f"{self.base_url} {advice} (HTTP {status}{': ' if detail else ''}{detail})",
            transient=transient,
            retry_after=_retry_after(response.headers.get("Retry-After")),
            withheld=status == 413 or (status == 400 and any(code in body for code in _WITHHELD)),
        )


def _headers(key: str) -> dict[str, str]:
    headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    return headers


def _advice(status: int, *, model: str, key_env: str, transient: bool) -> str:
    match status:
        case 401 | 403:
            return f"refused the API key; check the environment variable {key_env or '(none set)'}"
        case 404:
            return (
                f"does not know the model {model!r}, or base_url is not right (it mostly ends in "
                "/v1); ask it for its /models"
            )
        case 413:
            return "found the prompt too long; shorten it"
        case 429 if transient:
            return "allows no more requests now; wait, or lower the concurrency"
        case 429:
            return "has no quota left for this key; check its plan and billing"
        case 400 | 422:
            return "did not accept the request; check the model name and its settings"
        case _ if 300 <= status < 400:
            return "redirects elsewhere, which is not followed; set base_url to the new address"
        case _ if status >= 500:
            return "failed; try again later or look at its log"
        case _:
            return "gave an unexpected status; check that base_url is right"


def _detail(body: bytes) -> str:
    """What an error body says, on one line of at most 200 characters."""
    text = body[:4000].decode("utf-8", "replace")
    try:
        data: Any = json.loads(body) if len(body) < 100_000 else None
    except ValueError:
        data = None
    for _ in range(2):
        if isinstance(data, dict):
            fields = cast("dict[str, Any]", data)
            if fields.get("code") == "insufficient_quota":
                return "insufficient_quota"
            data = fields.get("error") or fields.get("message") or fields.get("detail")
    if isinstance(data, str):
        text = data
    elif text.lstrip().startswith("<"):
        text = ""
    return short_answer(text)


def _retry_after(value: str | None) -> float | None:
    """Seconds of a Retry-After header, which holds seconds or an HTTP date (RFC 9110, 10.2.3)."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            when = parsedate_to_datetime(value)
        except ValueError:
            return None
        if when.tzinfo is None:
            when = when.replace(tzinfo=UTC)
        seconds = (when - datetime.now(UTC)).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None
