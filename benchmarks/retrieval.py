"""Support recall on MuSiQue over one pooled library: by words, by meaning, hybrid.

    python benchmarks/retrieval.py --data DIR [--work DIR] [--out docs/results]

Every row looks at 8 distinct passages an episode: all for the question alone, or floor(8/h) a hop
of the human plan with the true earlier answers filled in. Human steps of the form "X >> relation"
are asked as written and as sentences. Plain BM25 (FTS5, every word, equal columns) is the baseline.
`--work` keeps the library, whose embedding takes minutes. The fusion was tuned on train only.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import re
import sqlite3
import tempfile
from collections.abc import Callable
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pool
from centerlm.errors import CenterError
from centerlm.learning.relations import is_relation, relation_to_question
from centerlm.library import Library
from centerlm.library.search import HYBRID_ROWS, NEAREST, Weights
from reporting import readable_json

PASSAGES = 8
DEPTH = 32  # ranked passages a search, so that distinct ones remain after those already seen
RESAMPLES = 10_000
SEED = 17

Place = tuple[str, str]
Search = Callable[[str], list[Place]]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--part", choices=["dev", "train"], default="dev")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "docs" / "results")
    options = parser.parse_args()
    if options.work:
        options.work.mkdir(parents=True, exist_ok=True)
        run(options.data, options.work, options.part, options.out)
    else:
        with tempfile.TemporaryDirectory() as folder:
            run(options.data, Path(folder), options.part, options.out)


def run(data: Path, work: Path, part: str, out: Path) -> None:
    passages = pool.read_pool(data)
    digest = pool.pool_hash(passages)
    questions = pool.read_questions(data, part)
    sentences = [
        replace(
            question,
            hops=tuple(
                replace(h, question=relation_to_question(h.question)) for h in question.hops
            ),
        )
        for question in questions
    ]
    searches = open_searches(passages, work / f"library-{digest[:12]}")
    results: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for name, search in searches.items():
        results[name] = {
            "question only": [score(q, [search(q.text)], PASSAGES) for q in questions],
            "human plan, as written": [plan_score(q, search) for q in questions],
            "human plan, relations as sentences": [plan_score(q, search) for q in sentences],
        }
        print(name, {k: mean([x[0] for x in v]) for k, v in results[name].items()}, flush=True)
    hops = [hop.question for question in questions for hop in question.hops]
    config = {
        "set": f"MuSiQue {part}",
        "questions": len(questions),
        "hops": len(hops),
        "relation_hops": sum(map(is_relation, hops)),
        "pool": {"passages": len(passages), "sha256": digest},
        "passages_an_episode": PASSAGES,
        "weights": asdict(Weights()),
        "rows": HYBRID_ROWS,
        "nearest": NEAREST,
        "bootstrap": {"resamples": RESAMPLES, "seed": SEED},
        "versions": {
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
            **{name: version(name) for name in ("numpy", "onnxruntime", "tokenizers")},
        },
    }
    write(out, config, results)


def open_searches(passages: list[Place], folder: Path) -> dict[str, Search]:
    """The baseline and the library's three ways, each giving (title, text) of pool passages."""
    source = folder.with_suffix(".jsonl")
    with source.open("w", encoding="utf-8") as file:
        for title, text in passages:
            file.write(json.dumps({"title": title, "text": text}) + "\n")
    os.utime(source, (0, 0))  # a second run finds it unchanged
    library = Library.open(folder, create=True)
    if library.note:
        raise CenterError(library.note)
    # One passage a paragraph, so that a passage is what the set counts.
    report = library.ingest(
        [source],
        max_words=10_000,
        progress=lambda p: print(f"{p.phase} {p.done:,} of {p.total:,}", end="\r", flush=True),
    )
    print(f"library of {report.passages:,} passages in {report.seconds:.0f} s")
    by_place = {_clean(title, text): (title, text) for title, text in passages}

    def way(mode: Any) -> Search:
        def search(query: str) -> list[Place]:
            found = library.search(query, DEPTH, mode=mode)
            return [by_place[_clean(p.title, p.text)] for p in found]

        return search

    return {
        "plain BM25": plain_bm25(passages),
        "words": way("words"),
        "meaning": way("meaning"),
        "hybrid": way("hybrid"),
    }


def plain_bm25(passages: list[Place]) -> Search:
    connection = sqlite3.connect(":memory:")
    connection.execute(
        "CREATE VIRTUAL TABLE words USING fts5"
        "(title, text, tokenize='porter unicode61 remove_diacritics 2')"
    )
    connection.executemany("INSERT INTO words VALUES (?, ?)", passages)

    def search(query: str) -> list[Place]:
        terms = dict.fromkeys(re.findall(r"\w+", query.lower()))
        rows = connection.execute(
            "SELECT title, text FROM words WHERE words MATCH ? ORDER BY rank LIMIT ?",
            (" OR ".join(f'"{term}"' for term in terms), DEPTH),
        )
        return [(row[0], row[1]) for row in rows]

    return search


