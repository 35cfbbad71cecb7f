"""The pages on training: their recipes load, their commands exist, every setting is listed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import get_args, get_type_hints

import click
import msgspec
import pytest

from centerlm.cli import cli
from centerlm.config import load_settings
from centerlm.learning.data_sets import FILES
from centerlm.learning.recipe import STAGES, DataSection, Recipe, load_recipe, preset

DOCS = Path(__file__).parents[2] / "docs"
TRAIN = (DOCS / "how-to" / "train.md").read_text(encoding="utf-8")
REFERENCE = (DOCS / "reference" / "learning.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TRAIN, flags=re.DOTALL)


def test_its_recipes_and_settings_load(tmp_path: Path) -> None:
    for block in blocks("toml"):
        path = tmp_path / "file.toml"
        path.write_text(block)
        if block.startswith(("[center]", "[experts.")):
            load_settings(path)
        else:
            load_recipe(path, Recipe())


def test_its_commands_exist() -> None:
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    commands = [line for line in lines if line.startswith("centerlm ")]
    assert len(commands) > 5
    for line in commands:
        words = shlex.split(line, comments=True)[1:]
        command: click.Command = cli
        while isinstance(command, click.Group) and words and words[0] in command.commands:
            command = command.commands[words.pop(0)]
        command.make_context("example", words, **cli.context_settings)


@pytest.mark.parametrize("section", ["data", "worlds", "mix", "train", "rounds", "dpo"])
def test_every_setting_is_listed_with_its_default(section: str) -> None:
    part = getattr(Recipe(), section)
    (text,) = re.findall(rf"### \[{section}\]\n(.*?)(?=\n##|\Z)", REFERENCE, flags=re.DOTALL)
    listed = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", text, flags=re.MULTILINE))
    assert list(listed) and set(listed) == set(part.__struct_fields__)
    for name, value in msgspec.to_builtins(part).items():
        if isinstance(value, bool | int | float):
            assert listed[name] == str(value).lower(), name


@pytest.mark.parametrize("section", ["data", "worlds", "mix", "train", "rounds", "dpo"])
def test_where_the_default_preset_has_another_default_its_row_says_so(section: str) -> None:
    """`centerlm learn` takes what a recipe leaves out from a preset."""
    usual = msgspec.to_builtins(getattr(Recipe(), section))
    (text,) = re.findall(rf"### \[{section}\]\n(.*?)(?=\n##|\Z)", REFERENCE, flags=re.DOTALL)
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", text, flags=re.MULTILINE))
    for name, value in msgspec.to_builtins(getattr(preset("default"), section)).items():
        if value != usual[name]:
            assert re.search(rf"presets? ha(ve|s) `?{value}`?", rows[name]), name


def test_the_files_of_every_data_set_are_listed() -> None:
    part = REFERENCE.split("### Files of the data folder")[1].split("\n##")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", part, flags=re.MULTILINE)
    listed = {name: tuple(re.findall(r"`([^`]+)`", row)) for name, row in rows}
    assert listed == {name: files for name, files in FILES.items() if files}
    (sets, _) = get_args(get_type_hints(DataSection)["sets"])
    assert set(FILES) == set(get_args(sets))


def test_every_stage_is_listed() -> None:
    assert set(re.findall(r"^\| `(\w+)` \| .+ \| .+ \|$", REFERENCE.split("## The recipe")[0],
                          flags=re.MULTILINE)) == set(STAGES)  # fmt: skip
