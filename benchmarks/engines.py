"""One act (build or ask) of one search engine, for library.py: prints one JSON object.

python benchmarks/engines.py build|ask ENGINE SIZE WORK
"""

from __future__ import annotations

import json
import resource
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

TOP = 10
BATCH = 256  # vectors are drawn a batch at a time, so every engine gets the same ones
Ask = Callable[[int], list[int]]


def documents(work: Path, size: int) -> Iterator[tuple[int, str, str]]:
    number = 0
    for path in sorted((work / f"corpus-{size}").glob("*.jsonl")):
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                record = json.loads(line)
                yield number, record["title"], record["text"]
                number += 1


def vector_batches(work: Path, size: int) -> Iterator[tuple[int, Any]]:
    import numpy as np

    import corpus

    real = np.load(work / "vectors.npy")
    for at in range(0, size, BATCH):
        yield at, corpus.vectors(real, at, min(BATCH, size - at))


def matrix(work: Path, size: int) -> Any:
    import numpy as np

    table = np.empty((size, 384), dtype=np.float32)
    for at, rows in vector_batches(work, size):
        table[at : at + len(rows)] = rows
    return table


def words_of(question: str) -> list[str]:
    """The same words for every engine: those the library itself asks for."""
    from centerlm.library.terms import query_terms

    return query_terms(question)


class Drawn:
    """Stands in for the embedding model while building: the next perturbed vectors."""

    def __init__(self, work: Path, size: int) -> None:
        self.name = "all-MiniLM-L6-v2/onnx"
        self._batches = vector_batches(work, size)

    def embed(self, texts: Any) -> Any:
        _, rows = next(self._batches)
        assert len(rows) == len(texts)
        return rows


# --- engines: build(folder, work, size) and open(folder, work, size) -> {name: ask} ---------------


def build_fts5(folder: Path, work: Path, size: int) -> None:
    connection = sqlite3.connect(folder / "fts.sqlite")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(
        "CREATE VIRTUAL TABLE words USING fts5"
        "(title, text, content='', tokenize='porter unicode61 remove_diacritics 2')"
    )
    connection.executemany(
        "INSERT INTO words (rowid, title, text) VALUES (?, ?, ?)", documents(work, size)
    )
    connection.commit()
    connection.execute("INSERT INTO words (words) VALUES ('optimize')")
    connection.commit()


def open_fts5(folder: Path, work: Path, size: int) -> dict[str, Ask]:
    connection = sqlite3.connect(folder / "fts.sqlite")
    questions = json.loads((work / "questions.json").read_text())

    def ask(number: int) -> list[int]:
        expression = " OR ".join(f'"{word}"' for word in words_of(questions[number]))
        sql = "SELECT rowid FROM words WHERE words MATCH ? ORDER BY rank LIMIT ?"
        return [row[0] for row in connection.execute(sql, (expression, TOP))]

    return {"BM25": ask}


def build_library(folder: Path, work: Path, size: int) -> None:
    from centerlm.library import Library

    with Library.open(folder, create=True, embedder=Drawn(work, size)) as library:
        library.ingest([work / f"corpus-{size}"], max_words=10_000)


def open_library(folder: Path, work: Path, size: int) -> dict[str, Ask]:
    import numpy as np

    from centerlm.library import Library
    from centerlm.library.embed import find_embedder

    questions = json.loads((work / "questions.json").read_text())
    known = dict(zip(questions, np.load(work / "questions.npy"), strict=True))
    real = find_embedder()

    class Known:
        name = real.name

        def embed(self, texts: list[str]) -> Any:
            return np.stack([known[text] for text in texts])

    whole = Library.open(folder, embedder=real)
    search = Library.open(folder, embedder=Known())
    return {
        "words": lambda n: numbers(search, questions[n], "words"),
        "meaning, question embedded before": lambda n: numbers(search, questions[n], "meaning"),
        "hybrid, question embedded before": lambda n: numbers(search, questions[n], "hybrid"),
        "hybrid": lambda n: numbers(whole, questions[n], "hybrid"),
    }


def numbers(library: Any, question: str, mode: Any) -> list[int]:
    """Stand-ins for the passages of an answer."""
    return [hash(p.id) for p in library.search(question, TOP, mode=mode)]


def build_exact(folder: Path, work: Path, size: int) -> None:
    import numpy as np

    np.save(folder / "vectors.npy", matrix(work, size))


