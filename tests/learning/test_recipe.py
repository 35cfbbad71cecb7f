"""Recipes: what a file says goes over the preset; what does not exist is refused by name."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from centerlm.errors import ConfigError
from centerlm.learning.recipe import Recipe, load_recipe, preset, recipe_toml


def written(folder: Path, text: str) -> Path:
    path = folder / "learn.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_goes_over_the_preset(tmp_path: Path) -> None:
    path = written(
        tmp_path, "[worlds]\ncount = 7\n[train]\nsplit = true\n[data.plans]\ngsm8k = 9\n"
    )
    quick = preset("quick")
    recipe = load_recipe(path, quick)
    assert recipe.worlds == msgspec.structs.replace(quick.worlds, count=7)
    assert recipe.data.plans == {"gsm8k": 9}
    assert recipe.train.split
    assert recipe.rounds == quick.rounds


@pytest.mark.parametrize("recipe", [Recipe(), preset("quick"), preset("default")])
def test_a_recipe_written_out_reads_back_equal(tmp_path: Path, recipe: Recipe) -> None:
    recipe = msgspec.structs.replace(
        recipe, data=msgspec.structs.replace(recipe.data, plans={"qdmr:cwq": 350})
    )
    assert load_recipe(written(tmp_path, recipe_toml(recipe)), Recipe()) == recipe


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[train]\nlearning_rat = 1", "'learning_rat' in [train]; did you mean learning_rate?"),
        ("[trian]\nrank = 1", "no setting 'trian'; did you mean train"),
        ("[data]\nsets = ['musik']", "data.sets"),
        ("[data]\nheld = 0.9", "data.held"),
        ("[rounds]\nreplay = 0.1", "rounds.replay"),
        ("[worlds]\nmax_hops = 9", "worlds.max_hops"),
        ("[train]\nthreads = 100000", "train.threads: expected int <= 256"),
        ("worlds = 3", "worlds"),
        ("[worlds", "is not TOML"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_recipe(written(tmp_path, text), Recipe())
    assert says in str(error.value)
    assert "learn.toml" in str(error.value)


def test_a_recipe_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_recipe(tmp_path / "none.toml", Recipe())
    (tmp_path / "learn.toml").write_bytes(b"base = '\xff'")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_recipe(tmp_path / "learn.toml", Recipe())


def test_two_adapters_have_the_size_of_one() -> None:
    whole = preset("default").train
    split = msgspec.structs.replace(whole, split=True)
    assert split.settings().rank * 2 == whole.settings().rank
    assert split.settings().alpha / split.settings().rank == whole.alpha / whole.rank


def test_the_quick_preset_needs_no_data_and_no_rounds() -> None:
    quick = preset("quick")
    assert quick.data.sets == ()
    assert quick.rounds.count == 0
    assert quick.worlds.max_hops <= 3
