"""The base model that is trained: torch weights of a hub name, a folder, or a GGUF file.

A GGUF file, as the default model is one, is dequantised once into a transformers folder (32-bit
safetensors, tokenizer) and kept in the data folder, so that what is trained is what llama.cpp
runs, to the bit of its quantised weights. Needs the extra `train`.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from centerlm.errors import InputError, MissingExtraError, MissingWeightsError
from centerlm.finding import short_answer
from centerlm.learning.folders import cannot_write, new_folder
from centerlm.learning.layout import reordered_heads, to_halves, torch_name
from centerlm.models.chat import END, START
from centerlm.models.gguf import GGUF, Tensor, read_gguf
from centerlm.models.tokenizer import tokenizer_of
from centerlm.models.weights import file_sha256, find, home

if TYPE_CHECKING:
    from numpy import ndarray

    Array = ndarray[Any, Any]

DEFAULT = "default"
RECORD = "centerlm.json"
"""In a folder made here: which GGUF file it was made of."""

TEMPLATE = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' "
    "}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
"""ChatML exactly as `models.chat` renders it: no system message is added."""

_ROOM = 20_000_000
"""Bytes for everything in a model's folder but its weights."""


def load_base(source: str | Path = DEFAULT, *, dtype: str = "float32") -> tuple[Any, Any]:
    """`(model, tokenizer)` of transformers, on the CPU, from what `base_folder` takes.

    `dtype` is torch's name, e.g. "bfloat16".

    Raises:
        InputError: there is no such dtype, or the disk is full.
        MissingWeightsError: the model cannot be loaded.
        MissingExtraError: the extra `train` is not installed.
    """
    torch, library = module("torch"), module("transformers")
    kind = getattr(torch, dtype, None)
    if not isinstance(kind, torch.dtype):
        raise InputError(f"torch has no dtype {dtype!r}; write e.g. float32 or bfloat16")
    place = base_folder(source)
    try:
        tokenizer = library.AutoTokenizer.from_pretrained(place)
        model = library.AutoModelForCausalLM.from_pretrained(place, dtype=kind)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise MissingWeightsError(
            f"the base model {source} cannot be loaded ({short_answer(str(error))}); check the "
            "name, the folder or the network"
        ) from None
    return model, tokenizer


def base_folder(source: str | Path = DEFAULT) -> str:
    """What transformers loads for `source`: "default", a GGUF file, a folder or a hub name.

    GGUF files are dequantised first; folders and hub names are used as they are.

    Raises:
        As `dequantised`; MissingWeightsError also where the default model is not on this machine.
    """
    if str(source) == DEFAULT:
        return str(dequantised(find(DEFAULT)))
    path = Path(source).expanduser()
    if path.suffix == ".gguf":
        return str(dequantised(path))
    return str(path if path.is_dir() else source)


def base_name(source: str | Path = DEFAULT) -> str:
    """What results call the base, so that dequantised and original weights are kept apart.

    `gguf:STEM` for a GGUF file and for a folder made of one, `folder:NAME`, or `hub:OWNER/NAME`.
    """
    if str(source) == DEFAULT:
        return f"gguf:{Path(find(DEFAULT)).stem}"
    path = Path(source).expanduser()
    if path.suffix == ".gguf":
        return f"gguf:{path.stem}"
    if path.is_dir():
        made_of = _record(path).get("gguf")
        return f"gguf:{made_of}" if made_of else f"folder:{path.name}"
    return f"hub:{source}"


def dequantised(gguf: Path, folder: Path | None = None) -> Path:
    """The GGUF model as a transformers folder: 32-bit safetensors, configuration, tokenizer.

    By default kept under `torch/` of the data folder, by the file's SHA-256, and made only once
    (seconds; 4 bytes a weight); a second process waits for the first. A folder given that holds
    the same file's weights already is used as it is.

    Raises:
        InputError: `folder` holds something else, or the disk is full.
        MissingWeightsError: the file is missing, truncated, or not a Llama with a tokenizer known
            here.
        MissingExtraError: the extra `train` is not installed.
    """
    header = read_gguf(gguf)
    sha256 = file_sha256(gguf)
    target = folder or home() / "torch" / sha256[:16]
    if _holds(target, sha256):
        return target
    with _one_writer(target):
        if not _holds(target, sha256):
            floats = sum(math.prod(tensor.shape) for tensor in header.layout.values())
            with new_folder(target, needs=4 * floats + _ROOM) as made:
                _write(header, made)
                record = {"gguf": gguf.stem, "gguf_sha256": sha256}
                (made / RECORD).write_text(json.dumps(record) + "\n", encoding="utf-8")
    return target


def save_arrays(arrays: dict[str, Array], path: Path) -> None:
    """Write a safetensors file as torch libraries want it.

    Raises:
        OSError: it cannot be written; a full disk has its usual number.
    """
    numpy_side = module("safetensors.numpy")
    with disk_errors():
        numpy_side.save_file(arrays, path, metadata={"format": "pt"})


@contextmanager
def disk_errors() -> Generator[None]:
    """Errors of the safetensors library while writing, as the OSError they are of."""
    library = module("safetensors")
    try:
        yield
    except library.SafetensorError as error:
        # The system's error stands in its text: "Os { code: 28, ... }" or "(os error 28)".
        code = re.search(r"(?:code: |os error )(\d+)", str(error))
        number = int(code[1]) if code else 0
        raise OSError(number, os.strerror(number) if code else short_answer(str(error))) from None


def _write(header: GGUF, folder: Path) -> None:
    library = module("transformers")
    config = _config(header)
    _tokenizer(header).save_pretrained(folder)
    library.LlamaConfig(**config).save_pretrained(folder)
    generation = {k: v for k, v in config.items() if k.endswith("_token_id")}
    library.GenerationConfig(**generation).save_pretrained(folder)
    save_arrays(_arrays(header, config), folder / "model.safetensors")


