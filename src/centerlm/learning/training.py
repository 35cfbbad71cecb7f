"""Supervised training on examples of the acts: LoRA or all weights, packed, resumable.

A run is a folder: `run.json` (settings, data hash, versions), `curves.jsonl` (one line an update),
`checkpoints/`, and at the end `adapter/` (PEFT) or `model/`. It can be killed at any moment and
continued; the order of the data is fixed by the seed, so a continued run takes the same updates.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import msgspec

from centerlm.errors import InputError, StoppedError
from centerlm.learning.adapters import check_fits, read_peft
from centerlm.learning.encoding import encode_all
from centerlm.learning.example import TrainingExample
from centerlm.learning.packing import PackedRow, Tokens, updates
from centerlm.learning.problems import resumable
from centerlm.learning.row_trainer import ScaledRow, load, make_trainer, scaled
from centerlm.models.chat import Encoder
from centerlm.models.weights import write_atomically

MIX = {"decompose": 0.25, "seek": 0.15, "absorb": 0.6}
"""Shares of examples of the three acts in every row."""

_VERSIONS = ("torch", "transformers", "peft", "accelerate", "trl", "centerlm")


class TrainSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a run trains.

    `rank` 0 trains all weights. `row_tokens` are the tokens of a packed row, `rows` the rows of an
    update. With `max_tokens` the run goes over the data as often as it takes to compute so many
    tokens, whatever `epochs` says. `balance` 0 counts the tokens of replies alike, 1 the replies.
    `learning_rate` falls linearly to 0 after `warmup` (a share of the updates). `save_every` is in
    updates. `dtype` "bfloat16" computes in 16 bits, and keeps the frozen base so where a LoRA is
    trained (whose weights stay in 32 bits); "auto" does where the machine multiplies faster so.
    """

    learning_rate: float = 1e-3
    rank: int = 16
    alpha: int = 32
    epochs: int = 1
    max_updates: int | None = None
    max_tokens: int | None = None
    row_tokens: int = 1024
    rows: int = 4
    balance: float = 0.5
    warmup: float = 0.03
    weight_decay: float = 0.0
    clip: float = 1.0
    seed: int = 0
    save_every: int = 20
    device: Literal["auto", "cpu"] = "auto"
    dtype: Literal["auto", "float32", "bfloat16"] = "float32"
    threads: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """One update of a run; `loss` is the weighted mean over its trained tokens."""

    update: int
    updates: int
    done: int
    """Updates taken so far in this process."""
    loss: float
    learning_rate: float
    tokens: int
    """Tokens computed so far in this process."""
    plain_tokens: int
    """Tokens the same examples have one by one."""
    trained_tokens: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished run."""

    folder: Path
    """The PEFT adapter, or the model where all weights were trained."""
    updates: int
    examples: int
    tokens: int
    plain_tokens: int
    trained_tokens: int
    model: Any = field(repr=False)
    """The trained model in torch."""


OnProgress = Callable[[Progress], None]


Stop = Callable[[], bool]


def _ignore(progress: Progress) -> None:
    del progress


def _never() -> bool:
    return False


def data_hash(examples: Sequence[TrainingExample]) -> str:
    """SHA-256 over prompts, targets and weights, in order."""
    digest = hashlib.sha256()
    for example in examples:
        for message in example.prompt.messages:
            digest.update(f"{message.role}\0{message.text}\0".encode())
        digest.update(f"{example.act}\0{example.target}\0{example.weight}\n".encode())
    return digest.hexdigest()


def plan_updates(
    tokens: Sequence[Tokens], settings: TrainSettings, mix: Mapping[str, float] = MIX
) -> list[list[PackedRow]]:
    """All updates of a run; every epoch packs and shuffles anew. The last update may be short."""
    size = settings.rows
    rows = list(_rows(tokens, settings, mix))
    return [rows[at : at + size] for at in range(0, len(rows), size)][: settings.max_updates]


def _rows(
    tokens: Sequence[Tokens], settings: TrainSettings, mix: Mapping[str, float]
) -> Iterator[PackedRow]:
    """The rows of all epochs, one after another."""
    computed, epoch = 0, 0
    while computed < settings.max_tokens if settings.max_tokens else epoch < settings.epochs:
        for update in updates(
            tokens,
            row_tokens=settings.row_tokens,
            rows=settings.rows,
            mix=mix,
            seed=settings.seed + epoch,
        ):
            for row in update:
                if settings.max_tokens and computed >= settings.max_tokens:
                    return
                computed += len(row.ids)
                yield row
        epoch += 1


def train(
    examples: Sequence[TrainingExample],
    model: Any,
    tokenizer: Encoder,
    out: Path,
    settings: TrainSettings,
    *,
    base: str = "",
    start: Path | None = None,
    resume: bool = False,
    mix: Mapping[str, float] = MIX,
    on_progress: OnProgress = _ignore,
    stop: Stop = _never,
) -> Trained:
    """Train `model` (a causal language model in torch) on examples; the result stands in `out`.

    `base` names the model in the record of the run. `start` is a PEFT adapter to go on from. With
    `resume`, the run in `out` continues from its last whole checkpoint. `mix` are shares of the
    acts. `stop` is asked after every row: once it says True, the run saves a checkpoint and ends.

    Raises:
        InputError: `out` holds another run, or one that was not asked to be resumed; no examples.
        StoppedError: `stop` said so, memory or disk ran out: the run can be resumed.
        MissingExtraError: the extra `train` is not installed.
    """
    if not examples:
        raise InputError("there are no examples to train on; look at what was skipped, and why")
    record = _record(examples, settings, base, start, mix)
    _claim(out, record, resume)
    limit = settings.row_tokens
    encoded = list(encode_all(examples, tokenizer, balance=settings.balance, max_tokens=limit))
    if not encoded:
        raise InputError(f"every example is longer than row_tokens = {limit}; raise it")
    plan = plan_updates(encoded, settings, mix)
    torch = load("torch")
    if settings.threads:
        torch.set_num_threads(settings.threads)
    if settings.rank:
        if in_16_bits(settings):
            model = model.to(torch.bfloat16)
        model = with_adapter(model, settings, start, base)
    rows = [row for update in plan for row in scaled(update)]
    watch = _watch(rows, settings, len(plan), out / "curves.jsonl", on_progress, stop)
    last = last_checkpoint(out / "checkpoints") if resume else None
    folder = out / ("adapter" if settings.rank else "model")
    with resumable(out):
        trainer = _trainer(model, rows, out, settings, len(plan), watch)
        trainer.train(resume_from_checkpoint=str(last) if last else None)
        done_updates = int(trainer.state.global_step)
        if done_updates < len(plan):
            raise StoppedError(f"stopped after update {done_updates} of {len(plan)}")
        trainer.save_model(str(folder))
    done = Trained(
        folder,
        len(plan),
        sum(item.row.examples for item in rows),
        sum(len(item.row.ids) for item in rows),
        sum(item.row.plain for item in rows),
        sum(len(item.row.targets) for item in rows),
        model,
    )
    finished = record | {
        "finished": True,
        "updates": done.updates,
        "trained_examples": done.examples,
        "tokens": done.tokens,
        "plain_tokens": done.plain_tokens,
        "trained_tokens": done.trained_tokens,
    }
    _write_json(out / "run.json", finished)
    return done


def on_cpu(settings: TrainSettings) -> bool:
    """Whether a run computes on the CPU."""
    return settings.device == "cpu" or not load("torch").cuda.is_available()


def in_16_bits(settings: TrainSettings) -> bool:
    """Whether a run computes in bfloat16.

    Of CPUs only those with matrix tiles (AMX) gain by it: 1.5 times as fast as 32 bits, measured on
    a base of 135M; others emulate it.
    """
    if settings.dtype != "auto":
        return settings.dtype == "bfloat16"
    torch = load("torch")
    if on_cpu(settings):
        known: Any = getattr(torch.cpu, "get_capabilities", None)
        return known is not None and bool(known().get("amx_bf16"))
    return bool(torch.cuda.is_bf16_supported())


def last_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint: one that a kill cut short is passed over."""
    found = sorted(
        (int(path.name.split("-")[1]), path)
        for path in folder.glob("checkpoint-*")
        if path.name.split("-")[1].isdigit()
    )
    return next((path for _, path in reversed(found) if _whole(path)), None)


