"""What the README promises: its Python runs on public names, its links and commands exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

import centerlm
from centerlm.cli import cli

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", "llms.txt", "docs/tutorial/first-answer.md", "docs/results/README.md"]


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_python_of_the_readme_uses_public_names() -> None:
    (code,) = blocks("README.md", "python")
    imported = [
        alias.name
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.ImportFrom) and node.module == "centerlm"
        for alias in node.names
    ]
    assert imported
    assert set(imported) <= set(centerlm.__all__)
    assert all(hasattr(centerlm, name) for name in imported)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    assert links
    missing = [link for link in links if not ((ROOT / page).parent / link).exists()]
    assert not missing


def test_links_between_pages_lead_to_headings() -> None:
    for page in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]:
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for file, heading in re.findall(r"\]\(([\w./-]*\.md)?#([\w-]+)\)", text):
            there = (page.parent / file if file else page).read_text(encoding="utf-8")
            titles = re.findall(r"^#+ (.+)$", there, flags=re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
            assert heading in slugs, f"{page.name}: {file}#{heading}"


@pytest.mark.parametrize("page", ["README.md", "docs/tutorial/first-answer.md"])
def test_commands_and_options_exist(page: str) -> None:
    lines = [
        line.partition("#")[0]
        for block in blocks(page, "sh")
        for line in block.splitlines()
        if line.startswith("centerlm ")
    ]
    assert lines
    for line in lines:
        words = re.sub(r'"[^"]*"', "QUESTION", line).split()[1:]
        plain = [word for word in words if not word.startswith("-")]
        command = plain[:2] if plain[0] in ("models", "episodes") and len(plain) > 1 else plain[:1]
        help_ = CliRunner().invoke(cli, [*command, "--help"])
        assert help_.exit_code == 0, line
        for option in (word for word in words if word.startswith("--")):
            assert option in help_.output, line
