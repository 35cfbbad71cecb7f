"""Rollouts a minute: the solver on llama.cpp slots against one `transformers.generate` at a time.

    python benchmarks/rollouts.py --torch DIR [--adapter FILE.gguf] [--episodes N] [--chunk N]
        [--slots N] [--threads N] [--dtype float32] [--cache DIR] [--out DIR]

Episodes are the solver's own, on test worlds. The other side makes the same model calls: the same
prompts as token ids and as many new tokens, greedily, one call after the other, and nothing else
(no search, no engine), with as many threads. Both take turns, chunk by chunk of the episodes, so
that other work on the machine meets both; the interval of the ratio is over chunks.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from platformdirs import user_cache_dir

from centerlm.center import EXAMPLES, CenterLM
from centerlm.errors import InputError, MissingExtraError
from centerlm.evaluation.statistics import mean_interval
from centerlm.learning.worlds import World, WorldQuestion, make_world, questions_of
from centerlm.library import Library
from centerlm.many import each_of
from centerlm.models.base import Prompt, Reply, Sampling
from centerlm.models.llama_cpp import LlamaCppModel
from centerlm.models.llama_server import Adapter
from reporting import command_line, config_lines, number, run_benchmark, table, versions, write
from telling import Telling
from world_runs import build_library, run_question

FIRST_SEED = 2_000_000
HOPS = (1, 2, 3)
PACKAGES = ("centerlm", "torch", "transformers", "xllamacpp")


@dataclass(frozen=True, slots=True)
class Call:
    """A model call as made: its prompt's token ids, and how many tokens it answered with."""

    ids: tuple[int, ...]
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """The same calls of some episodes by both sides, in seconds of wall time."""

    episodes: int
    calls: int
    prompt_tokens: int
    completion_tokens: int
    solver_seconds: float
    generate_seconds: float

    @property
    def ratio(self) -> float:
        return self.generate_seconds / self.solver_seconds


class Noting:
    """A llama.cpp model that notes its calls; constrained as it is."""

    def __init__(self, model: LlamaCppModel) -> None:
        self._model = model
        self.calls: list[Call] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    async def complete(
        self,
        prompt: Prompt,
        sampling: Sampling,
        *,
        on_text: Callable[[str], None] | None = None,
        before_retry: Callable[[], None] | None = None,
    ) -> Reply:
        reply = await self._model.complete(
            prompt, sampling, on_text=on_text, before_retry=before_retry
        )
        self.calls.append(Call(self._model.prompt_ids(prompt), reply.usage.completion_tokens))
        return reply


@dataclass(frozen=True, slots=True)
class Asked:
    question: WorldQuestion
    world: World
    library: Library


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n\n")[0], epilog="More: the top of this file."
    )
    parser.add_argument(
        "--torch", type=Path, required=True, help="folder with the base as transformers weights"
    )
    parser.add_argument("--adapter", type=Path, help="a .gguf adapter of the center")
    parser.add_argument("--episodes", type=int, default=24, help="(%(default)s)")
    parser.add_argument("--chunk", type=int, default=8, help="episodes at a turn (%(default)s)")
    parser.add_argument("--slots", type=int, default=8, help="(%(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="of both sides (%(default)s)")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument(
        "--cache", type=Path, default=Path(user_cache_dir("centerlm")) / "benchmarks"
    )
    parser.add_argument("--out", type=Path, default=Path("docs/results"), help="(%(default)s)")
    given = parser.parse_args(argv)
    if min(given.episodes, given.chunk, given.slots, given.threads) < 1:
        parser.error("--episodes, --chunk, --slots and --threads are 1 or more")
    return given


def ask(given: argparse.Namespace, stack: ExitStack) -> list[Asked]:
    """Questions of 1 to 3 hops, three of each world."""
    asked: list[Asked] = []
    seed = FIRST_SEED
    while len(asked) < given.episodes:
        world = make_world(seed, split="test")
        folder = build_library(world, given.cache / "worlds" / str(seed))
        library = stack.enter_context(Library.open(folder))
        for hops in HOPS:
            chosen = questions_of(world, hops=[hops], kinds=["chain"], count=1, seed=hops)
            asked += [Asked(question, world, library) for question in chosen]
        seed += 1
    return asked[: given.episodes]


