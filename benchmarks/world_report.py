"""The report of worlds.py: JSON, Markdown, and the plot of accuracy by hops."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from centerlm.evaluation.acts import Answered, Decided
from centerlm.evaluation.statistics import mcnemar, paired_difference, share_interval
from centerlm.evaluation.summary import answer_metrics, plan_metrics, source_metrics
from centerlm.finding import Usage
from reporting import config_lines, intervals, percent, table, versions, write
from world_acts import ActScore
from world_runs import FORMS, ORACLES, Form, Oracle, Outcome, held_out_groups

ACTS = ("decompose", "seek", "read", "hear", "fold")


@dataclass(frozen=True, slots=True)
class Measured:
    """What one center did. `unseen` holds decisions with source cards never seen in training."""

    name: str
    sha256: str | None
    outcomes: Sequence[Outcome]
    acts: Sequence[ActScore]
    unseen: frozenset[str]


def write_report(
    measured: Sequence[Measured], config: Mapping[str, Any], out: Path, name: str
) -> Path:
    """Write NAME.json, NAME.md and NAME.svg; returns the Markdown."""
    report = {
        "scenario": "worlds",
        "systems": {m.name: _system(m) for m in measured},
        "config": {**config, "versions": versions()},
    }
    report["paired"] = _paired(measured)
    out.mkdir(parents=True, exist_ok=True)
    draw(report, out / f"{name}.svg")
    return write(out, name, report, as_markdown(report, f"{name}.svg"))


def _system(measured: Measured) -> dict[str, Any]:
    usage = sum((o.usage for o in measured.outcomes), Usage())
    own = [o for o in measured.outcomes if o.oracle == "none"]
    peel = [o for o in own if o.form == "peel"]
    return {
        "adapter_sha256": measured.sha256,
        "episodes": len(measured.outcomes),
        "chains": {
            f: _shares([o for o in own if o.kind == "chain"], lambda o: str(o.hops), form=f)
            for f in FORMS
        },
        "hops": {f: _shares(own, lambda o: str(o.hops), form=f) for f in FORMS},
        "kinds": {f: _shares(own, lambda o: o.kind, form=f) for f in FORMS},
        "held_out": {group: _share(rows) for group, rows in held_out_groups(peel).items()},
        "oracles": {
            oracle: _shares(measured.outcomes, lambda o: str(o.hops), form="peel", oracle=oracle)
            for oracle in ORACLES
        },
        "acts": _acts(measured.acts),
        "sources": _sources(measured.acts, measured.unseen),
        "usage": {**asdict(usage), "seconds": round(usage.seconds, 1)},
    }


def _share(rows: Sequence[Outcome]) -> dict[str, float]:
    right = round(sum(o.right for o in rows))
    return {**asdict(share_interval(right, len(rows))), "n": len(rows)}


def _shares(
    outcomes: Sequence[Outcome],
    key: Callable[[Outcome], str],
    *,
    form: Form,
    oracle: Oracle = "none",
) -> dict[str, dict[str, float]]:
    groups: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.form == form and outcome.oracle == oracle:
            groups.setdefault(key(outcome), []).append(outcome)
    return {name: _share(rows) for name, rows in sorted(groups.items())}


def _acts(scores: Sequence[ActScore]) -> dict[str, Any]:
    """By act and form: `hops` -> share right, and the act's own metrics over all hops."""
    result: dict[str, Any] = {}
    for act in ACTS:
        for form in (*FORMS, None):
            rows = [s for s in scores if s.act == act and s.form == form]
            if not rows:
                continue
            by_hops: dict[int, list[float]] = {}
            for row in rows:
                by_hops.setdefault(row.hops, []).append(row.right)
            entry: dict[str, Any] = {
                "all": _right([row.right for row in rows]),
                "hops": {str(h): _right(rights) for h, rights in sorted(by_hops.items())},
            }
            decided = [row.detail for row in rows if isinstance(row.detail, Decided)]
            answered = [row.detail for row in rows if isinstance(row.detail, Answered)]
            if decided:
                entry["metrics"] = intervals(plan_metrics(decided))
            elif answered:
                entry["metrics"] = intervals(answer_metrics(answered))
            result[f"{act}.{form}" if form else act] = entry
    return result


