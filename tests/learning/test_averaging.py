"""The mean of adapters: what it says, and what it refuses to be taken of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from centerlm.errors import InputError
from centerlm.learning.averaging import mean
from centerlm.learning.peft_folder import read_peft
from learning.lora import adapted, random_lora
from learning.tiny import tiny_model

torch: Any = pytest.importorskip("torch", reason="the train extra is not installed")
pytest.importorskip("peft", reason="the train extra is not installed")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CENTERLM_HOME", str(tmp_path_factory.mktemp("home")))
        return tiny_model(tmp_path_factory.mktemp("tiny") / "model")


def said(model: Path, lora: Path) -> Any:
    with torch.inference_mode():
        return adapted(model, lora)(torch.tensor([[1, *b"the other thing", 2]])).logits[0]


@pytest.mark.parametrize("options", [{}, {"use_rslora": True}, {"alpha_pattern": {"q_proj": 3}}])
def test_a_mean_lies_between(model: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    one = random_lora(model, tmp_path / "one", **options)
    two = random_lora(model, tmp_path / "two", size=0.1, **options)
    before = {path: read_peft(path).pairs for path in (one, two)}
    after = read_peft(mean([one, two], tmp_path / "mean")).pairs
    assert after.keys() == before[one].keys()
    for name, pair in after.items():
        first, second = before[one][name], before[two][name]
        assert pair.a == pytest.approx((first.a + second.a) / 2, abs=1e-6)
        whole = (first.scale * first.b + second.scale * second.b) / 2
        assert pair.scale * pair.b == pytest.approx(whole, abs=1e-5)
    assert max(abs(pair.b).max() for pair in after.values()) > 0.1


def test_the_mean_of_the_same_says_the_same(model: Path, tmp_path: Path) -> None:
    lora = random_lora(model, tmp_path / "lora", alpha_pattern={"q_proj": 3})
    same = mean([lora, lora, lora], tmp_path / "mean")
    assert (said(model, same) - said(model, lora)).abs().max() < 1e-4


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"r": 2}, "has rank 2"),
        ({"lora_alpha": 16}, "is scaled by 4 and 2"),
        ({"target_modules": ["q_proj"]}, "only one of them adapts"),
    ],
)
def test_unlike_adapters_are_refused(
    model: Path, tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    one = random_lora(model, tmp_path / "one")
    two = random_lora(model, tmp_path / "two", **options)
    with pytest.raises(InputError, match=words):
        mean([one, two], tmp_path / "mean")
    assert not (tmp_path / "mean").exists()


def test_one_adapter_has_no_mean(model: Path, tmp_path: Path) -> None:
    lora = random_lora(model, tmp_path / "lora")
    with pytest.raises(InputError, match="of two adapters or more"):
        mean([lora], tmp_path / "mean")
