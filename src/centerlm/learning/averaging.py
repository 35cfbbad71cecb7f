"""The mean of trained adapters: one adapter of runs that went on from the same one.

Wortsman et al. 2022 ("Model soups", arXiv:2203.05482): the mean of fine-tuned weights often does
better than each of them, at the cost of one. Training on from it is local SGD (Stich 2019,
arXiv:1805.09767): runs that need not talk to each other use all cores or machines. Needs the extra
`train`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from centerlm.errors import InputError
from centerlm.learning.base import module
from centerlm.learning.folders import new_folder
from centerlm.learning.peft_folder import PeftLoRA, read_peft, write_peft

if TYPE_CHECKING:
    from numpy import ndarray

    Array = ndarray[Any, Any]


def mean(adapters: Sequence[Path], out: Path) -> Path:
    """Write the mean of PEFT LoRA folders, A and B matrix by matrix, as a PEFT folder.

    The means of A and of B stand for the mean of their products only where the adapters lie close
    to each other, as those do that were trained on from the same one. `out` must not exist, or be
    empty.

    Raises:
        InputError: fewer than two, one is no LoRA or unlike the first (other matrices, ranks or
            scales), or `out` cannot be written.
        MissingWeightsError: the weights of one are missing or truncated.
    """
    if len(adapters) < 2:
        raise InputError("a mean is of two adapters or more; name each one's folder")
    loras = [read_peft(folder) for folder in adapters]
    first = loras[0]
    for folder, lora in zip(adapters[1:], loras[1:], strict=True):
        if problem := _unlike(lora, first):
            raise InputError(
                f"the adapter {folder} is unlike {adapters[0]} ({problem}); a mean is of adapters "
                "that were trained on from the same one"
            )
    numpy = module("numpy")
    pairs: dict[str, tuple[Array, Array]] = {}
    for name, pair in first.pairs.items():
        # One alpha is written for all pairs: what else scales this one goes into B.
        scale = numpy.float32(pair.scale * pair.a.shape[0] / float(first.config["lora_alpha"]))
        a = numpy.mean([lora.pairs[name].a for lora in loras], axis=0)
        pairs[name] = a, numpy.mean([lora.pairs[name].b for lora in loras], axis=0) * scale
    needs = sum(a.nbytes + b.nbytes for a, b in pairs.values())
    # Of what they record of themselves, what all of them say.
    said = first.record.items()
    record = {k: v for k, v in said if all(lora.record.get(k) == v for lora in loras)}
    with new_folder(out, needs=needs) as made:
        write_peft(made, pairs, float(first.config["lora_alpha"]), record)
    return out


def _unlike(lora: PeftLoRA, first: PeftLoRA) -> str | None:
    """Why no mean can be taken of two adapters."""
    if other := sorted(lora.pairs.keys() ^ first.pairs.keys()):
        return f"only one of them adapts {other[0]}"
    for name, pair in lora.pairs.items():
        theirs = first.pairs[name]
        if (pair.a.shape, pair.b.shape) != (theirs.a.shape, theirs.b.shape):
            return f"{name} has rank {pair.a.shape[0]} or another size"
        if pair.scale != theirs.scale:
            return f"{name} is scaled by {pair.scale:g} and {theirs.scale:g}"
    if lora.others or first.others:
        return f"{(lora.others or first.others)[0]} is no part of a LoRA"
    return None