def _right(values: Sequence[float]) -> dict[str, float]:
    return {**asdict(share_interval(round(sum(values)), len(values))), "n": len(values)}


def _sources(scores: Sequence[ActScore], unseen: frozenset[str]) -> dict[str, Any]:
    decided = [s.detail for s in scores if isinstance(s.detail, Decided)]
    new = [d for d in decided if d.id in unseen]
    seen = [d for d in decided if d.id not in unseen]
    return {
        "all": intervals(source_metrics(decided)),
        "cards seen": intervals(source_metrics(seen)),
        "cards never seen": intervals(source_metrics(new)),
    }


def _paired(measured: Sequence[Measured]) -> list[dict[str, Any]]:
    """Each center against the first, on the questions both answered, by form."""
    if len(measured) < 2:
        return []
    lines: list[dict[str, Any]] = []
    first = measured[0]
    for other in measured[1:]:
        for form in FORMS:
            a, b = (
                {o.id: o.right for o in m.outcomes if o.oracle == "none" and o.form == form}
                for m in (first, other)
            )
            both = [id_ for id_ in a if id_ in b]
            if both:
                ours, theirs = [b[i] for i in both], [a[i] for i in both]
                lines.append(
                    {
                        "first": other.name,
                        "second": first.name,
                        "form": form,
                        "n": len(both),
                        "difference": asdict(paired_difference(ours, theirs)),
                        "mcnemar": asdict(mcnemar(ours, theirs)),
                    }
                )
    return lines


def power_curve(hops: Mapping[str, Mapping[str, float]]) -> list[tuple[int, float]]:
    """p^h for each number of hops asked, where p is the accuracy at one hop."""
    if "1" not in hops:
        return []
    p = hops["1"]["value"]
    return [(h, p**h) for h in range(1, max(map(int, hops)) + 1)]


