"""LoRA adapters between PEFT's folders (torch) and GGUF files (llama.cpp), and merged weights.

PEFT: Hu et al. 2021 (arXiv:2106.09685), W + scale * B A with A (rank, columns) and B (rows, rank).
GGUF keeps the same two matrices in 16-bit floats, with alpha such that scale = alpha / rank, and
the rows of B of query and key projections in llama.cpp's order. Needs the extra `train`.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from centerlm.errors import InputError
from centerlm.finding import short_answer
from centerlm.learning.base import DEFAULT, base_name, disk_errors, load_base, module, read_tensor
from centerlm.learning.folders import cannot_write, new_folder
from centerlm.learning.layout import gguf_name, reordered_heads, to_halves, to_pairs, torch_name
from centerlm.learning.peft_folder import (
    PeftLoRA,
    read_peft,
    refuse_what_gguf_cannot_hold,
    write_peft,
)
from centerlm.models.chat import FAMILY
from centerlm.models.gguf import GGUF, read_gguf
from centerlm.models.lora import (
    ALPHA,
    BASE_SHA256,
    LORA_A,
    LORA_B,
    NOTES,
    PROMPTS,
    check_base,
    read_lora,
)
from centerlm.models.weights import file_sha256

if TYPE_CHECKING:
    from numpy import ndarray

    Array = ndarray[Any, Any]

__all__ = ["check_base", "merge", "read_peft", "to_gguf", "to_peft"]


def to_gguf(peft: Path, out: Path, *, base: Path, notes: str | None = None) -> Path:
    """Write a PEFT LoRA folder as a GGUF LoRA for `base`, the GGUF file llama.cpp will run.

    Values are rounded to 16-bit floats. `notes` says in a sentence what it was trained on; by
    default what the folder's own record says. The file appears whole or not at all.

    Raises:
        InputError: the folder is no LoRA, uses what GGUF cannot say, is of another base, or `out`
            cannot be written.
        MissingWeightsError: `base` is missing or truncated.
    """
    numpy, gguf = module("numpy"), module("gguf")
    lora, header = read_peft(peft), read_gguf(base)
    refuse_what_gguf_cannot_hold(lora, peft)
    heads, kv_heads = _heads(header)
    alpha = float(lora.config["lora_alpha"])
    arrays: dict[str, Array] = {}
    for name, pair in lora.pairs.items():
        target = gguf_name(name)
        if target is None or target not in header.layout:
            raise InputError(
                f"the adapter {peft} is of another base than {base.name} (there is no {name} in "
                "it); use it with the model it was trained on"
            )
        # llama.cpp divides alpha by the rank of each pair; whatever else scales it goes into B.
        b = pair.b * numpy.float32(pair.scale * pair.a.shape[0] / alpha)
        turned = reordered_heads(target, heads, kv_heads)
        if turned and b.shape[0] % (2 * turned) == 0:
            b = to_pairs(b, turned)
        arrays[f"{target}{LORA_A}"], arrays[f"{target}{LORA_B}"] = pair.a, b
    halved = {name: _half(array, name, peft) for name, array in arrays.items()}
    metadata = {
        BASE_SHA256: file_sha256(base),
        PROMPTS: FAMILY,
        NOTES: lora.record.get("notes", "") if notes is None else notes,
    }

    def write(path: Path) -> None:
        writer = gguf.GGUFWriter(path, header.metadata["general.architecture"])
        writer.add_type("adapter")
        writer.add_name(f"LoRA for {header.metadata.get('general.name', base.stem)}")
        writer.add_string("adapter.type", "lora")
        writer.add_float32(ALPHA, alpha)
        writer.add_head_count(heads)
        writer.add_head_count_kv(kv_heads)
        for key, value in metadata.items():
            writer.add_string(key, value)
        for name, array in halved.items():
            writer.add_tensor(name, array)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()

    _write_whole(out, write, base=header)
    return out


def to_peft(adapter: Path, folder: Path, *, base: Path | None = None) -> Path:
    """Write a GGUF LoRA as a PEFT folder that transformers, TRL and vLLM load.

    `base` is only needed for an adapter of another tool, which does not say how many heads its
    base has. `folder` must not exist, or be empty.

    Raises:
        InputError: `folder` is taken or cannot be written; the heads are not known; another base.
        MissingWeightsError: the adapter is missing, truncated or no LoRA.
    """
    lora = read_lora(adapter)
    if base is not None:
        check_base(adapter, base)
    heads, kv_heads = _heads(read_gguf(base) if base else lora.header)
    pairs: dict[str, tuple[Array, Array]] = {}
    for name in lora.shapes:
        target = torch_name(name)
        if target is None:
            raise InputError(f"the adapter {adapter} adapts {name}, which is not known here")
        a, b = (read_tensor(lora.header, lora.header.layout[name + s]) for s in (LORA_A, LORA_B))
        turned = reordered_heads(name, heads, kv_heads)
        pairs[target] = a, to_halves(b, turned) if turned else b
    record = {"base_sha256": lora.base_sha256, "prompts": lora.prompts, "notes": lora.notes}
    with new_folder(folder, needs=sum(a.nbytes + b.nbytes for a, b in pairs.values())) as made:
        write_peft(made, pairs, lora.alpha, record)
    return folder


def merge(peft: Path, out: Path, *, base: str | Path = DEFAULT, dtype: str = "float32") -> Path:
    """Write base and adapter as one transformers folder (safetensors), for vLLM, Ollama and others.

    `base` is what `load_base` takes: the one the adapter was trained on. `out` must not exist, or
    be empty.

    Raises:
        InputError: the adapter is of another base or no LoRA, or `out` cannot be written.
        MissingWeightsError: the base cannot be loaded.
    """
    torch, library = module("torch"), module("peft")
    kind = getattr(torch, dtype, None)
    if not isinstance(kind, torch.dtype):
        raise InputError(f"torch has no dtype {dtype!r}; write e.g. float32 or bfloat16")
    lora = read_peft(peft)
    model, tokenizer = load_base(base)
    check_fits(lora, peft, dict(model.named_parameters()), base_name(base))
    try:
        adapted = library.PeftModel.from_pretrained(model, str(peft))
        merged = adapted.merge_and_unload(safe_merge=True).to(kind)
    except (RuntimeError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{peft} cannot be merged ({short_answer(str(error))})") from None
    needs = sum(weight.nbytes for weight in merged.parameters())
    with new_folder(out, needs=needs) as made, disk_errors():
        tokenizer.save_pretrained(made)
        merged.save_pretrained(made)
    return out


def check_fits(lora: PeftLoRA, folder: Path, weights: Mapping[str, Any], base: str) -> None:
    """Refuse a PEFT LoRA whose pairs do not fit the weights of a model in torch.

    Raises:
        InputError: it is of another base than the one named `base`.
    """
    for name, pair in lora.pairs.items():
        shape = (pair.b.shape[0], pair.a.shape[1])
        weight = weights.get(name)
        if weight is None or tuple(weight.shape) != shape:
            there = f"is {_by(weight.shape)} there" if weight is not None else "is not in it"
            raise InputError(
                f"the adapter {folder} is of another base than {base} ({name} {there}, "
                f"{_by(shape)} in the adapter); name its own base"
            )


def _half(array: Array, name: str, folder: Path) -> Array:
    """In 16-bit floats; what does not fit is refused."""
    numpy = module("numpy")
    with numpy.errstate(over="ignore"):
        half: Array = array.astype(numpy.float16)
    if not numpy.isfinite(half).all():
        raise InputError(
            f"{name} of the adapter {folder} holds values that 16-bit floats cannot (infinite, not "
            "a number, or beyond 65,504); the training diverged: use an earlier checkpoint"
        )
    return half


def _write_whole(out: Path, write: Callable[[Path], None], base: GGUF) -> None:
    """Write and check a file beside `out`, then put it in place."""
    made: Path | None = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.", suffix=".gguf")
        os.close(handle)
        made = Path(name)
        write(made)
        check_base(made, base)
        made.chmod(0o644)
        made.replace(out)
    except OSError as error:
        raise InputError(cannot_write(out, error)) from None
    finally:
        if made is not None:
            made.unlink(missing_ok=True)


def _heads(header: GGUF) -> tuple[int, int]:
    """Heads of queries and of keys, of a base or of an adapter made here."""
    kind = header.metadata.get("general.architecture")
    heads = header.metadata.get(f"{kind}.attention.head_count")
    if kind != "llama" or not isinstance(heads, int):
        raise InputError(
            f"{header.path} does not say that it is a Llama and how many heads it has; for an "
            "adapter of another tool, give the base's GGUF file as well"
        )
    kv_heads = header.metadata.get(f"{kind}.attention.head_count_kv", heads)
    return heads, kv_heads


def _by(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
