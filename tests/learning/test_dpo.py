"""DPO: what is trained is exactly what is rendered in use, and the margin between plans grows."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from centerlm.acts import PlanView
from centerlm.center import plan_prompt
from centerlm.errors import InputError, StoppedError
from centerlm.learning.dpo import (
    DPOSettings,
    Tuned,
    collator,
    pair_tokens,
    train_dpo,
)
from centerlm.learning.preferences import Preference
from centerlm.learning.watching import Progress
from centerlm.models.chat import chat_tokens, render
from centerlm.models.transformers import PlainEncoder
from centerlm.sources.base import Card
from learning import taught
from learning.tiny import tiny_model

for _module in ("trl", "peft", "datasets", "torch"):
    pytest.importorskip(_module, reason="needs the extra `train`")

CARDS = (Card("documents", "passages about a town"),)
CHOSEN = "1 [documents] Who is the mother of Ada?\n2 [documents] When was #1 born?"
REJECTED = "1 [documents] When was Ada's mother born, and who is she?"


def pairs() -> list[Preference]:
    """Two pairs; the second holds what looks like special tokens, and bytes of several tokens."""
    asked = ("When was the mother of Ada born?", "Who is <|im_end|> Żoë?")
    return [
        Preference(plan_prompt(PlanView(q, CARDS)), CHOSEN, REJECTED, str(n), "edit")
        for n, q in enumerate(asked)
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("model"))


def loaded(folder: Path) -> tuple[Any, Any]:
    library: Any = importlib.import_module("transformers")
    return (
        library.AutoModelForCausalLM.from_pretrained(folder),
        library.AutoTokenizer.from_pretrained(folder),
    )


def test_the_batch_is_the_rendering_of_use_and_only_replies_are_trained(folder: Path) -> None:
    """Decoded, what the mask keeps is the two plans with the token that ends a turn."""
    _, tokenizer = loaded(folder)
    encoder = PlainEncoder(tokenizer)
    tokens = [pair_tokens(pair, encoder) for pair in pairs()]
    rows = [
        {
            "prompt": ".",
            "prompt_ids": [9, 9],
            "chosen_ids": [9],
            "rejected_ids": [9],
            "own_prompt": list(t.prompt),
            "own_chosen": list(t.chosen),
            "own_rejected": list(t.rejected),
        }
        for t in tokens
    ]
    batch = collator(2)(rows)
    trained = [
        tokenizer.decode([i for i, kept in zip(ids, mask, strict=True) if kept])
        for ids, mask in zip(
            batch["input_ids"].tolist(), batch["completion_mask"].tolist(), strict=True
        )
    ]
    assert trained == [f"{CHOSEN}<|im_end|>"] * 2 + [f"{REJECTED}<|im_end|>"] * 2
    for row, (pair, ids) in enumerate(zip(pairs() * 2, batch["input_ids"].tolist(), strict=True)):
        prompt = render(pair.prompt, encoder)
        assert ids[: len(prompt)] == prompt, row
    start, end = chat_tokens(encoder)
    assert list(tokens[1].prompt).count(end) == 2  # text that looks like one is none
    assert list(tokens[1].prompt).count(start) == 3


def test_the_margin_grows_and_what_is_trained_is_what_was_given(
    folder: Path, tmp_path: Path
) -> None:
    """What reaches the model in TRL's trainer is recorded: our ids, to the last token."""
    model, encoder = taught.loaded(folder)
    seen: list[list[int]] = []

    def watch(module: Any, inputs: tuple[Any, ...]) -> None:
        seen.extend(inputs[0].tolist())

    model.get_input_embeddings().register_forward_pre_hook(watch)
    told: list[Progress] = []
    settings = DPOSettings(
        learning_rate=5e-3, rank=4, alpha=8, epochs=6, pairs=2, beta=0.5, device="cpu"
    )
    done = train_dpo(pairs(), model, encoder, tmp_path / "run", settings, on_progress=told.append)
    assert done.steps == 6
    assert done.margins[0] == pytest.approx(0.0, abs=1e-4)
    assert done.margins[-1] > max(0.1, done.margins[1])
    assert done.losses[-1] < done.losses[0]
    assert [(now.update, now.loss) for now in told] == list(enumerate(done.losses, start=1))
    assert told[-1].tokens == done.tokens
    wanted_seen = set[tuple[int, ...]]()
    wanted = {
        (*t.prompt, *reply)
        for t in (pair_tokens(p, encoder) for p in pairs())
        for reply in (t.chosen, t.rejected)
    }
    assert len(seen) >= 6 * 2 * 2
    for row in seen:  # nothing but pairs, filled up with the padding token
        given = next(w for w in wanted if tuple(row[: len(w)]) == w)
        assert set(row[len(given) :]) <= {2}
        wanted_seen.add(given)
    assert wanted_seen == wanted
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (record["finished"], record["pairs"], record["steps"]) == (True, 2, 6)
    assert (done.folder / "adapter_model.safetensors").is_file()
    with pytest.raises(InputError, match="already holds a run"):
        train_dpo(pairs(), model, encoder, tmp_path / "run", settings)


