"""The centers a benchmark measures, by the words of its `--center` option.

`untrained` is the default model as it comes, `few-shot` the same shown example plans, `FILE.gguf`
the same with that LoRA adapter. Every model call is kept in the cache folder: after an interruption
the same command goes on where it stopped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from centerlm.center import EXAMPLES, CenterLM
from centerlm.errors import InputError
from centerlm.models import RecordingModel
from centerlm.models.llama_cpp import LlamaCppModel
from centerlm.models.llama_server import Adapter

UNTRAINED, FEW_SHOT = "untrained", "few-shot"


@dataclass(frozen=True, slots=True)
class CenterSpec:
    """A center to measure: its name in the report, its adapter, whether it is shown examples."""

    name: str
    adapter: Path | None = None
    examples: bool = False

    @property
    def sha256(self) -> str | None:
        if self.adapter is None:
            return None
        return hashlib.sha256(self.adapter.read_bytes()).hexdigest()


def center_specs(words: Sequence[str]) -> list[CenterSpec]:
    """The centers these words name, in order.

    Raises:
        InputError: one is neither, or two would have the same name in the report.
    """
    specs: list[CenterSpec] = []
    for word in words:
        if word in (UNTRAINED, FEW_SHOT):
            specs.append(CenterSpec(word, examples=word == FEW_SHOT))
            continue
        path = Path(word).expanduser()
        if not path.is_file():
            raise InputError(
                f"{word!r} is no center: give {UNTRAINED}, {FEW_SHOT}, or an adapter's .gguf file"
            )
        specs.append(CenterSpec(path.stem, path))
    names = [spec.name for spec in specs]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InputError(f"two centers are called {twice!r}; rename one of the files")
    return specs


def open_center(
    spec: CenterSpec, cache: Path, *, slots: int = 4, threads: int = 1, context: int = 4096
) -> CenterLM:
    """The center on llama.cpp, its answers kept in `cache`; close its model after use."""
    adapters = (Adapter(spec.adapter),) if spec.adapter is not None else ()
    model = LlamaCppModel(adapters=adapters, slots=slots, threads=threads, context=context)
    return CenterLM(
        RecordingModel(model, cache / "answers"), examples=EXAMPLES if spec.examples else ()
    )
