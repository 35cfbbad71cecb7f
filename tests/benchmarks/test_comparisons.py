"""The commands over the comparison: what they take, and what they refuse in one sentence."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module", autouse=True)
def path() -> Iterator[None]:
    """Benchmarks are programs, not a package: their folder is on the path while they run."""
    sys.path.insert(0, str(BENCHMARKS))
    yield
    sys.path.remove(str(BENCHMARKS))


def test_cells_and_sizes_are_chosen(tmp_path: Path) -> None:
    import holistic

    usual, places = holistic.parse_arguments(["--work", "w"])
    assert usual.material == "worlds" and usual.parts == ("worlds",)
    assert (str(places.work), places.name) == ("w", "holistic")
    made, _ = holistic.parse_arguments(
        ["--work", "w", "--data", str(tmp_path), "--parts", "sets,worlds", "--arms", "holistic,cot",
         "--ways", "solver", "--hops", "1-3", "--rates", "1e-3", "--seeds", "5", "--words"]
    )  # fmt: skip
    assert (made.material, made.parts, made.weights) == (
        "mixed", ("sets", "worlds"), ("holistic", "cot"),
    )  # fmt: skip
    assert (made.hops, made.rates, made.seeds, made.vectors) == ((1, 2, 3), (1e-3,), 5, False)


@pytest.mark.parametrize(
    ("command", "arguments", "says"),
    [
        ("holistic", ["--arms", "holy"], "no arm 'holy'; known: untrained"),
        ("holistic", ["--hops", "0-3"], "hops are 1 to 8"),
        ("holistic", ["--hops", "many"], "hops are 1 to 8"),
        ("holistic", ["--rates", "0"], "learning rates are above 0"),
        ("holistic", ["--seeds", "0"], "are 1 or more"),
        ("holistic", ["--data", "nowhere"], "there is no data folder nowhere"),
        ("ablations", ["--groups", "all"], "no group 'all'; known: adapters"),
        ("ablations", ["--rate", "-1"], "--rate is above 0"),
        ("unseen_source", ["--kinds", "person"], "--kinds names two"),
        ("unseen_source", ["--start", "gone.gguf"], "there is no adapter gone.gguf"),
        ("policy", ["--k", "1"], "--k is 2 or more"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(
    command: str, arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    import importlib

    with pytest.raises(SystemExit) as left:
        importlib.import_module(command).parse_arguments(["--work", "w", *arguments])
    assert left.value.code == 2
    assert says in capsys.readouterr().err


def test_groups_that_need_data_are_left_out_without_it(tmp_path: Path) -> None:
    import ablations

    _, without, _ = ablations.parse_arguments(["--work", "w"])
    assert "material" not in without and "reward" in without
    _, with_data, _ = ablations.parse_arguments(["--work", "w", "--data", str(tmp_path)])
    assert "material" in with_data
