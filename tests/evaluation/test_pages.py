"""Result pages: the JSON beside a page."""

from __future__ import annotations

import json
from pathlib import Path

from centerlm.evaluation.pages import number, readable_json, write


def test_json_has_rows_on_lines_and_is_the_same_data(tmp_path: Path) -> None:
    report = {
        "config": {"seeds": 3, "name": "“é”"},
        "rows": [{"id": n, "scores": [n / 7] * 3, 5: None} for n in range(20)],
        "long": ["x" * 300],
        "none": [],
    }
    page = write(tmp_path, "made", report, "# Made\n")
    assert page.read_text("utf-8") == "# Made\n"
    text = (tmp_path / "made.json").read_text("utf-8")
    assert json.loads(text) == json.loads(json.dumps(report))
    assert text == readable_json(report) + "\n"
    lines = text.splitlines()
    assert len(lines) == 29
    assert lines[1] == ' "config": {"seeds": 3, "name": "“é”"},'
    assert max(len(line) for line in lines if "xxx" not in line) <= 101


def test_what_is_no_container_is_as_json_has_it() -> None:
    assert [readable_json(one) for one in (None, 1.5, "a" * 200, [], {})] == [
        *("null", "1.5", f'"{"a" * 200}"', "[]", "{}")
    ]


def test_no_figure_is_a_zero_below_zero() -> None:
    assert number({"value": -0.004, "low": -1.0, "high": 0.006}) == "0.00 (-1.00 to 0.01)"
    assert number(None) == ""
