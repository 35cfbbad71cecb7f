"""Policy gradient: its sign, ratios of 1 at first, weights, resuming, many processes, and that
perverse policies do not win.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace as changed

from centerlm.errors import InputError, StoppedError
from centerlm.learning.advantage import advantages
from centerlm.learning.calls import read_calls
from centerlm.learning.credit import source_choices
from centerlm.learning.policy_training import train_policy
from centerlm.learning.policy_updates import PolicySettings, policy_updates
from centerlm.learning.row_files import write_rows
from centerlm.learning.rows import Row, episode_rows
from learning.taught import equal
from scripted_rollouts import (
    ALWAYS_SEARCH,
    GOLD,
    NEVER_STOP,
    ONE_SOURCE,
    SENSIBLE,
    policy,
    prompt_ids,
    roll,
)
from tiny_llama import tiny_llama

torch: Any = pytest.importorskip("torch", reason="the train extra is not installed")
pytest.importorskip("peft", reason="the train extra is not installed")

SETTINGS = PolicySettings(
    learning_rate=2e-3, rank=4, alpha=8, epochs=2, rows=4, row_tokens=4000, save_every=1,
    device="cpu", threads=1,
)  # fmt: skip


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("tiny"))


def loaded(base: Path, adapter: Path | None = None) -> Any:
    import transformers

    model = transformers.AutoModelForCausalLM.from_pretrained(base)
    if adapter is not None:
        import peft

        model = peft.PeftModel.from_pretrained(model, str(adapter))
    return model.eval()


def row(
    ids: Sequence[int], prompt: int, advantage: float | None, *, episode: str = "e", **more: Any
) -> Row:
    mask = (0,) * prompt + (1,) * (len(ids) - prompt)
    made = Row(tuple(ids), mask, None, advantage, 0.0, "q", episode, None, 0, "decompose", "tiny")
    return replace(made, **more)


def rows() -> list[Row]:
    """Two ways to go on after one prompt, one better than the other; and rows of other lengths."""
    prompt = (1, 40, 41, 42, 2)
    return [
        row((*prompt, 50, 51, 2), 5, 1.0, episode="good"),
        row((*prompt, 60, 61, 2), 5, -1.0, episode="bad"),
        row((*prompt, 70, 2), 5, 0.0, episode="none"),
        row((1, 43, 2, 80, 81, 82, 83, 2), 3, 0.5, episode="long"),
        row((1, 44, 2, 90, 2), 3, -0.5, episode="long/1"),
        row((1, 45, 2, 91, 92, 2), 3, 0.7, episode="more"),
        # Two turns: what stands between what was sampled is of a source.
        row((1, 46, 2, 95, 2, 47, 48, 96, 2), 3, 0.3, episode="turns",
            mask=(0, 0, 0, 1, 1, 0, 0, 1, 1)),
    ]  # fmt: skip


def likelihood(model: Any, one: Row) -> float:
    """Natural log-probability of what was sampled."""
    from centerlm.learning.ratio import token_logprobs

    with torch.no_grad():
        return float(token_logprobs(model, [one]).sum())


def test_what_was_better_becomes_likelier_and_the_first_ratio_is_one(
    base: Path, tmp_path: Path
) -> None:
    batch = rows()
    before = [likelihood(loaded(base), one) for one in batch]
    told: list[tuple[int, int]] = []
    done = train_policy(
        batch,
        loaded(base),
        tmp_path / "run",
        SETTINGS,
        on_update=lambda update, updates: told.append((update, updates)),
    )
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    after = [likelihood(loaded(base, done.folder), one) for one in batch]
    assert after[0] > before[0] and after[1] < before[1]
    assert (done.rows, done.silent, done.long, done.updates) == (6, 1, 0, 4)
    curve = [json.loads(line) for line in (tmp_path / "run" / "curves.jsonl").open()]
    assert [line["update"] for line in curve] == [1, 2, 3, 4]
    assert curve[0]["ratio_off"] < 1e-5 and curve[0]["clipped"] == 0
    assert curve[-1]["ratio_off"] > 1e-4
    assert done.figures["importance/tokens"] == 0  # nothing is known of the sampler


def test_an_update_is_the_weighted_mean_over_its_tokens_whatever_the_passes(
    base: Path, tmp_path: Path
) -> None:
    """The gradient of rows one by one, of several at once, and of the loss over the whole batch."""
    from centerlm.learning.ratio import batch_of, clipped_policy_loss, token_logprobs

    batch = [one for one in rows() if one.advantage]
    whole = changed(SETTINGS, rows=6, epochs=1, rank=0, learning_rate=0.0)
    norms = {
        at_once: train_policy(
            batch, loaded(base), tmp_path / f"{at_once}", changed(whole, at_once=at_once)
        ).folder
        for at_once in (1, 6)
    }
    found = [
        json.loads((folder.parent / "curves.jsonl").read_text())["grad_norm"]
        for folder in norms.values()
    ]
    model = loaded(base)
    given = batch_of(batch)
    logp = token_logprobs(model, given)
    clipped_policy_loss(logp, logp.detach(), given).loss.backward()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    expected = float(torch.cat([g.reshape(-1) for g in gradients]).norm())
    assert found == pytest.approx([expected, expected], rel=1e-4)


def test_updates_weigh_episodes_alike_and_leave_out_what_teaches_nothing() -> None:
    batch = rows()
    updates, silent, long = policy_updates(batch, changed(SETTINGS, row_tokens=7, rows=3))
    assert (silent, long) == (1, 4)
    for update in updates:
        assert len(update) == 3
        real = [item for item in update if item.weight]
        total = sum(item.weight * item.scale * item.row.trained for item in real)
        assert total == pytest.approx(3)
    parts = [item for item in updates[0] if item.row.episode == "long" and item.weight]
    assert [item.weight for item in parts] == pytest.approx([1 / 7])  # of both its rows' tokens
    with pytest.raises(InputError, match="1 of 1 rows have no advantage"):
        policy_updates([row((1, 2, 3), 1, None)], SETTINGS)


def test_a_batch_without_signal_is_refused_in_words(base: Path, tmp_path: Path) -> None:
    silent = [replace(one, advantage=0.0) for one in rows()]
    with pytest.raises(InputError, match="none of the 7 rows has a signal: in every group"):
        train_policy(silent, loaded(base), tmp_path / "run", SETTINGS)
    short = changed(SETTINGS, row_tokens=4)
    with pytest.raises(InputError, match="6 of 7 rows are longer than row_tokens"):
        train_policy(rows(), loaded(base), tmp_path / "run", short)
    with pytest.raises(InputError, match="rows = 4 is no multiple of 3"):
        train_policy(rows(), loaded(base), tmp_path / "run", changed(SETTINGS, at_once=3))
    assert not (tmp_path / "run").exists()


def test_a_run_that_was_stopped_goes_on_to_the_same_weights(base: Path, tmp_path: Path) -> None:
    batch = rows()
    whole = train_policy(batch, loaded(base), tmp_path / "whole", SETTINGS)
    part = tmp_path / "part"
    with pytest.raises(StoppedError, match="after update 1 of 4"):
        train_policy(batch, loaded(base), part, SETTINGS, stop=lambda: True)
    with pytest.raises(InputError, match="already holds a run"):
        train_policy(batch, loaded(base), part, SETTINGS)
    with pytest.raises(InputError, match="begun with other data"):
        train_policy(batch[:-1], loaded(base), part, SETTINGS, resume=True)
    done = train_policy(batch, loaded(base), part, SETTINGS, resume=True)
    assert equal(done.folder, whole.folder)
    assert done.figures == pytest.approx(whole.figures)


@pytest.fixture(scope="module")
def alone(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of what many processes are to train: rows, settings, and what one process made."""
    folder = tmp_path_factory.mktemp("alone")
    write_rows(folder / "rows.jsonl", rows())
    named = {name: getattr(SETTINGS, name) for name in SETTINGS.__struct_fields__}
    (folder / "settings.json").write_text(json.dumps(named))
    train_policy(rows(), loaded(base), folder / "one", SETTINGS)
    return folder


