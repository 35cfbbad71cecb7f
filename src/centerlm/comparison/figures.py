"""From scores to figures: the primary endpoint, accuracy by hops, pooled sets, floors; no I/O.

All intervals are 95 %, over items and seeds at once (`evaluation.resampling`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from centerlm.comparison.asking import Scored
from centerlm.comparison.settings import (
    COT,
    FRAGMENTATION,
    HOLISTIC,
    PLAN,
    RETRIEVE,
    SETS,
    SOLVER,
    SPENDING,
    TOKENS,
    TRAINED_HOPS,
    WAYS,
    WEIGHTS,
    WORLDS,
)
from centerlm.evaluation.items import Item
from centerlm.evaluation.metrics import token_f1
from centerlm.evaluation.resampling import (
    Scores,
    crossed_interval,
    differences,
    mean_of_all,
    slope_over,
)

Figure = dict[str, float]
Keep = Callable[[Scored], bool]
_COMPARISONS = ("comparison", "bridge_comparison")
_YES_NO = ("are", "is", "do", "does", "did", "were", "was", "have", "has")


@dataclass(frozen=True, slots=True)
class Results:
    """The scores of all cells that were run: (part, weights, way) -> seed -> items."""

    cells: Mapping[tuple[str, str, str], Mapping[int, Sequence[Scored]]]
    floors: Mapping[str, float] = field(default_factory=dict[str, float])
    """By 2Wiki item, the F1 of a coin (`coin`)."""

    def scores(
        self, part: str, weights: str, way: str, metric: str, keep: Keep
    ) -> dict[int, Scores]:
        """By seed, a score an item; items without one are left out."""
        cell = self.cells.get((part, weights, way), {})
        return {
            seed: {
                one.id: float(value)
                for one in rows
                if keep(one) and (value := getattr(one, metric)) is not None
            }
            for seed, rows in cell.items()
        }

    def some(self, part: str) -> Sequence[Scored]:
        """The items of a part, from any cell."""
        for (each, _, _), cell in self.cells.items():
            if each == part:
                return next(iter(cell.values()))
        return ()


def everything(one: Scored) -> bool:
    del one
    return True


def as_trained(one: Scored) -> bool:
    """Whether training questions have as many hops."""
    return one.hops <= TRAINED_HOPS


def beyond(one: Scored) -> bool:
    """Whether no training question has as many hops."""
    return not as_trained(one)


def figures_of(results: Results) -> dict[str, Any]:
    """All figures of the page; what was not run is not there."""
    return {
        "primary": {way.name: primary(results, way.name) for way in (SOLVER, PLAN)},
        "hops": {
            f"{weights}, {way}": by_hops(results, weights, way)
            for weights in WEIGHTS
            for way in (SOLVER.name, PLAN.name)
            if (WORLDS, weights, way) in results.cells
        },
        "worlds": {
            name: grid(results, WORLDS, "em", keep)
            for name, keep in (("hops as trained", as_trained), ("more hops", beyond))
        },
        "sets": {name: grid(results, SETS, "f1", keep) for name, keep in groups(results).items()},
        "support": grid(results, SETS, "support", everything),
        "paired": paired(results),
        "solver": solver_effect(results),
        "floors": floor_figures(results),
        "tokens": tokens(results),
    }


def interval_of(
    seeds: Iterable[Scores],
    statistic: Callable[[Sequence[Sequence[float]]], float] = mean_of_all,
    groups: Sequence[Sequence[str]] | None = None,
) -> Figure | None:
    """A figure with its interval, n items and seeds; None where nothing was measured."""
    rows = [scores for scores in seeds if scores]
    if not rows:
        return None
    shared = [item for item in rows[0] if all(item in row for row in rows)]
    chosen = [shared] if groups is None else [[i for i in g if i in set(shared)] for g in groups]
    if not shared:
        return None
    found = crossed_interval(rows, chosen, statistic)
    return {**asdict(found), "n": len(shared), "seeds": len(rows)}


def _between(first: Mapping[int, Scores], second: Mapping[int, Scores]) -> list[Scores]:
    """`first` - `second` for every seed that both have."""
    return [differences(first[seed], second[seed]) for seed in first if seed in second]


def primary(results: Results, way: str) -> dict[str, Figure | None]:
    """Holistic minus CoT-trained weights in the same solver: the slope over hops (per hop), and
    the difference where there are more hops than were trained.
    """
    both = _between(
        results.scores(WORLDS, HOLISTIC, way, "em", everything),
        results.scores(WORLDS, COT, way, "em", everything),
    )
    hops = {one.id: one.hops for one in results.some(WORLDS)}
    places = sorted(set(hops.values()))
    groups = [[item for item, h in hops.items() if h == place] for place in places]
    far = [{item: d for item, d in row.items() if hops[item] > TRAINED_HOPS} for row in both]
    slope = interval_of(both, slope_over(places), groups) if len(places) > 1 else None
    return {
        "slope": slope,
        "difference": interval_of(far),
    }


def by_hops(results: Results, weights: str, way: str) -> dict[str, Figure]:
    """Accuracy on worlds by hops."""
    found: dict[str, Figure] = {}
    for hops in sorted({one.hops for one in results.some(WORLDS)}):
        scores = results.scores(WORLDS, weights, way, "em", lambda o, h=hops: o.hops == h)
        if (figure := interval_of(scores.values())) is not None:
            found[str(hops)] = figure
    return found


def grid(results: Results, part: str, metric: str, keep: Keep) -> dict[str, dict[str, Figure]]:
    """weights -> way -> the mean; cells that were not run are not there."""
    found: dict[str, dict[str, Figure]] = {}
    for weights in WEIGHTS:
        for way in WAYS:
            scores = results.scores(part, weights, way, metric, keep)
            if (figure := interval_of(scores.values())) is not None:
                found.setdefault(weights, {})[way] = figure
    return found


def pooled(one: Scored) -> bool:
    """Whether an item is of the paired test: MuSiQue, and 2Wiki without its comparisons."""
    return one.splits.get("type") not in _COMPARISONS


def groups(results: Results) -> dict[str, Keep]:
    """The groups of set items that are reported: pooled, by set and hops or type, near and far."""
    found: dict[str, Keep] = {
        "pooled": pooled,
        "near": lambda o: pooled(o) and o.splits.get("seen") == "near",
        "far": lambda o: pooled(o) and o.splits.get("seen") == "far",
    }
    for one in results.some(SETS):
        name, split = one.splits["set"], "hops" if one.splits["set"] == "musique" else "type"
        value = one.splits[split]
        key = f"{name}, {value} hops" if split == "hops" else f"{name}, {value}"
        found.setdefault(
            key,
            lambda o, n=name, s=split, v=value: o.splits["set"] == n and o.splits[s] == v,
        )
    return {key: found[key] for key in (*list(found)[:3], *sorted(list(found)[3:]))}


def paired(results: Results) -> list[dict[str, Any]]:
    """Holistic against the other trained weights in each way: worlds, pooled sets, near and far."""
    lines: list[dict[str, Any]] = []
    keeps: list[tuple[str, str, str, Keep]] = [("worlds", WORLDS, "em", everything)]
    keeps += [
        (name, SETS, "f1", keep)
        for name, keep in groups(results).items()
        if name in ("pooled", "near", "far")
    ]
    for name, part, metric, keep in keeps:
        for way in WAYS:
            for other in (FRAGMENTATION, COT):
                both = _between(
                    results.scores(part, HOLISTIC, way, metric, keep),
                    results.scores(part, other, way, metric, keep),
                )
                if (figure := interval_of(both)) is not None:
                    lines.append({"items": name, "way": way, "other": other, **figure})
    return lines


def solver_effect(results: Results) -> list[dict[str, Any]]:
    """What the solver itself adds to the same weights: the solver minus one search."""
    lines: list[dict[str, Any]] = []
    for part, metric in ((WORLDS, "em"), (SETS, "f1")):
        for weights in WEIGHTS:
            both = _between(
                results.scores(part, weights, SOLVER.name, metric, everything),
                results.scores(part, weights, RETRIEVE.name, metric, everything),
            )
            if (figure := interval_of(both)) is not None:
                lines.append({"items": part, "weights": weights, **figure})
    return lines


def coin(item: Item) -> float | None:
    """The expected F1 of picking one of two at random, by the form of the question alone: yes or
    no, or one of the two names that it compares. None where there are no two.
    """
    words = item.objective.text.lower().split()
    if words and words[0] in _YES_NO:
        options = ["yes", "no"]
    else:
        text = item.objective.text.lower()
        titles = sorted({key.title for key in item.support or ()})
        options = [t for t in titles if t.partition(" (")[0].lower() in text]
    if len(options) != 2:
        return None
    names = [option.partition(" (")[0] for option in options]
    return sum(token_f1(name, item.accepted) for name in names) / 2


def floor_figures(results: Results) -> dict[str, Figure]:
    """By 2Wiki type, the coin's F1 over the items where there are two to pick from."""
    kinds: dict[str, list[float]] = {}
    for one in results.some(SETS):
        if one.id in results.floors:
            kinds.setdefault(one.splits.get("type", ""), []).append(results.floors[one.id])
    return {
        kind: {"value": sum(values) / len(values), "n": len(values)}
        for kind, values in sorted(kinds.items())
    }


def tokens(results: Results) -> list[dict[str, Any]]:
    """F1 and inference tokens a question, over all items of the sets; one line a cell."""
    lines: list[dict[str, Any]] = []
    for part, ways in ((SETS, WAYS), (TOKENS, SPENDING)):
        for weights in WEIGHTS:
            for way in ways:
                scores = results.scores(part, weights, way, "f1", everything)
                figure = interval_of(scores.values())
                if figure is None or way == PLAN.name:
                    continue
                spent = results.scores(part, weights, way, "tokens", everything)
                each = [value for row in spent.values() for value in row.values()]
                lines.append(
                    {"weights": weights, "way": way, "tokens": sum(each) / len(each), **figure}
                )
    return lines
