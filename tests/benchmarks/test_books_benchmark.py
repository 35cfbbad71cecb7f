"""The benchmark of books: its rows, its page, and that it goes on where it stopped."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from books_data import long_novel

pytest.importorskip("torch", reason="scoring needs torch, from the train extra")
pytest.importorskip("sentencex", reason="books need sentencex, from the books extra")

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def path() -> Iterator[None]:
    """Benchmarks are programs, not a package: their folder is on the path while they run."""
    sys.path.insert(0, str(BENCHMARKS))
    yield
    sys.path.remove(str(BENCHMARKS))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tiny_llama import tiny_llama

    made = tmp_path_factory.mktemp("books")
    (made / "novels").mkdir()
    rows = ["file,author,title,year"]
    for number, name in enumerate(("old", "salt", "sand")):
        (made / "novels" / f"{name}.txt").write_text(long_novel(40 + 5 * number))
        rows.append(f"{name}.txt,{name},{name},{1850 + 40 * number}")
    (made / "novels" / "metadata.csv").write_text("\n".join(rows))
    tiny_llama(made / "tiny")
    return made


def arguments(folder: Path, *more: str) -> Any:
    from books import parse_arguments

    words = ["--data", folder / "novels", "--work", folder / "work", "--out", folder / "out"]
    words += ["--novels", "2", "--positions", "2", "--last", "64,96", "--dtype", "float32"]
    words += ["--wide-every", "1", "--scorer", folder / "tiny"]
    return parse_arguments([*map(str, words), *more])


def test_notes_are_measured_in_every_way_and_kept(folder: Path) -> None:
    from books import run

    page = run(arguments(folder)).read_text()
    report = json.loads((folder / "out" / "books.json").read_text())
    given, retrieve = report["rows"]["given"], report["rows"]["retrieve"]
    ways = ("", "_renamed", "@96")
    names = ("notes_gain", "over_random", "over_similar", "over_longer", "over_elsewhere")
    for name in (f"{metric}{way}" for metric in names for way in ways):
        assert given[name]["low"] <= given[name]["value"] <= given[name]["high"]
    assert "notes_gain@96" not in retrieve and retrieve["choice"] is not None
    # Without names the last tokens and the passage are others, and so are their bits.
    assert given["notes_gain"]["value"] != given["notes_gain_renamed"]["value"]
    assert given["back_1600"] is not None and "back_102400" in given
    assert report["notes_tokens"]["given"] > 100
    assert set(report["novels"].values()) == {"salt", "sand"} and len(report["novels"]) == 4
    pair = report["pairs"]["given - retrieve"]["notes_gain"]["value"]
    assert pair == pytest.approx(given["notes_gain"]["value"] - retrieve["notes_gain"]["value"])
    assert "names renamed" in page and "python benchmarks/" in page
    kept = (folder / "work" / "likelihood.jsonl").read_text()
    run(replace(arguments(folder), name="again"))
    assert (folder / "work" / "likelihood.jsonl").read_text() == kept
    again = json.loads((folder / "out" / "again.json").read_text())
    assert again["items"] == report["items"]


def test_guidance_is_what_the_true_next_text_turned_out_to_need(folder: Path) -> None:
    from book_guidance import parse_arguments, run
    from centerlm.learning.material import decision_of
    from centerlm.learning.readers.own import read_own
    from centerlm.learning.recipe import load_recipe, preset

    words = ["--data", folder / "novels", "--work", folder / "guidance", "--positions", "3"]
    words += ["--out", folder / "plans.jsonl", "--scorer", folder / "tiny", "--dtype", "float32"]
    recipe = load_recipe(BENCHMARKS / "book_center.toml", preset("default"))
    assert recipe.data.guidance == ("book-plans.jsonl",)
    read = read_own(run(parse_arguments([str(word) for word in words])))
    assert read.guidance and not read.skipped
    for one in read.guidance:
        assert one.by == "books" and "The text ends: " in one.objective
        assert {s for step in one.plan.steps for s in step.sources} <= {"book", "documents"}
    # What the center is shown in training is the card that it is shown in use.
    asked = next(o for o in read.guidance if any(s.sources == ("book",) for s in o.plan.steps))
    card = next(card for card in decision_of(asked).cards if card.name == "book")
    assert "what happened lately" in card.knows and card.typed


def test_pictures_show_who_appears_when_and_what_is_planned(folder: Path) -> None:
    pytest.importorskip("matplotlib", reason="pictures need matplotlib, from the train extra")
    from book_pictures import draw_distances, draw_outline, draw_people, seen_in
    from centerlm.errors import InputError

    target = folder / "picture.svg"
    draw_people(seen_in(folder / "novels" / "salt.txt"), target)
    first = target.read_bytes()
    assert b"Captain Brandt" in first
    draw_people(seen_in(folder / "novels" / "salt.txt"), target)
    assert target.read_bytes() == first
    made = {
        "outline": ["Edith goes.", "Brandt $waits."],
        "beats": [{"goal": "Edith leaves.", "drafts": 2, "problems": []}],
        "notes": [{"question": "Who is present?"}],
        "planned_by": "the center's questions",
    }
    draw_outline(made, target)
    assert b"Edith leaves." in target.read_bytes()
    for draw, nothing in ((draw_outline, {}), (draw_distances, {"rows": {"given": {}}})):
        with pytest.raises(InputError):
            draw(nothing, target)
    cell = {"value": 0.1, "low": 0.0, "high": 0.2}
    draw_distances({"rows": {"given": {"notes_gain": cell, "back_800": cell}}}, target)
    assert b"words back" in target.read_bytes()


def test_options_that_cannot_be_are_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, told in (
        (("--rows", "fragmentation"), "needs --fragmentation"),
        (("--rows", "before"), "needs --before"),
        (("--rows", "guess"), "no row 'guess'"),
        (("--last", "5,x"), "numbers of tokens"),
        (("--novels", "0"), "1 or more"),
        (("--adapter", "nothing.gguf"), "does not exist"),
    ):
        with pytest.raises(SystemExit):
            arguments(folder, *words)
        assert told in capsys.readouterr().err
