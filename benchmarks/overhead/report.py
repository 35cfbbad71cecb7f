"""From the rows of a run to tables and to the verdict on each target."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

Rows = list[dict[str, Any]]

CHAINS = (10, 25, 50, 100, 200)
FLOORS = ("raw sockets", "raw-sockets")
"""Our floor (bodies of one question) and the peers' (bodies that hold the history)."""

SAME = {"fan16_async": "fan16", "fan16_sync": "fan16"}


def least(rows: Iterable[dict[str, Any]], column: str) -> float:
    return min(row[column] for row in rows)


def best(rows: Rows) -> dict[tuple[str, str], dict[str, float]]:
    """(client, load) -> the least of the rounds' medians, and how far the rounds lie apart."""
    groups: dict[tuple[str, str], Rows] = defaultdict(list)
    for row in rows:
        groups[row["client"], row["load"]].append(row)
    return {
        key: {
            "wall_ms": least(group, "wall_ms"),
            "cpu_ms": least(group, "cpu_ms"),
            "calls": group[0]["calls"],
            "rss_mb": max(row["rss_mb"] for row in group),
            "spread": max(row["wall_ms"] for row in group) / least(group, "wall_ms"),
        }
        for key, group in groups.items()
    }


def over(figures: dict[tuple[str, str], dict[str, float]], client: str, load: str) -> float | None:
    """Milliseconds a call over the floor that sends such bodies."""
    floor = FLOORS[0] if client in ("centerlm", FLOORS[0]) else FLOORS[1]
    mine, base = figures.get((client, load)), figures.get((floor, load))
    if mine is None or base is None:
        return None
    per_call = base["wall_ms"] / base["calls"]
    return mine["wall_ms"] / mine["calls"] - per_call


def slope(figures: dict[tuple[str, str], dict[str, float]], client: str) -> float | None:
    """Growth of the milliseconds a call over the floor, for each 100 calls more (least squares)."""
    points = [(n, y) for n in CHAINS if (y := over(figures, client, f"chain{n}")) is not None]
    if len(points) < 2:
        return None
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return 100 * sum((x - mean_x) * (y - mean_y) for x, y in points) / spread


