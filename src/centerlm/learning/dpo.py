"""Training on preferences with TRL's `DPOTrainer`, on exactly the token ids of use.

TRL tokenises text prompts itself and would merge what our rendering keeps apart. Here rows carry
our own ids beside a placeholder text, and the collator puts them in the batch: nothing of TRL's
tokenising is trained. The reference is the model as it comes in: with its adapter where it has one
(TRL copies it), without any where a new one is made. A run is a folder with checkpoints, like one
of `training`, and goes on from them. Needs the extra `train`.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from centerlm.errors import InputError, StoppedError
from centerlm.learning.checkpoints import RECORD, claim_training, last_checkpoint
from centerlm.learning.preferences import Preference
from centerlm.learning.problems import resumable
from centerlm.learning.row_trainer import load
from centerlm.learning.run_folder import write_json
from centerlm.learning.watching import OnProgress, Progress, Stop, ignore, never, stopping
from centerlm.models.chat import Encoder, chat_tokens, render
from centerlm.models.transformers import PlainEncoder

_PLACEHOLDER = {"prompt": "a", "chosen": " b", "rejected": " c"}
"""Texts whose tokens stay apart when they are joined: else TRL warns of our prompts."""


class DPOSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to train. `beta` is the strength of the tie to the reference (Rafailov et al. 2023).

    `sft` adds that weight of the loss of the chosen reply alone, which keeps its probability from
    falling with the other's. `rank` 0 trains all weights; a model with an adapter goes on with it.
    `pairs` make an update; `save_every` is in updates. A row has at most `max_tokens`; longer pairs
    are left out and counted.
    """

    beta: float = 0.1
    sft: float = 0.1
    learning_rate: float = 5e-5
    rank: int = 16
    alpha: int = 32
    epochs: int = 1
    pairs: int = 4
    max_tokens: int = 1024
    warmup: float = 0.03
    seed: int = 0
    save_every: int = 20
    device: Literal["auto", "cpu"] = "auto"
    dtype: Literal["float32", "bfloat16"] = "float32"


@dataclass(frozen=True, slots=True)
class PairTokens:
    """A pair as token ids; both replies end with the token that ends a turn."""

    prompt: tuple[int, ...]
    chosen: tuple[int, ...]
    rejected: tuple[int, ...]

    @property
    def longest(self) -> int:
        """Tokens of its longer row."""
        return len(self.prompt) + max(len(self.chosen), len(self.rejected))

    @property
    def trained(self) -> int:
        """Tokens of both replies."""
        return len(self.chosen) + len(self.rejected)

    @property
    def computed(self) -> int:
        """Tokens of both rows."""
        return 2 * len(self.prompt) + self.trained


@dataclass(frozen=True, slots=True)
class Tuned:
    """A finished run. `tokens` went through the trained model (the reference computes as many
    again), `trained_tokens` are of replies. `margins` are the rewards' margins by update: chosen
    minus rejected, each beta times how much more likely the reply became than under the reference.
    """

    folder: Path
    """The PEFT adapter, or the model where all weights were trained."""
    pairs: int
    too_long: int
    steps: int
    tokens: int
    trained_tokens: int
    margins: tuple[float, ...]
    losses: tuple[float, ...]


def pair_tokens(pair: Preference, tokenizer: Encoder) -> PairTokens:
    """Token ids of a pair, by the one rendering that running and training share."""
    end = chat_tokens(tokenizer)[1]
    return PairTokens(
        tuple(render(pair.prompt, tokenizer)),
        (*tokenizer.encode(pair.chosen), end),
        (*tokenizer.encode(pair.rejected), end),
    )


def pairs_hash(pairs: Sequence[Preference]) -> str:
    """SHA-256 over prompts and both replies, in order."""
    digest = hashlib.sha256()
    for pair in pairs:
        for message in pair.prompt.messages:
            digest.update(f"{message.role}\0{message.text}\0".encode())
        digest.update(f"{pair.chosen}\0{pair.rejected}\n".encode())
    return digest.hexdigest()


def train_dpo(
    pairs: Sequence[Preference],
    model: Any,
    encoder: PlainEncoder,
    out: Path,
    settings: DPOSettings | None = None,
    *,
    start: Path | None = None,
    resume: bool = False,
    on_progress: OnProgress = ignore,
    stop: Stop = never,
) -> Tuned:
    """Train `model` (a causal model in torch) to prefer; the result and `run.json` stand in `out`.

    `start` names the adapter that the model has, for the record. With `resume`, the run in `out`
    continues from its last whole checkpoint; `stop` is asked after every pair. The loss that
    `on_progress` gets is that of DPO.

    Raises:
        InputError: no pairs, all of them too long, or `out` holds another run, or one that was not
            asked to be resumed.
        StoppedError: `stop` said so, memory or disk ran out: the run can be resumed.
        MissingExtraError: the extra `train` is not installed.
    """
    settings = settings or DPOSettings()
    if not pairs:
        raise InputError(
            "there are no preferences to train on: edits of plans, or episodes of "
            "one question with different success, make some"
        )
    tokens = [pair_tokens(pair, encoder) for pair in pairs]
    kept = [t for t in tokens if t.longest <= settings.max_tokens]
    if not kept:
        raise InputError(f"every pair is longer than max_tokens = {settings.max_tokens}; raise it")
    begun = {
        "settings": msgspec.to_builtins(settings),
        "start": str(start) if start else None,
        "data": pairs_hash(pairs),
    }
    record = claim_training(out, begun, resume)
    last = last_checkpoint(out / "checkpoints") if resume else None
    with resumable(out):
        trainer = _trainer(kept, model, encoder.tokenizer, out, settings)
        trainer.add_callback(_telling(kept, settings.epochs, on_progress))
        trainer.add_callback(stopping(stop))
        trainer.train(resume_from_checkpoint=str(last) if last else None)
        done, of = int(trainer.state.global_step), int(trainer.state.max_steps)
        if done < of:
            raise StoppedError(f"stopped after update {done} of {of} on preferences")
        folder = out / ("adapter" if hasattr(trainer.model, "peft_config") else "model")
        trainer.save_model(str(folder))
    logs = [entry for entry in trainer.state.log_history if _is_update(entry)]
    tuned = Tuned(
        folder,
        len(kept),
        len(tokens) - len(kept),
        done,
        settings.epochs * sum(t.computed for t in kept),
        settings.epochs * sum(t.trained for t in kept),
        tuple(float(entry["rewards/margins"]) for entry in logs),
        tuple(float(entry["loss"]) for entry in logs),
    )
    figures = {name: getattr(tuned, name) for name in Tuned.__slots__ if name != "folder"}
    write_json(out / RECORD, record | figures | {"finished": True})
    return tuned


