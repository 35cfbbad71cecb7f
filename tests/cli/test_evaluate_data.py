"""The data of `centerlm evaluate`: sets of the hub, missing values, answers of any kind."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

import evaluation_data
from centerlm.models.fake_server import FakeServer, Fault
from centerlm.models.provider import Retry
from cli_run import Run, serving
from evaluation_data import musique, write_lines, write_sets

MODEL = ("--model", "scripted:evaluation_data:reads", "--no-vectors")

HOTPOT = {
    "id": "5a8b",
    "question": "Which river flows through the town where painter number 1 was born?",
    "answer": "Ister",
    "type": "bridge",
    "level": "hard",
    "supporting_facts": {"title": ["Painter 1", "Norburg"], "sent_id": [0, 1]},
    "context": {
        "title": ["Painter 1", "Norburg"],
        "sentences": [
            ["Painter number 1 was born in Norburg long ago."],
            ["Norburg is a town;", "the river Ister flows through Norburg."],
        ],
    },
}


def evaluate(run: Run, data: object, *more: object, out: str = "run") -> Any:
    return run("evaluate", "ood_qa", "--data", data, *MODEL, "--out", out, *more)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where `datasets` looks for a name first: the current folder. Its cache is the test's own."""
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_MODULES_CACHE", tmp_path / "modules")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def saved(folder: Path, part: str, rows: list[Any]) -> None:
    """Rows as a part of a set, written by the library that publishes them."""
    import datasets

    folder.mkdir(parents=True, exist_ok=True)
    datasets.Dataset.from_list(rows).to_parquet(folder / f"{part}-00000-of-00001.parquet")


