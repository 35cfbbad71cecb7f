"""Policy gradient on rows: the clipped surrogate on the public `transformers.Trainer`.

A run is a folder, as in `training`: `run.json`, `old.safetensors` (log-probabilities before the
first update, which every ratio is relative to), `curves.jsonl`, `checkpoints/`, and at the end
`adapter/` (PEFT) or `model/`. It can be killed and continued. One process or many: started by
torchrun or by Ray Train, every process takes its rows of each update and gradients are averaged;
what is trained is the same. Needs the extra `train`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from centerlm.errors import InputError, StoppedError
from centerlm.learning.checkpoints import RECORD, claim_training, last_checkpoint
from centerlm.learning.policy_updates import (
    PolicyRow,
    PolicySettings,
    no_signal,
    policy_updates,
)
from centerlm.learning.problems import resumable
from centerlm.learning.ratio import (
    batch_of,
    clipped_policy_loss,
    importance_weights,
    old_logprobs,
    stacked,
    token_logprobs,
)
from centerlm.learning.row_trainer import load, make_trainer, training_arguments
from centerlm.learning.rows import Row
from centerlm.learning.run_folder import write_json
from centerlm.learning.train_settings import TrainSettings, in_16_bits, on_cpu
from centerlm.learning.training import with_adapter
from centerlm.learning.watching import OnUpdate, Stop, never

OLD = "old.safetensors"
CURVES = "curves.jsonl"


@dataclass(frozen=True, slots=True)
class PolicyTrained:
    """A finished run. `figures` are the means of the curve, and quantiles of importance ratios.

    `rows` of the batch have a signal and are short enough; `silent` have none, `long` are longer.
    """

    folder: Path
    updates: int
    rows: int
    silent: int
    long: int
    tokens: int
    trained_tokens: int
    figures: Mapping[str, float]
    model: Any = field(repr=False, compare=False)


def train_policy(
    rows: Sequence[Row],
    model: Any,
    out: Path,
    settings: PolicySettings,
    *,
    base: str = "",
    start: Path | None = None,
    resume: bool = False,
    stop: Stop = never,
    on_update: OnUpdate = lambda done, updates: None,
    prepare: Any = None,
) -> PolicyTrained:
    """Train `model` (a causal language model in torch) on a batch of rows; the result is in `out`.

    The rows should be those that this model, with the adapter `start`, has sampled: ratios are 1 at
    the first update by construction, and how far the sampler was from the trainer is logged and
    corrected by capped importance weights. The first process tells `on_update` of every update.
    `prepare` gets the trainer before it starts (Ray Train's `prepare_trainer`).

    Raises:
        InputError: `out` holds another run; no row has a signal; rows do not divide by processes.
        StoppedError: `stop` said so, memory or disk ran out: the run can be resumed.
        MissingExtraError: the extra `train` is not installed.
    """
    torch = load("torch")
    if settings.threads:
        torch.set_num_threads(settings.threads)
    updates, silent, long = policy_updates(rows, settings)
    if not updates:
        raise InputError(no_signal(len(rows), silent, long))
    state = load("accelerate").PartialState(cpu=on_cpu(_as_train(settings)))
    _fits(settings, state.num_processes)
    with state.main_process_first():
        # The others find what the first has written, and check that they were given the same.
        again = resume or not state.is_main_process
        record = claim_training(out, _record(rows, settings, base, start), again)
    if settings.rank:
        if in_16_bits(_as_train(settings)):
            model = model.to(torch.bfloat16)
        model = with_adapter(model, _as_train(settings), start, base)
    model = model.to(state.device)
    used = sorted({item.number for update in updates for item in update})
    with state.main_process_first():
        old = _old(model, rows, used, out, settings, write=state.is_main_process)
    importance, quantiles = _importance(rows, used, old, settings)
    last = last_checkpoint(out / "checkpoints") if resume else None
    folder = out / ("adapter" if settings.rank else "model")
    seen = _Figures()
    watch = _watch(out / CURVES, seen, len(updates), stop, on_update)
    with resumable(out):
        trainer = _trainer(
            model, updates, old, importance, out, settings, state.num_processes, seen, watch
        )
        if prepare is not None:
            trainer = prepare(trainer)
        trainer.train(resume_from_checkpoint=str(last) if last else None)
        done = int(trainer.state.global_step)
        if done < len(updates):
            raise StoppedError(f"stopped after update {done} of {len(updates)}")
        trainer.save_model(str(folder))
    items = [item for update in updates for item in update if item.weight]
    trained = PolicyTrained(
        folder,
        len(updates),
        len(used),
        silent,
        long,
        sum(len(item.row.input_ids) for item in items),
        sum(item.row.trained for item in items),
        {**_means(out / CURVES), **quantiles},
        model,
    )
    if state.is_main_process:
        write_json(out / RECORD, record | {"finished": True, **_counts(trained)})
    return trained


def _counts(trained: PolicyTrained) -> dict[str, Any]:
    names = ("updates", "rows", "silent", "long", "tokens", "trained_tokens", "figures")
    return {name: getattr(trained, name) for name in names}


def _as_train(settings: PolicySettings) -> TrainSettings:
    """What supervised training shares: the LoRA's shape, its seed, the device."""
    names = ("rank", "alpha", "seed", "device", "dtype")
    return TrainSettings(**{name: getattr(settings, name) for name in names})


def _precision(settings: PolicySettings, device: str) -> Any:
    """The same for log-probabilities before and during training, or ratios would not begin at 1."""
    torch = load("torch")
    narrow = in_16_bits(_as_train(settings))
    return torch.autocast(device.partition(":")[0], torch.bfloat16, enabled=narrow)


def _fits(settings: PolicySettings, processes: int) -> None:
    each = processes * settings.at_once
    if settings.rows % each:
        raise InputError(
            f"rows = {settings.rows} is no multiple of {each} ({processes} processes with at_once "
            f"= {settings.at_once}); give one that is"
        )


def _record(
    rows: Sequence[Row], settings: PolicySettings, base: str, start: Path | None
) -> dict[str, Any]:
    digest = hashlib.sha256(msgspec.json.encode(list(rows))).hexdigest()
    return {
        "settings": json.loads(msgspec.json.encode(settings)),  # as it is read back
        "base": base,
        "start": str(start) if start else None,
        "data": digest,
    }


def _old(
    model: Any,
    rows: Sequence[Row],
    used: Sequence[int],
    out: Path,
    settings: PolicySettings,
    *,
    write: bool,
) -> dict[int, Any]:
    """Log-probabilities before the first update, by row; kept for a run that goes on."""
    safetensors = load("safetensors.torch")
    path = out / OLD
    device = next(model.parameters()).device
    if not path.is_file():
        with _precision(settings, str(device)):
            found = old_logprobs(model, [rows[i] for i in used], at_once=1)
        if write:
            part = path.with_suffix(".part")
            tensors = {str(i): t.cpu().contiguous() for i, t in zip(used, found, strict=True)}
            safetensors.save_file(tensors, str(part))
            part.replace(path)
        return dict(zip(used, found, strict=True))
    return {int(name): t.to(device) for name, t in safetensors.load_file(str(path)).items()}


def _importance(
    rows: Sequence[Row], used: Sequence[int], old: Mapping[int, Any], settings: PolicySettings
) -> tuple[dict[int, Any], dict[str, float]]:
    """Importance weights by row, without gradient, and their distribution over all rows."""
    torch = load("torch")
    batches = [batch_of([rows[i]], device=str(old[i].device)) for i in used]
    joined = [
        torch.cat([tensor.reshape(-1) for tensor in tensors])
        for tensors in zip(
            *((old[i], b.sampler, b.mask * b.sampled) for i, b in zip(used, batches, strict=True)),
            strict=True,
        )
    ]
    found = importance_weights(*joined, cap=settings.cap)
    weights: Any = found.weights
    parts = weights.split([len(rows[i].input_ids) for i in used])
    return dict(zip(used, parts, strict=True)), found.log()


class _Figures:
    """What the rows of the update at hand said; one process's."""

    def __init__(self) -> None:
        self.seen: list[dict[str, float]] = []
        self.tokens = 0

    def take(self) -> dict[str, float]:
        seen, self.seen = self.seen, []
        tokens = sum(one["tokens"] for one in seen) or 1.0
        self.tokens += round(sum(one["tokens"] for one in seen))
        return {
            "tokens": self.tokens,
            "ratio_mean": sum(one["ratio_mean"] * one["tokens"] for one in seen) / tokens,
            "ratio_off": max((one["ratio_off"] for one in seen), default=0.0),
            "clipped": sum(one["clipped"] * one["tokens"] for one in seen) / tokens,
        }


def _trainer(
    model: Any,
    updates: Sequence[Sequence[PolicyRow]],
    old: Mapping[int, Any],
    importance: Mapping[int, Any],
    out: Path,
    settings: PolicySettings,
    processes: int,
    figures: _Figures,
    watch: Any,
) -> Any:
    transformers: Any = load("transformers")
    cpu = on_cpu(_as_train(settings))
    arguments = training_arguments(
        out,
        save_every=settings.save_every,
        seed=settings.seed,
        per_device_train_batch_size=settings.at_once,
        gradient_accumulation_steps=settings.rows // (settings.at_once * processes),
        learning_rate=settings.learning_rate,
        lr_scheduler_type="constant_with_warmup",
        warmup_steps=round(len(updates) * settings.warmup),
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        use_cpu=cpu,
        ddp_backend="gloo" if cpu and processes > 1 else None,
        bf16=False,
    )
    device = str(arguments.device)

    def loss(model: Any, inputs: dict[str, Any]) -> Any:
        return _loss(model, inputs["items"], old, importance, settings, device, figures)

    trainer = make_trainer(
        loss,
        _collate,
        model=model,
        args=arguments,
        train_dataset=[item for update in updates for item in update],
        callbacks=[watch],
    )
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer


def _collate(items: list[PolicyRow]) -> dict[str, Any]:
    return {"items": items}


def _loss(
    model: Any,
    items: Sequence[PolicyRow],
    old: Mapping[int, Any],
    importance: Mapping[int, Any],
    settings: PolicySettings,
    device: str,
    figures: _Figures,
) -> Any:
    """The loss of some rows of an update: over all its rows, these average to that of the update.

    `clipped_policy_loss` is a mean over the tokens of its batch; here the mean is over the update.
    """
    torch = load("torch")
    batch = batch_of([item.row for item in items], device=device)
    weights = torch.tensor([[item.weight] for item in items], dtype=torch.float32, device=device)
    batch = replace(batch, weights=weights)
    with _precision(settings, device):
        logp = token_logprobs(model, batch)
    found = clipped_policy_loss(
        logp,
        stacked([old[item.number] for item in items], batch),
        batch,
        importance=stacked([importance[item.number] for item in items], batch),
        clip=settings.clip,
    )
    if any(item.weight for item in items):
        figures.seen.append(
            {
                "tokens": float(sum(item.row.trained for item in items if item.weight)),
                "ratio_mean": found.ratio_mean,
                "ratio_off": found.ratio_off,
                "clipped": found.clipped,
            }
        )
        return found.loss * (weights * batch.mask).sum() * items[0].scale / len(items)
    return logp.sum() * 0.0  # a row that only fills up


def _watch(curves: Path, figures: _Figures, total: int, stop: Stop, on_update: OnUpdate) -> Any:
    """A callback that keeps the curve, tells of every update, and ends the run when asked to."""
    transformers = load("transformers")

    class Watch(transformers.TrainerCallback):
        def on_log(
            self, args: Any, state: Any, control: Any, logs: Any = None, **more: Any
        ) -> None:
            if not logs or "loss" not in logs or not state.is_world_process_zero:
                return
            line = {
                "update": state.global_step,
                "updates": total,
                "loss": float(logs["loss"]),
                "learning_rate": float(logs.get("learning_rate", 0.0)),
                "grad_norm": float(logs.get("grad_norm", 0.0)),
                **figures.take(),
            }
            with curves.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")

        def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            if state.is_world_process_zero:
                on_update(state.global_step, total)
            if stop():
                control.should_training_stop = True
                control.should_save = True

    return Watch()


def _means(curves: Path) -> dict[str, float]:
    """Means over the updates, the last line of each; the first ratio is 1 by construction."""
    lines: dict[int, dict[str, float]] = {}
    for text in curves.read_text(encoding="utf-8").splitlines() if curves.is_file() else ():
        try:
            line = json.loads(text)
        except ValueError:
            continue  # a line that a kill cut short
        lines[line["update"]] = line
    names = ("loss", "ratio_mean", "ratio_off", "clipped")
    return {
        f"policy/{name}": sum(line[name] for line in lines.values()) / len(lines)
        for name in names
        if lines
    }
