"""The report of memory.py: JSON, Markdown and the plot of regret."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from centerlm.evaluation.statistics import mean_interval
from memory_streams import BASELINES, CHANGE, LEARNED, RECOVERY, TASKS, Played
from reporting import config_lines, number, percent, table, versions, write

MEMORY = "seeking memory"
AIM_BEST, AIM_P50 = 0.9, 10.0


def write_report(
    streams: Mapping[str, tuple[dict[str, list[Played]], float]],
    sizes: Sequence[Mapping[str, Any]],
    config: Mapping[str, Any],
    out: Path,
    known: str,
) -> Path:
    """Write memory.json, memory.md and memory.svg; returns the Markdown."""
    report: dict[str, Any] = {
        "streams": {
            name: {
                "known_discount": discount,
                "choosers": {chooser: _summary(runs) for chooser, runs in played.items()},
            }
            for name, (played, discount) in streams.items()
        },
        "sizes": list(sizes),
        "config": {**config, "versions": versions()},
    }
    out.mkdir(parents=True, exist_ok=True)
    draw(report, out / "memory.svg")
    return write(out, "memory", report, as_markdown(report, known))


def _summary(runs: Sequence[Played]) -> dict[str, Any]:
    curve = [sum(run.regrets[task] for run in runs) / len(runs) for task in range(TASKS)]
    total, summed = 0.0, list[float]()
    for regret in curve:
        total += regret
        summed.append(round(total, 3))
    return {
        "learned": asdict(mean_interval([run.learned for run in runs])),
        "after": asdict(mean_interval([run.after for run in runs])),
        "recovery": asdict(mean_interval([float(run.recovery) for run in runs])),
        "recovered_in_time": asdict(mean_interval([float(r.recovery <= RECOVERY) for r in runs])),
        "regret": asdict(mean_interval([run.regret for run in runs])),
        "spent": asdict(mean_interval([run.spent for run in runs])),
        "curve": summed[9::10],
    }


def draw(report: Mapping[str, Any], target: Path) -> None:
    """Summed regret, task by task."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot

    # No time and no random ids in the file: the same figures give the same bytes.
    mpl.rcParams["svg.hashsalt"] = "centerlm"
    figure, plots = pyplot.subplots(1, len(report["streams"]), figsize=(9, 3.8), squeeze=False)
    for axes, (name, stream) in zip(plots[0], report["streams"].items(), strict=True):
        for chooser, row in stream["choosers"].items():
            at = range(10, TASKS + 1, 10)
            width = 2.2 if chooser == MEMORY else 1.2
            axes.plot(at, row["curve"], label=chooser, linewidth=width)
        axes.axvline(CHANGE, color="grey", linestyle=":")
        axes.set_title(name, fontsize=10)
        axes.set_xlabel("task (dotted: the change)")
        axes.set_ylabel("regret so far")
        axes.grid(alpha=0.3)
    plots[0][0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(target, metadata={"Date": None})
    pyplot.close(figure)


def as_markdown(report: Mapping[str, Any], known: str) -> str:
    lines = [
        "# The seeking memory",
        "",
        f"{TASKS} tasks of one kind over six sources of unknown skill and price. After task "
        f"{CHANGE} the best one answers as rarely as a poor one, and a poor one becomes the best. "
        "Best choices: the share of tasks given to the best source, from task "
        f"{LEARNED} on before the change, and from {RECOVERY} tasks after it on. Recovery: tasks "
        "after the change until "
        "18 of 20 go to the best source. Regret: skill of the best source less skill of the chosen "
        f"one, summed over all tasks. Means over {report['config']['seeds']} seeds with 95 % "
        "intervals (bootstrap).",
        "",
        "![regret by task](memory.svg)",
    ]
    for name, stream in report["streams"].items():
        lines += ["", f"## Sources with {name}", ""]
        lines += _stream_table(stream)
        lines += ["", *_verdict(stream, known)]
    lines += ["", "## Time and size", "", *size_lines(report["sizes"])]
    return "\n".join([*lines, *config_lines(report["config"])]) + "\n"


def _stream_table(stream: Mapping[str, Any]) -> list[str]:
    heads = [
        *("chooser", "best before, %", "best after, %", "recovery, tasks"),
        *("recovered within 30, %", "regret", "money spent"),
    ]
    return table(
        heads,
        (
            [
                chooser,
                percent(row["learned"]),
                percent(row["after"]),
                number(row["recovery"]),
                percent(row["recovered_in_time"]),
                number(row["regret"]),
                number(row["spent"]),
            ]
            for chooser, row in stream["choosers"].items()
        ),
    )


def _verdict(stream: Mapping[str, Any], known: str) -> list[str]:
    """What was aimed at, and what came out."""
    rows = stream["choosers"]
    mine = rows[MEMORY]
    name = min(BASELINES, key=lambda chooser: rows[chooser]["regret"]["value"])
    ratio = mine["regret"]["value"] / rows[name]["regret"]["value"]
    against = mine["regret"]["value"] / rows[known]["regret"]["value"]
    return [
        f"- best choices {mine['learned']['value']:.1%} before and {mine['after']['value']:.1%} "
        f"after the change (aim, for skills .9 to .2: {AIM_BEST:.0%})",
        f"- mean recovery {mine['recovery']['value']:.1f} tasks, "
        f"{mine['recovered_in_time']['value']:.0%} of seeds within {RECOVERY} (aim: within "
        f"{RECOVERY})",
        f"- regret {ratio:.2f} of that of the next best baseline, {name} (aim: at most 0.5), and "
        f"{against:.2f} of discounted Thompson sampling with the best discount "
        f"({stream['known_discount']:g})",
    ]


def size_lines(sizes: Sequence[Mapping[str, Any]]) -> list[str]:
    if not sizes:
        return ["Not measured in this run."]
    heads = [
        *("experiences", "kinds kept", "file, MB", "recall p50 / p99, ms", "order p50 / p99, ms"),
        *("recall with MiniLM p50 / p99, ms", "filing one, ms"),
    ]
    lines = table(heads, (_size_row(row) for row in sizes))
    first, last = sizes[0], sizes[-1]
    more = last["experiences"] / first["experiences"]
    larger = last["megabytes"] / first["megabytes"]
    slower = last["recall_p50"] / max(first["recall_p50"], 1e-9)
    return [
        "CPU milliseconds of one process. A recall searches the kinds (at most 1,024) and reads at "
        "most three of them; the question is embedded first, with MiniLM in the column that says "
        "so.",
        "",
        *lines,
        "",
        f"- {more:,.0f} times the experiences: {larger:,.0f} times the file, {slower:.1f} times "
        f"the recall (aim: less than in proportion; p50 at most {AIM_P50:.0f} ms at a million)",
    ]


def _size_row(row: Mapping[str, Any]) -> list[str]:
    with_model = ""
    if row["embedded_p50"] is not None:
        with_model = f"{row['embedded_p50']:.1f} / {row['embedded_p99']:.1f}"
    return [
        f"{row['experiences']:,}",
        f"{row['kinds']:,}",
        f"{row['megabytes']:.1f}",
        f"{row['recall_p50']:.2f} / {row['recall_p99']:.2f}",
        f"{row['order_p50']:.2f} / {row['order_p99']:.2f}",
        with_model,
        f"{row['file_ms']:.3f}",
    ]
