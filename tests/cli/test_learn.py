"""`centerlm learn`: what cannot be used is one sentence; Ctrl-C leaves a run that can go on."""

from __future__ import annotations

import json
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from cli_run import Run, finish, process
from learning.tiny import tiny_gguf, tiny_model


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("all",), "missing option '--out'"),
        (("some", "--out", "x"), "'some' is not one of"),
        (("all", "--out", "x", "--data", "none"), "no data folder none"),
        (("expert", "--out", "x", "--data", "none.jsonl"), "no file none.jsonl"),
        (("expert", "--out", "x", "--field", "law"), "name JSON lines of them with --data FILE"),
        (("all", "--out", "x", "--field", "law"), "--field names an expert's field; all has none"),
        (("expert", "--out", "x", "--field", "the law"), "cannot be a source's name"),
        (("all", "--out", "x", "--config", "none.toml"), "none.toml cannot be read"),
        (("all", "--out", "x", "--data", ".", "--data", "."), "one folder"),
        (("all", "--out", "x", "--preset", "quick", "--replay", "."), "change it with --config"),
        (("cot", "--out", "x", "--preset", "paper"), "the stage cot has no meaning"),
        (("all", "--out", "x", "--preset", "paper", "--force"), "--force has no meaning"),
        (("all", "--out", "x", "--preset", "paper", "--data", "none"), "no data folder none"),
        (("all", "--out", "x", "--resume", "--base", "none"), "x holds no run to go on with"),
        (
            ("all", "--out", "x", "--resume", "--base", "none", "--preset", "paper"),
            "x holds no comparison to go on with",
        ),
    ],
)
def test_what_cannot_be_used_is_one_sentence(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("learn", *arguments)
    assert done.code == 2
    assert says in done.complaint()
    assert not (tmp_path / "x").exists()


def test_data_sets_that_are_missing_are_named_with_the_setting_that_leaves_them_out(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("torch", reason="training needs the extra train")
    pytest.importorskip("peft", reason="training needs the extra train")
    monkeypatch.chdir(tmp_path)
    Path("data/gsm8k").mkdir(parents=True)
    Path("data/gsm8k/train.jsonl").touch()
    Path("recipe.toml").write_text('[data]\nsets = ["musique", "gsm8k", "qed"]\n')
    done = run("learn", "all", "--data", "data", "--config", "recipe.toml", "--out", "x")
    assert done.code == 2
    says = "data has no musique/train.jsonl, no reading/qed_dev.jsonl; put that there, or leave it "
    assert f'{says}out: write [data] sets = ["gsm8k"] into a recipe' in done.complaint()
    paper = run("learn", "all", "--preset", "paper", "--data", "data", "--out", "x")
    assert paper.code == 2
    assert "reading/qed_dev.jsonl; put that there, or leave out --data" in paper.complaint()
    assert not Path("x").exists()


@pytest.mark.local
def test_the_paper_preset_leaves_a_page_and_goes_on(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Sizes are made small, and of the models only the reader is trained: the training of arms is
    tested in tests/comparison.
    """
    for module in ("xllamacpp", "torch", "gguf", "matplotlib"):
        pytest.importorskip(module, reason="needs the extras `local` and `train`")
    from centerlm.comparison.settings import Comparison, paper
    from centerlm.learning.recipe import Preset, Recipe, preset

    base = tiny_gguf(tiny_model(tmp_path / "tiny", context=4096), tmp_path / "tiny.gguf")

    def small(base: str | None) -> Comparison:
        one = {"weights": ("untrained",), "ways": ("solver",), "hops": (1,), "questions": 1}
        return replace(paper(base), **one, calls=1, vectors=False, threads=1)

    def short(name: Preset) -> Recipe:
        recipe = preset(name)
        train = msgspec.structs.replace(recipe.train, max_tokens=4_000, dtype="float32")
        worlds = msgspec.structs.replace(recipe.worlds, count=1, people=6)
        return msgspec.structs.replace(recipe, train=train, worlds=worlds)

    monkeypatch.setattr("centerlm.comparison.settings.paper", small)
    monkeypatch.setattr("centerlm.comparison.reader.preset", short)
    out = tmp_path / "comparison"
    arguments = ("learn", "all", "--preset", "paper", "--base", str(base), "--out", str(out))
    done = run(*arguments)
    assert done.code == 0, done.err
    assert f"figure: {out / 'paper.svg'}" in done.out
    assert (out / "paper.svg").is_file() and "not run" in (out / "paper.md").read_text()
    assert "go on with --resume" in run(*arguments).complaint()
    again = run(*arguments, "--resume", "--json")
    assert json.loads(again.out)["primary"]["solver"] == {"slope": None, "difference": None}
    config = json.loads((out / "paper.json").read_text())["config"]
    assert config["adapter_that_every_arm_goes_on_from"]
    shutil.rmtree(out / "reader")
    (out / "comparison.json").unlink()
    assert "is not empty" in run(*arguments).complaint()


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    pytest.importorskip("torch", reason="training needs the extra train")
    pytest.importorskip("peft", reason="training needs the extra train")
    base = tiny_model(tmp_path / "tiny")
    path = tmp_path / "learn.toml"
    path.write_text(
        f'base = "{base}"\n[train]\nrow_tokens = 300\nrows = 1\nsave_every = 5\nrank = 2\n'
        "epochs = 20\nthreads = 1\n"
    )
    rows = [{"question": f"What is {n} plus {n}?", "answer": str(2 * n)} for n in range(40)]
    (tmp_path / "sums.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return path


def test_interrupted_and_gone_on_with(tmp_path: Path, recipe: Path) -> None:
    arguments = ("learn", "expert", "--data", tmp_path / "sums.jsonl", "--config", recipe)
    arguments += ("--field", "arithmetic")
    started = process(tmp_path, *arguments, "--out", "run")
    curves = tmp_path / "run" / "rounds" / "0" / "all" / "curves.jsonl"
    deadline = time.monotonic() + 600
    while not (curves.exists() and curves.read_text().count("\n") >= 2):
        assert started.poll() is None, started.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    started.send_signal(signal.SIGINT)
    done = finish(started, 600)
    assert done.code == 130
    assert "go on with: centerlm learn expert --out run --resume" in done.complaint()
    before = curves.read_text().count("\n")
    assert "an expert in arithmetic." in (tmp_path / "run" / "examples.jsonl").read_text()
    (tmp_path / "sums.jsonl").unlink()  # the material is stored
    again = finish(process(tmp_path, "learn", "expert", "--out", "run", "--resume", "--json"), 600)
    assert again.code == 0, again.err
    report = json.loads(again.out)
    assert report["rounds"][0]["updates"] > before
    assert (
        Path(report["adapter"], "adapter_model.safetensors").is_file()
        or (tmp_path / report["adapter"] / "adapter_model.safetensors").is_file()
    )