def test_a_set_of_the_hub_is_read_by_its_own_library(run: Run, hub: Path) -> None:
    saved(hub / "made/musique", "validation", [musique(1, "Norburg", "Ister")])
    saved(hub / "made/musique", "train", [musique(2, "Elmstad", "Lunda")])
    done = evaluate(run, "hub:made/musique", "--system", "oracle-plan", "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    metrics = found["systems"]["oracle-plan"]["metrics"]
    assert (found["n"], metrics["f1"]["value"]) == (1, 1.0)
    assert metrics["support_recall"]["value"] == metrics["citation_precision"]["value"] == 1.0
    assert list(found["config"]["hashes"]) == ["hub:made/musique"]


def test_columns_of_the_hub_are_the_same_as_the_published_pairs(run: Run, hub: Path) -> None:
    saved(hub / "made/hotpot", "validation", [HOTPOT])
    done = evaluate(run, "hub:made/hotpot", "--system", "flat", "--json")
    assert done.code == 0, done.err
    there = json.loads(done.out)["systems"]["flat"]["metrics"]
    context, facts = HOTPOT["context"], HOTPOT["supporting_facts"]
    published = {
        **HOTPOT,
        "_id": "5a8b",
        "context": list(zip(context["title"], context["sentences"], strict=True)),
        "supporting_facts": list(zip(facts["title"], facts["sent_id"], strict=True)),
    }
    write_lines(hub / "own.jsonl", [published])
    done = evaluate(run, "own.jsonl", "--system", "flat", "--json", out="here")
    assert done.code == 0, done.err
    here = json.loads(done.out)["systems"]["flat"]["metrics"]
    assert {m: c for m, c in here.items() if m != "seconds"} == {
        m: c for m, c in there.items() if m != "seconds"
    }
    assert here["support_recall"]["value"] == 1.0


def test_a_set_that_the_hub_cannot_give_is_one_sentence(run: Run, hub: Path) -> None:
    saved(hub / "made/only", "train", [musique(1, "Norburg", "Ister")])
    done = evaluate(run, "hub:made/only")
    assert (done.code, "has no part dev or validation or test" in done.complaint()) == (2, True)
    done = evaluate(run, "hub:made/only/no_such_config")
    assert (done.code, "cannot be had" in done.complaint()) == (2, True)


def test_without_the_library_of_the_hub_it_says_how_to_get_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    done = evaluate(run, "hub:made/musique")
    assert (done.code, "pip install 'centerlm[eval]'" in done.complaint()) == (2, True)


def test_true_and_false_are_yes_and_no(run: Run, tmp_path: Path) -> None:
    rows = [{"id": str(n), "question": f"Is it {n}?", "answer": n == 1} for n in (1, 2)]
    write_lines(tmp_path / "own.jsonl", rows)
    model = ("--model", "scripted:evaluation_data:agrees")
    done = evaluate(run, "own.jsonl", "--system", "direct", "--json", *model)
    assert done.code == 0, done.err
    assert json.loads(done.out)["systems"]["direct"]["metrics"]["em"]["value"] == 0.5


MISSING = {
    "an answer that is null": {"question": "Who?", "answer": None},
    "an accepted answer that is null": {"question": "Who?", "answer": ["x", None]},
    "MuSiQue without an answer": {**musique(1, "a", "b"), "answer": None},
    "an alias that is null": {**musique(1, "a", "b"), "answer_aliases": [None]},
    "HotpotQA without an answer": {**HOTPOT, "answer": None},
}


@pytest.mark.parametrize("what", list(MISSING))
def test_a_record_without_an_answer_is_one_sentence(what: str, run: Run, tmp_path: Path) -> None:
    write_lines(tmp_path / "own.jsonl", [MISSING[what]])
    done = evaluate(run, "own.jsonl")
    assert (done.code, "has no answer" in done.complaint()) == (2, True)


def test_a_passage_without_text_is_one_sentence(run: Run, tmp_path: Path) -> None:
    row = {"question": "Who?", "answer": "x", "passages": [{"title": "T", "text": None}]}
    write_lines(tmp_path / "own.jsonl", [row])
    assert "a passage needs the texts title and text" in evaluate(run, "own.jsonl").complaint()


def test_an_id_rules_no_terminal(run: Run, tmp_path: Path) -> None:
    write_lines(tmp_path / "own.jsonl", [{"id": "a\x07b", "question": "Who?", "answer": "x"}])
    done = evaluate(run, "own.jsonl", "--system", "direct")
    assert (done.code, "1 of 1: direct ab" in done.err, "\x07" in done.err) == (0, True, False)


def test_a_damaged_training_file_is_one_sentence(run: Run, tmp_path: Path) -> None:
    data = write_sets(tmp_path / "data")
    row = {**musique(9, "Faro", "Alva"), "question_decomposition": [{"id": 1}]}
    write_lines(data / "musique" / "train.jsonl", [row])
    done = evaluate(run, data)
    assert (done.code, "train.jsonl:1 is not a record of musique" in done.complaint()) == (2, True)


def test_a_set_that_a_file_is_not_is_one_sentence(run: Run, tmp_path: Path) -> None:
    write_lines(tmp_path / "own.jsonl", [{"question": "Who?", "answer": "x"}])
    done = evaluate(run, "own.jsonl", "--set", "musique")
    assert (done.code, "or --data with a folder of sets" in done.complaint()) == (2, True)


def test_a_set_that_was_held_out_is_told_apart(run: Run, tmp_path: Path) -> None:
    """Trained without 2Wiki: its own training file says nothing about what was seen."""
    data = write_sets(tmp_path / "data")
    (data / "gsm8k" / "dev.jsonl").unlink()
    triples = [["Film 1", "director", "Ann Faro"], ["Ann Faro", "place of birth", "Norburg"]]
    row = {
        "_id": "w1", "question": "Where was the director of Film 1 born?", "answer": "Norburg",
        "type": "compositional", "evidences": triples,
        "context": [["Film 1", ["Film 1 is by Ann Faro."]]], "supporting_facts": [["Film 1", 0]],
    }  # fmt: skip
    write_lines(data / "2wikimultihopqa" / "dev.jsonl", [row])
    other = {**row, "_id": "w2", "evidences": [["Film 2", "director", "Ben Alva"]]}
    write_lines(data / "2wikimultihopqa" / "train.jsonl", [other])

    def parts(*more: str) -> dict[str, list[str]]:
        done = evaluate(run, data, "--system", "direct", *more)
        assert done.code == 0, done.err
        splits = json.loads((tmp_path / "run/results.json").read_text())["splits"]
        return {name: sorted(parts) for name, parts in splits.items()}

    all_ = parts()
    assert all_["trained on its set"] == ["yes"]
    assert all_["seen"] == ["near"]
    assert all_["seen pieces"] == ["asked", "relation"]
    assert all_["relation"] == ["other words", "place of birth"]
    held = parts("--trained", "musique")
    assert held["trained on its set"] == ["no", "yes"]
    assert held["seen"] == ["far", "near"]
    assert held["seen pieces"] == ["asked", "nothing"]
    wrong = evaluate(run, data, "--trained", "squad")
    assert (wrong.code, "no set 'squad' to train on" in wrong.complaint()) == (2, True)


def test_an_endpoint_that_goes_down_half_way_loses_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real one, over HTTP: it answers two items, then refuses; once it is back, two are left."""
    monkeypatch.setattr(Retry, "wait", lambda *_: 0.0)
    rows = [{"id": str(n), "question": f"Who is number {n}?", "answer": "Ada"} for n in range(4)]
    write_lines(tmp_path / "own.jsonl", rows)
    (tmp_path / "centerlm.toml").write_text("[evaluate]\nconcurrency = 1\n")
    reply = '{"answer": "Ada", "notes": []}'
    down: list[Fault | None] = [None, None, *[Fault(status=503)] * 20]
    with serving(FakeServer({"": reply}, faults=down)) as server:
        asked = ("evaluate", "ood_qa", "--data", "own.jsonl", "--system", "direct", "--out", "run",
                 "--model", "openai:m", "--base-url", server.base_url)  # fmt: skip
        done = run(*asked)
        assert (done.code, "run the same command to go on" in done.complaint()) == (1, True)
        server.faults = ()
        before = len(server.requests)
        done = run(*asked, "--json")
        assert done.code == 0, done.err
        assert len(server.requests) - before == 2
    found = json.loads(done.out)
    assert found["n"] == 4
    assert found["systems"]["direct"]["metrics"]["em"]["value"] == 1.0


def test_no_answer_at_all_is_measured_and_reported(run: Run, tmp_path: Path) -> None:
    data = write_sets(tmp_path / "data")
    model = ("--model", "scripted:evaluation_data:mute")
    done = evaluate(run, data, "--system", "direct,retrieve,flat,react", "--json", *model)
    assert done.code == 0, done.err
    for system in json.loads(done.out)["systems"].values():
        assert system["metrics"]["f1"]["value"] == system["metrics"]["em"]["value"] == 0
        assert "citation_precision" not in system["metrics"]
    assert "-</span>" in (tmp_path / "run/report/index.html").read_text()
    assert evaluation_data.mute.calls
