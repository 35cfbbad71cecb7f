from __future__ import annotations

from pathlib import Path

import pytest

from centerlm.errors import MissingExtraError, MissingWeightsError
from centerlm.library.embed import MiniLM, find_embedder
from centerlm.models.weights import find

pytestmark = pytest.mark.local


@pytest.fixture(scope="module")
def model() -> MiniLM:
    try:
        return find_embedder()
    except (MissingExtraError, MissingWeightsError) as error:
        pytest.skip(str(error))


def test_vectors_have_length_one_and_keep_the_order(model: MiniLM) -> None:
    import numpy as np

    texts = ["A dog is barking.", "Port Blair is a capital.", "The dog barked.", ""]
    vectors = model.embed(texts)
    assert vectors.shape == (4, 384)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[2] > 0.6
    assert vectors[1] @ vectors[2] < 0.3


def test_padding_changes_no_vector(model: MiniLM) -> None:
    # Dynamic int8 quantisation scales by the batch, so not exactly equal.
    alone = model.embed(["The dog barked."])[0]
    among = model.embed(["The dog barked.", "A capital city of islands in the bay. " * 3])[0]
    assert alone @ among > 0.98


def test_batches_at_once_give_the_vectors_of_batches_in_turn(model: MiniLM) -> None:
    import numpy as np

    del model
    files = find("embeddings", "model.onnx"), find("embeddings", "tokenizer.json")
    texts = [f"The dog number {n} barked {'very ' * (n % 40)}loudly." for n in range(120)]
    in_turn, at_once = (MiniLM(*files, workers=n).embed(texts) for n in (1, 3))
    assert np.array_equal(in_turn, at_once)


def test_no_text_is_no_vector(model: MiniLM) -> None:
    assert model.embed([]).shape == (0, 384)


def test_missing_or_damaged_files(tmp_path: Path, model: MiniLM) -> None:
    del model
    with pytest.raises(MissingWeightsError, match="lacks"):
        MiniLM(tmp_path / "model.onnx", tmp_path / "tokenizer.json")
    (tmp_path / "model.onnx").write_bytes(b"x" * 100)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(MissingWeightsError, match="cannot be loaded"):
        MiniLM(tmp_path / "model.onnx", tmp_path / "tokenizer.json")
