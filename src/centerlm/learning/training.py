"""Supervised training on examples of the acts: LoRA or all weights, packed, resumable.

A run is a folder: `run.json` (settings, data hash, versions), `curves.jsonl` (one line an update),
`checkpoints/`, and at the end `adapter/` (PEFT) or `model/`. It can be killed at any moment and
continued; the order of the data is fixed by the seed, so a continued run takes the same updates.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from centerlm.errors import InputError, StoppedError
from centerlm.learning.adapters import check_fits, read_peft
from centerlm.learning.attention import whole_products
from centerlm.learning.checkpoints import RECORD, claim_training, last_checkpoint
from centerlm.learning.encoding import encode_all
from centerlm.learning.example import TrainingExample
from centerlm.learning.packing import PackedRow, Tokens, updates
from centerlm.learning.problems import resumable
from centerlm.learning.row_trainer import ScaledRow, load, make_trainer, scaled, training_arguments
from centerlm.learning.run_folder import write_json
from centerlm.learning.train_settings import MIX, TrainSettings, compiled, in_16_bits, on_cpu
from centerlm.learning.watching import OnProgress, Stop, ignore, never, stopping, watch
from centerlm.models.chat import Encoder


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
    on_progress: OnProgress = ignore,
    stop: Stop = never,
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
    record = claim_training(out, _record(examples, settings, base, start, mix), resume)
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
    if compiled(settings, sum(len(item.row.ids) for item in rows)):
        compile_layers(model)
    watching = watch(rows, settings, len(plan), out / "curves.jsonl", on_progress)
    last = last_checkpoint(out / "checkpoints") if resume else None
    folder = out / ("adapter" if settings.rank else "model")
    with resumable(out):
        trainer = _trainer(model, rows, out, settings, len(plan), [watching, stopping(stop)])
        with _narrow_inputs(model, settings), _attention(model, settings):
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
        "examples": len(examples),
        "updates": done.updates,
        "trained_examples": done.examples,
        "tokens": done.tokens,
        "plain_tokens": done.plain_tokens,
        "trained_tokens": done.trained_tokens,
    }
    write_json(out / RECORD, finished)
    return done


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
    }


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


def compile_layers(model: Any) -> None:
    """Compile every layer of a transformers model, one code for all of them and for all lengths."""
    kinds: set[str] = set(getattr(model, "_no_split_modules", None) or ())
    for layer in model.modules():
        if type(layer).__name__ in kinds:
            layer.compile(dynamic=True)


def _narrow_inputs(model: Any, settings: TrainSettings) -> AbstractContextManager[Any]:
    """Inputs of a LoRA stay in 16 bits, as autocast computes it: PEFT would widen them first."""
    helpers = load("peft.helpers")
    active = bool(settings.rank) and in_16_bits(settings)
    return helpers.disable_input_dtype_casting(model, active=active)


def _attention(model: Any, settings: TrainSettings) -> AbstractContextManager[Any]:
    """That of `attention` where it is the faster one."""
    faster = on_cpu(settings) and in_16_bits(settings)
    return whole_products(model) if faster else nullcontext()


def _trainer(
    model: Any,
    rows: list[ScaledRow],
    out: Path,
    settings: TrainSettings,
    total: int,
    callbacks: list[Any],
) -> Any:
    transformers = load("transformers")
    arguments = training_arguments(
        out,
        save_every=settings.save_every,
        seed=settings.seed,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=settings.rows,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=round(total * settings.warmup),
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.clip,
        use_cpu=on_cpu(settings),
        bf16=in_16_bits(settings),
    )
    trainer = make_trainer(model=model, args=arguments, train_dataset=rows, callbacks=callbacks)
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer
