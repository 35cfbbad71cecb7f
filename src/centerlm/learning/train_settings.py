"""How a run trains: the settings, and what they mean on this machine."""

from __future__ import annotations

import os
import shutil
from typing import Annotated, Any, Literal

import msgspec

from centerlm.errors import InputError
from centerlm.learning.row_trainer import load

MIX = {"decompose": 0.25, "seek": 0.15, "absorb": 0.6}
"""Shares of examples of the three acts in every row."""


class TrainSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a run trains.

    `rank` 0 trains all weights. `row_tokens` are the tokens of a packed row, `rows` the rows of an
    update. With `max_tokens` the run goes over the data as often as it takes to compute so many
    tokens, whatever `epochs` says. `balance` 0 counts the tokens of replies alike, 1 the replies.
    `learning_rate` falls linearly to 0 after `warmup` (a share of the updates). `save_every` is in
    updates. `dtype` "bfloat16" computes in 16 bits, and keeps the frozen base so where a LoRA is
    trained (whose weights stay in 32 bits); "auto" does where the machine multiplies faster so.
    `compile` has torch compile the layers first, which takes half a minute and is 1.4 times as
    fast in 16 bits; "auto" does for long runs so, if there is a C++ compiler.
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
    compile: bool | Literal["auto"] = False
    threads: Annotated[int, msgspec.Meta(ge=0, le=256)] = 0


WORTH_COMPILING = 30_000
"""Tokens that a run computes at least, for "auto" to compile."""


_MULTIPLIES = ("amx_bf16", "avx512_bf16")
"""What torch calls the CPU's own products of 16 bits."""


def compiled(settings: TrainSettings, tokens: int) -> bool:
    """Whether a run that computes so many tokens compiles the layers first.

    Raises:
        InputError: it is asked to, on a CPU, and there is no C++ compiler.
    """
    compiler = os.environ.get("CXX") or "g++"
    found = not on_cpu(settings) or shutil.which(compiler) is not None
    if settings.compile == "auto":
        return found and tokens >= WORTH_COMPILING and in_16_bits(settings)
    if settings.compile and not found:
        raise InputError(
            f"[train] compile needs a C++ compiler and there is no {compiler}: install one, name "
            "yours in CXX, or leave compile out"
        )
    return settings.compile


def on_cpu(settings: TrainSettings) -> bool:
    """Whether a run computes on the CPU."""
    return settings.device == "cpu" or not load("torch").cuda.is_available()


def in_16_bits(settings: TrainSettings) -> bool:
    """Whether a run computes in bfloat16.

    Of CPUs those gain by it that multiply 16 bits themselves (AMX, AVX512-BF16); others emulate it.
    """
    if settings.dtype != "auto":
        return settings.dtype == "bfloat16"
    torch = load("torch")
    if on_cpu(settings):
        known: Any = getattr(torch.cpu, "get_capabilities", None)
        return known is not None and any(known().get(name) for name in _MULTIPLIES)
    return bool(torch.cuda.is_bf16_supported())