def _whole(checkpoint: Path) -> bool:
    """Whether a checkpoint can be read: its state (written last), weights and optimizer."""
    try:
        json.loads((checkpoint / "trainer_state.json").read_bytes())
        weights = [*checkpoint.glob("*.safetensors")]
        for path in weights:
            with load("safetensors").safe_open(str(path), "pt") as tensors:
                tensors.keys()
        load("torch").load(checkpoint / "optimizer.pt", map_location="cpu", weights_only=True)
    except (OSError, ValueError, RuntimeError, EOFError, load("safetensors").SafetensorError):
        return False
    return bool(weights)


def _record(
    examples: Sequence[TrainingExample],
    settings: TrainSettings,
    base: str,
    start: Path | None,
    mix: Mapping[str, float],
) -> dict[str, Any]:
    return {
        "settings": msgspec.to_builtins(settings),
        "mix": dict(mix),
        "base": base,
        "start": str(start) if start else None,
        "data": data_hash(examples),
        "examples": len(examples),
        "versions": {name: _version(name) for name in _VERSIONS},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _claim(out: Path, record: dict[str, Any], resume: bool) -> None:
    """Write the run's record, or check that the run in `out` is this one."""
    path = out / "run.json"
    if not path.exists():
        out.mkdir(parents=True, exist_ok=True)
        _write_json(path, record)
        return
    if not resume:
        raise InputError(f"{out} already holds a run; continue it with --resume, or name another")
    before = json.loads(path.read_bytes())
    for key in ("settings", "mix", "base", "start", "data"):
        if before.get(key) != record[key]:
            raise InputError(
                f"{out} was begun with other {key}; resume it with the same, or name another folder"
            )


def _write_json(path: Path, data: dict[str, Any]) -> None:
    write_atomically(path, (json.dumps(data, indent=1, sort_keys=True) + "\n").encode())


def with_adapter(model: Any, settings: TrainSettings, start: Path | None, base: str) -> Any:
    """`model` with a LoRA on all its linear layers (Hu et al. 2021), new or read from `start`."""
    peft = load("peft")
    if start is not None:
        check_fits(read_peft(start), start, dict(model.named_parameters()), base)
        return peft.PeftModel.from_pretrained(model, str(start), is_trainable=True)
    load("torch").manual_seed(settings.seed)
    config = peft.LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=0.0,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    return peft.get_peft_model(model, config)


def _trainer(
    model: Any,
    rows: list[ScaledRow],
    out: Path,
    settings: TrainSettings,
    total: int,
    watch: Any,
) -> Any:
    transformers = load("transformers")
    arguments = transformers.TrainingArguments(
        output_dir=str(out / "checkpoints"),
        per_device_train_batch_size=1,
        gradient_accumulation_steps=settings.rows,
        num_train_epochs=1,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=round(total * settings.warmup),
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.clip,
        save_steps=settings.save_every,
        save_total_limit=2,
        logging_steps=1,
        disable_tqdm=True,
        report_to="none",
        remove_unused_columns=False,
        use_cpu=on_cpu(settings),
        bf16=in_16_bits(settings),
        gradient_checkpointing=False,
        dataloader_pin_memory=False,
        seed=settings.seed,
    )
    trainer = make_trainer(model=model, args=arguments, train_dataset=rows, callbacks=[watch])
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer


def _watch(
    rows: Sequence[ScaledRow],
    settings: TrainSettings,
    total: int,
    curves: Path,
    on_progress: OnProgress,
    stop: Stop,
) -> Any:
    """A callback that keeps the curve, tells of every update, and ends the run when asked to."""
    transformers = load("transformers")
    started, first = time.monotonic(), 0

    class Watch(transformers.TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            nonlocal started, first
            started, first = time.monotonic(), state.global_step
            _keep_curve(curves, first)

        def on_log(
            self, args: Any, state: Any, control: Any, logs: Any = None, **more: Any
        ) -> None:
            if not logs or "loss" not in logs:
                return
            done = rows[first * settings.rows : state.global_step * settings.rows]
            progress = Progress(
                update=state.global_step,
                updates=total,
                done=state.global_step - first,
                loss=float(logs["loss"]),
                learning_rate=float(logs.get("learning_rate", 0.0)),
                tokens=sum(len(item.row.ids) for item in done),
                plain_tokens=sum(item.row.plain for item in done),
                trained_tokens=sum(len(item.row.targets) for item in done),
                seconds=round(time.monotonic() - started, 3),
            )
            line = {name: getattr(progress, name) for name in Progress.__slots__}
            with curves.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            on_progress(progress)

        def on_substep_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            # What the update has gathered so far is given up; its rows come again on resuming.
            self._heed(state, control)

        def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            self._heed(state, control)

        def _heed(self, state: Any, control: Any) -> None:
            if stop():
                control.should_training_stop = True
                control.should_save = state.global_step > first

    return Watch()


def _keep_curve(curves: Path, updates: int) -> None:
    """Drop what a curve says of later updates: they come again, from the checkpoint."""
    if not curves.exists():
        return
    kept: list[str] = []
    for line in curves.read_text(encoding="utf-8").splitlines():
        try:
            if json.loads(line)["update"] <= updates:
                kept.append(line)
        except (ValueError, KeyError, TypeError):
            break  # a line that a kill cut short
    write_atomically(curves, "".join(f"{line}\n" for line in kept).encode())
