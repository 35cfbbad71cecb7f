"""Training: packed as one by one, continued as uninterrupted, stopped with a sentence."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from centerlm.errors import ExhaustedError, InputError, StoppedError
from centerlm.learning.checkpoints import last_checkpoint
from centerlm.learning.encoding import encode_all
from centerlm.learning.packing import PackedRow, pack_row, updates
from centerlm.learning.row_trainer import ScaledRow, collate, row_loss
from centerlm.learning.training import plan_updates, train
from centerlm.learning.watching import Progress
from learning.taught import SETTINGS, equal, examples, loaded
from learning.tiny import tiny_model

TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("base") / "tiny")


@pytest.fixture(scope="module")
def whole(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing interrupted."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    done = train(examples(), *loaded(base), out, SETTINGS, base="tiny")
    assert done.updates > 4
    return out


def test_packed_rows_have_the_loss_and_gradients_of_examples_one_by_one(base: Path) -> None:
    import torch

    model, encoder = loaded(base)
    tokens = list(encode_all(examples(12), encoder, balance=0.5))
    row = pack_row(tokens)
    assert len(row.ids) < row.plain  # something is shared

    def gradients(losses: list[Any]) -> dict[str, Any]:
        model.zero_grad()
        for loss in losses:
            loss.backward()
        return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}

    packed = row_loss(model, collate([ScaledRow(row, 1.0)]))
    apart = [row_loss(model, collate([ScaledRow(pack_row([one]), 1.0)])) for one in tokens]
    assert packed.item() == pytest.approx(sum(loss.item() for loss in apart), rel=1e-5)
    together, alone = gradients([packed]), gradients(apart)
    assert together.keys() == alone.keys()
    for name, gradient in together.items():
        torch.testing.assert_close(gradient, alone[name], rtol=1e-3, atol=1e-4)


def apart(script: str, base: Path, out: Path) -> subprocess.CompletedProcess[str]:
    """A script in a process of its own."""
    paths = [str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-c", script, str(base), str(out)]
    return subprocess.run(command, env=env, check=False, capture_output=True, text=True)


def test_a_killed_run_continues_to_the_same_weights(
    base: Path, whole: Path, tmp_path: Path
) -> None:
    out, at = tmp_path / "run", random.randint(2, 5)
    script = (
        "import os, signal, sys\nfrom pathlib import Path\n"
        "from learning.taught import SETTINGS, examples, loaded\n"
        "from centerlm.learning.training import train\n"
        "def kill(now):\n"
        f"    if now.update == {at}: os.kill(os.getpid(), signal.SIGKILL)\n"
        "train(examples(), *loaded(Path(sys.argv[1])), Path(sys.argv[2]), SETTINGS, base='tiny',\n"
        "      on_progress=kill)\n"
    )
    assert apart(script, base, out).returncode == -signal.SIGKILL
    assert not (out / "adapter").exists()
    seen: list[Progress] = []
    train(
        examples(), *loaded(base), out, SETTINGS, base="tiny", resume=True, on_progress=seen.append
    )
    assert seen[0].update > 1  # it went on, and did not begin anew
    assert equal(out / "adapter", whole / "adapter")
    lines = [json.loads(line)["update"] for line in (out / "curves.jsonl").read_text().splitlines()]
    assert lines == list(range(1, len(lines) + 1))


def test_a_stopped_run_says_so_and_continues_to_the_same_weights(
    base: Path, whole: Path, tmp_path: Path
) -> None:
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > 6  # within the fourth update, whose first row is given up

    with pytest.raises(StoppedError, match="after update 3 of"):
        train(examples(), *loaded(base), tmp_path / "run", SETTINGS, base="tiny", stop=stop)
    assert last_checkpoint(tmp_path / "run" / "checkpoints") is not None
    train(examples(), *loaded(base), tmp_path / "run", SETTINGS, base="tiny", resume=True)
    assert equal(tmp_path / "run" / "adapter", whole / "adapter")


def test_a_truncated_checkpoint_is_passed_over(base: Path, whole: Path, tmp_path: Path) -> None:
    def stop_late() -> bool:
        return len(list((tmp_path / "run" / "checkpoints").glob("checkpoint-4"))) > 0

    with pytest.raises(StoppedError):
        train(examples(), *loaded(base), tmp_path / "run", SETTINGS, base="tiny", stop=stop_late)
    folder = tmp_path / "run" / "checkpoints"
    newest = last_checkpoint(folder)
    assert newest is not None
    weights = newest / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    older = last_checkpoint(folder)
    assert older is not None
    assert older != newest
    train(examples(), *loaded(base), tmp_path / "run", SETTINGS, base="tiny", resume=True)
    assert equal(tmp_path / "run" / "adapter", whole / "adapter")


def test_a_full_disk_is_one_sentence_and_the_run_can_go_on(
    base: Path, whole: Path, tmp_path: Path
) -> None:
    resource = pytest.importorskip("resource", reason="file limits are of POSIX systems")
    out, before = tmp_path / "run", resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(now: Progress) -> None:
        if now.update == 3:
            resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))

    try:
        with pytest.raises(ExhaustedError, match="no room is left on the disk"):
            train(examples(), *loaded(base), out, SETTINGS, base="tiny", on_progress=fill)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    train(examples(), *loaded(base), out, SETTINGS, base="tiny", resume=True)
    assert equal(out / "adapter", whole / "adapter")


@pytest.mark.skipif(sys.platform != "linux", reason="limits data as Linux counts it")
def test_memory_that_runs_out_is_one_sentence_and_the_run_can_go_on(
    base: Path, tmp_path: Path
) -> None:
    """Really: after the first update the process may have 16 MiB more than it has."""
    long = replace(SETTINGS, row_tokens=3000, rows=1, epochs=1, save_every=1)
    script = (
        "import resource, sys\nfrom pathlib import Path\nfrom msgspec.structs import replace\n"
        "from centerlm.errors import ExhaustedError\n"
        "from centerlm.learning.training import train\n"
        "from learning.taught import SETTINGS, examples, loaded\n"
        "def shrink(now):\n"
        "    pages = int(Path('/proc/self/statm').read_text().split()[5])\n"
        "    limit = pages * resource.getpagesize() + (16 << 20)\n"
        "    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))\n"
        "long = replace(SETTINGS, row_tokens=3000, rows=1, epochs=1, save_every=1)\n"
        "try:\n"
        "    train(examples(120), *loaded(Path(sys.argv[1])), Path(sys.argv[2]), long,\n"
        "          base='tiny', on_progress=shrink)\n"
        "except ExhaustedError as error:\n"
        "    print(error)\n"
        "    sys.exit(3)\n"
    )
    out = tmp_path / "run"
    done = apart(script, base, out)
    assert (done.returncode, done.stderr.count("Traceback")) == (3, 0), done.stderr
    assert done.stdout.startswith("there is not enough memory; close other programs")
    seen: list[Progress] = []
    train(
        examples(120), *loaded(base), out, long, base="tiny", resume=True, on_progress=seen.append
    )
    assert seen[0].update > 1
    assert (out / "adapter" / "adapter_model.safetensors").is_file()


def test_another_run_in_the_folder_is_refused(base: Path, whole: Path) -> None:
    model, encoder = loaded(base)
    with pytest.raises(InputError, match="already holds a run"):
        train(examples(), model, encoder, whole, SETTINGS, base="tiny")
    with pytest.raises(InputError, match="other data"):
        train(examples(8), model, encoder, whole, SETTINGS, base="tiny", resume=True)
    other = replace(SETTINGS, seed=9)
    with pytest.raises(InputError, match="other settings"):
        train(examples(), model, encoder, whole, other, base="tiny", resume=True)


def test_examples_longer_than_a_row_are_not_lost_silently(base: Path, tmp_path: Path) -> None:
    small = replace(SETTINGS, row_tokens=20)
    with pytest.raises(InputError, match="row_tokens = 20"):
        train(examples(), *loaded(base), tmp_path / "run", small)


def computed_by(plan: list[list[PackedRow]]) -> int:
    return sum(len(row.ids) for update in plan for row in update)


def test_a_budget_of_tokens_is_met_to_a_row_whatever_the_epochs(base: Path) -> None:
    _, encoder = loaded(base)
    tokens = list(encode_all(examples(), encoder))
    once = computed_by(plan_updates(tokens, SETTINGS))
    for wanted in (once // 2, once * 3 + 1):
        plan = plan_updates(tokens, replace(SETTINGS, max_tokens=wanted))
        computed = computed_by(plan)
        assert wanted <= computed < wanted + SETTINGS.row_tokens


def test_epochs_take_every_example_and_only_the_last_update_is_short(base: Path) -> None:
    _, encoder = loaded(base)
    tokens = list(encode_all(examples(9), encoder))
    plan = plan_updates(tokens, replace(SETTINGS, epochs=3))
    assert all(len(update) == SETTINGS.rows for update in plan[:-1])
    assert sum(row.examples for update in plan for row in update) == 27
    one = plan_updates(tokens, replace(SETTINGS, epochs=1))
    mix = {"decompose": 0.25, "seek": 0.15, "absorb": 0.6}
    assert one == list(updates(tokens, row_tokens=400, rows=2, mix=mix, seed=SETTINGS.seed))
