"""The smallest comparison that goes through everything: a tiny random model, two small worlds."""

from __future__ import annotations

from pathlib import Path

import pytest

from centerlm.comparison.settings import Comparison
from learning.tiny import tiny_gguf, tiny_model


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Comparison:
    for module in ("xllamacpp", "torch", "transformers", "peft", "gguf", "matplotlib"):
        pytest.importorskip(module, reason="needs the extras `local` and `train`")
    monkeypatch.setenv("CENTERLM_HOME", str(tmp_path / "home"))
    base = tiny_gguf(tiny_model(tmp_path / "tiny", context=4096), tmp_path / "tiny.gguf")
    return Comparison(
        base=str(base),
        seeds=1,
        tokens=2_000,
        rates=(1e-3,),
        hops=(1,),
        questions=1,
        worlds=2,
        people=6,
        formats=6,
        check=1,
        rank=2,
        row_tokens=2_000,
        calls=1,
        vectors=False,
        slots=2,
        threads=1,
    )
