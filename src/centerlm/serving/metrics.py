"""Metrics for Prometheus, made from requests and from the events of what runs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from centerlm.errors import MissingExtraError
from centerlm.events import CallFinished, EpisodeFinished, Event, SeekFinished

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SHARED = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names the folder in which several workers keep their numbers together."""
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Metrics:
    """The numbers of one server. `render` gives them in Prometheus' text format."""

    registry: CollectorRegistry
    requests: Counter
    refused: Counter
    seconds: Histogram
    episodes: Counter
    calls: Counter
    tokens: Counter
    cost: Counter
    seeks: Counter
    running: Gauge
    waiting: Gauge

    @classmethod
    def new(cls) -> Metrics:
        """Raises MissingExtraError where prometheus_client is not installed."""
        try:
            from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
        except ImportError:
            raise MissingExtraError("prometheus_client", "serve") from None
        registry = CollectorRegistry()

        def counter(name: str, about: str, *labels: str) -> Counter:
            return Counter(f"centerlm_{name}", about, labels, registry=registry)

        def gauge(name: str, about: str) -> Gauge:
            return Gauge(f"centerlm_{name}", about, registry=registry, multiprocess_mode="livesum")

        return cls(
            registry,
            counter("requests", "HTTP requests by route and status", "route", "status"),
            counter("refused", "Requests for answers that were refused, by reason", "reason"),
            Histogram(
                "centerlm_request_seconds",
                "Time until an answer was whole",
                ("route",),
                buckets=_SECONDS,
                registry=registry,
            ),
            counter("episodes", "Episodes that ended, by status", "status"),
            counter("model_calls", "Calls of the center's model, by act and outcome", "act", "ok"),
            counter("tokens", "Tokens of the center's calls, by kind", "kind"),
            counter("cost", "Money spent, in the currency of the prices"),
            counter("seeks", "Requests to sources, by source and status", "source", "status"),
            gauge("running", "Episodes being solved"),
            gauge("waiting", "Requests waiting for their turn"),
        )

    def tell(self, episode: str, event: Event) -> None:
        """Count an event of an episode that runs here."""
        del episode
        match event:
            case CallFinished():
                self.calls.labels(event.act, str(bool(event.reply)).lower()).inc()
                self.tokens.labels("prompt").inc(event.usage.prompt_tokens)
                self.tokens.labels("completion").inc(event.usage.completion_tokens)
                self.cost.inc(event.usage.cost)
            case SeekFinished():
                self.seeks.labels(event.source, event.status).inc()
                self.cost.inc(event.usage.cost)
            case EpisodeFinished():
                self.episodes.labels(event.status).inc()
            case _:
                pass

    def watch(self, running: int, waiting: int) -> None:
        """Take how many are solved here, and how many wait."""
        self.running.set(running)
        self.waiting.set(waiting)

    def render(self) -> bytes:
        """All numbers; of all workers where they share a folder."""
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector

        if not os.environ.get(SHARED):
            return generate_latest(self.registry)
        together = CollectorRegistry()
        MultiProcessCollector(together)
        return generate_latest(together)


def forget_worker(process: int) -> None:
    """Leave out what a worker that has died was solving, in the folder that it shared."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(process)  # pyright: ignore[reportUnknownMemberType]
