"""Collecting sources: given ones, plugins (a real installed distribution), references."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from centerlm.errors import InputError
from centerlm.sources.base import Seek
from centerlm.sources.calculator import Calculator
from centerlm.sources.registry import as_source, collect, load_plugins, resolve
from engine import Asks

MODULE = """
from centerlm.sources.function import source

def reverse(text: str) -> str:
    "Turns a text round."
    return text[::-1]

scripted = source(name="scripted")(reverse)
number = 7

class Box:
    inner = source(name="inner")(reverse)

def undocumented(text: str) -> str:
    return text
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution with good and broken plugins on the path."""
    (tmp_path / "toy_sources_a.py").write_text(MODULE)
    (tmp_path / "toy_sources_b.py").write_text("raise RuntimeError('no licence')")
    info = tmp_path / "toy_sources-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-sources\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[centerlm.sources]\n"
        "reverse = toy_sources_a:reverse\n"
        "scripted = toy_sources_a:scripted\n"
        "renamed = toy_sources_a:scripted\n"
        "number = toy_sources_a:number\n"
        "broken = toy_sources_b:thing\n"
        "missing = toy_sources_c:thing\n"
        "center = toy_sources_a:reverse\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))


def test_collect_takes_sources_classes_and_functions() -> None:
    def double(text: str) -> str:
        """Doubles."""
        return text * 2

    sources = collect([Calculator(), double, Asks("s", {})])
    assert list(sources) == ["calculator", "double", "s"]
    assert as_source(Calculator).card.name == "calculator"
    with pytest.raises(InputError, match="two sources are called 'calculator'"):
        collect([Calculator(), Calculator])
    with pytest.raises(InputError, match="int is not a source"):
        collect([7])
    with pytest.raises(InputError, match="cannot be made without arguments"):
        collect([Asks])
    with pytest.raises(InputError, match="plans use that word"):
        collect([Asks("center", {})])


@pytest.mark.usefixtures("plugin")
def test_plugins_are_found_by_name() -> None:
    sources = resolve(["reverse", "scripted"], {})
    assert list(sources) == ["reverse", "scripted"]
    assert asyncio.run(sources["reverse"].seek(Seek("abc"))).value == "cba"


@pytest.mark.usefixtures("plugin")
def test_broken_plugins_take_nothing_with_them() -> None:
    loaded = load_plugins()
    assert list(loaded.sources) == ["reverse", "scripted"]
    problems = "\n".join(loaded.problems)
    assert len(loaded.problems) == 5
    assert (
        "plugin 'broken' (toy_sources_b:thing) cannot be loaded: RuntimeError: no lic" in problems
    )
    assert "'missing' (toy_sources_c:thing) cannot be loaded: ModuleNotFoundError" in problems
    assert "'number' (toy_sources_a:number): int is not a source" in problems
    assert "'renamed' (toy_sources_a:scripted) gives a source called 'scripted'" in problems
    assert "'center'" in problems
    with pytest.raises(InputError, match="no licence"):
        resolve(["broken"], {})


@pytest.mark.usefixtures("plugin")
def test_references() -> None:
    assert list(resolve(["toy_sources_a:reverse"], {})) == ["reverse"]
    assert list(resolve(["toy_sources_a:Box.inner"], {})) == ["inner"]
    for reference, message in (
        ("toy_sources_a:nope", "has no 'nope'"),
        ("toy_sources_a:number", "int is not a source"),
        ("toy_sources_a:undocumented", "docstring"),
        ("toy_sources_b:x", "RuntimeError: no licence"),
    ):
        with pytest.raises(InputError, match=message):
            resolve([reference], {})


def test_unknown_names_are_met_with_the_known_ones() -> None:
    known = collect([Calculator(), Asks("expert:history", {})])
    with pytest.raises(InputError, match=r"did you mean 'calculator'\? known: calculator, expert"):
        resolve(["calculater"], known)
    with pytest.raises(InputError, match="did you mean 'expert:history'"):
        resolve(["expert:histry"], known)
    for name in ("", "rm -rf /", "no.such.module:thing", "x:", ":x"):
        with pytest.raises(InputError, match="there is no source"):
            resolve([name], known)


def test_one_name_twice_is_one_source() -> None:
    known = collect([Calculator()])
    assert list(resolve(["calculator", "calculator"], known)) == ["calculator"]
