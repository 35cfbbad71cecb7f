"""LoRA adapters in GGUF form, as llama.cpp applies them: whether one is whole and fits a base.

Reads headers only and needs no optional package. Besides llama.cpp's own metadata an adapter made
here says which base file it was made for (SHA-256), which rendering of prompts it was trained on,
and in a sentence what on. The adapter that ships with the package is `shipped_adapter`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from centerlm.errors import InputError, MissingWeightsError
from centerlm.models.chat import FAMILY
from centerlm.models.gguf import GGUF, read_gguf
from centerlm.models.weights import file_sha256

BASE_SHA256 = "centerlm.adapter.base_sha256"
PROMPTS = "centerlm.adapter.prompts"
NOTES = "centerlm.adapter.notes"
ALPHA = "adapter.lora.alpha"
LORA_A, LORA_B = ".lora_a", ".lora_b"

ADAPTERS = Path(__file__).with_name("adapters")
"""Where adapters that ship with the package lie, each with a model card beside it."""

_EMBEDDING = "token_embd.weight"


@dataclass(frozen=True, slots=True)
class LoRA:
    """A LoRA adapter's header. `shapes`: name of the adapted tensor -> (rows, rank, columns).

    `base_sha256` and `prompts` are None in an adapter not made by centerlm.
    """

    header: GGUF
    alpha: float
    shapes: dict[str, tuple[int, int, int]]
    base_sha256: str | None
    prompts: str | None
    notes: str

    @property
    def path(self) -> Path:
        return self.header.path


def shipped_adapter() -> Path | None:
    """The trained center's adapter for the default model, where this package has one."""
    path = ADAPTERS / "default.gguf"
    return path if path.is_file() else None


def present(adapter: Path) -> None:
    """Raise MissingWeightsError where there is no such file."""
    if not adapter.is_file():
        raise MissingWeightsError(
            f"there is no adapter at {adapter}; give the path of a LoRA in GGUF form"
        )


def read_lora(path: Path) -> LoRA:
    """The header of the adapter at `path`.

    Raises:
        MissingWeightsError: there is no file, it is truncated, or not a LoRA adapter.
    """
    present(path)
    try:
        header = read_gguf(path)
    except MissingWeightsError:
        raise MissingWeightsError(
            f"the adapter {path} is truncated or not a GGUF file; copy it again, or export it "
            "again with: centerlm adapter export"
        ) from None
    data, alpha = header.metadata, header.metadata.get(ALPHA)
    kind = data.get("general.type"), data.get("adapter.type")
    if kind != ("adapter", "lora") or not isinstance(alpha, int | float) or not header.layout:
        raise MissingWeightsError(
            f"{path} is not a LoRA adapter in GGUF form; give the adapter's own file"
        )
    return LoRA(
        header,
        float(alpha),
        _shapes(header),
        _text(data.get(BASE_SHA256)),
        _text(data.get(PROMPTS)),
        _text(data.get(NOTES)) or "",
    )


def check_base(adapter: Path, base: Path | GGUF) -> None:
    """Refuse an adapter that does not belong to a base model (a GGUF file).

    The tensors it adapts must be in the base with the same shapes; where it records its base, that
    must be this very file, since another quantisation of the same weights gives other answers.

    Raises:
        InputError: it is of another base, or was trained on prompts rendered in another way.
        MissingWeightsError: a file is missing, truncated, or not what it should be.
    """
    lora = read_lora(adapter)
    model = read_gguf(base) if isinstance(base, Path) else base
    if problem := _misfit(lora, model):
        raise InputError(
            f"the adapter {adapter} is of another base than {model.path.name} ({problem}); use it "
            "with the model it was trained on, or train one for this model"
        )
    if lora.prompts not in (None, FAMILY):
        raise InputError(
            f"the adapter {adapter} was trained on prompts of the form {lora.prompts}, and this "
            f"version writes {FAMILY}; train it again, or use the version that made it"
        )


def _misfit(lora: LoRA, base: GGUF) -> str | None:
    """Why an adapter cannot belong to a base."""
    kind = "general.architecture"
    if (ours := lora.header.metadata.get(kind)) != (theirs := base.metadata.get(kind)):
        return f"it is for {ours}, this is {theirs}"
    for name, (rows, _, columns) in lora.shapes.items():
        place = base.layout.get(name)
        if place is None:
            return f"there is no {name} in it"
        # llama.cpp looks embeddings up by row, so their adapters are laid out the other way round.
        if name != _EMBEDDING and place.shape != (rows, columns):
            return f"{name} is {_by(place.shape)} there, {_by((rows, columns))} in the adapter"
    if lora.base_sha256 is not None and file_sha256(base.path) != lora.base_sha256:
        return f"it records a base with SHA-256 {lora.base_sha256[:12]}..."
    return None


def _shapes(header: GGUF) -> dict[str, tuple[int, int, int]]:
    shapes: dict[str, tuple[int, int, int]] = {}
    for name, tensor in header.layout.items():
        target, other = name.removesuffix(LORA_A), f"{name.removesuffix(LORA_A)}{LORA_B}"
        if name.endswith(LORA_B) and f"{name.removesuffix(LORA_B)}{LORA_A}" in header.layout:
            continue
        b = header.layout.get(other)
        if b is None or not name.endswith(LORA_A) or len(tensor.shape) != 2 or len(b.shape) != 2:
            raise MissingWeightsError(
                f"{header.path} is not a whole LoRA adapter: {name} has no second half; export "
                "it again"
            )
        if tensor.shape[0] != b.shape[1]:
            raise MissingWeightsError(
                f"{header.path} is not a whole LoRA adapter: the halves of {target} are "
                f"{_by(b.shape)} and {_by(tensor.shape)}; export it again"
            )
        shapes[target] = b.shape[0], tensor.shape[0], tensor.shape[1]
    return shapes


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