def generator(given: argparse.Namespace) -> Callable[[Call], None]:
    """One `generate` call of the torch model.

    Raises:
        MissingExtraError: torch or transformers is not installed.
        InputError: the folder holds no model.
    """
    try:
        torch: Any = importlib.import_module("torch")
        transformers: Any = importlib.import_module("transformers")
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "transformers", "train") from None
    torch.set_num_threads(given.threads)
    try:
        model: Any = transformers.AutoModelForCausalLM.from_pretrained(
            given.torch, dtype=getattr(torch, given.dtype)
        )
    except (OSError, ValueError) as error:
        raise InputError(f"{given.torch} holds no model ({error})") from None
    model.eval()

    def generate(call: Call) -> None:
        ids = torch.tensor([call.ids])
        with torch.inference_mode():
            model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                do_sample=False,
                min_new_tokens=call.completion_tokens,
                max_new_tokens=call.completion_tokens,
                pad_token_id=0,
            )

    generate(Call(tuple(range(10, 26)), 2))  # what the first call sets up is not measured
    return generate


def measure(given: argparse.Namespace) -> list[Chunk]:
    """Both sides in turns.

    Raises:
        CenterError: a model or a library cannot be had.
    """
    generate = generator(given)
    adapters = (Adapter(given.adapter),) if given.adapter is not None else ()
    chunks: list[Chunk] = []
    with ExitStack() as stack, Telling() as progress, asyncio.Runner() as runner:
        asked = ask(given, stack)
        model = LlamaCppModel(
            adapters=adapters, slots=given.slots, threads=given.threads, context=2048
        )
        runner.run(model.load())
        noting = Noting(model)
        # A center that has not learned its acts gets the shown examples, as in use.
        center = CenterLM(noting, examples=() if adapters else EXAMPLES)

        async def one(a: Asked) -> None:
            await run_question(a.question, a.world, a.library, center, form="peel")

        bar = progress.add_task("episodes", total=len(asked))
        for start in range(0, len(asked), given.chunk):
            part = asked[start : start + given.chunk]
            noting.calls.clear()
            before = time.perf_counter()
            runner.run(each_of(part, one, concurrency=given.slots))
            solved = time.perf_counter() - before
            calls = [call for call in noting.calls if call.completion_tokens]
            before = time.perf_counter()
            for call in calls:
                generate(call)
            generated = time.perf_counter() - before
            chunks.append(
                Chunk(
                    len(part),
                    len(calls),
                    sum(len(call.ids) for call in calls),
                    sum(call.completion_tokens for call in calls),
                    solved,
                    generated,
                )
            )
            progress.advance(bar, len(part))
        runner.run(model.close())
    return chunks


def report(chunks: Sequence[Chunk], given: argparse.Namespace) -> dict[str, Any]:
    episodes = sum(c.episodes for c in chunks)
    solver, generate = (
        sum(getattr(c, name) for c in chunks) for name in ("solver_seconds", "generate_seconds")
    )
    ratio = asdict(mean_interval([c.ratio for c in chunks]))
    return {
        "scenario": "rollouts",
        "solver_per_minute": 60 * episodes / solver,
        "generate_per_minute": 60 * episodes / generate,
        "ratio": {**ratio, "value": generate / solver},
        "chunks": [{**asdict(c), "ratio": c.ratio} for c in chunks],
        "config": {
            "command": command_line(),
            "adapter": given.adapter.stem if given.adapter is not None else "none, few-shot",
            "episodes": episodes,
            "slots": given.slots,
            "threads": given.threads,
            "dtype_of_transformers": given.dtype,
            "cores": os.cpu_count(),
            "load_of_the_machine_at_the_end": [round(x, 1) for x in os.getloadavg()],
            "versions": versions(PACKAGES),
        },
    }


def as_markdown(result: dict[str, Any]) -> str:
    calls = sum(c["calls"] for c in result["chunks"])
    tokens = sum(c["completion_tokens"] for c in result["chunks"])
    prompts = sum(c["prompt_tokens"] for c in result["chunks"])
    lines = [
        "# Rollouts a minute",
        "",
        f"{result['config']['episodes']} episodes of 1 to 3 hops through the solver: {calls} model "
        f"calls, {prompts:,} prompt and {tokens:,} new tokens. `transformers.generate` makes the "
        "same calls one after the other: the same prompts, as many new tokens.",
        "",
    ]
    lines += table(
        ["", "episodes a minute"],
        [
            ["solver on llama.cpp", f"{result['solver_per_minute']:.1f}"],
            ["transformers.generate", f"{result['generate_per_minute']:.2f}"],
            ["ratio, 95 % interval over chunks", number(result["ratio"])],
        ],
    )
    return "\n".join([*lines, *config_lines(result["config"])]) + "\n"


def run(given: argparse.Namespace) -> Path:
    result = report(measure(given), given)
    return write(given.out, "rollouts", result, as_markdown(result))


def main() -> int:
    given = parse_arguments(sys.argv[1:])
    return run_benchmark(lambda: run(given), interrupted="nothing was written")


if __name__ == "__main__":
    sys.exit(main())
