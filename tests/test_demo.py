"""The demonstration's library and questions, from facts; fetching by a real pip, offline."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import pytest

from centerlm.demo import QUESTIONS, demo_questions, is_right
from centerlm.demo.articles import build_demo_library, write_articles
from centerlm.demo.facts import COUNTRYINFO, Facts, load_facts, read_countries, read_elements
from centerlm.demo.packages import PinnedPackage, fetch_members
from centerlm.errors import InputError
from centerlm.models.weights import home
from centerlm.sources.calculator import evaluate

ROWS = (
    ("Norway", "NOR", "Oslo", 323802, 5156450, ["FIN", "SWE", "RUS"]),
    ("Denmark", "DNK", "Copenhagen", 43094, 5655750, ["DEU"]),
    ("Finland", "FIN", "Helsinki", 338424, 5470820, ["NOR"]),
    ("Sweden", "SWE", "Stockholm", 450295, 9737521, ["NOR"]),
    ("Russia", "RUS", "Moscow", 17098246, 146233000, ["NOR"]),
    ("Portugal", "PRT", "Lisbon", 92090, 10477800, ["ESP"]),
    ("Spain", "ESP", "Madrid", 505992, 46507760, ["PRT"]),
    ("Kenya", "KEN", "Nairobi", 580367, 41800000, []),
    ("Mongolia", "MNG", "Ulaanbaatar", 1564110, 2987733, []),
    ("Peru", "PER", "Lima", 1285216, 30814175, []),
    ("Nowhere", "NOW", "", 1, 1, []),
)
MASS = 'x = 1\nelement_mass = """\\\n26\tFe\tiron\t 55.845(2)\n79\tAu\tgold\t 196.966570(4)\n"""\n'
DENSITY = 'element_densities = dict(\n    Fe=7.874,\n    Au=(19.3, "approximate"),\n)\n'


def country_members() -> dict[str, bytes]:
    return {
        f"countryinfo/data/{name}.json": json.dumps(
            {
                "name": name,
                "ISO": {"alpha3": code},
                "capital": capital,
                "area": area,
                "population": people,
                "borders": borders,
                "region": "Somewhere",
                "demonym": f"{name}ish",
                "provinces": ["North", "South"],
                "currencies": ["XXX"],
                "callingCodes": ["1"],
                "tld": [".xx"],
            }
        ).encode()
        for name, code, capital, area, people, borders in ROWS
    }


@pytest.fixture
def facts() -> Facts:
    elements = read_elements({"p/mass.py": MASS.encode(), "p/density.py": DENSITY.encode()})
    return Facts(read_countries(country_members()), elements)


def test_articles_state_the_facts(facts: Facts, tmp_path: Path) -> None:
    files = write_articles(facts, tmp_path / "library")
    assert len(files) == len(set(files)) == 12
    norway = (tmp_path / "library" / "Norway.md").read_text()
    for fact in ("Oslo", "323,802 square kilometres", "5,156,450", "Finland, Sweden and Russia"):
        assert fact in norway
    gold = (tmp_path / "library" / "Gold.md").read_text()
    for fact in ("Au", "79 protons", "196.966570", "19.3 grams"):
        assert fact in gold
    assert "Nowhere" not in facts.countries


def test_each_gold_plan_gives_the_right_answer(facts: Facts) -> None:
    for make in QUESTIONS:
        question = make(facts)
        last = question.gold_plan.splitlines()[-1]
        _, is_computed, expression = last.partition("[calculator] ")
        if is_computed:
            assert evaluate(expression, question.step_answers) == question.value
        steps = question.gold_plan.count("[documents]")
        assert 2 <= steps + bool(is_computed) <= 4
        assert list(question.step_answers) == list(range(1, steps + 1))
        assert is_right(question.answer, question)


def test_the_answers_follow_from_the_rows(facts: Facts) -> None:
    assert [make(facts).answer for make in QUESTIONS] == [
        "499300",
        "Madrid",
        "72.023392095 per km²",
        "Mongolia",
        "3",
        "53",
    ]


@pytest.mark.parametrize(
    ("at", "answer", "right"),
    [
        (0, "499,300 people", True),
        (0, "499301", False),
        (0, "about 500000", False),
        (1, "madrid.", True),
        (1, "Madrid or Lisbon", False),
        (2, "72", True),
        (2, "72.02", True),
        (2, "72.0234 people per km2", True),
        (2, "186.539 per square mile", False),
        (2, "73", False),
        (3, "Peru", False),
        (4, "three", True),
        (5, "", False),
        (5, "5/12/1950", False),
    ],
)
def test_is_right(facts: Facts, at: int, answer: str, right: bool) -> None:
    assert is_right(answer, QUESTIONS[at](facts)) is right


@pytest.fixture
def toy_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PinnedPackage:
    """A wheel in a folder that pip takes for its index."""
    index = tmp_path / "index"
    index.mkdir()
    wheel = index / "centerlm_toy_facts-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("toy/data/a.json", "{}")
        archive.writestr("toy/other.txt", "no")
        info = "centerlm_toy_facts-1.0.dist-info"
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: centerlm-toy-facts\nVersion: 1.0\n"
        )
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return PinnedPackage("centerlm-toy-facts", "1.0", digest, ("toy/data/*.json",))


def test_a_package_is_fetched_once(toy_package: PinnedPackage, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    assert fetch_members(toy_package, cache) == {"toy/data/a.json": b"{}"}
    (tmp_path / "index" / "centerlm_toy_facts-1.0-py3-none-any.whl").unlink()
    assert fetch_members(toy_package, cache) == {"toy/data/a.json": b"{}"}
    (kept,) = cache.iterdir()
    kept.write_bytes(b"damaged")
    with pytest.raises(InputError, match="could not be fetched"):
        fetch_members(toy_package, cache)


def test_another_file_is_refused(toy_package: PinnedPackage, tmp_path: Path) -> None:
    other = PinnedPackage(toy_package.name, "1.0", "0" * 64, toy_package.members)
    with pytest.raises(InputError, match="not the pinned file"):
        fetch_members(other, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_folder_that_cannot_be_written(facts: Facts, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="cannot be written"):
        write_articles(facts, tmp_path / "file" / "library")


def test_the_real_facts(tmp_path: Path) -> None:
    """Runs where the packages have been fetched before: `make demo` does."""
    kept = home() / "packages"
    if not list(kept.glob(f"{COUNTRYINFO.name}-*.whl")):
        pytest.skip("the demo's packages are not fetched yet; run make demo")
    files = build_demo_library(tmp_path)
    assert 150 <= len(files) <= 400
    assert max(len(file.read_text().split()) for file in files) <= 200
    assert len(load_facts().elements) > 80
    assert [q.answer for q in demo_questions()][1::2] == ["Madrid", "Mongolia", "53"]
