"""The base that is trained: dequantising once, whole or not at all; names that keep bases apart."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import shutil
from pathlib import Path
from typing import Any

import pytest

from centerlm.errors import InputError, MissingWeightsError
from centerlm.learning.base import base_folder, base_name, dequantised, load_base
from centerlm.models.base import Message, Prompt
from centerlm.models.transformers import TransformersModel
from learning.tiny import tiny_gguf, tiny_model

torch: Any = pytest.importorskip("torch", reason="the train extra is not installed")
library: Any = pytest.importorskip("transformers", reason="the train extra is not installed")
pytest.importorskip("gguf", reason="the train extra is not installed")

TEXTS = ("In 1998, 12,345 things.", "a  b\n\n c ", "<|im_end|> é日本😀")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="module")
def gguf(model: Path) -> Path:
    return tiny_gguf(model, model.parent / "tiny.gguf")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CENTERLM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_weights_and_tokens_are_those_of_the_file(model: Path, gguf: Path) -> None:
    ours, tokenizer = load_base(gguf)
    theirs = library.AutoModelForCausalLM.from_pretrained(model)
    expected = theirs.state_dict()
    assert ours.state_dict().keys() == expected.keys()
    for name, weight in ours.state_dict().items():
        assert torch.equal(weight, expected[name]), name
    ids = torch.tensor([[1, 40, 50, 60, 2]])
    with torch.inference_mode():
        assert torch.equal(ours(ids).logits, theirs(ids).logits)
    reference = library.AutoTokenizer.from_pretrained(model)
    for text in TEXTS:
        for options in ({}, {"split_special_tokens": True}):
            assert tokenizer.encode(text, **options) == reference.encode(text, **options)
        assert tokenizer.decode(tokenizer.encode(text)) == text
    assert (tokenizer.eos_token, ours.config.eos_token_id) == ("<|im_end|>", 2)


def test_the_chat_template_is_our_rendering(gguf: Path) -> None:
    folder = dequantised(gguf)
    prompt = Prompt((Message("user", "Who?"), Message("assistant", "A."), Message("user", "When?")))
    tokenizer = library.AutoTokenizer.from_pretrained(folder)
    chat = [{"role": message.role, "content": message.text} for message in prompt.messages]
    rendered = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=False)
    assert tuple(rendered) == TransformersModel(folder).prompt_ids(prompt)


def test_it_is_made_once_and_found_again(gguf: Path, home: Path, tmp_path: Path) -> None:
    folder = dequantised(gguf)
    assert folder.parent == home / "torch"
    before = (folder / "model.safetensors").stat()
    assert dequantised(gguf) == folder
    assert (folder / "model.safetensors").stat() == before
    chosen = dequantised(gguf, tmp_path / "chosen")
    assert dequantised(gguf, chosen) == chosen == tmp_path / "chosen"
    assert (chosen / "model.safetensors").read_bytes() == (
        folder / "model.safetensors"
    ).read_bytes()


def test_a_folder_with_something_else_is_left_alone(gguf: Path, model: Path) -> None:
    before = (model / "config.json").read_bytes()
    with pytest.raises(InputError, match="is already there"):
        dequantised(gguf, model)
    assert (model / "config.json").read_bytes() == before


def _write(gguf: Path, made: Any) -> None:
    made.put(str(dequantised(gguf)))


def test_two_writers_make_one_folder(gguf: Path, home: Path) -> None:
    context = multiprocessing.get_context("fork")
    made: Any = context.Queue()
    both = [context.Process(target=_write, args=(gguf, made)) for _ in range(2)]
    for process in both:
        process.start()
    assert made.get(timeout=60) == made.get(timeout=60)
    for process in both:
        process.join()
        assert process.exitcode == 0
    visible = [path for path in (home / "torch").iterdir() if path.is_dir()]
    assert len(visible) == 1
    assert load_base(gguf)[0].config.num_hidden_layers == 2


def test_a_full_disk_leaves_nothing_behind(gguf: Path, home: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(InputError, match="disk is full or a file size limit"):
            dequantised(gguf)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path for path in (home / "torch").iterdir() if path.is_dir()] == []
    assert dequantised(gguf).is_dir()


def test_too_little_room_is_told_before_writing(gguf: Path, tmp_path: Path) -> None:
    from centerlm.learning.folders import new_folder

    with (
        pytest.raises(InputError, match=r"needs [\d.]+ GB .* free; free some space"),
        new_folder(tmp_path / "big", needs=1 << 60),
    ):
        raise AssertionError("nothing may be written")
    assert not list(tmp_path.glob("*big*"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(gguf: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="cannot be written"):
        dequantised(gguf, tmp_path / "x" / "y")
    tmp_path.chmod(0o700)


def test_a_home_that_is_a_file(gguf: Path, home: Path) -> None:
    home.write_text("not a folder")
    with pytest.raises(InputError, match="cannot be written"):
        dequantised(gguf)


def test_files_that_cannot_be_turned(gguf: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.gguf"
    data = gguf.read_bytes()
    for change, words in (
        (data[:-1000], "truncated"),
        (data.replace(b"output_norm.weight", b"output_noxx.weight"), "output_noxx.weight, which"),
        (data.replace(b"llama.block_count", b"llama.block_cxxxx"), "does not say how"),
        (data.replace(b"llama", b"gemma"), "is a gemma model and only Llama"),
    ):
        bad.write_bytes(change)
        with pytest.raises(MissingWeightsError, match=words):
            dequantised(bad)
    with pytest.raises(MissingWeightsError, match="no model file at"):
        dequantised(tmp_path / "none.gguf")


def test_names_keep_bases_apart(gguf: Path, model: Path) -> None:
    assert base_name(gguf) == base_name(dequantised(gguf)) == "gguf:tiny"
    assert base_name(model) == "folder:model"
    assert base_name("owner/name") == "hub:owner/name"
    assert base_folder("owner/name") == "owner/name"
    assert base_folder(model) == str(model)


def test_a_base_that_cannot_be_loaded(tmp_path: Path, model: Path) -> None:
    with pytest.raises(InputError, match="no dtype 'float17'"):
        load_base(model, dtype="float17")
    broken = tmp_path / "broken"
    shutil.copytree(model, broken)
    (broken / "config.json").write_text(json.dumps({"model_type": "nonsense"}))
    with pytest.raises(MissingWeightsError, match="cannot be loaded"):
        load_base(broken)
