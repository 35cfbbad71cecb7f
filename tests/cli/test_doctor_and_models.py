"""`doctor` and `models list` as they are printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from gguf_file import write_lora

from centerlm import doctor
from centerlm.models import lora
from cli_run import Run


def test_doctor_prints_a_line_a_check_and_a_verdict(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(doctor.EXTRAS, "local", ("module_of_nowhere",))
    done = run("doctor")
    assert done.code == 1
    lines = done.out.splitlines()
    assert any(line.startswith("ok  Python: 3.") for line in lines)
    at = lines.index("!!  extra [local]: nothing")
    assert lines[at + 1].strip().endswith("run: pip install 'centerlm[local]'")
    assert lines[-1] == "not ready: mend what is marked !!"


def test_doctor_as_json(run: Run) -> None:
    done = run("doctor", "--json")
    report = json.loads(done.out)
    assert done.code == (0 if report["ready"] else 1)
    assert {"what", "ok", "found", "remedy", "needed"} == set(report["checks"][0])


def test_models_are_listed_with_where_they_are(run: Run, home: Path) -> None:
    done = run("models", "list")
    assert done.code == 0
    assert done.out.startswith("default ") and "SmolLM2-135M-Instruct" in done.out
    rows = json.loads(run("models", "list", "--json").out)
    assert [row["name"] for row in rows[:2]] == ["default", "embeddings"]
    for row in rows[:2]:
        assert row["ok"] == Path(row["state"]).exists()
        assert row["ok"] or f"centerlm models get {row['name']}" in row["state"]


def test_the_shipped_adapter_is_shown(
    run: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lora, "ADAPTERS", home / "adapters")
    assert "\nadapter " not in run("models", "list").out
    assert "model adapter" not in run("doctor").out
    (home / "adapters").mkdir()
    path = write_lora(home / "adapters" / "default.gguf")
    row = json.loads(run("models", "list", "--json").out)[-1]
    assert (row["name"], row["ok"], row["state"]) == ("adapter", True, str(path))
    assert f"ok  model adapter: {path}\n" in run("doctor").out
    path.write_bytes(path.read_bytes()[:-100])
    done = run("doctor")
    assert done.code == 1 and "!!  model adapter: not found, or not as pinned" in done.out
    assert "is truncated; install centerlm again" in done.out
