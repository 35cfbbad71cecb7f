"""Scores of held-out replies: exact match of greedy replies, without decoding."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from centerlm.learning.encoding import encode
from centerlm.learning.example import TrainingExample
from centerlm.learning.packing import Tokens
from centerlm.learning.score import exact_replies, lost, reply_losses, right_replies
from centerlm.models.chat import render
from learning.taught import examples, loaded
from learning.tiny import tiny_model


def test_a_reply_is_right_if_greedy_decoding_would_write_it(tmp_path: Path) -> None:
    import torch

    model, encoder = loaded(tiny_model(tmp_path / "tiny"))
    asked = examples(6)
    scores = exact_replies(model, encoder, asked, row_tokens=400)
    for act in scores:
        greedy: list[bool] = []
        for example in (e for e in asked if e.act == act):
            ids = render(example.prompt, encoder)
            target = [*encoder.encode(example.target), encoder.special["<|im_end|>"]]
            with torch.no_grad():
                made = model.generate(
                    torch.tensor([ids]), max_new_tokens=len(target), do_sample=False,
                    eos_token_id=None, pad_token_id=0,
                )  # fmt: skip
            greedy.append(made[0, len(ids) :].tolist() == target)
        assert scores[act] == pytest.approx(sum(greedy) / len(greedy))


def test_what_the_model_would_write_scores_one(tmp_path: Path) -> None:
    """The replies of the model itself, as far as they are text: those are exactly right."""
    import torch

    model, encoder = loaded(tiny_model(tmp_path / "tiny"))
    bias = torch.zeros(model.config.vocab_size)
    end = encoder.special["<|im_end|>"]
    bias[end] = 1e6  # every reply ends at once
    model.lm_head.register_forward_hook(lambda *args: args[-1] + bias)
    empty = [TrainingExample(e.act, e.prompt, "", e.id, e.origin) for e in examples(8)]
    assert set(exact_replies(model, encoder, empty, row_tokens=400).values()) == {1.0}


def test_replies_are_judged_in_the_order_they_are_given(tmp_path: Path) -> None:
    """What the model writes itself is right, and wrong with any one of its tokens changed."""
    import torch

    model, encoder = loaded(tiny_model(tmp_path / "tiny"))
    mixed: list[Tokens] = []
    for n, example in enumerate(examples(6)):
        tokens = encode(example, encoder)
        prompt = tokens.ids[: tokens.prompt]
        with torch.no_grad():
            made = model.generate(
                torch.tensor([prompt]), max_new_tokens=3, do_sample=False,
                eos_token_id=None, pad_token_id=0,
            )  # fmt: skip
        reply = made[0, len(prompt) :].tolist()
        wrong = [*reply]
        wrong[n % 3] = (wrong[n % 3] + 1) % 200
        mixed += [replace(tokens, ids=(*prompt, *said)) for said in (reply, wrong)]
    assert right_replies(model, mixed, row_tokens=400) == [True, False] * 6  # several rows
    assert right_replies(model, mixed[::-1], row_tokens=4000) == [False, True] * 6


def test_only_a_loss_beyond_the_tolerance_counts() -> None:
    before = {"absorb": 0.60, "decompose": 0.50, "seek": 0.40}
    after = {"absorb": 0.595, "decompose": 0.45, "seek": 0.9}
    assert lost(before, after, 0.01) == ["decompose 0.500 -> 0.450"]
    assert lost(before, before, 0.0) == []


def test_the_loss_of_replies_is_that_of_each_token(tmp_path: Path) -> None:
    import torch

    model, encoder = loaded(tiny_model(tmp_path / "tiny"))
    asked = examples(6)
    losses = reply_losses(model, encoder, asked, row_tokens=400)
    for act, loss in losses.items():
        parts: list[float] = []
        for example in (e for e in asked if e.act == act):
            tokens = encode(example, encoder)
            with torch.no_grad():
                logits = model(input_ids=torch.tensor([tokens.ids])).logits[0].float()
            told = torch.log_softmax(logits, -1)
            parts += [
                -float(told[at - 1, tokens.ids[at]]) for at in range(tokens.prompt, len(tokens.ids))
            ]
        assert loss == pytest.approx(sum(parts) / len(parts), rel=1e-3)
