"""LoRA adapters as PEFT keeps them: a folder of `adapter_config.json` and safetensors.

Reading checks that it is a LoRA and whole; what centerlm noted (base, rendering of prompts, what
it was trained on) stands beside it in `centerlm.json`. Needs the extra `train`.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from centerlm.errors import InputError, MissingWeightsError
from centerlm.finding import short_answer
from centerlm.learning.base import module, save_arrays
from centerlm.learning.run_folder import read_json

if TYPE_CHECKING:
    from numpy import ndarray

    Array = ndarray[Any, Any]

CONFIG, WEIGHTS, RECORD = "adapter_config.json", "adapter_model.safetensors", "centerlm.json"
_KEY = re.compile(r"(?:base_model\.model\.)?(.+)\.lora_([AB])(?:\.default)?\.weight")
_UNUSED: dict[str, tuple[Any, ...]] = {
    "use_dora": (False, None),
    "bias": ("none", None),
    "modules_to_save": (None, []),
    "trainable_token_indices": (None, []),
    "fan_in_fan_out": (False, None),
    "lora_bias": (False, None),
}
"""Options of PEFT that a GGUF LoRA cannot say, with the values that mean "not used"."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One adapted matrix: A (rank, columns), B (rows, rank), both 32-bit, and B's scale."""

    a: Array
    b: Array
    scale: float


@dataclass(frozen=True, slots=True)
class PeftLoRA:
    """A PEFT folder: pairs by torch name (`model.layers.0.self_attn.q_proj.weight`), the names of
    tensors that are no part of a pair, and what centerlm noted beside them.
    """

    config: Mapping[str, Any]
    pairs: Mapping[str, Pair]
    others: tuple[str, ...]
    record: Mapping[str, str]


def read_peft(folder: Path) -> PeftLoRA:
    """A LoRA as PEFT saved it (`adapter_config.json`, `adapter_model.safetensors`).

    Raises:
        InputError: it is no such folder, or another kind of adapter.
        MissingWeightsError: its weights are missing, truncated or not whole.
    """
    config = read_json(folder / CONFIG)
    if config is None:
        raise InputError(
            f"{folder} is not a PEFT adapter: it has no readable {CONFIG}; name the folder that "
            "training wrote"
        )
    alpha, rank = config.get("lora_alpha"), config.get("r")
    numbers = isinstance(alpha, int | float) and isinstance(rank, int) and alpha and rank
    if config.get("peft_type") != "LORA" or not numbers:
        raise InputError(f"{folder} is a PEFT adapter, but not a LoRA; only LoRA can be used here")
    halves: dict[str, dict[str, Array]] = {}
    others: list[str] = []
    for key, array in _tensors(folder / WEIGHTS).items():
        match = _KEY.fullmatch(key)
        if match is None:
            others.append(key)
        else:
            halves.setdefault(match[1], {})[match[2]] = array
    pairs: dict[str, Pair] = {}
    for name, two in halves.items():
        if two.keys() != {"A", "B"} or two["A"].shape[0] != two["B"].shape[1]:
            raise MissingWeightsError(
                f"{folder / WEIGHTS} is not a whole LoRA: the two matrices of {name} do not "
                "belong together; save it again"
            )
        pairs[f"{name}.weight"] = Pair(two["A"], two["B"], _scale(config, name, two["A"].shape[0]))
    if not pairs:
        raise MissingWeightsError(f"{folder / WEIGHTS} holds no LoRA; save it again")
    return PeftLoRA(config, pairs, tuple(others), read_json(folder / RECORD) or {})


def write_peft(
    folder: Path,
    pairs: Mapping[str, tuple[Array, Array]],
    alpha: float,
    record: Mapping[str, str | None],
) -> None:
    """Fill a folder with a LoRA of (A, B) pairs by torch name, scaled by alpha / rank each.

    Raises:
        OSError: it cannot be written.
    """
    arrays: dict[str, Array] = {}
    ranks: dict[str, int] = {}
    for name, (a, b) in pairs.items():
        target = name.removesuffix(".weight")
        ranks[target] = a.shape[0]
        arrays[f"base_model.model.{target}.lora_A.weight"] = a
        arrays[f"base_model.model.{target}.lora_B.weight"] = b
    _write_json(folder / CONFIG, _config(ranks, alpha))
    _write_json(folder / RECORD, record)
    save_arrays(arrays, folder / WEIGHTS)


def refuse_what_gguf_cannot_hold(lora: PeftLoRA, folder: Path) -> None:
    """Raise InputError where a GGUF LoRA would not be the same as this one."""
    used = [name for name, off in _UNUSED.items() if lora.config.get(name) not in off]
    if used or lora.others:
        what = ", ".join(used) or lora.others[0]
        raise InputError(
            f"the adapter {folder} uses what a GGUF LoRA cannot hold ({what}); export it with "
            "--merged instead"
        )


def _scale(config: Mapping[str, Any], name: str, rank: int) -> float:
    """alpha / rank, or alpha / sqrt(rank) of rsLoRA (Kalajdzievski 2023, arXiv:2312.03732)."""
    alpha = float(config["lora_alpha"])
    patterns: dict[str, float] = config.get("alpha_pattern") or {}
    for pattern, value in patterns.items():
        if re.fullmatch(rf"(?:.*\.)?(?:{pattern})", name):
            alpha = float(value)
            break
    return alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)


def _tensors(path: Path) -> dict[str, Array]:
    """All tensors of a safetensors file in 32-bit floats."""
    library, torch_side = module("safetensors"), module("safetensors.torch")
    try:
        tensors: dict[str, Any] = torch_side.load_file(path)
    except FileNotFoundError:
        raise MissingWeightsError(f"there is no adapter at {path}; save it again") from None
    except (library.SafetensorError, OSError) as error:
        raise MissingWeightsError(
            f"the adapter {path} is truncated or not a safetensors file "
            f"({short_answer(str(error))}); save it again"
        ) from None
    return {name: tensor.float().numpy() for name, tensor in tensors.items()}


def _config(ranks: Mapping[str, int], alpha: float) -> dict[str, Any]:
    """An `adapter_config.json`; ranks by the whole name of their module."""
    common = Counter(ranks.values()).most_common(1)[0][0]
    other = {name: rank for name, rank in ranks.items() if rank != common}
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": None,
        "inference_mode": True,
        "r": common,
        "lora_alpha": int(alpha) if alpha.is_integer() else alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": _targets(ranks),
        "rank_pattern": other,
        "alpha_pattern": {},
    }


def _targets(modules: Iterable[str]) -> list[str]:
    """The last parts of the modules' names where every layer has them all, else whole names."""
    layers: dict[str, set[str]] = {}
    for name in modules:
        before, _, part = name.rpartition(".")
        layers.setdefault(part, set()).add("".join(re.findall(r"\.(\d+)\.", f"{before}.")))
    common = next(iter(layers.values()))
    regular = common == {str(i) for i in range(len(common))}
    if regular and all(each == common for each in layers.values()):
        return sorted(layers)
    return sorted(modules)


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