def plan_score(question: pool.Question, search: Search) -> tuple[float, float]:
    ranked = [search(hop.question) for hop in question.hops]
    return score(question, ranked, PASSAGES // len(question.hops))


def score(question: pool.Question, ranked: list[list[Place]], share: int) -> tuple[float, float]:
    """Support recall and whether all was found, taking `share` new passages of each search."""
    seen: dict[Place, None] = {}
    for places in ranked:
        fresh = [place for place in places if place not in seen]
        seen.update(dict.fromkeys(fresh[:share]))
    gold = {hop.support for hop in question.hops}
    return len(gold & seen.keys()) / len(gold), float(gold <= seen.keys())


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def interval(values: list[float]) -> tuple[float, float, float]:
    """Mean and its 95 % percentile bootstrap interval over questions."""
    draw = random.Random(SEED)
    means = sorted(mean(draw.choices(values, k=len(values))) for _ in range(RESAMPLES))
    return mean(values), means[int(0.025 * RESAMPLES)], means[int(0.975 * RESAMPLES)]


def write(
    out: Path, config: dict[str, Any], results: dict[str, dict[str, list[tuple[float, float]]]]
) -> None:
    rows: list[dict[str, Any]] = []
    for name, settings in results.items():
        for setting, scores in settings.items():
            row: dict[str, Any] = {"search": name, "setting": setting}
            for index, metric in enumerate(("support_recall", "all_found")):
                values = [s[index] for s in scores]
                base = [s[index] for s in results["plain BM25"][setting]]
                row[metric] = interval(values)
                row[f"{metric}_minus_bm25"] = interval(
                    [a - b for a, b in zip(values, base, strict=True)]
                )
            rows.append(row)
    out.mkdir(parents=True, exist_ok=True)
    (out / "retrieval.json").write_text(
        readable_json({"config": config, "rows": rows}) + "\n", encoding="utf-8"
    )
    lines = [
        "# Retrieval: support recall on MuSiQue",
        "",
        f"{config['set']}: {config['questions']} questions, {config['hops']} hops (of them "
        f"{config['relation_hops']} written `X >> relation`), over one library of "
        f"{config['pool']['passages']:,} passages; {PASSAGES} distinct passages an episode. "
        "Percent, with 95 % bootstrap intervals over questions; differences are paired, to plain "
        "BM25 in the same row of settings. The weights were chosen on train questions.",
        "",
        "| setting | search | support recall | minus BM25 | all found | minus BM25 |",
        "|---|---|--:|--:|--:|--:|",
    ]
    order = list(results["plain BM25"])
    for row in sorted(rows, key=lambda row: order.index(row["setting"])):
        cells = [row["setting"], row["search"]]
        for metric in ("support_recall", "all_found"):
            cells.append(percent(row[metric]))
            difference = row[f"{metric}_minus_bm25"]
            cells.append("" if row["search"] == "plain BM25" else percent(difference, sign="+"))
        lines.append("| " + " | ".join(cells) + " |")
    lines += [
        "",
        "`plain BM25`: FTS5, every word of the question, equal columns. `words`: the library's "
        "BM25 (titles weighted, function words left out). `meaning`: MiniLM vectors. `hybrid`: "
        "both and coverage, the default. Run: `python benchmarks/retrieval.py --data DIR`.",
        "",
        "How the default was chosen, looks at dev included: BM25 and cosine alone, weighted on the "
        "100 train questions of MuSiQue (title 2, meaning 0.7), gave 89.9 on train but, on dev, "
        "87.4 for the human plan as written (-1.8 [-5.4, +1.9] against BM25) and 88.5 with "
        "sentences (-0.6 [-4.0, +2.8]). Coverage was then added and all weights chosen again on "
        "train questions only (MuSiQue 100, HotpotQA 100, 2Wiki 200 with gold triples as plans). "
        "The table is the second look at dev; there was no other. Reciprocal rank fusion was "
        "behind the weighted sum on those train questions.",
    ]
    (out / "retrieval.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


def percent(values: tuple[float, float, float], sign: str = "") -> str:
    value, low, high = (100 * v for v in values)
    return f"{value:{sign}.1f} [{low:{sign}.1f}, {high:{sign}.1f}]"


def _clean(title: str, text: str) -> Place:
    from centerlm.library.document import one_line, safe_text

    return one_line(title), safe_text(text).strip()


if __name__ == "__main__":
    main()