def collator(pad: int) -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
    """Batches of our own ids: chosen rows first, then rejected, padded on the right with `pad`.

    Only tokens of replies are in `completion_mask`.
    """
    trl: Any = load("trl.trainer.dpo_trainer")
    theirs = trl.DataCollatorForPreference(pad_token_id=pad)

    def collate(rows: list[dict[str, Any]]) -> dict[str, Any]:
        own = [{f"{k}_ids": list(row[f"own_{k}"]) for k in _PLACEHOLDER} for row in rows]
        kept = [name for name in rows[0] if name.startswith("ref_")]
        return theirs([o | {k: row[k] for k in kept} for o, row in zip(own, rows, strict=True)])

    return collate


def _dataset(tokens: Sequence[PairTokens]) -> Any:
    datasets: Any = load("datasets")
    rows = [
        {
            **_PLACEHOLDER,
            "own_prompt": list(t.prompt),
            "own_chosen": list(t.chosen),
            "own_rejected": list(t.rejected),
        }
        for t in tokens
    ]
    return datasets.Dataset.from_list(rows)


def _trainer(
    tokens: Sequence[PairTokens],
    model: Any,
    tokenizer: Any,
    out: Path,
    settings: DPOSettings,
) -> Any:
    trl: Any = load("trl")
    cpu = settings.device == "cpu" or not load("torch").cuda.is_available()
    updates = settings.epochs * -(-len(tokens) // settings.pairs)
    arguments = trl.DPOConfig(
        output_dir=str(out / "checkpoints"),
        beta=settings.beta,
        loss_type=["sigmoid", "sft"] if settings.sft else ["sigmoid"],
        loss_weights=[1.0, settings.sft] if settings.sft else None,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=round(updates * settings.warmup),
        per_device_train_batch_size=1,
        gradient_accumulation_steps=settings.pairs,
        num_train_epochs=settings.epochs,
        max_length=None,
        logging_steps=1,
        save_steps=settings.save_every,
        save_total_limit=2,
        disable_tqdm=True,
        report_to="none",
        remove_unused_columns=False,
        use_cpu=cpu,
        bf16=settings.dtype == "bfloat16",
        gradient_checkpointing=False,
        dataloader_pin_memory=False,
        seed=settings.seed,
    )
    transformers: Any = load("transformers")

    class DPOTrainer(trl.DPOTrainer):
        def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
            if not hasattr(self.model, "peft_config"):
                trl.DPOTrainer._save(self, output_dir, state_dict)
                return
            # Without TRL's copy for reference: the trainer cannot resume from two adapters.
            self.model.save_pretrained(output_dir, selected_adapters=["default"])

    with _quiet():
        trainer = DPOTrainer(
            model=model,
            args=arguments,
            train_dataset=_dataset(tokens),
            processing_class=tokenizer,
            data_collator=collator(tokenizer.pad_token_id or tokenizer.eos_token_id),
            peft_config=_adapter(model, settings),
        )
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer


@contextmanager
def _quiet() -> Generator[None]:
    """No bars for the placeholders that TRL tokenises."""
    datasets: Any = load("datasets")
    shown = datasets.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()


def _adapter(model: Any, settings: DPOSettings) -> Any:
    if not settings.rank or hasattr(model, "peft_config"):
        return None
    peft: Any = load("peft")
    return peft.LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=0.0,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )


def _is_update(logs: Mapping[str, Any]) -> bool:
    """Whether a log is of an update: at the end of a run TRL adds margins to other figures."""
    return "rewards/margins" in logs and "loss" in logs


def _telling(pairs: Sequence[PairTokens], epochs: int, on_progress: OnProgress) -> Any:
    """A callback that tells of every update; its tokens are those of pairs of mean length."""
    transformers: Any = load("transformers")
    computed = epochs * sum(t.computed for t in pairs)
    trained = epochs * sum(t.trained for t in pairs)
    started, first = time.monotonic(), 0

    class Telling(transformers.TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            nonlocal started, first
            started, first = time.monotonic(), state.global_step

        def on_log(
            self, args: Any, state: Any, control: Any, logs: Any = None, **more: Any
        ) -> None:
            if not logs or not _is_update(logs):
                return
            done, of = int(state.global_step) - first, int(state.max_steps)
            progress = Progress(
                update=int(state.global_step),
                updates=of,
                done=done,
                loss=float(logs["loss"]),
                learning_rate=float(logs.get("learning_rate", 0.0)),
                tokens=computed * done // of,
                plain_tokens=computed * done // of,
                trained_tokens=trained * done // of,
                seconds=round(time.monotonic() - started, 3),
            )
            on_progress(progress)

    return Telling()
