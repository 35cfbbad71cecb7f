"""The report of an evaluation: static HTML that any browser opens, without a server or a script.

One row a system, one page an item with every system's tree, plan and findings beside what is right.
All text of items, models and sources is escaped: it is data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from centerlm.episode import episode_to_json
from centerlm.evaluation.harness import Outcome
from centerlm.evaluation.items import Item
from centerlm.evaluation.plots import bars, lines
from centerlm.evaluation.scoring import Solved
from centerlm.plan import format_plan

MAX_ITEMS = 2_000
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:75rem;padding:0 1.2rem}
body{color:#1b1f24}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2.2rem}h3{font-size:1rem;margin:1.4rem 0 .3rem}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;display:block;overflow-x:auto}
th,td{padding:.28rem .7rem;border-bottom:1px solid #e2e5e9;text-align:right;white-space:nowrap}
th:first-child,td:first-child,td.text,th.text{text-align:left}td.text{white-space:normal}
thead th{border-bottom:2px solid #9aa4af}small,.faint{color:#67717c}td small{display:block}
pre{background:#f5f7f9;padding:.6rem .8rem;border-radius:6px;white-space:pre-wrap;margin:.3rem 0}
ul.tree{list-style:none;padding-left:1.1rem;border-left:2px solid #e2e5e9;margin:.2rem 0}
.right{color:#14713d}.wrong{color:#a1261d}
.warning{background:#fff4d6;padding:.5rem .8rem;border-radius:6px}
.tag{background:#eef1f4;border-radius:4px;padding:0 .35rem}a{color:#0b5cad}
svg{max-width:100%;height:auto}section.system{border-top:1px solid #cfd5db;margin-top:1.6rem}
"""


def write_report(results: Mapping[str, Any], outcomes: Sequence[Outcome], folder: Path) -> Path:
    """Write the pages; returns the first one.

    Raises:
        OSError: the folder cannot be written.
    """
    (folder / "items").mkdir(parents=True, exist_ok=True)
    items = list({outcome.item.id: outcome.item for outcome in outcomes}.values())
    pages = {item.id: f"items/{n:04}.html" for n, item in enumerate(items[:MAX_ITEMS], start=1)}
    by_item: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_item.setdefault(outcome.item.id, []).append(outcome)
    for item in items[:MAX_ITEMS]:
        page = _page(item.id, _item_page(item, by_item[item.id], results["metric"]))
        (folder / pages[item.id]).write_text(page, encoding="utf-8")
    index = folder / "index.html"
    body = _index(results, items, by_item, pages)
    index.write_text(_page(f"{results['scenario']}", body), encoding="utf-8")
    return index


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>{body}</body></html>\n"
    )


