"""How long recalling takes and how large the memory is, at a thousand to a million experiences.

    python benchmarks/memory_scale.py --work DIR [--sizes 1000,10000,100000,1000000]
        [--out docs/results]

Questions are of kinds drawn by Zipf's law from 20,000, so that ever more kinds than a memory keeps
are met. To embed a million of them with MiniLM would take hours and say nothing of the memory:
each kind has a fixed random vector instead. What MiniLM takes for one question is measured apart
and is in the second pair of columns.

The memory grows in DIR, with a checkpoint every 5,000 experiences: the same command goes on where
it stopped. Writes memory_scale.json and memory_scale.md.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from centerlm.errors import InputError, MissingExtraError, MissingWeightsError
from centerlm.library.embed import DIMENSIONS, Embedder, find_embedder
from centerlm.memory import SeekingMemory
from centerlm.memory.outcomes import Outcome
from centerlm.models.weights import write_atomically
from centerlm.sources.base import Card
from memory_report import size_lines
from reporting import command_line, config_lines, run_benchmark, versions, write

if TYPE_CHECKING:
    from numpy.typing import NDArray

KINDS, SOURCES, STEPS = 20_000, 8, 5
RECALLS = 200
CHECKPOINT = 5_000
_LETTERS = "abcdefghij"


class Axes:
    """An embedder that knows the kind of every question, and embeds it with `real` as well where
    that is given (and throws the result away)."""

    name = "benchmark"

    def __init__(self) -> None:
        self.real: Embedder | None = None

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if self.real is not None:
            self.real.embed(texts)
        rows = np.empty((len(texts), DIMENSIONS), dtype=np.float32)
        for row, text in enumerate(texts):
            word = text.split()[2]
            seed = int("".join(str(_LETTERS.index(letter)) for letter in word))
            rows[row] = np.random.default_rng(seed).standard_normal(DIMENSIONS)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@dataclass(frozen=True, slots=True)
class Size:
    """A memory at some size. Times are CPU milliseconds of this process; `file_ms` is what filing
    an experience took on average.
    """

    experiences: int
    kinds: int
    megabytes: float
    recall_p50: float
    recall_p99: float
    order_p50: float
    order_p99: float
    embedded_p50: float | None
    embedded_p99: float | None
    file_ms: float


class _State(msgspec.Struct):
    """How far a memory was filled, and what is needed to go on alike."""

    done: int
    spent: float
    clock: float
    rng: tuple[int, tuple[int, ...], float | None]
    sizes: dict[str, Size]


def measure(folder: Path, sizes: Sequence[int]) -> Iterator[Size]:
    """Fill one memory and stop to measure at each size, in ascending order; go on where an earlier
    call stopped. An episode that it had told after its last checkpoint counts once.
    """
    embedder = Axes()
    clock = [1.7e9]
    file, checkpoint = folder / "memory.sqlite", folder / "checkpoint.json"
    memory = SeekingMemory(file, embedder=embedder, clock=lambda: clock[0])
    rng = Random(0)
    weights = list(accumulate(1 / (rank + 10) for rank in range(KINDS)))
    skills = [[rng.random() for _ in range(SOURCES)] for _ in range(100)]
    done, spent, measured = 0, 0.0, dict[str, Size]()
    if checkpoint.is_file():
        state = msgspec.json.decode(checkpoint.read_bytes(), type=_State)
        done, spent, clock[0], measured = state.done, state.spent, state.clock, state.sizes
        rng.setstate(state.rng)

    def keep() -> None:
        version, words, gauss = rng.getstate()
        state = _State(done, spent, clock[0], (version, words, gauss), measured)
        write_atomically(checkpoint, msgspec.json.encode(state))

    for size in sizes:
        if str(size) in measured:
            yield measured[str(size)]
            continue
        if done > size:
            raise InputError(f"the memory in {folder} is larger already; give another --work")
        while done < size:
            kinds = rng.choices(range(KINDS), cum_weights=weights, k=STEPS)
            clock[0] += 30.0
            outcomes = [
                Outcome(
                    entry=f"{step}/0",
                    source=f"source{(source := rng.randrange(SOURCES))}",
                    text=_question(kind, rng),
                    success=float(rng.random() < skills[kind % 100][source]),
                    cost=0.01 * source,
                    seconds=rng.random(),
                    at=clock[0],
                    plain=True,
                )
                for step, kind in enumerate(kinds, start=1)
            ]
            began = time.process_time()
            memory.remember(f"episode-{done}", outcomes)
            done += STEPS
            if done % 2_000 == 0:
                memory.settle()
            spent += time.process_time() - began
            if done % CHECKPOINT == 0:
                keep()
        memory.settle()
        measured[str(size)] = _measured(memory, file, embedder, done, spent, Random(size), weights)
        keep()
        yield measured[str(size)]
    memory.close()


def _question(kind: int, rng: Random) -> str:
    word = "".join(_LETTERS[int(digit)] for digit in str(kind))
    return f"What is {word} of Person {rng.choice(_LETTERS).upper()}?"


def _measured(
    memory: SeekingMemory,
    file: Path,
    embedder: Axes,
    done: int,
    spent: float,
    rng: Random,
    weights: Sequence[float],
) -> Size:
    cards = tuple(Card(f"source{n}", "") for n in range(SOURCES))
    names = tuple(card.name for card in cards)

    def texts() -> Iterator[str]:
        for kind in rng.choices(range(KINDS), cum_weights=weights, k=RECALLS):
            yield _question(kind, rng)

    recalled = _timed(lambda text: memory.recall(text, cards), texts())
    ordered = _timed(lambda text: memory.order(text, names, 0), texts())
    embedded: list[float] = []
    try:
        embedder.real = find_embedder()
        embedded = _timed(lambda text: memory.recall(text, cards), texts())
    except (MissingExtraError, MissingWeightsError):
        pass
    finally:
        embedder.real = None
    if memory.problems:
        raise RuntimeError(memory.problems[0])
    (kinds,) = memory.connection.execute("SELECT count(*) FROM kinds").fetchone()
    memory.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return Size(
        experiences=done,
        kinds=kinds,
        megabytes=file.stat().st_size / 1e6,
        recall_p50=_quantile(recalled, 0.5),
        recall_p99=_quantile(recalled, 0.99),
        order_p50=_quantile(ordered, 0.5),
        order_p99=_quantile(ordered, 0.99),
        embedded_p50=_quantile(embedded, 0.5) if embedded else None,
        embedded_p99=_quantile(embedded, 0.99) if embedded else None,
        file_ms=1e3 * spent / done,
    )


def _timed(ask: Callable[[str], Awaitable[object]], texts: Iterator[str]) -> list[float]:
    """CPU milliseconds of each, the first left out: it reads the kinds."""

    async def run() -> list[float]:
        times: list[float] = []
        for text in texts:
            began = time.process_time()
            await ask(text)
            times.append(1e3 * (time.process_time() - began))
        return sorted(times[1:])

    return asyncio.run(run())


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def run(arguments: argparse.Namespace) -> Path:
    sizes = [int(size) for size in arguments.sizes.split(",") if size]
    if not sizes or sizes != sorted(set(sizes)) or any(size % STEPS for size in sizes):
        raise InputError(f"--sizes go up and are multiples of {STEPS}: 1000,10000")
    arguments.work.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    for row in measure(arguments.work, sizes):
        print(f"{row.experiences:,} experiences: {row}", file=sys.stderr, flush=True)
        rows.append(asdict(row))
    config = {
        "command": command_line(),
        "date": time.strftime("%Y-%m-%d"),
        "kinds": f"{KINDS:,}, by Zipf's law",
        "sources": SOURCES,
        "versions": versions(),
    }
    page = "\n".join(["# The seeking memory at size", "", *size_lines(rows), *config_lines(config)])
    return write(arguments.out, "memory_scale", {"sizes": rows, "config": config}, page + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--work", type=Path, required=True, help="folder that keeps the memory")
    parser.add_argument("--sizes", default="1000,10000,100000,1000000", help="experiences")
    parser.add_argument("--out", type=Path, default=Path("docs/results"), help="folder to write to")
    arguments = parser.parse_args()
    return run_benchmark(lambda: run(arguments), interrupted="the same command goes on")


if __name__ == "__main__":
    sys.exit(main())