def worker(alone: Path, base: Path, out: Path, *launcher: str, more: Sequence[str] = ()) -> None:
    """Run the worker program by `launcher`; what it trains must be what one process trained."""
    from learning.taught import weights

    subprocess.run(
        [
            *(*launcher, "-m", "centerlm.learning.policy_worker", str(alone / "rows.jsonl")),
            *("--base", str(base), "--settings", str(alone / "settings.json")),
            *("--out", str(out), *more),
        ],
        check=True,
        timeout=900,  # where cores are shared; seconds where they are free
        env={**os.environ, "OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0"},
        stdout=subprocess.DEVNULL,
    )
    a, b = weights(alone / "one" / "adapter"), weights(out / "adapter")
    assert a.keys() == b.keys()
    # Gradients are averaged in another order.
    assert all(torch.allclose(a[name], b[name], atol=2e-4) for name in a)
    assert json.loads((out / "run.json").read_text())["finished"]


def test_two_processes_of_torchrun_train_what_one_does(
    base: Path, alone: Path, tmp_path: Path
) -> None:
    port = str(20000 + os.getpid() % 20000)
    run = ("-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", port)
    worker(alone, base, tmp_path / "two", sys.executable, *run)


def test_two_workers_of_ray_train_what_one_does(base: Path, alone: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray.train", reason="needs the extra ray")
    worker(alone, base, tmp_path / "ray", sys.executable, more=("--ray", "2"))


def test_workers_without_room_are_refused_at_once(alone: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray.train", reason="needs the extra ray")
    asked = (str(alone / "rows.jsonl"), "--out", str(tmp_path), "--ray", "99", "--gpu")
    done = subprocess.run(
        [sys.executable, "-m", "centerlm.learning.policy_worker", *asked],
        env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0"},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "99 workers need as many GPUs" in done.stderr.splitlines()[-1]


def test_perverse_policies_do_not_win(base: Path, tmp_path: Path) -> None:
    """From one group of a sensible episode and three perverse ones, the sensible plan gains most:
    over searching for everything, asking one source for all, and never stopping.
    """
    plans = [SENSIBLE, ALWAYS_SEARCH, ONE_SOURCE, NEVER_STOP]
    rolled = [roll(policy(plan), episode=f"e{n}") for n, plan in enumerate(plans)]
    choices = source_choices(one.solution.tree for one in rolled)
    credited = [one.credits(GOLD, choices=choices) for one in rolled]
    relative = advantages(credited)
    batch = [
        made
        for one, credits_, values in zip(rolled, credited, relative.values, strict=True)
        for made in episode_rows(
            read_calls(one.journal, one.episode), credits_, group_id="q",
            prompt_ids=prompt_ids, advantages=values,
        ).rows
    ]  # fmt: skip
    roots = [
        next(r for r in batch if r.rollout_id == one.episode and r.role == "decompose")
        for one in rolled
    ]
    short = changed(SETTINGS, epochs=6, rows=8)
    before = [likelihood(loaded(base), one) / one.trained for one in roots]
    done = train_policy(batch, loaded(base), tmp_path / "run", short)
    after = [likelihood(loaded(base, done.folder), one) / one.trained for one in roots]
    gained = [new - old for new, old in zip(after, before, strict=True)]
    assert gained[0] == max(gained)
    assert gained[0] > gained[3] and gained[0] > 0
    assert done.figures["importance/tokens"] > 0
    assert done.figures["importance/q50"] < 1  # the scripted sampler claims much likelier tokens
