"""The pages of learning: a round on the guidance so far, its curves, what it changed, promotion."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from centerlm.errors import InputError
from centerlm.learning.curves import Curves, read_curves
from centerlm.models.weights import home
from centerlm.serving.order import Refused
from centerlm.studio import adapters, rounds
from centerlm.studio.edits import Edits
from centerlm.studio.site import Site, form_of, went

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp

WIDTH, HEIGHT, POINTS = 640, 180, 300


class Begun(msgspec.Struct):
    """What the form of a new round sends."""

    length: Literal["short", "usual", "long"] = "usual"


@dataclass(frozen=True, slots=True)
class Curve:
    """The loss by updates as an SVG path in a box of WIDTH by HEIGHT, and the scale of the box."""

    path: str
    updates: int
    high: float
    last: float


@dataclass(frozen=True, slots=True)
class Compared:
    """A held-out plan's corrections before and after."""

    question: str
    before: float
    after: float | None


@dataclass(slots=True)
class LearnPages:
    """The endpoints."""

    site: Site
    edits: Edits
    _starting: asyncio.Lock = field(default_factory=asyncio.Lock)
    """A round is under way only once its process is there: until then, no other is started."""

    def routes(self) -> list[tuple[str, Any, str]]:
        at = "/learn/{number:int}"
        return [
            ("/learn", self.page, "GET"),
            ("/learn/start", self.start, "POST"),
            ("/learn/back", self.back, "POST"),
            (at, self.round, "GET"),
            (f"{at}/now", self.now, "GET"),
            (f"{at}/stop", self.stop, "POST"),
            (f"{at}/resume", self.resume, "POST"),
            (f"{at}/promote", self.promote, "POST"),
        ]

    @property
    def root(self) -> Path:
        return home() / "studio" / "rounds"

    async def page(self, request: Request) -> ASGIApp:
        """The guidance, the rounds, and the adapter in use."""
        self._alone()
        parts = self.site.service.parts
        train, held = rounds.split_families(await self.edits.all())
        used = adapters.in_use(parts) if adapters.is_local(parts) else None
        return self.site.page(
            request,
            "learn.html",
            train=len(train),
            held=len(held),
            least=rounds.LEAST,
            lengths=rounds.LENGTHS,
            rounds=rounds.all_rounds(self.root),
            local=adapters.is_local(parts),
            model=parts.center.model.name,
            used=self._named(used),
            promoted=adapters.promoted(),
            adapter=str(used) if used else "",
        )

    async def start(self, request: Request) -> ASGIApp:
        """Begin a round.

        Raises:
            Refused, InputError: there is too little guidance, one is under way, or the center is
                not local.
        """
        self._alone()
        begun = await form_of(request, Begun)
        parts = self.site.service.parts
        if not adapters.is_local(parts):
            raise Refused(409, "only a local center is trained here; start without --model")
        _needs_training()
        edits = await self.edits.all()
        async with self._starting:
            made = rounds.new_round(
                self.root,
                edits,
                length=begun.length,
                model=parts.settings.center.model,
                start=adapters.in_use(parts),
            )
            await asyncio.to_thread(rounds.work_on, made)
        return went(f"/learn/{made.number}")

    async def round(self, request: Request) -> ASGIApp:
        """One round."""
        return self.site.page(request, "round.html", **self._of(self._round(request)))

    async def now(self, request: Request) -> ASGIApp:
        """One round as it is now: its page asks for it again and again."""
        return self.site.part("round_now.html", **self._of(self._round(request)))

    async def stop(self, request: Request) -> ASGIApp:
        """Stop a round at the next good place."""
        one = self._round(request)
        rounds.stop(one)
        return went(f"/learn/{one.number}")

    async def resume(self, request: Request) -> ASGIApp:
        """Go on with a round."""
        one = self._round(request)
        if one.state == "done":
            raise Refused(409, "this round is done; promote its adapter, or start another")
        async with self._starting:
            rounds.check_idle(self.root)
            await asyncio.to_thread(rounds.work_on, one)
        return went(f"/learn/{one.number}")

    async def promote(self, request: Request) -> ASGIApp:
        """Have the center run with the adapter of a round."""
        one = self._round(request)
        if one.adapter is None or one.state != "done":
            raise Refused(409, "this round has no adapter yet; wait for its end, or go on with it")
        adapters.promote(self.site.service.parts, one.adapter)
        return went("/learn")

    async def back(self, request: Request) -> ASGIApp:
        """Go back to the adapter that ran before."""
        del request
        self._alone()
        adapters.roll_back(self.site.service.parts)
        return went("/learn")

    def _alone(self) -> None:
        """Raises Refused where several clients share the center: none may change it for all."""
        if self.site.service.parts.apart:
            raise Refused(403, "several people share this center; train it on the command line")

    def _round(self, request: Request) -> rounds.Round:
        self._alone()
        try:
            return rounds.a_round(self.root, request.path_params["number"])
        except InputError as error:
            raise Refused(404, str(error)) from None

    def _named(self, adapter: Path | None) -> str:
        """An adapter as people know it."""
        if adapter is None:
            return "none"
        if adapter.is_relative_to(self.root):
            return f"of round {adapter.relative_to(self.root).parts[0]}"
        return adapter.name

    def _of(self, one: rounds.Round) -> dict[str, Any]:
        curves = read_curves(one.run) if one.run.path.is_dir() else Curves((), ())
        before, after = one.record.get("before"), one.record.get("after")
        compared = _compared(one, before, after)
        parts = self.site.service.parts
        return {
            "one": one,
            "curve": curve_of(curves),
            "scores": curves.after,
            "compared": compared,
            "mean_before": _mean(before),
            "mean_after": _mean(after),
            "box": (WIDTH, HEIGHT),
            "from_": self._named(Path(one.record["start"]) if one.record.get("start") else None),
            "promoted": adapters.is_local(parts) and adapters.in_use(parts) == one.adapter,
        }


def _needs_training() -> None:
    """Raises MissingExtraError where what trains is not installed."""
    from importlib.util import find_spec

    from centerlm.errors import MissingExtraError

    for module in ("torch", "peft", "transformers"):
        if find_spec(module) is None:
            raise MissingExtraError(module, "train")


def curve_of(curves: Curves) -> Curve | None:
    """The loss so far; None before the first update."""
    points = [point.loss for point in curves.points]
    if not points:
        return None
    step = max(len(points) // POINTS, 1)
    shown = [sum(points[at : at + step]) / len(points[at : at + step])
             for at in range(0, len(points), step)]  # fmt: skip
    high = max(shown) or 1.0
    across = WIDTH / max(len(shown) - 1, 1)
    places = [
        f"{at * across:.1f} {HEIGHT * (1 - loss / high):.1f}" for at, loss in enumerate(shown)
    ]
    return Curve("M" + "L".join(places), len(points), high, points[-1])


def _compared(
    one: rounds.Round, before: list[float] | None, after: list[float] | None
) -> list[Compared]:
    from centerlm.learning.readers.own import read_own

    if not before:
        return []
    held = read_own(one.folder / "held.jsonl").guidance
    later: list[float | None] = list(after) if after else [None] * len(before)
    return [
        Compared(guidance.objective, first, second)
        for guidance, first, second in zip(held, before, later, strict=False)
    ]


def _mean(numbers: list[float] | None) -> float | None:
    return sum(numbers) / len(numbers) if numbers else None
