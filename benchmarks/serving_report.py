"""The page that serving.py writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serving_speed import ALONE, PEER, SERVED


def page(report: Mapping[str, Any]) -> str:
    lines = [
        "# Serving",
        "",
        f"Made by `{report['command']}` on {report['cpus']} cores, load average "
        f"{report['load'][0]:.1f} before and {report['load'][1]:.1f} after.",
    ]
    if speeds := report.get("speed"):
        alone, served = speeds[ALONE], speeds[SERVED]
        lines += [
            "",
            "## Speed",
            "",
            f"{report['clients']} clients, each sends the next when it has its answer; a model "
            f"server of {report['latency_ms']:g} ms a call; a solve makes "
            f"{alone['calls']:g} model calls and one to a source.",
            "",
            "| | solves/s | p50, s | p99, s | number | CPU ms a solve | waited for a CPU, ms a "
            "solve |",
            "|---|---|---|---|---|---|---|",
        ]
        for name, s in speeds.items():
            cpu = f"{1e3 * s['cpu']:.1f}" if s["cpu"] else ""
            lines.append(
                f"| {name} | {s['rate']:.1f} | {s['p50']:.3f} | {s['p99']:.3f} | {s['number']:,} "
                f"| {cpu} | {1e3 * s['waited']:.1f} |"
            )
        lines += [
            "",
            "CPU is that of the server; waiting is that of server, model server and clients "
            "together: what other work on the machine took from them.",
            "",
            f"- {100 * served['rate'] / alone['rate']:.1f} % of the model server alone (aim: 95 %)",
        ]
        if graph := speeds.get(PEER):
            lines.append(
                f"- {served['rate'] / graph['rate']:.2f} times the solves of the LangGraph server, "
                f"at {graph['cpu'] / max(served['cpu'], 1e-9):.1f} times less CPU a solve"
            )
    if losses := report.get("losses"):
        lines += ["", "## Losses", "", "| what | number |", "|---|---|"]
        names = {
            "requests": "requests",
            "answered": "answered, rightly",
            "failed": "answered that a part failed, because the model server did",
            "lost": "lost (aim: 0)",
            "twice": "run twice (aim: 0)",
            "dropped": "times a client left in the middle",
            "faults": "faults of the model server",
            "kills": "`kill -9` and restart",
            "resumed": "episodes resumed",
            "asked_again": "requests to the source in flight at the kill, asked again",
        }
        lines += [f"| {about} | {losses[name]:,} |" for name, about in names.items()]
    if statuses := report.get("fuzz"):
        bad = sum(n for status, n in statuses.items() if int(status) >= 500)
        shown = ", ".join(f"{status}: {n}" for status, n in statuses.items())
        lines += [
            "",
            "## Fuzzing",
            "",
            f"schemathesis on `/openapi.json`: {sum(statuses.values()):,} requests ({shown}); "
            f"{bad} server errors (aim: 0).",
        ]
    lines += ["", ", ".join(f"{k} {v}" for k, v in report["versions"].items()), ""]
    return "\n".join(lines)