def _index(
    results: Mapping[str, Any],
    items: Sequence[Item],
    by_item: Mapping[str, Sequence[Outcome]],
    pages: Mapping[str, str],
) -> str:
    metric = results["metric"]
    parts = [
        f"<h1>{escape(results['scenario'])}: {results['n']} items</h1>",
        *(f'<p class="warning">{escape(w)}</p>' for w in results.get("warnings", ())),
        _systems_table(results),
        "<h2>"
        f"{escape(metric)} by system</h2>"
        "<p class='faint'>Bars are means, lines 95 % intervals.</p>",
        bars(
            {
                name: system["metrics"][metric]
                for name, system in results["systems"].items()
                if metric in system["metrics"]
            }
        ),
        _candidates(results),
        _splits(results),
        _paired(results),
        _items_table(results, items, by_item, pages),
        _how(results["config"]),
    ]
    return "".join(parts)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, text: Sequence[int] = ()) -> str:
    """A table; cells are HTML. Columns in `text` are left-aligned and may wrap."""
    marked = [' class="text"' if n in text else "" for n in range(len(heads))]
    head = "".join(f"<th{m}>{h}</th>" for h, m in zip(heads, marked, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{m}>{c}</td>" for c, m in zip(row, marked, strict=True)) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(cell: Mapping[str, float] | None, n: int | None = None) -> str:
    if cell is None:
        return '<span class="faint">-</span>'
    shown = f"{cell['value']:.3f} <small>({cell['low']:.3f} to {cell['high']:.3f})"
    return f"{shown}{f', n={n}' if n is not None else ''}</small>"


def _systems_table(results: Mapping[str, Any]) -> str:
    systems = results["systems"]
    costs = ("calls", "tokens", "seconds", "cost")
    names = list(dict.fromkeys(name for system in systems.values() for name in system["metrics"]))
    metrics = [name for name in names if name not in costs]
    rows: list[list[str]] = []
    for name, system in systems.items():
        cells = [_cell(system["metrics"].get(m), system["measured"].get(m)) for m in metrics]
        usage, n = system["usage"], max(system["n"], 1)
        tokens = usage["prompt_tokens"] + usage["completion_tokens"]
        spent = [
            f"{usage['calls'] / n:.1f}",
            f"{tokens / n:,.0f}",
            f"{usage['seconds'] / n:.1f}",
            f"{usage['cost'] / n:.4g}",
        ]
        rows.append([escape(name), *cells, *spent])
    heads = ["system", *map(escape, metrics), *(f"{name} an item" for name in costs)]
    return _table(heads, rows)


def _candidates(results: Mapping[str, Any]) -> str:
    """Success by the number of candidates, where proposals are checked."""
    curves: dict[str, list[tuple[float, Mapping[str, float]]]] = {}
    for name, system in results["systems"].items():
        points = [
            (float(metric.removeprefix("success@")), cell)
            for metric, cell in system["metrics"].items()
            if metric.startswith("success@")
        ]
        if points:
            curves[name] = sorted(points, key=lambda point: point[0])
    if not curves:
        return ""
    return "<h2>Success by candidates or simulator calls</h2>" + lines(
        curves, "candidates", log=True
    )


def _splits(results: Mapping[str, Any]) -> str:
    parts: list[str] = []
    systems = list(results["systems"])
    for split, by_part in results["splits"].items():
        if len(by_part) < 2 and split != "set":
            continue
        parts.append(f"<h2>{escape(results['metric'])} by {escape(split)}</h2>")
        if split == "hops" and sum(part.isdecimal() for part in by_part) > 1:
            curves = {
                system: [
                    (float(part), cells[system])
                    for part, cells in by_part.items()
                    if part.isdecimal() and system in cells
                ]
                for system in systems
            }
            parts.append(lines({k: v for k, v in curves.items() if v}, "hops"))
        rows = [
            [escape(part), *(_cell(c, c["n"]) if (c := cells.get(s)) else "-" for s in systems)]
            for part, cells in by_part.items()
        ]
        parts.append(_table([escape(split), *map(escape, systems)], rows))
    return "".join(parts)


def _paired(results: Mapping[str, Any]) -> str:
    if not results["paired"]:
        return ""
    rows = [
        [
            f"{escape(pair['first'])} - {escape(pair['second'])}",
            f"{pair['difference']:+.3f} <small>({pair['low']:+.3f} to {pair['high']:+.3f})</small>",
            str(pair["n"]),
            "" if pair["p"] is None else f"{pair['p']:.3f}",
        ]
        for pair in results["paired"]
    ]
    return (
        "<h2>Pairs of systems on the same items</h2><p class='faint'>Differences of the means with "
        "paired bootstrap intervals; p of the exact McNemar test where right or wrong.</p>"
        + _table(["pair", f"difference in {escape(results['metric'])}", "n", "p"], rows)
    )


def _items_table(
    results: Mapping[str, Any],
    items: Sequence[Item],
    by_item: Mapping[str, Sequence[Outcome]],
    pages: Mapping[str, str],
) -> str:
    metric = results["metric"]
    systems = list(dict.fromkeys(o.system for each in by_item.values() for o in each))
    rows: list[list[str]] = []
    for item in items:
        if item.id not in pages:
            continue
        scores = {o.system: o.scores.get(metric) for o in by_item[item.id]}
        link = f'<a href="{pages[item.id]}">{escape(item.objective.text[:140])}</a>'
        rows.append([escape(item.data_set), link, *(_mark(scores.get(s)) for s in systems)])
    more = (
        f"<p>{len(items) - len(rows):,} more are in results.json.</p>"
        if len(rows) < len(items)
        else ""
    )
    heads = ["set", "item", *map(escape, systems)]
    return "<h2>Items</h2>" + _table(heads, rows, text=(1,)) + more


def _mark(value: float | None) -> str:
    if value is None:
        return "-"
    kind = "right" if value >= 0.999 else "wrong" if value <= 0.001 else "faint"
    return f'<span class="{kind}">{value:.2f}</span>'


def _how(config: Mapping[str, Any]) -> str:
    rows = [
        [escape(name), escape(str(value))] for name, value in config.items() if name != "command"
    ]
    return f"<h2>How</h2><pre>{escape(str(config.get('command', '')))}</pre>" + _table(
        ["setting", "value"], rows, text=(1,)
    )


def _item_page(item: Item, outcomes: Sequence[Outcome], metric: str) -> str:
    tags = " ".join(
        f'<span class="tag">{escape(name)}: {escape(part)}</span>'
        for name, part in item.splits.items()
    )
    parts = [
        '<p><a href="../index.html">all items</a></p>',
        f"<h1>{escape(item.objective.text[:300])}</h1>",
        f"<pre>{escape(item.objective.text)}</pre>" if len(item.objective.text) > 300 else "",
        f"<p>{tags}</p><h3>Right</h3><p>{escape(' / '.join(item.accepted[:8]))}</p>",
    ]
    if item.plan is not None:
        parts.append(f"<h3>Right plan</h3><pre>{escape(format_plan(item.plan))}</pre>")
    if item.support:
        titles = "; ".join(sorted(key.title for key in item.support))
        parts.append(f"<p><small>Needed: {escape(titles)}</small></p>")
    parts += [_outcome(outcome, metric) for outcome in outcomes]
    return "".join(parts)


def _outcome(outcome: Outcome, metric: str) -> str:
    scores = ", ".join(
        f"{escape(name)} {value:.4g}" for name, value in outcome.scores.items() if value is not None
    )
    episodes = "".join(_episode(solved) for solved in outcome.episodes[:20])
    return (
        f'<section class="system"><h2>{escape(outcome.system)} {_mark(outcome.scores.get(metric))}'
        f"</h2><p><small>{scores}</small></p>{episodes}</section>"
    )


def _episode(solved: Solved) -> str:
    data = episode_to_json(solved.tree, solved.name, solved.blob)
    reason = f" <small>({escape(data['reason'])})</small>" if data["reason"] else ""
    answer = escape(data["answer"] or "no answer")
    plan = f"<pre>{escape(data['plan'])}</pre>" if data["plan"] else ""
    return (
        f"<h3>{answer} <small>{escape(data['status'])}, {escape(solved.name)}</small></h3>"
        f"{reason}{plan}{_tree(data['steps'])}{_citations(data['citations'])}"
    )


def _tree(steps: Sequence[Mapping[str, Any]]) -> str:
    if not steps:
        return ""
    rows = "".join(
        f'<li><span class="tag">{escape(step["id"])} {escape(step["source"] or "")}</span> '
        f"{escape(step['objective'])}<br>"
        f"<b>{escape(step['answer'] or 'nothing')}</b> <small>{escape(step['status'])}"
        f"{escape('; ' + step['reason']) if step['reason'] else ''}</small>"
        f"{_citations(step['citations'])}{_tree(step['steps'])}</li>"
        for step in steps
    )
    return f'<ul class="tree">{rows}</ul>'


def _citations(citations: Sequence[Mapping[str, Any]]) -> str:
    return "".join(
        f"<br><small>{escape(c['title'] or c['passage'])}: {escape(c['quote'])}</small>"
        for c in citations[:3]
    )
