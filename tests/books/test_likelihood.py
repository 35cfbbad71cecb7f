from __future__ import annotations

import math
from pathlib import Path

import pytest

from byte_scorer import ByteScorer
from centerlm.books.likelihood import (
    KeptScorer,
    Query,
    TorchScorer,
    bits_per_byte,
    context_of,
    gains,
)
from centerlm.errors import InputError


def test_bits_per_byte() -> None:
    assert bits_per_byte(math.log(2) * 8, "abcd") == pytest.approx(2.0)
    assert bits_per_byte(math.log(2) * 8, "ää") == pytest.approx(2.0)
    with pytest.raises(ValueError, match="empty"):
        bits_per_byte(1.0, "")


def test_notes_that_help_have_a_gain_and_others_none() -> None:
    scorer = ByteScorer()
    contexts = {
        "bare": context_of(scorer, "", "aaaa", 3, 10),
        "notes": context_of(scorer, "xyz", "aaaa", 3, 10),
        "random": context_of(scorer, "qqq", "aaaa", 3, 10),
    }
    assert contexts["notes"] == scorer.encode("xyz\n\naaa")
    found = gains(scorer, contexts, "xyza")
    assert found.gain("notes", "bare") == pytest.approx(bits_per_byte(6.0, "xyza"))
    assert found.gain("random", "bare") == 0.0


def test_notes_are_cut_to_their_budget() -> None:
    assert context_of(ByteScorer(), "y" + "x" * 99, "ab", 9, 4) == tuple(b"xx\n\nab")
    assert context_of(ByteScorer(), "xyz", "abc", 2, 0) == tuple(b"bc")


def test_kept_scores_are_not_asked_for_again(tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    first = ByteScorer()
    queries = [Query((1,), (2,)), Query((1,), (1,)), Query((1,), (2,))]
    assert KeptScorer(first, path).nats(queries) == [3.0, 1.0, 3.0]
    path.write_text(path.read_text() + '["half')
    again = ByteScorer()
    kept = KeptScorer(again, path)
    assert kept.nats(queries) == [3.0, 1.0, 3.0] and again.asked == []
    other = KeptScorer(ByteScorer(name="other"), path)
    assert other.nats(queries[:1]) == [3.0]
    assert KeptScorer(again, path).nats([*queries, Query((5,), (5,))])[-1] == 1.0
    assert again.asked == [1]


def test_torch_scores_are_those_of_the_model(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from tiny_llama import tiny_llama

    folder = tiny_llama(tmp_path / "tiny", context=64)
    scorer = TorchScorer(str(folder), batch_tokens=40)
    queries = [
        Query(scorer.encode("It was a dark"), scorer.encode(" and stormy")),
        Query(scorer.encode("x"), scorer.encode("y")),
        Query(scorer.encode("<|im_end|>"), scorer.encode("z")),
    ]
    assert len(queries[2].context) > 1  # text is never a special token
    model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    for query, found in zip(queries, scorer.nats(queries), strict=True):
        ids = torch.tensor([[*query.context, *query.target]])
        with torch.inference_mode():
            logs = torch.log_softmax(model(ids).logits[0], -1)
        at = len(query.context) - 1
        expected = -sum(float(logs[at + i, t]) for i, t in enumerate(query.target))
        assert found == pytest.approx(expected, rel=1e-4)
    assert scorer.decode(queries[0].target) == " and stormy"
    with pytest.raises(InputError, match="one token or more"):
        scorer.nats([Query((), (1,))])
    with pytest.raises(InputError, match="more than the 64"):
        scorer.nats([Query((1,) * 60, (2,) * 9)])
