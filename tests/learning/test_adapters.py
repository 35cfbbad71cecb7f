"""LoRA adapters between PEFT, GGUF and merged weights, on a tiny random Llama."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from centerlm.errors import InputError, MissingWeightsError
from centerlm.learning import adapters
from centerlm.learning.adapters import check_base, merge, to_gguf, to_peft
from centerlm.models.lora import read_lora
from learning.lora import LETTERS, adapted, differences, load, random_lora, told
from learning.tiny import tiny_gguf, tiny_model

torch: Any = pytest.importorskip("torch", reason="the train extra is not installed")
library: Any = pytest.importorskip("transformers", reason="the train extra is not installed")
peft: Any = pytest.importorskip("peft", reason="the train extra is not installed")
pytest.importorskip("gguf", reason="the train extra is not installed")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("home")
        patch.setenv("CENTERLM_HOME", str(folder))
        yield folder


@pytest.fixture(scope="module")
def model(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="module")
def base(model: Path) -> Path:
    return tiny_gguf(model, model.parent / "tiny.gguf")


@pytest.fixture(scope="module")
def lora(model: Path) -> Path:
    return random_lora(model, model.parent / "lora")


@pytest.fixture(scope="module")
def gguf(lora: Path, base: Path) -> Path:
    return to_gguf(lora, base.parent / "adapter.gguf", base=base, notes="Nothing real.")


def weights_of(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(folder / "adapter_model.safetensors")


def logits(model: Any, text: str = "the other thing in there") -> Any:
    ids = torch.tensor([[1, *text.encode(), 2]])
    with torch.inference_mode():
        return model(ids).logits[0]


def test_there_and_back_is_the_same_within_16_bits(lora: Path, gguf: Path, tmp_path: Path) -> None:
    before, after = weights_of(lora), weights_of(to_peft(gguf, tmp_path / "back"))
    assert before.keys() == after.keys()
    for name, weight in before.items():
        assert torch.equal(weight.half().float(), after[name]), name
    assert not torch.equal(before[name := next(iter(before))], after[name])
    record = json.loads((tmp_path / "back" / "centerlm.json").read_text())
    assert record["notes"] == "Nothing real." and len(record["base_sha256"]) == 64


def test_peft_loads_what_came_back(model: Path, lora: Path, gguf: Path, tmp_path: Path) -> None:
    again = adapted(model, to_peft(gguf, tmp_path / "back"))
    plain, one, two = logits(load(model)), logits(adapted(model, lora)), logits(again)
    assert (one - two).abs().max() < 0.02 < 1 < (one - plain).abs().max()


def test_the_record_outlives_the_round(base: Path, gguf: Path, tmp_path: Path) -> None:
    back = to_peft(gguf, tmp_path / "back")
    again = read_lora(to_gguf(back, tmp_path / "again.gguf", base=base))
    first = read_lora(gguf)
    assert (again.notes, again.base_sha256, again.alpha) == (
        "Nothing real.", first.base_sha256, first.alpha,
    )  # fmt: skip
    assert gguf.read_bytes() == again.path.read_bytes()


@pytest.mark.parametrize(
    "options",
    [
        {"use_rslora": True},
        {"rank_pattern": {"q_proj": 2}, "alpha_pattern": {"layers.1.self_attn.k_proj": 3}},
        {"target_modules": ["q_proj"], "layers_to_transform": [1]},
    ],
)
def test_scales_of_every_kind(
    model: Path, base: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    lora = random_lora(model, tmp_path / "lora", **options)
    back = to_peft(to_gguf(lora, tmp_path / "a.gguf", base=base), tmp_path / "back")
    plain, one = logits(load(model)), logits(adapted(model, lora))
    assert (one - logits(adapted(model, back))).abs().max() < 0.02
    assert (one - plain).abs().max() > 0.3


def test_merged_weights_answer_as_base_and_adapter_do(
    model: Path, lora: Path, tmp_path: Path
) -> None:
    merge(lora, tmp_path / "merged", base=model)
    one, two = logits(adapted(model, lora)), logits(load(tmp_path / "merged"))
    assert (one - two).abs().max() < 1e-4 < 1 < (one - logits(load(model))).abs().max()
    merge(lora, tmp_path / "small", base=model, dtype="bfloat16")
    assert load(tmp_path / "small").dtype == torch.bfloat16
    tokenizer = library.AutoTokenizer.from_pretrained(tmp_path / "small")
    assert tokenizer.eos_token == "<|im_end|>"


@pytest.mark.local
def test_llama_cpp_and_torch_agree(
    model: Path, lora: Path, base: Path, gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("xllamacpp", reason="the local extra is not installed")
    torch_model = adapted(model, lora)
    rows = told(base, gguf, grammar=LETTERS)
    assert max(differences(torch_model, rows)) < 0.02
    assert max(differences(load(model), rows)) > 1
    monkeypatch.setattr(adapters, "to_pairs", lambda rows, heads: rows)
    wrong = to_gguf(lora, gguf.with_name("wrong.gguf"), base=base)
    assert max(differences(torch_model, told(base, wrong, grammar=LETTERS))) > 0.5


def test_another_base_is_refused(
    lora: Path, gguf: Path, base: Path, model: Path, tmp_path: Path
) -> None:
    check_base(gguf, base)
    wider = tiny_gguf(tiny_model(tmp_path / "wider", hidden=96), tmp_path / "wider.gguf")
    with pytest.raises(InputError, match=r"another base .*ffn_down.weight is 96 x 128 there"):
        check_base(gguf, wider)
    with pytest.raises(InputError, match="is of another base"):
        to_gguf(lora, tmp_path / "a.gguf", base=wider)
    shorter = tiny_gguf(tiny_model(tmp_path / "short", layers=1), tmp_path / "short.gguf")
    with pytest.raises(InputError, match=r"no model.layers.1"):
        to_gguf(lora, tmp_path / "a.gguf", base=shorter)
    with pytest.raises(InputError, match=r"another base .*64 x 128 in the adapter"):
        merge(lora, tmp_path / "merged", base=tmp_path / "wider")
    other = tiny_gguf(tiny_model(tmp_path / "other", seed=1), tmp_path / "other.gguf")
    with pytest.raises(InputError, match=r"it records a base with SHA-256 \w{12}"):
        check_base(gguf, other)
    assert not list(tmp_path.glob("*a.gguf*")) and not (tmp_path / "merged").exists()


def test_what_gguf_cannot_hold_is_refused(model: Path, base: Path, tmp_path: Path) -> None:
    for name, options in (("use_dora", {"use_dora": True}), ("bias", {"bias": "all"})):
        lora = random_lora(model, tmp_path / name, **options)
        with pytest.raises(InputError, match=rf"cannot hold \({name}\); export it with --merged"):
            to_gguf(lora, tmp_path / "a.gguf", base=base)
    merge(tmp_path / "use_dora", tmp_path / "merged", base=model)
    one, two = logits(adapted(model, tmp_path / "use_dora")), logits(load(tmp_path / "merged"))
    assert (one - two).abs().max() < 1e-3


def test_diverged_values_are_refused(model: Path, base: Path, tmp_path: Path) -> None:
    lora = random_lora(model, tmp_path / "lora", size=1e6)
    with pytest.raises(InputError, match=r"16-bit floats cannot .* earlier checkpoint"):
        to_gguf(lora, tmp_path / "a.gguf", base=base)
    assert [path.name for path in tmp_path.iterdir()] == ["lora"]


def test_folders_that_are_no_lora(lora: Path, base: Path, tmp_path: Path) -> None:
    def fails(error: type[Exception], words: str) -> None:
        with pytest.raises(error, match=words):
            to_gguf(tmp_path / "x", tmp_path / "a.gguf", base=base)

    fails(InputError, "not a PEFT adapter")
    (tmp_path / "x").mkdir()
    config, weights = tmp_path / "x" / "adapter_config.json", "adapter_model.safetensors"
    config.write_text('{"peft_type": "IA3", "r": 1, "lora_alpha": 1}')
    fails(InputError, "not a LoRA")
    config.write_bytes((lora / "adapter_config.json").read_bytes())
    fails(MissingWeightsError, "no adapter at")
    whole = (lora / weights).read_bytes()
    (tmp_path / "x" / weights).write_bytes(whole[:-100])
    fails(MissingWeightsError, "truncated or not")
    config.write_text("[]")
    fails(InputError, "no readable adapter_config.json")


def test_a_folder_that_is_taken_is_left_alone(gguf: Path, lora: Path, model: Path) -> None:
    for write in (lambda: to_peft(gguf, lora), lambda: merge(lora, lora, base=model)):
        before = sorted(path.name for path in lora.iterdir())
        with pytest.raises(InputError, match="is already there"):
            write()
        assert sorted(path.name for path in lora.iterdir()) == before


def test_an_adapter_of_another_tool_needs_its_base(gguf: Path, base: Path, tmp_path: Path) -> None:
    data = gguf.read_bytes()
    for key in (b"llama.attention.head_count_kv", b"llama.attention.head_count"):
        data = data.replace(key, key[:-1] + b"x")
    foreign = tmp_path / "foreign.gguf"
    foreign.write_bytes(data)
    with pytest.raises(InputError, match="give the base's GGUF file as well"):
        to_peft(foreign, tmp_path / "one")
    two = to_peft(foreign, tmp_path / "two", base=base)
    ours = weights_of(to_peft(gguf, tmp_path / "ours"))
    assert all(torch.equal(ours[name], weight) for name, weight in weights_of(two).items())