def open_exact(folder: Path, work: Path, size: int) -> dict[str, Ask]:
    import numpy as np

    table = np.load(folder / "vectors.npy")
    asked = np.load(work / "questions.npy")

    def ask(number: int) -> list[int]:
        scores = table @ asked[number]
        best = np.argpartition(-scores, TOP)[:TOP]
        return best[np.argsort(-scores[best])].tolist()

    return {"float32": ask}


def build_signs(folder: Path, work: Path, size: int) -> None:
    from centerlm.library import vectors

    connection = sqlite3.connect(folder / "signs.sqlite")
    connection.execute("CREATE TABLE vectors (passage INTEGER PRIMARY KEY, vector BLOB)")
    connection.execute("CREATE TABLE codes (passage INTEGER PRIMARY KEY, code BLOB)")
    for at, rows in vector_batches(work, size):
        for number, (vector, code) in enumerate(vectors.pack(rows), start=at):
            connection.execute("INSERT INTO vectors VALUES (?, ?)", (number, vector))
            connection.execute("INSERT INTO codes VALUES (?, ?)", (number, code))
    connection.commit()


def open_signs(folder: Path, work: Path, size: int) -> dict[str, Ask]:
    import numpy as np

    from centerlm.library import search, vectors

    connection = sqlite3.connect(folder / "signs.sqlite")
    connection.execute("PRAGMA mmap_size = 1073741824")
    index = vectors.SignIndex(connection)
    asked = np.load(work / "questions.npy")
    return {
        "sign scan, int8 rescoring": lambda n: [
            number for number, _ in search.by_meaning(connection, asked[n], index, TOP)
        ]
    }


def build_tantivy(folder: Path, work: Path, size: int) -> None:
    import tantivy

    schema = tantivy.SchemaBuilder()
    schema.add_integer_field("number", stored=True)
    for name in ("title", "text"):
        schema.add_text_field(name, tokenizer_name="en_stem")
    index = tantivy.Index(schema.build(), path=str(folder))
    writer = index.writer(heap_size=128_000_000, num_threads=1)
    for number, title, text in documents(work, size):
        writer.add_document(tantivy.Document(number=number, title=title, text=text))
    writer.commit()
    writer.wait_merging_threads()


def open_tantivy(folder: Path, work: Path, size: int) -> dict[str, Ask]:
    import tantivy

    index = tantivy.Index.open(str(folder))
    searcher = index.searcher()
    questions = json.loads((work / "questions.json").read_text())

    def ask(number: int) -> list[int]:
        query = index.parse_query(" ".join(words_of(questions[number])), ["title", "text"])
        hits = searcher.search(query, TOP).hits
        return [searcher.doc(address)["number"][0] for _, address in hits]

    return {"BM25": ask}


def build_lancedb(folder: Path, work: Path, size: int) -> None:
    import lancedb
    import pyarrow as pa

    def batches() -> Iterator[Any]:
        rows: list[dict[str, Any]] = []
        for number, title, text in documents(work, size):
            rows.append({"number": number, "text": f"{title}. {text}"})
            if len(rows) == 10_000:
                yield pa.RecordBatch.from_pylist(rows)
                rows = []
        if rows:
            yield pa.RecordBatch.from_pylist(rows)

    schema = pa.schema([("number", pa.int64()), ("text", pa.string())])
    reader = pa.RecordBatchReader.from_batches(schema, batches())
    table = lancedb.connect(str(folder)).create_table("passages", reader)
    table.create_fts_index("text")


def open_lancedb(folder: Path, work: Path, size: int) -> dict[str, Ask]:
    import lancedb

    table = lancedb.connect(str(folder)).open_table("passages")
    questions = json.loads((work / "questions.json").read_text())

    def ask(number: int) -> list[int]:
        text = " ".join(words_of(questions[number]))
        query = table.search(text, query_type="fts").select(["number"]).limit(TOP)
        return query.to_arrow()["number"].to_pylist()

    return {"BM25": ask}


def usearch_kind(kind: str) -> tuple[Any, Any]:
    def build(folder: Path, work: Path, size: int) -> None:
        import numpy as np
        from usearch.index import Index

        index = Index(ndim=384, metric="cos", dtype=kind)
        for at, rows in vector_batches(work, size):
            index.add(np.arange(at, at + len(rows)), rows, threads=1)
        index.save(str(folder / "index.usearch"))

    def open_(folder: Path, work: Path, size: int) -> dict[str, Ask]:
        import numpy as np
        from usearch.index import Index

        index = Index(ndim=384, metric="cos", dtype=kind)
        index.load(str(folder / "index.usearch"))
        asked = np.load(work / "questions.npy")
        return {"HNSW": lambda n: index.search(asked[n], TOP, threads=1).keys.tolist()}

    return build, open_


