"""The transformers `Trainer` on packed rows: tree attention, and the head only where it is trained.

One method is overridden, `compute_loss`, so that checkpoints, resuming, PEFT, accelerate, FSDP and
logging are the library's own. Needs the extra `train`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from centerlm.errors import MissingExtraError
from centerlm.learning.packing import PackedRow


def load(module: str) -> Any:
    """A module of the extra `train`.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or module, "train") from None


@dataclass(frozen=True, slots=True)
class ScaledRow:
    """A row of an update; `scale` makes the update's loss the weighted mean over its tokens."""

    row: PackedRow
    scale: float


def scaled(update: Sequence[PackedRow]) -> list[ScaledRow]:
    """The rows of one update. The trainer divides each row's loss by their number."""
    total = sum(sum(row.weights) for row in update) or 1.0
    return [ScaledRow(row, len(update) / total) for row in update]


def collate(rows: Sequence[ScaledRow]) -> dict[str, Any]:
    """Tensors of one row of L tokens: `input_ids` and `position_ids` [1, L], `attention_mask`
    [1, 1, L, L] (True: is seen), `at` (places in the row), `targets` and `weights` [n].

    Several short rows are one longer row: on a larger device, make rows longer.

    Raises:
        ValueError: not exactly one row.
    """
    torch = load("torch")
    (item,) = rows
    row, length = item.row, len(item.row.ids)
    mask = torch.zeros((length, length), dtype=torch.bool)
    for number, segment in enumerate(row.segments):
        for seen in row.visible(number):
            mask[segment.start : segment.end, seen.start : seen.end] = True
        own = mask[segment.start : segment.end, segment.start : segment.end]
        own.copy_(own.tril())
    weights = [weight * item.scale for weight in row.weights]
    return {
        "input_ids": torch.tensor([row.ids], dtype=torch.long),
        "position_ids": torch.tensor([row.positions], dtype=torch.long),
        "attention_mask": mask[None, None],
        "at": torch.tensor(row.at, dtype=torch.long),
        "targets": torch.tensor(row.targets, dtype=torch.long),
        "weights": torch.tensor(weights, dtype=torch.float32),
    }


def trained_logits(model: Any, inputs: dict[str, Any]) -> Any:
    """Logits [n, vocabulary] at the places that are trained; no others are computed."""
    return model(
        input_ids=inputs["input_ids"],
        position_ids=inputs["position_ids"],
        attention_mask=inputs["attention_mask"],
        logits_to_keep=inputs["at"],
        use_cache=False,
    ).logits[0]


def row_loss(model: Any, inputs: dict[str, Any]) -> Any:
    """Weighted sum of the cross-entropy of the trained tokens (a scalar)."""
    functional = load("torch.nn.functional")
    losses = functional.cross_entropy(
        trained_logits(model, inputs).float(), inputs["targets"], reduction="none"
    )
    return (losses * inputs["weights"]).sum()


def training_arguments(out: Path, *, save_every: int, seed: int, **options: Any) -> Any:
    """`transformers.TrainingArguments` of a run in the folder `out`: one pass over its rows, quiet,
    with a curve of every update and the last two checkpoints. `options` are the library's own.
    """
    transformers: Any = load("transformers")
    return transformers.TrainingArguments(
        output_dir=str(out / "checkpoints"),
        num_train_epochs=1,
        save_steps=save_every,
        save_total_limit=2,
        logging_steps=1,
        disable_tqdm=True,
        report_to="none",
        remove_unused_columns=False,
        gradient_checkpointing=False,
        dataloader_pin_memory=False,
        seed=seed,
        **options,
    )


def make_trainer(
    loss: Callable[[Any, dict[str, Any]], Any] = row_loss,
    data_collator: Callable[[Any], dict[str, Any]] = collate,
    **options: Any,
) -> Any:
    """A `transformers.Trainer` over rows in the given order, by default `ScaledRow`s.

    `loss` gives that of one pass, from the model and what `data_collator` made of its rows; the
    trainer divides it by the passes of an update. `options` are the trainer's own.
    """
    transformers: Any = load("transformers")
    data: Any = load("torch.utils.data")

    class RowTrainer(transformers.Trainer):
        def compute_loss(
            self,
            model: Any,
            inputs: dict[str, Any],
            return_outputs: bool = False,
            num_items_in_batch: Any = None,
        ) -> Any:
            del num_items_in_batch
            found = loss(model, inputs)
            return (found, {}) if return_outputs else found

        def _get_train_sampler(self, train_dataset: Any = None) -> Any:
            return data.SequentialSampler(train_dataset or self.train_dataset)

    return RowTrainer(data_collator=data_collator, **options)
