"""Local decoding against xllamacpp driven directly, and the prefill that shared prefixes save.

    python benchmarks/local_decoding.py [--rounds 12] [--tokens 64] [--out docs/results]

Both sides decode the same prompts with the same settings in one run, in turns; what counts is the
ratio. The episode is one of eight calls over three acts: decompose, seek, absorb.
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import statistics
import time
from pathlib import Path
from typing import Any

import xllamacpp

from centerlm.models.base import Message, Prompt, Sampling
from centerlm.models.llama_cpp import LlamaCppModel
from centerlm.models.weights import find
from reporting import readable_json

RULES = {
    "decompose": (
        "You decompose an objective into a plan. Write one step a line: its number, the source in "
        "brackets, and one question. Refer to the answer of an earlier step as #1, #2 and so on. "
        "Use the calculator for everything that can be computed, and documents for facts. A step "
        "that is still too large goes to the center itself. Never use more steps than you need. "
        "Sources: documents knows what the library holds; calculator computes numbers and dates."
    ),
    "seek": (
        "You seek one fact from one source. Write the query that is most likely to find it: the "
        "names, the relation and the kind of answer, without any other words. If an earlier query "
        "found nothing, use other words for the same thing. Write one line."
    ),
    "absorb": (
        "You absorb what was found into a short answer. Copy the answer from the passages; write "
        "nothing that they do not say. If they do not hold the answer, write: nothing. One line."
    ),
}
PASSAGE = (
    "Van Hook Township is a township in Mountrail County in the U.S. state of North Dakota. Its "
    "population was 20 at the 2010 census. The county seat is Stanley, which was founded in 1902 "
    "when the railway reached it, and is named after one of the men who surveyed the place. "
)
EPISODE = [
    ("decompose", "Objective: how long ago was the seat of Van Hook Township's county founded?"),
    ("seek", "Step: Which county is Van Hook Township in?"),
    ("absorb", f"Question: Which county is Van Hook Township in?\nPassages: {PASSAGE}"),
    ("seek", "Step: What is the seat of Mountrail County?"),
    ("absorb", f"Question: What is the seat of Mountrail County?\nPassages: {PASSAGE}"),
    ("seek", "Step: In which year was Stanley founded?"),
    ("absorb", f"Question: In which year was Stanley founded?\nPassages: {PASSAGE}"),
    ("absorb", "Question: how long ago was it founded?\nFindings: Mountrail, Stanley, 1902, 96"),
]


def prompt_of(act: str, text: str) -> Prompt:
    return Prompt((Message("system", RULES[act]), Message("user", text)))


def direct_server(path: Path, context: int, slots: int) -> Any:
    settings: Any = xllamacpp.CommonParams()
    settings.model.path = str(path)
    settings.n_ctx, settings.n_parallel = context * slots, slots
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = 1
    settings.warmup, settings.verbosity, settings.fit_params = False, -1, False
    return xllamacpp.Server(settings)


async def decoding(path: Path, rounds: int, tokens: int) -> dict[str, Any]:
    """Seconds for one answer of `tokens` tokens: direct, ours, and ours streamed; interleaved."""
    model = LlamaCppModel(path, context=1024, slots=1)
    server: Any = direct_server(path, 1024, 1)
    prompt = prompt_of(*EPISODE[0])
    ids = model.prompt_ids(prompt)
    endless = "root ::= [a-z ] root"
    sampling = Sampling(tokens, grammar=endless)
    request = {
        "prompt": ids,
        "max_tokens": tokens,
        "temperature": 0.0,
        "grammar": endless,
        "cache_prompt": True,
    }

    def direct() -> int:
        return server.handle_completions(request)["usage"]["completion_tokens"]

    async def ours() -> int:
        return (await model.complete(prompt, sampling)).usage.completion_tokens

    async def streamed() -> int:
        reply = await model.complete(prompt, sampling, on_text=lambda piece: None)
        return reply.usage.completion_tokens

    times: dict[str, list[float]] = {"direct": [], "ours": [], "streamed": []}
    for turn in range(rounds + 1):
        for name in times:
            start = time.perf_counter()
            if name == "direct":
                got = direct()
            else:
                got = await (ours() if name == "ours" else streamed())
            if turn:
                times[name].append(time.perf_counter() - start)
            if got != tokens:
                raise SystemExit(f"{name} decoded {got} tokens, not {tokens}")
    await model.close()
    medians = {name: statistics.median(values) for name, values in times.items()}
    ratios = {
        name: statistics.median(a / b for a, b in zip(times[name], times["direct"], strict=True))
        for name in ("ours", "streamed")
    }
    return {
        "tokens": tokens,
        "rounds": rounds,
        "tokens_per_second": {name: round(tokens / value, 1) for name, value in medians.items()},
        "time_ratio_to_direct": {name: round(value, 3) for name, value in ratios.items()},
    }


async def episode(path: Path, *, keep: bool) -> dict[str, Any]:
    """Two episodes of eight calls, with slots for the acts or with a fresh model a call."""
    model = LlamaCppModel(path, context=1024, slots=4)
    await model.load()
    evaluated, reused = 0, 0
    for act, text in [*EPISODE, *EPISODE]:
        if not keep:
            await model.close()
            await model.load()
        before = model.prefill
        await model.complete(prompt_of(act, text), Sampling(8))
        evaluated += model.prefill.evaluated - before.evaluated
        reused += model.prefill.reused - before.reused
    await model.close()
    return {
        "calls": 2 * len(EPISODE),
        "prompt_tokens_evaluated": evaluated,
        "prompt_tokens_reused": reused,
        "saved_percent": round(100 * reused / (evaluated + reused), 1),
    }


def report(results: dict[str, Any]) -> str:
    decoded, with_slots, without = results["decoding"], results["episode"], results["no_cache"]
    speed, ratio = decoded["tokens_per_second"], decoded["time_ratio_to_direct"]
    return f"""# Local decoding

Made by `python benchmarks/local_decoding.py` on {results["machine"]}.
SmolLM2-135M-Instruct Q4_1, one thread. Medians of {decoded["rounds"]} rounds of \
{decoded["tokens"]} tokens under a grammar, the ways taken
in turns in one process; the machine is shared, so only the ratios count.

| way | tokens/s | time against direct |
|---|---|---|
| xllamacpp driven directly | {speed["direct"]} | 1 |
| `LlamaCppModel` | {speed["ours"]} | {ratio["ours"]} |
| `LlamaCppModel`, streamed to `on_text` | {speed["streamed"]} | {ratio["streamed"]} |

Two episodes of eight calls over three acts (decompose, seek, absorb), eight tokens an answer:

| | prompt tokens evaluated | reused | saved |
|---|---|---|---|
| slots that keep each act's prefix | {with_slots["prompt_tokens_evaluated"]} | \
{with_slots["prompt_tokens_reused"]} | {with_slots["saved_percent"]} % |
| nothing kept | {without["prompt_tokens_evaluated"]} | {without["prompt_tokens_reused"]} | \
{without["saved_percent"]} % |
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--out", type=Path, default=Path("docs/results"))
    given = parser.parse_args()
    path = find("default")
    results = {
        "machine": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "decoding": asyncio.run(decoding(path, given.rounds, given.tokens)),
        "episode": asyncio.run(episode(path, keep=True)),
        "no_cache": asyncio.run(episode(path, keep=False)),
    }
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "local_decoding.json").write_text(readable_json(results) + "\n")
    (given.out / "local_decoding.md").write_text(report(results))
    print(report(results))


if __name__ == "__main__":
    main()
