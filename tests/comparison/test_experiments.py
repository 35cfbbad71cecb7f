"""Ablations, sources never seen, and policy gradient before and after, on a tiny model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from centerlm.comparison import ablations, policy, unseen
from centerlm.comparison.material import shaped
from centerlm.comparison.running import Study, begin
from centerlm.comparison.settings import Comparison
from centerlm.comparison.teaching import Taught
from centerlm.errors import InputError
from centerlm.learning.job import Listener
from centerlm.plan import parse_plan


def told(lines: list[str]) -> Listener:
    return Listener(lambda *_: None, lambda _: None, lines.append)


def read(page: Path) -> dict[str, Any]:
    return json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))


def differing(one: object, other: object) -> set[str]:
    a, b = msgspec.to_builtins(one), msgspec.to_builtins(other)
    return {f"{s}.{n}" for s in a if s != "base" for n in a[s] if a[s][n] != b[s][n]}


def test_variants_of_a_group_differ_in_one_thing() -> None:
    usual = Comparison()
    recipes = {
        v.name: v.change(shaped(v.sized(usual))) for g in ablations.GROUPS.values() for v in g
    }
    one = recipes["usual"]
    assert differing(one, recipes["two adapters"]) == {"train.split"}
    assert differing(one, recipes["no aliases"]) == {"data.aliases"}
    assert differing(one, recipes["flat"]) == {"worlds.forms"}
    assert differing(recipes["DAgger"], recipes["no DAgger"]) == {"rounds.dagger"}
    for term in ("children", "cost", "diversity"):
        assert differing(recipes["all terms"], recipes[f"no {term}"]) == {f"rounds.{term}"}
    material = [v.sized(usual) for v in ablations.GROUPS["material"]]
    assert [m.material for m in material] == ["mixed", "worlds", "real"]
    assert len({replace(m, material="mixed") for m in material}) == 1


@pytest.mark.local
def test_a_folder_keeps_to_the_sizes_it_was_begun_with(tiny: Comparison, tmp_path: Path) -> None:
    """Models and answers kept there are of those sizes."""
    places = tmp_path / "out", "page", "command"
    begin(tiny, tmp_path / "ablations")
    with pytest.raises(InputError, match="begun with other tokens"):
        ablations.ablate(
            replace(tiny, tokens=9_000),
            ["aliases"],
            tmp_path / "ablations",
            *places,
            told=told([]),
            stop=lambda: False,
        )
    sizes = unseen.Sizes(tiny, tasks=2, questions=1)
    begin(tiny, tmp_path / "unseen", kinds=list(sizes.kinds), tasks=sizes.tasks)
    with pytest.raises(InputError, match="begun with other tasks"):
        unseen.unseen(
            replace(sizes, tasks=4),
            tmp_path / "unseen",
            *places,
            told=told([]),
            stop=lambda: False,
        )


def test_a_folder_keeps_to_the_data_it_was_begun_with(tiny: Comparison, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "train.jsonl").write_text("{}\n")
    begin(replace(tiny, data=data), tmp_path / "work")
    begin(replace(tiny, data=data.rename(tmp_path / "moved")), tmp_path / "work")
    (tmp_path / "moved" / "train.jsonl").write_text("{}\n{}\n")
    for other in (tmp_path / "moved", None):
        with pytest.raises(InputError, match="begun with other data"):
            begin(replace(tiny, data=other), tmp_path / "work")


@pytest.mark.local
def test_ablations_train_what_they_say(tiny: Comparison, tmp_path: Path) -> None:
    lines: list[str] = []
    with pytest.raises(InputError, match="needs the data folder"):
        ablations.ablate(
            tiny,
            ["material"],
            tmp_path / "w",
            tmp_path,
            "a",
            "c",
            told=told([]),
            stop=lambda: False,
        )
    page = ablations.ablate(
        tiny,
        ["adapters"],
        tmp_path / "work",
        tmp_path / "out",
        "ablations",
        "command",
        told=told(lines),
        stop=lambda: False,
    )
    usual, two = read(page)["groups"]["adapters"]
    assert usual["measures"]["hops as trained"]["value"]["n"] == 1
    assert two["measures"]["hops as trained"]["difference"]["n"] == 1
    assert two["measures"]["more hops"]["value"] is None  # one hop alone was asked
    assert set(two["training"]["0"]["holistic"]["gguf"]) == {"plan", "absorb"}
    assert set(usual["training"]["0"]["holistic"]["gguf"]) == {"all"}
    assert "not run" in page.read_text(encoding="utf-8")
    assert "usual" in lines[0] and "two adapters" in lines[0]


@pytest.mark.local
def test_sources_held_out_are_in_no_example_and_are_asked(tiny: Comparison, tmp_path: Path) -> None:
    sizes = unseen.Sizes(tiny, tasks=2, questions=1)
    page = unseen.unseen(
        sizes,
        tmp_path / "work",
        tmp_path / "out",
        "unseen",
        "command",
        told=told([]),
        stop=lambda: False,
    )
    report = read(page)
    assert set(report["conditions"]) == set(unseen.CONDITIONS)
    for figures in report["conditions"].values():
        assert figures["used rightly"]["n"] == 2
        assert figures["asked needlessly"]["n"] == 2
    (memory,) = (tmp_path / "work").rglob("memory.sqlite")  # that of the tasks is asked, no copy
    assert memory.parent.name == "experience"
    examples = (tmp_path / "work" / "seed-0" / "material" / "holistic.jsonl").read_text()
    assert '"decompose"' in examples and "[experiment]" in examples
    assert "[person]" not in examples and "[expert:" not in examples
    with pytest.raises(InputError, match="hold two kinds"):
        unseen.unseen(
            replace(sizes, kinds=("person",)),
            tmp_path / "w",
            tmp_path,
            "u",
            "c",
            told=told([]),
            stop=lambda: False,
        )


@pytest.mark.local
def test_policy_gradient_before_and_after(tiny: Comparison, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="a run writes event files")
    sizes = policy.Sizes(tiny, rounds=1, tried=1, k=2, questions=6)
    page = policy.before_and_after(
        sizes,
        tmp_path / "work",
        tmp_path / "out",
        "policy",
        "command",
        told=told([]),
        stop=lambda: False,
    )
    report = read(page)
    assert set(report["systems"]) == {"before", "policy", "experience"}
    (line,) = report["rounds"]["policy"]["0"]
    # a random model is wrong in every episode: the page says in words that nothing was trained
    assert line["no_signal"] == 1 and "episodes" in line["problem"]
    assert line["problem"] in page.read_text(encoding="utf-8")
    assert report["systems"]["policy"]["reward"] == report["systems"]["before"]["reward"]
    bent = report["perverse"]
    best = bent.pop("the right plans")
    assert best["right"]["value"] == 1
    for name, entry in bent.items():
        assert entry["reward"]["value"] < best["reward"]["value"], name


def test_before_is_what_the_methods_go_on_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the check split chose an earlier checkpoint than the round ended with."""
    run = tmp_path / "seed-0" / "holistic" / "rate-0.001"
    chosen = Taught({"all": run / "chosen.gguf"}, {"rate": 1e-3, "checkpoint": "checkpoint-3"})
    monkeypatch.setattr(Study, "taught", lambda self, weights, seed: chosen)
    usual = Comparison()
    study = Study(usual, tmp_path, told([]), lambda: False, shaped(usual))
    assert policy.begun_from(study, 0) == {"all": run / "adapter.gguf"}


def test_bent_plans_are_plans() -> None:
    plan = parse_plan("1 [documents] Who is 1## of A?\n2 [calculator] 12 - #1\n")
    searching, _ = policy.PERVERSE["always searching"]("What?", plan)
    again = parse_plan(str(searching))
    assert again == searching and len(again.steps) == 8
    assert again.steps[-1].text == "12 - #7" and again.steps[-2].text == "Who is 1## of A?"
    handing, more = policy.PERVERSE["handing on"]("What?", plan)
    assert parse_plan(str(handing)).steps[0].sources == ("center",)
    assert list(more.values()) == [plan]
    one, _ = policy.PERVERSE["one source only"]("What?", plan)
    assert {s.sources for s in one.steps} == {("documents",)}