def _config(header: GGUF) -> dict[str, Any]:
    """The arguments of `LlamaConfig`."""
    data = header.metadata
    if (kind := data.get("general.architecture")) != "llama":
        raise MissingWeightsError(
            f"{header.path.name} is a {kind} model and only Llama models are turned into torch "
            "weights here; give the hub name or folder of the original weights"
        )
    if any(data.get(f"llama.rope.scaling.{key}") for key in ("type", "factor")) or (
        "rope_freqs.weight" in header.layout
    ):
        raise MissingWeightsError(
            f"{header.path.name} stretches its context (RoPE scaling), which is not known here; "
            "give the hub name or folder of the original weights"
        )
    try:
        heads = int(data["llama.attention.head_count"])
        size = int(data["llama.embedding_length"])
        config: dict[str, Any] = {
            "architectures": ["LlamaForCausalLM"],
            "vocab_size": header.layout["token_embd.weight"].shape[0],
            "hidden_size": size,
            "intermediate_size": int(data["llama.feed_forward_length"]),
            "num_hidden_layers": int(data["llama.block_count"]),
            "num_attention_heads": heads,
            "num_key_value_heads": int(data.get("llama.attention.head_count_kv", heads)),
            "head_dim": int(data.get("llama.attention.key_length", size // heads)),
            "max_position_embeddings": int(data["llama.context_length"]),
            "rms_norm_eps": float(data["llama.attention.layer_norm_rms_epsilon"]),
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": float(data.get("llama.rope.freq_base", 10000.0)),
            },
            "tie_word_embeddings": "output.weight" not in header.layout,
        }
    except (KeyError, TypeError, ValueError) as error:
        raise MissingWeightsError(
            f"{header.path.name} does not say how its layers are built ({error}); get it again, "
            "or give the hub name of the original weights"
        ) from None
    ids = {"bos": "bos", "eos": "eos", "pad": "padding"}
    for name, key in ids.items():
        value = data.get(f"tokenizer.ggml.{key}_token_id")
        config[f"{name}_token_id"] = int(value) if value is not None else None
    return config


def _tokenizer(header: GGUF) -> Any:
    """The tokenizer as a transformers object; a turn's end token ends an answer."""
    from tokenizers import AddedToken

    known = tokenizer_of(header)
    bpe: Any = known.bpe
    bpe.add_special_tokens(
        [AddedToken(token, special=True, normalized=False) for token in known.special]
    )
    tokens: list[str] = header.metadata["tokenizer.ggml.tokens"]
    names = {"bos_token": "bos", "eos_token": "eos", "pad_token": "padding", "unk_token": "unknown"}
    special: dict[str, str] = {}
    for name, key in names.items():
        value = header.metadata.get(f"tokenizer.ggml.{key}_token_id")
        if isinstance(value, int) and 0 <= value < len(tokens):
            special[name] = tokens[value]
    chat = START in known.special and END in known.special
    if chat:
        special["eos_token"] = END
    wrapped = module("transformers").PreTrainedTokenizerFast(
        tokenizer_object=bpe, clean_up_tokenization_spaces=False, **special
    )
    if chat:
        wrapped.chat_template = TEMPLATE
    return wrapped


def _arrays(header: GGUF, config: dict[str, Any]) -> dict[str, Array]:
    """All weights in 32-bit floats, under their torch names and in torch's order of rows."""
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    arrays: dict[str, Array] = {}
    for name, tensor in header.layout.items():
        target = torch_name(name)
        if target is None:
            raise MissingWeightsError(
                f"{header.path.name} holds {name}, which is not known here; give the hub name or "
                "folder of the original weights"
            )
        array = read_tensor(header, tensor)
        turned = reordered_heads(name, heads, kv_heads)
        arrays[target] = to_halves(array, turned) if turned else array
    return arrays


def read_tensor(header: GGUF, tensor: Tensor) -> Array:
    """A tensor of a GGUF file, dequantised to 32-bit floats.

    Raises:
        MissingWeightsError: the `gguf` package does not know its type.
    """
    import numpy

    gguf = module("gguf")
    try:
        kind = gguf.GGMLQuantizationType(tensor.kind)
        block, size = gguf.GGML_QUANT_SIZES[kind]
        columns = tensor.shape[-1] // block * size
        raw = numpy.memmap(
            header.path,
            numpy.uint8,
            "r",
            tensor.offset,
            (*tensor.shape[:-1], columns),
        )
        wide: Array = gguf.quants.dequantize(raw, kind)
    except (ValueError, KeyError, NotImplementedError):
        raise MissingWeightsError(
            f"{header.path.name} is quantised in a way the gguf package cannot read (type "
            f"{tensor.kind}); give the hub name or folder of the original weights"
        ) from None
    return numpy.ascontiguousarray(wide.reshape(tensor.shape), dtype=numpy.float32)


def _holds(folder: Path, sha256: str) -> bool:
    """Whether a folder holds the weights of the GGUF file with that hash."""
    return _record(folder).get("gguf_sha256") == sha256


def _record(folder: Path) -> dict[str, str]:
    try:
        return json.loads((folder / RECORD).read_bytes())
    except (OSError, ValueError):
        return {}


@contextmanager
def _one_writer(target: Path) -> Generator[None]:
    """Wait until nobody else writes `target`; the lock ends with the process that holds it."""
    import fcntl

    lock = target.with_name(f".{target.name}.lock")
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(lock, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise InputError(cannot_write(target, error)) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def module(name: str) -> Any:
    """A module of the extra `train`; MissingExtraError where it is not installed."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        raise MissingExtraError(name, "train") from None