def draw(report: Mapping[str, Any], target: Path) -> None:
    """Accuracy by hops with 95 % bars, and p^h from the one-hop accuracy of the same system."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot

    # No time and no random ids in the file: the same figures give the same bytes.
    mpl.rcParams["svg.hashsalt"] = "centerlm"
    figure, axes = pyplot.subplots(figsize=(7, 4.2))
    for number, (name, system) in enumerate(report["systems"].items()):
        for form, marker in (("peel", "o"), ("flat", "s")):
            hops = system["chains"][form]
            if not hops:
                continue
            at = [int(h) + 0.06 * number for h in hops]
            values = [entry["value"] for entry in hops.values()]
            low = [entry["value"] - entry["low"] for entry in hops.values()]
            high = [entry["high"] - entry["value"] for entry in hops.values()]
            colour = f"C{2 * number + (form == 'flat')}"
            axes.errorbar(
                at, values, yerr=[low, high], fmt=marker, color=colour, label=f"{name}, {form}"
            )
            if curve := power_curve(hops):
                axes.plot(*zip(*curve, strict=True), linestyle="--", color=colour, alpha=0.6)
    axes.set_xlabel("hops (dashed: accuracy at one hop to the power of hops)")
    axes.set_ylabel("answers right")
    axes.set_ylim(0, 1)
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(target, metadata={"Date": None})
    pyplot.close(figure)


def as_markdown(report: Mapping[str, Any], plot: str) -> str:
    config, systems = report["config"], report["systems"]
    lines = [
        "# Questions over fictional worlds",
        "",
        f"Worlds of the test split (seeds from {config['first_seed']}), each with a library of its "
        f"own; {config['passages']} passages a search. All answers come out of the engine; exact "
        "match with the accepted answers. Peel: recursion offered, plans peel one hop. Flat: one "
        "plan of all steps. Hops: the longest run of requests that wait for each other; the curve "
        "is that of chains, whose requests all do. Per cent with 95 % intervals (Wilson).",
        "",
        f"![accuracy by hops]({plot})",
        "",
        "## Answers right, by hops",
        "",
    ]
    every = {h for s in systems.values() for f in FORMS for h in s["hops"][f]}
    heads = ["center", "form", *sorted(every, key=int)]
    rows: list[list[str]] = []
    for name, system in systems.items():
        for form in FORMS:
            chains, hops = system["chains"][form], system["hops"][form]
            if chains:
                rows.append([name, f"{form}, chains", *(percent(chains.get(h)) for h in heads[2:])])
                curve = {str(h): f"{100 * p:.1f}" for h, p in power_curve(chains)}
                rows.append([name, f"{form}, p^h", *(curve.get(h, "") for h in heads[2:])])
            if hops and hops != chains:
                rows.append(
                    [name, f"{form}, all kinds", *(percent(hops.get(h)) for h in heads[2:])]
                )
    lines += table(heads, rows)
    lines += ["", "## The acts one by one", ""]
    lines.append(
        "Everything above and before the act is right. decompose: the plan is the gold one word "
        "for word; seek: the search found the gold passage; read: the answer from what was found; "
        "hear: from an expert's reply; fold: the level's answer from right sub-answers."
    )
    lines.append("")
    act_hops = {h for s in systems.values() for e in s["acts"].values() for h in e["hops"]}
    heads = ["center", "act", "all", *sorted(act_hops, key=int)]
    lines += table(
        heads,
        [
            [name, act, percent(entry["all"]), *(percent(entry["hops"].get(h)) for h in heads[3:])]
            for name, system in systems.items()
            for act, entry in system["acts"].items()
        ],
    )
    lines += ["", *_metrics(systems), "", "## One thing replaced by the truth (peel)", ""]
    asked = {h for s in systems.values() for o in s["oracles"].values() for h in o}
    heads = ["center", "true", *sorted(asked, key=int)]
    lines += table(
        heads,
        [
            [name, oracle, *(percent(hops.get(h)) for h in heads[2:])]
            for name, system in systems.items()
            for oracle, hops in system["oracles"].items()
            if hops and len([o for o in system["oracles"].values() if o]) > 1
        ],
    )
    lines += ["", "## Source chosen", ""]
    kinds = sorted({k for s in systems.values() for g in s["sources"].values() for k in g})
    lines += table(
        ["center", "cards", *kinds],
        [
            [name, group, *(percent(metrics.get(k)) for k in kinds)]
            for name, system in systems.items()
            for group, metrics in system["sources"].items()
            if metrics
        ],
    )
    lines += ["", "## By kind of question, and by what was held out (peel)", ""]
    lines += table(
        ["center", "group", "n", "right"],
        [
            [name, f"{label} {group}", str(entry["n"]), percent(entry)]
            for name, system in systems.items()
            for label, groups in (
                ("kind:", system["kinds"]["peel"]),
                ("never trained:", system["held_out"]),
            )
            for group, entry in groups.items()
        ],
    )
    if report["paired"]:
        lines += ["", "## Paired differences", "", "In percentage points.", ""]
        lines += table(
            ["first", "second", "form", "n", "difference", "McNemar p"],
            [
                [
                    *(pair["first"], pair["second"], pair["form"], str(pair["n"])),
                    percent(pair["difference"], sign="+"),
                    f"{pair['mcnemar']['p']:.3g}",
                ]
                for pair in report["paired"]
            ],
        )
    return "\n".join([*lines, *config_lines(config)]) + "\n"


def _metrics(systems: Mapping[str, Any]) -> list[str]:
    rows = [
        [name, act, metric, percent(value)]
        for name, system in systems.items()
        for act, entry in system["acts"].items()
        for metric, value in entry.get("metrics", {}).items()
    ]
    return table(["center", "act", "measure", "value"], rows)
