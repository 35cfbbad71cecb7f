"""Build time, query time and memory of the library and of its peers, at 1e4, 1e5 and 1e6 passages.

    python benchmarks/library.py --data DIR --work DIR --peers-python PYTHON --out docs/results

`--data` holds the multi-hop sets (see pool.py); `--work` keeps corpora and indexes between runs.
`--peers-python` is an interpreter with: pip install tantivy lancedb usearch sqlite-vec numpy
(without it only what the library itself uses is measured). Every engine runs in processes of its
own, one thread, one at a time: one process builds, a fresh one opens the index and asks.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from reporting import readable_json

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parent / "src"
OWN = ("fts5", "library", "exact", "signs")
PEERS = ("tantivy", "lancedb", "usearch-f16", "usearch-i8", "sqlite-vec")
TOP = 10
CHILD_SECONDS = 1800


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=HERE.parent / "docs" / "results")
    parser.add_argument("--peers-python", type=Path)
    parser.add_argument("--sizes", default="1e4,1e5,1e6")
    parser.add_argument("--engines", default=",".join(OWN + PEERS))
    parser.add_argument("--skip", default="usearch-f16@1000000,usearch-i8@1000000")
    parser.add_argument("--add", action="store_true", help="keep the rows of earlier runs")
    options = parser.parse_args()
    sizes = [int(float(size)) for size in options.sizes.split(",")]
    skipped = set(options.skip.split(","))
    options.work.mkdir(parents=True, exist_ok=True)
    facts = prepare(options.data, options.work)
    rows: list[dict[str, Any]] = []
    if options.add and (options.out / "library.json").is_file():
        rows = json.loads((options.out / "library.json").read_text(encoding="utf-8"))["rows"]
    for size in sizes:
        write_corpus(options.data, options.work, size)
        for engine in options.engines.split(","):
            python = options.peers_python if engine in PEERS else Path(sys.executable)
            if python is None or f"{engine}@{size}" in skipped:
                continue
            load = os.getloadavg()[0]
            row = {"engine": engine, "passages": size, "load": round(load, 1)}
            for act in ("build", "ask"):
                row |= child(python, act, engine, size, options.work)
                if "error" in row:
                    break
            rows = [r for r in rows if (r["engine"], r["passages"]) != (engine, size)] + [row]
            print(json.dumps(row), flush=True)
            report(options.out, facts, rows)


def child(python: Path, act: str, engine: str, size: int, work: Path) -> dict[str, Any]:
    """One act of one engine in a process of its own; what it prints last is its result."""
    environment = {**os.environ, "PYTHONPATH": f"{SOURCE}:{HERE}", "PYTHONHASHSEED": "0"}
    for name in ("OMP", "OPENBLAS", "MKL", "RAYON"):
        environment[f"{name}_NUM_THREADS"] = "1"
    command = [str(python), str(HERE / "engines.py"), act, engine, str(size), str(work)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=CHILD_SECONDS
        )
    except subprocess.TimeoutExpired:
        return {"error": f"{act}: more than {CHILD_SECONDS} s"}
    if done.returncode:
        return {"error": f"{act}: {done.stderr.strip().splitlines()[-1:]}"}
    return json.loads(done.stdout.strip().splitlines()[-1])


def prepare(data: Path, work: Path) -> dict[str, Any]:
    """Vectors of the pool and of the questions (kept in `work`), and what this run stands on."""
    import numpy as np
    import onnxruntime
    import tokenizers

    import pool
    from centerlm.library.embed import find_embedder

    passages = pool.read_pool(data)
    digest = pool.pool_hash(passages)
    questions = [hop.question for q in pool.read_questions(data, "dev") for hop in q.hops]
    embedder = find_embedder()
    texts = [f"{title}. {text}" for title, text in passages]
    started, cpu = time.perf_counter(), time.process_time()
    embedder.embed(texts[:256])
    rate = 256 / (time.perf_counter() - started)
    cpu_rate = 256 / (time.process_time() - cpu)
    stored = work / f"pool-{digest[:12]}.npy"
    if not stored.is_file():
        np.save(stored, embedder.embed(texts))
    np.save(work / "vectors.npy", np.load(stored))
    np.save(work / "questions.npy", embedder.embed(questions))
    (work / "questions.json").write_text(json.dumps(questions), encoding="utf-8")
    import sqlite3

    return {
        "pool": {"passages": len(passages), "sha256": digest},
        "questions": len(questions),
        "embedding": {
            "passages_per_second": round(rate, 1),
            "passages_per_cpu_second": round(cpu_rate, 1),
            "words_per_passage": round(sum(len(t.split()) for t in texts[:256]) / 256),
        },
        "machine": {"cores": os.cpu_count(), "python": platform.python_version()},
        "versions": {
            "sqlite": sqlite3.sqlite_version,
            "numpy": np.__version__,
            "onnxruntime": onnxruntime.__version__,
            "tokenizers": tokenizers.__version__,
        },
    }


def write_corpus(data: Path, work: Path, size: int) -> None:
    """The corpus of one size as JSON Lines files of at most 100,000 passages."""
    import corpus
    import pool

    folder = work / f"corpus-{size}"
    finished = folder / "finished"
    if finished.is_file():
        return
    folder.mkdir(exist_ok=True)
    made = corpus.passages(pool.read_pool(data), size)
    for number in range(-(-size // 100_000)):
        with (folder / f"{number:02}.jsonl").open("w", encoding="utf-8") as file:
            for _, (title, text) in zip(range(min(size, 100_000)), made, strict=False):
                file.write(json.dumps({"title": title, "text": text}) + "\n")
    finished.touch()


def report(out: Path, facts: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """`library.json` with everything and the measured table of `library.md`."""
    out.mkdir(parents=True, exist_ok=True)
    rows = sorted(rows, key=lambda row: row["passages"])
    data = {**facts, "rows": rows}
    (out / "library.json").write_text(readable_json(data) + "\n", encoding="utf-8")
    lines = [
        "| passages | engine | build s | MB on disk | query p50 ms | p99 ms | p50 CPU ms "
        "| RSS MB | recall@10 | load |",
        "|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        for name, asked in row.get("ask", {"-": {}}).items():
            label = row["engine"] if name == "-" else f"{row['engine']} {name}"
            cells = [
                f"{row['passages']:,}",
                label + (f" ({row['error']})" if "error" in row else ""),
                *(str(row.get(key, "")) for key in ("build_s", "disk_mb")),
                *(str(asked.get(key, "")) for key in ("p50_ms", "p99_ms", "cpu_p50_ms")),
                str(row.get("rss_mb", "")),
                str(asked.get("recall", "")),
                str(row["load"]),
            ]
            lines.append("| " + " | ".join(cells) + " |")
    path = out / "library.md"
    old = path.read_text(encoding="utf-8") if path.is_file() else ""
    before = old.partition("<!-- table -->")[0] or "# Library: speed and memory\n\n"
    after = old.partition("<!-- end -->")[2]
    table = "\n".join(lines)
    path.write_text(f"{before}<!-- table -->\n{table}\n<!-- end -->{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