def _number(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def _table(head: list[str], lines: Iterable[list[str]]) -> list[str]:
    return [
        "| " + " | ".join(head) + " |",
        "|" + "---|" * len(head),
        *("| " + " | ".join(line) + " |" for line in lines),
        "",
    ]


def http(section: dict[str, Any]) -> list[str]:
    figures = best(section["rows"])
    names = list(dict.fromkeys(client for client, _ in figures))

    def of(client: str, load: str, column: str) -> float | None:
        row = figures.get((client, load))
        return None if row is None else row[column]

    def a_call(client: str, load: str, column: str) -> float | None:
        row = figures.get((client, load))
        return None if row is None else row[column] / row["calls"]

    def rate(client: str) -> tuple[float | None, float | None]:
        row = figures.get((client, "load64"))
        if row is None:
            return None, None
        return 1e3 * row["calls"] / row["wall_ms"], 1e3 * row["calls"] / row["cpu_ms"]

    lines: list[list[str]] = []
    for client in names:
        fan = of(client, "fan16", "wall_ms") or of(client, "fan16_async", "wall_ms")
        fan = fan or of(client, "fan16_sync", "wall_ms")
        wall_rate, cpu_rate = rate(client)
        lines.append(
            [
                client,
                _number(over(figures, client, "chain10")),
                _number(over(figures, client, "chain50")),
                _number(slope(figures, client)),
                _number(a_call(client, "chain10", "cpu_ms")),
                _number(a_call(client, "chain50", "cpu_ms")),
                _number(fan, 1),
                _number(of(client, "experts16", "wall_ms"), 1),
                _number(wall_rate, 0),
                _number(cpu_rate, 0),
                _number(max(row["rss_mb"] for (c, _), row in figures.items() if c == client), 0),
                _number(max(row["spread"] for (c, _), row in figures.items() if c == client)),
            ]
        )
    head = ["client", "chain 10: over, ms/call", "chain 50", "growth a 100 calls", "CPU ms/call"]
    head += ["at 50", "16 tools of 20 ms, ms", "16 experts, ms", "64 at once, calls/s"]
    head += ["calls a CPU second", "RSS MB", "spread"]
    flat = [
        [
            f"{n}",
            _number(of("centerlm", f"chain{n}", "wall_ms"), 1),
            _number(over(figures, "centerlm", f"chain{n}")),
        ]
        for n in CHAINS
    ]
    return [
        "## Calls over HTTP",
        "",
        "Over: milliseconds a call above the floor with bodies of the same kind, raw sockets for",
        "centerlm, raw-sockets (whose bodies hold the history) for the peers. Spread: the slowest",
        "round over the fastest, the worst of the client's loads.",
        "",
        *_table(head, lines),
        "centerlm by length of the episode (journal on, every call an expert's answer):",
        "",
        *_table(["calls after the plan", "wall ms", "over the floor, ms/call"], flat),
    ]


def graphs(section: dict[str, Any]) -> list[str]:
    groups: dict[tuple[str, str], Rows] = defaultdict(list)
    for row in section["rows"]:
        groups[row["graph"], row.get("sched", "centerlm")].append(row)
    lines: list[list[str]] = []
    for (graph, client), rows in groups.items():
        critical, calls = rows[0].get("critical_ms", 90), rows[0].get("calls")
        bare = f"{least(rows, 'bare_ms'):.1f}" if calls else "-"
        allowed = f"{critical + 3 + calls:.0f}" if calls else "-"
        wall = f"{least(rows, 'wall_ms'):.1f}"
        lines.append([graph, client, f"{critical}", bare, wall, str(calls or "-"), allowed])
    head = ["graph", "scheduler", "critical path, ms", "bare asyncio, ms", "wall, ms", "calls"]
    return ["## Dataflow without HTTP", "", *_table([*head, "allowed, ms"], lines)]


def growth(section: dict[str, Any]) -> list[str]:
    groups: dict[tuple[str, int], Rows] = defaultdict(list)
    for row in section["rows"]:
        groups[row["kind"], row["steps"]].append(row)
    lines: list[list[str]] = []
    for (kind, steps), rows in groups.items():
        row = rows[0]
        lines.append(
            [
                kind,
                f"{steps:,}",
                f"{1e6 * least(rows, 'cpu_seconds') / steps:.0f}",
                f"{1e6 * least(rows, 'seconds') / steps:.0f}",
                f"{least(rows, 'memory_kb') / steps:.1f}",
                f"{row['event_bytes'] / row['events']:.0f} ({row['longest_event']})",
                f"{row['event_bytes'] / steps:.0f}",
                f"{row['blob_bytes'] / steps:.0f}",
                f"{row['file_bytes'] / steps:.0f}",
            ]
        )
    head = ["episode", "steps", "CPU us/step", "wall us/step", "memory KB/step"]
    head += ["bytes an event (longest)", "event bytes/step", "blob bytes/step", "file bytes/step"]
    return [
        "## Long episodes, journal on",
        "",
        "Sources answer at once. Linear growth is a constant figure a step.",
        "",
        *_table(head, lines),
    ]


def imports(section: dict[str, Any]) -> list[str]:
    lines = [
        [f"`{name}`", _number(row["wall_ms"]), _number(row["cpu_ms"]), f"{row['modules']:.0f}"]
        for name, row in section["least"].items()
    ]
    help_cpu = section["help_cpu_ms"]
    return [
        "## Import",
        "",
        *_table(["statement", "wall ms", "CPU ms", "modules loaded"], lines),
        f"`centerlm --help`: {_number(help_cpu, 0)} ms of CPU, the interpreter included.",
        "",
    ]


def installs(section: dict[str, Any]) -> list[str]:
    lines = [
        [name, str(row["distributions"]), _number(row["megabytes"], 1)]
        for name, row in section.items()
    ]
    return ["## Installed size", "", *_table(["what", "distributions", "MB"], lines)]


def write(result: dict[str, Any]) -> str:
    """The report as Markdown."""
    sections: dict[str, Callable[[dict[str, Any]], list[str]]] = {
        "http": http,
        "graphs": graphs,
        "growth": growth,
        "imports": imports,
        "installs": installs,
    }
    lines = ["# Overhead", ""]
    if config := next((result[n]["config"] for n in ("http", "graphs") if n in result), None):
        versions = "; ".join(
            ", ".join(f"{name} {version}" for name, version in environment.items())
            for environment in config["versions"].values()
        )
        nice = f", all processes at nice {config['nice']}" if config["nice"] else ""
        lines += [
            f"{config['date']}, {config['machine']}, machine load {config['machine_load'][0]} at "
            f"the start; {config['rounds']} rounds of {config['runs']} runs, server latency "
            f"{config['latency_ms']:g} ms{nice}. Figures are the least of the rounds' medians; the "
            "machine was shared, so compare figures of one table. " + config.get("note", ""),
            "",
            f"Versions, an environment each: {versions}.",
            "",
            "    PYTHONPATH=src python benchmarks/overhead.py --peers DIR --venvs DIR",
            "",
        ]
    for name, section in sections.items():
        if name in result:
            lines += section(result[name])
    return "\n".join(lines).rstrip() + "\n"
