"""Training on preferences with TRL's `DPOTrainer`, on exactly the token ids of use.

TRL tokenises text prompts itself and would merge what our rendering keeps apart. Here rows carry
our own ids beside a placeholder text, and the collator puts them in the batch: nothing of TRL's
tokenising is trained. The reference is the model as it comes in: with its adapter where it has one
(TRL copies it), without any where a new one is made. Needs the extra `train`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from centerlm.errors import InputError
from centerlm.learning.preferences import Preference
from centerlm.learning.row_trainer import load
from centerlm.models.chat import Encoder, chat_tokens, render
from centerlm.models.weights import write_atomically

_PLACEHOLDER = {"prompt": ".", "chosen": ".", "rejected": "."}


class DPOSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to train. `beta` is the strength of the tie to the reference (Rafailov et al. 2023).

    `sft` adds that weight of the loss of the chosen reply alone, which keeps its probability from
    falling with the other's. `rank` 0 trains all weights; a model with an adapter goes on with it.
    A row has at most `max_tokens`; longer pairs are left out and counted.
    """

    beta: float = 0.1
    sft: float = 0.1
    learning_rate: float = 5e-5
    rank: int = 16
    alpha: int = 32
    epochs: int = 1
    pairs: int = 4
    max_steps: int = -1
    max_tokens: int = 1024
    warmup: float = 0.03
    seed: int = 0
    device: Literal["auto", "cpu"] = "auto"
    dtype: Literal["float32", "bfloat16"] = "float32"


@dataclass(frozen=True, slots=True)
class PairTokens:
    """A pair as token ids; both replies end with the token that ends a turn."""

    prompt: tuple[int, ...]
    chosen: tuple[int, ...]
    rejected: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Preferred:
    """A finished run. `margins` are the rewards' margins by update: chosen minus rejected, each
    beta times how much more likely the reply became than under the reference.
    """

    folder: Path
    """The PEFT adapter, or the model where all weights were trained."""
    pairs: int
    too_long: int
    steps: int
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


def train_dpo(
    pairs: Sequence[Preference],
    model: Any,
    tokenizer: Any,
    out: Path,
    settings: DPOSettings | None = None,
    *,
    encoder: Encoder | None = None,
    on_step: Callable[[int, float], None] | None = None,
) -> Preferred:
    """Train `model` (a causal model in torch) to prefer; the result and `run.json` stand in `out`.

    `tokenizer` is the model's, as a transformers object: TRL wants it, but what is trained are
    the ids of `encoder` (default: made from it). `on_step` gets the update and its margin.

    Raises:
        InputError: no pairs, all of them too long, or `out` holds a run.
        MissingExtraError: the extra `train` is not installed.
    """
    settings = settings or DPOSettings()
    if not pairs:
        raise InputError(
            "there are no preferences to train on: edits of plans, or episodes of "
            "one question with different success, make some"
        )
    if (out / "run.json").exists():
        raise InputError(f"{out} already holds a run; name another folder")
    encoder = encoder or TransformersEncoder(tokenizer)
    tokens = [pair_tokens(pair, encoder) for pair in pairs]
    kept = [t for t in tokens if _length(t) <= settings.max_tokens]
    if not kept:
        raise InputError(f"every pair is longer than max_tokens = {settings.max_tokens}; raise it")
    trainer = _trainer(kept, model, tokenizer, out, settings, on_step)
    trainer.train()
    adapter = hasattr(trainer.model, "peft_config")
    folder = out / ("adapter" if adapter else "model")
    if adapter:
        trainer.model.save_pretrained(str(folder), selected_adapters=["default"])
    else:
        trainer.save_model(str(folder))
    logs = [entry for entry in trainer.state.log_history if "rewards/margins" in entry]
    done = Preferred(
        folder,
        len(kept),
        len(tokens) - len(kept),
        int(trainer.state.global_step),
        tuple(float(entry["rewards/margins"]) for entry in logs),
        tuple(float(entry["loss"]) for entry in logs),
    )
    record = {
        "settings": msgspec.to_builtins(settings),
        "pairs": done.pairs,
        "too_long": done.too_long,
        "steps": done.steps,
        "margins": done.margins,
        "losses": done.losses,
        "finished": True,
    }
    write_atomically(out / "run.json", (json.dumps(record, indent=1) + "\n").encode())
    return done


@dataclass(frozen=True, slots=True)
class TransformersEncoder:
    """A transformers tokenizer as our rendering wants it: text with special tokens off."""

    tokenizer: Any

    @property
    def special(self) -> dict[str, int]:
        return {str(token): int(i) for i, token in self.tokenizer.added_tokens_decoder.items()}

    def encode(self, text: str) -> list[int]:
        return list(
            self.tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
        )


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


def _length(tokens: PairTokens) -> int:
    return len(tokens.prompt) + max(len(tokens.chosen), len(tokens.rejected))


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
    on_step: Callable[[int, float], None] | None,
) -> Any:
    trl: Any = load("trl")
    cpu = settings.device == "cpu" or not load("torch").cuda.is_available()
    arguments = trl.DPOConfig(
        output_dir=str(out / "checkpoints"),
        beta=settings.beta,
        loss_type=["sigmoid", "sft"] if settings.sft else ["sigmoid"],
        loss_weights=[1.0, settings.sft] if settings.sft else None,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=settings.warmup,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=settings.pairs,
        num_train_epochs=settings.epochs,
        max_steps=settings.max_steps,
        max_length=None,
        logging_steps=1,
        save_strategy="no",
        disable_tqdm=True,
        report_to="none",
        remove_unused_columns=False,
        use_cpu=cpu,
        bf16=not cpu and settings.dtype == "bfloat16",
        gradient_checkpointing=False,
        dataloader_pin_memory=False,
        seed=settings.seed,
    )
    transformers: Any = load("transformers")
    trainer = trl.DPOTrainer(
        model=model,
        args=arguments,
        train_dataset=_dataset(tokens),
        processing_class=tokenizer,
        data_collator=collator(tokenizer.pad_token_id or tokenizer.eos_token_id),
        peft_config=_adapter(model, settings),
        callbacks=[_watch(on_step)] if on_step else None,
    )
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer


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


def _watch(on_step: Callable[[int, float], None]) -> Any:
    transformers: Any = load("transformers")

    class Watch(transformers.TrainerCallback):
        def on_log(
            self, args: Any, state: Any, control: Any, logs: Any = None, **more: Any
        ) -> None:
            if logs and "rewards/margins" in logs:
                on_step(int(state.global_step), float(logs["rewards/margins"]))

    return Watch()