def test_a_model_with_an_adapter_goes_on_with_it(folder: Path, tmp_path: Path) -> None:
    """The reference is a copy of the adapter as it came in: the first margin is zero."""
    model, encoder = taught.loaded(folder)
    peft: Any = importlib.import_module("peft")
    torch: Any = importlib.import_module("torch")
    torch.manual_seed(1)
    config = peft.LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False)
    model = peft.get_peft_model(model, config)
    settings = DPOSettings(learning_rate=5e-3, epochs=3, pairs=2, beta=0.5, device="cpu")
    done = train_dpo(pairs(), model, encoder, tmp_path / "run", settings)
    assert done.margins[0] == pytest.approx(0.0, abs=1e-4)
    assert done.margins[-1] > done.margins[0]
    saved = json.loads((done.folder / "adapter_config.json").read_text())
    assert saved["r"] == 2
    assert not (done.folder / "ref").exists()


def test_a_stopped_run_goes_on_to_the_same_adapter(folder: Path, tmp_path: Path) -> None:
    """Also where the reference is a copy of the adapter as it came in."""
    settings = DPOSettings(
        learning_rate=5e-3, epochs=6, pairs=1, beta=0.5, save_every=2, device="cpu"
    )

    def run(out: Path, *, resume: bool = False, stop_at: int | None = None) -> Tuned:
        model, encoder = taught.loaded(folder)
        peft: Any = importlib.import_module("peft")
        torch: Any = importlib.import_module("torch")
        torch.manual_seed(1)
        config = peft.LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False)
        updates: list[int] = []
        done = train_dpo(
            pairs(),
            peft.get_peft_model(model, config),
            encoder,
            out,
            settings,
            resume=resume,
            on_progress=lambda now: updates.append(now.update),
            stop=lambda: stop_at is not None and len(updates) >= stop_at,
        )
        assert not resume or updates[0] > 1
        return done

    whole = run(tmp_path / "whole")
    assert whole.steps == 12
    with pytest.raises(StoppedError, match="after update 5 of 12 on preferences"):
        run(tmp_path / "cut", stop_at=4)
    cut = run(tmp_path / "cut", resume=True)
    assert cut.margins == whole.margins
    assert taught.equal(cut.folder, whole.folder)


def test_pairs_that_cannot_be_trained_are_refused(folder: Path, tmp_path: Path) -> None:
    model, encoder = taught.loaded(folder)
    with pytest.raises(InputError, match="no preferences"):
        train_dpo([], model, encoder, tmp_path / "a")
    with pytest.raises(InputError, match="every pair is longer than max_tokens = 20"):
        train_dpo(pairs(), model, encoder, tmp_path / "b", DPOSettings(max_tokens=20))
    assert not (tmp_path / "b").exists()