def sqlite_vec_connection(folder: Path) -> Any:
    import sqlite_vec

    connection = sqlite3.connect(folder / "vec.sqlite")
    connection.enable_load_extension(True)
    sqlite_vec.load(connection)
    return connection


def build_sqlite_vec(folder: Path, work: Path, size: int) -> None:
    connection = sqlite_vec_connection(folder)
    connection.execute(
        "CREATE VIRTUAL TABLE vec USING vec0 (vector float[384] distance_metric=cosine)"
    )
    for at, rows in vector_batches(work, size):
        connection.executemany(
            "INSERT INTO vec (rowid, vector) VALUES (?, ?)",
            ((at + i, row.tobytes()) for i, row in enumerate(rows)),
        )
    connection.commit()


def open_sqlite_vec(folder: Path, work: Path, size: int) -> dict[str, Ask]:
    import numpy as np

    connection = sqlite_vec_connection(folder)
    asked = np.load(work / "questions.npy")

    def ask(number: int) -> list[int]:
        sql = "SELECT rowid FROM vec WHERE vector MATCH ? AND k = ?"
        return [row[0] for row in connection.execute(sql, (asked[number].tobytes(), TOP))]

    return {"float32 scan": ask}


ENGINES: dict[str, tuple[Any, Any]] = {
    "fts5": (build_fts5, open_fts5),
    "library": (build_library, open_library),
    "exact": (build_exact, open_exact),
    "signs": (build_signs, open_signs),
    "tantivy": (build_tantivy, open_tantivy),
    "lancedb": (build_lancedb, open_lancedb),
    "usearch-f16": usearch_kind("f16"),
    "usearch-i8": usearch_kind("i8"),
    "sqlite-vec": (build_sqlite_vec, open_sqlite_vec),
}


def measure(ask: Ask, count: int) -> tuple[dict[str, float], list[list[int]]]:
    """Times of asking each of `count` questions once, after three to warm up."""
    for number in range(3):
        ask(number)
    wall: list[float] = []
    cpu: list[float] = []
    answers: list[list[int]] = []
    for number in range(count):
        started, spent = time.perf_counter(), time.process_time()
        answers.append(ask(number))
        wall.append((time.perf_counter() - started) * 1e3)
        cpu.append((time.process_time() - spent) * 1e3)
    wall.sort()
    cpu.sort()
    times = {
        "p50_ms": round(wall[len(wall) // 2], 2),
        "p99_ms": round(wall[int(len(wall) * 0.99)], 2),
        "cpu_p50_ms": round(cpu[len(cpu) // 2], 2),
    }
    return times, answers


def recall(answers: list[list[int]], truth: list[list[int]]) -> float:
    shares = [len(set(a) & set(t)) / len(t) for a, t in zip(answers, truth, strict=False)]
    return round(sum(shares) / len(shares), 3)


def main() -> None:
    act, engine, size, work = sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4])
    folder = work / f"{engine}-{size}"
    build, open_ = ENGINES[engine]
    if act == "build":
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        started = time.perf_counter()
        spent = time.process_time()
        build(folder, work, size)
        seconds = time.perf_counter() - started
        disk = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
        print(
            json.dumps(
                {
                    "build_s": round(seconds, 1),
                    "build_cpu_s": round(time.process_time() - spent, 1),
                    "disk_mb": round(disk / 1e6),
                    "build_rss_mb": rss_mb(),
                }
            )
        )
        return
    count = len(json.loads((work / "questions.json").read_text()))
    count = min(count, 60) if size >= 1_000_000 else count
    asked: dict[str, dict[str, float]] = {}
    truth_file = work / f"truth-{size}.json"
    for name, ask in open_(folder, work, size).items():
        times, answers = measure(ask, count)
        if engine == "exact":
            truth_file.write_text(json.dumps(answers))
        elif (engine.startswith(("usearch", "sqlite")) or engine == "signs") and (
            truth_file.is_file()
        ):
            times["recall"] = recall(answers, json.loads(truth_file.read_text()))
        asked[name] = times
    print(json.dumps({"ask": asked, "rss_mb": rss_mb()}))


def rss_mb() -> int:
    """Peak resident memory of this process alone (`ru_maxrss` would count the parent's, too)."""
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    main()
