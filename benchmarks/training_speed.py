"""Training speed against TRL's SFTTrainer: the same examples, base, LoRA and machine, in one run.

    python benchmarks/training_speed.py [--base default] [--worlds 6] [--dtype bfloat16] [--out DIR]

Three ways take turns, several rounds: packed rows of centerlm (`learning.training`), plain
`trl.SFTTrainer` (one padded example a row, completion only), and the same with its `bfd` packing.
With --dtype bfloat16 both sides compute so, on a base kept so, and the first takes a turn with
compiled layers too. The first update of each turn, which compiles and warms up, is not timed.
Counted are tokens as each computes them, tokens of the examples one by one, and useful tokens:
those of replies, which alone are trained.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from centerlm.learning.acting import decision_examples, fold_examples, reading_examples
from centerlm.learning.base import load_base
from centerlm.learning.encoding import encode_all
from centerlm.learning.example import TrainingExample
from centerlm.learning.noting import noted, pool
from centerlm.learning.offering import card_sets
from centerlm.learning.packing import Tokens
from centerlm.learning.train_settings import TrainSettings
from centerlm.learning.training import plan_updates, train
from centerlm.learning.worlds import make_world
from reporting import command_line, readable_json

PLAIN, BFD, PACKED = "TRL SFTTrainer", "TRL SFTTrainer, bfd packing", "centerlm, packed rows"
COMPILED = "centerlm, packed rows, compiled"


@dataclass(frozen=True, slots=True)
class Pace:
    """Tokens and examples of one timed run."""

    seconds: float
    computed: int
    plain: int
    useful: int
    examples: int


def world_examples(worlds: int) -> list[TrainingExample]:
    """What `learn all` makes of worlds: the three acts."""
    made: list[TrainingExample] = []
    for seed in range(worlds):
        world = make_world(seed)
        readings = {r.question: r for q in world.questions for r in q.readings}
        with (
            tempfile.TemporaryDirectory() as folder,
            pool(world.documents, Path(folder), embedder=None) as search,
        ):
            sets = noted(readings.values(), world.documents, search, seed=seed, absent=0.15)
            made += reading_examples(sets)
        decisions = [d for q in world.questions for d in q.decisions["peel"]]
        made += decision_examples(decisions, cards=card_sets(seed, 4), seed=seed)
        made += fold_examples(f for q in world.questions for f in q.folds["peel"])
    return made


def centerlm_run(
    examples: Sequence[TrainingExample], args: argparse.Namespace, *, compiled: bool
) -> Pace:
    model, tokenizer = load_base(args.base)
    settings = TrainSettings(
        max_updates=args.updates,
        save_every=10_000,
        threads=args.threads,
        dtype=args.dtype,
        compile=compiled,
    )
    encoder = _Encoder(tokenizer)
    tokens = list(encode_all(examples, encoder, max_tokens=settings.row_tokens))
    rows = [row for update in plan_updates(tokens, settings) for row in update]
    seconds: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        train(
            examples,
            model,
            encoder,
            Path(folder) / "run",
            settings,
            on_progress=lambda progress: seconds.append(progress.seconds),
        )
    # The first update also warms up: from its end to the last one's.
    timed = rows[settings.rows :]
    return Pace(
        seconds[-1] - seconds[0],
        sum(len(row.ids) for row in timed),
        sum(row.plain for row in timed),
        sum(len(row.targets) for row in timed),
        sum(row.examples for row in timed),
    )


def trl_run(tokens: Sequence[Tokens], args: argparse.Namespace, *, packing: bool) -> Pace:
    """TRL on pre-tokenised rows: no template and no tokenizer takes part in the time."""
    import datasets
    import peft
    import torch
    import transformers
    import trl

    torch.set_num_threads(args.threads)
    model, tokenizer = load_base(args.base, dtype=args.dtype)
    rows = [
        {
            "input_ids": list(t.ids),
            "completion_mask": [0] * t.prompt + [1] * (len(t.ids) - t.prompt),
        }
        for t in tokens
    ]
    times: list[float] = []
    counted: list[tuple[int, int, int]] = []

    class Clock(transformers.TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            times.append(time.perf_counter())

    class Counting(trl.SFTTrainer):
        def compute_loss(self, model: Any, inputs: Any, *args: Any, **more: Any) -> Any:
            labels = inputs["labels"]
            real = inputs.get("attention_mask")
            real = labels.numel() if real is None else int(real.sum())
            counted.append((len(times), real, int((labels != -100).sum())))
            return super().compute_loss(model, inputs, *args, **more)

    with tempfile.TemporaryDirectory() as folder:
        settings = trl.SFTConfig(
            output_dir=folder,
            use_cpu=True,
            bf16=args.dtype == "bfloat16",
            gradient_checkpointing=False,
            per_device_train_batch_size=1 if packing else 4,
            gradient_accumulation_steps=4,
            max_steps=args.updates,
            max_length=1024,
            packing=packing,
            packing_strategy="bfd",
            completion_only_loss=True,
            learning_rate=1e-3,
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
            logging_steps=10_000,
        )
        trainer = Counting(
            model=model,
            args=settings,
            train_dataset=datasets.Dataset.from_list(rows),
            processing_class=tokenizer,
            callbacks=[Clock()],
            peft_config=peft.LoraConfig(
                r=16, lora_alpha=32, lora_dropout=0.0, target_modules="all-linear"
            ),
        )
        trainer.train()
    kept = [(real, useful) for step, real, useful in counted if step >= 1]
    mean_useful = statistics.mean(len(t.ids) - t.prompt for t in tokens)
    useful = sum(u for _, u in kept)
    real = sum(r for r, _ in kept)
    return Pace(times[-1] - times[0], real, real, useful, round(useful / mean_useful))


class _Encoder:
    """The transformers tokenizer as examples are encoded with it."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self.special = {str(t): i for i, t in tokenizer.added_tokens_decoder.items()}

    def encode(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", default="default")
    parser.add_argument("--worlds", type=int, default=6)
    parser.add_argument("--updates", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--name", default="training_speed")
    parser.add_argument("--out", type=Path, default=Path("docs/results"))
    args = parser.parse_args()
    examples = world_examples(args.worlds)
    _, tokenizer = load_base(args.base)
    tokens = list(encode_all(examples, _Encoder(tokenizer), max_tokens=1024))
    ways: dict[str, Callable[[], Pace]] = {
        PLAIN: lambda: trl_run(tokens, args, packing=False),
        BFD: lambda: trl_run(tokens, args, packing=True),
        PACKED: lambda: centerlm_run(examples, args, compiled=False),
    }
    if args.dtype == "bfloat16":
        ways[COMPILED] = lambda: centerlm_run(examples, args, compiled=True)
    paces: dict[str, list[Pace]] = {name: [] for name in ways}
    for number in range(args.rounds):
        for name, run in ways.items():
            with contextlib.redirect_stdout(io.StringIO()):
                pace = run()
            paces[name].append(pace)
            print(number, name, pace, flush=True)
    _write(paces, args, len(examples))


def _write(paces: dict[str, list[Pace]], args: argparse.Namespace, examples: int) -> None:
    from importlib.metadata import version

    def rate(pace: Pace, field: str) -> float:
        return getattr(pace, field) / pace.seconds

    fields = ("computed", "plain", "useful", "examples")
    table = {
        name: {field: statistics.median(rate(p, field) for p in runs) for field in fields}
        for name, runs in paces.items()
    }
    ratios = {
        f"{ours} / {theirs}": {
            field: statistics.median(
                rate(one, field) / rate(other, field)
                for one, other in zip(paces[ours], paces[theirs], strict=True)
            )
            for field in fields
        }
        for ours in (PACKED, COMPILED)
        if ours in paces
        for theirs in (PLAIN, BFD)
    }
    result = {
        "config": {k: str(v) for k, v in vars(args).items() if k != "out"} | {"examples": examples},
        "versions": {n: version(n) for n in ("torch", "transformers", "trl", "peft", "centerlm")},
        "per_second": table,
        "ratios": ratios,
    }
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / f"{args.name}.json").write_text(readable_json(result) + "\n")
    lines = [
        "# Training speed",
        "",
        f"`{command_line()}`: LoRA r 16 on all linear layers, {args.dtype}, "
        f"{args.threads} thread(s), {examples:,} examples of worlds (three acts), median of "
        f"{args.rounds} rounds in turn. Useful tokens are those of replies, which are trained; "
        "tokens of examples are what they hold one by one.",
        "",
        "| | computed tokens/s | tokens of examples/s | useful tokens/s | examples/s |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {row['computed']:.0f} | {row['plain']:.0f} | {row['useful']:.1f} "
            f"| {row['examples']:.2f} |"
            for name, row in table.items()
        ),
        "",
        "| | computed | of examples | useful |",
        "|---|---|---|---|",
        *(
            f"| {name} | {row['computed']:.2f} x | {row['plain']:.2f} x | {row['useful']:.2f} x |"
            for name, row in ratios.items()
        ),
        "",
    ]
    (args.out / f"{args.name}.md").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
