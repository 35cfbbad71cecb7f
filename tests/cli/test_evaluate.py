"""`centerlm evaluate`: systems on made-up sets, resumed, replayed, and all that may be wrong."""

from __future__ import annotations

import json
import re
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import evaluation_data
from centerlm.events import CallStarted
from centerlm.journal import SqliteJournal
from cli_run import Run
from evaluation_data import musique, write_lines, write_sets

SYSTEMS = "direct,cot,react,retrieve,iterate,flat,holistic,oracle-plan,random-source,single-source"
MODEL = ("--model", "scripted:evaluation_data:reads")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_sets(tmp_path / "data")


def evaluate(run: Run, data: Path | str, *more: object, model: tuple[str, ...] = MODEL) -> Any:
    return run("evaluate", "ood_qa", "--data", data, "--no-vectors", *model, *more)


def test_every_system_is_measured_and_reported(run: Run, data: Path, tmp_path: Path) -> None:
    done = evaluate(run, data, "--system", SYSTEMS, "--out", tmp_path / "run", "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert list(found) == ["scenario", "n", "systems", "paired", "config"]
    assert (found["scenario"], found["n"]) == ("ood_qa", 5)
    assert list(found["systems"]) == SYSTEMS.split(",")
    for system in found["systems"].values():
        assert list(system) == ["metrics", "usage"]
        assert set(system["usage"]) == {
            "calls", "prompt_tokens", "completion_tokens", "seconds", "cost",
        }  # fmt: skip
        for cell in system["metrics"].values():
            assert cell["low"] <= cell["value"] <= cell["high"]
    f1 = {name: s["metrics"]["f1"]["value"] for name, s in found["systems"].items()}
    assert f1["holistic"] == f1["flat"] == f1["oracle-plan"] == 1.0
    assert f1["direct"] == f1["cot"] == f1["react"] == 0.2
    holistic = found["systems"]["holistic"]["metrics"]
    assert holistic["support_recall"]["value"] == holistic["citation_precision"]["value"] == 1.0
    assert holistic["plan_graph"]["value"] == 1.0
    pair = next(p for p in found["paired"] if (p["first"], p["second"]) == ("flat", "holistic"))
    assert (pair["n"], pair["difference"], pair["low"], pair["high"]) == (5, 0, 0, 0)
    assert re.fullmatch(r"[0-9a-f]{64}", found["config"]["hashes"]["musique/dev.jsonl"])


def test_the_report_shows_each_item_beside_what_is_right(
    run: Run, data: Path, tmp_path: Path
) -> None:
    done = evaluate(run, data, "--system", "flat,direct", "--out", tmp_path / "run")
    assert done.code == 0, done.err
    assert "flat" in done.out and "n=5" in done.out
    index = (tmp_path / "run/report/index.html").read_text()
    for part in ("<svg", "f1 by hops", "f1 by set", "flat - direct", "near"):
        assert part in index, part
    assert "<script" not in index
    pages = re.findall(r'href="(items/\d+\.html)"', index)
    assert len(pages) == 5
    texts = [(tmp_path / "run/report" / page).read_text() for page in pages]
    page = next(text for text in texts if "painter number 1" in text)
    for part in ("Right plan", "Which river flows through Norburg?", "Ister / River Ister", "flat"):
        assert part in page, part


def test_text_of_items_is_no_html(run: Run, tmp_path: Path) -> None:
    rows = [{"question": "<script>alert(1)</script> & which?", "answer": "<b>x</b>"}]
    file = write_lines(tmp_path / "own.jsonl", rows)
    assert evaluate(run, file, "--system", "direct", "--out", tmp_path / "run").code == 0
    for page in (tmp_path / "run/report").rglob("*.html"):
        assert "<script>" not in page.read_text() and "<b>x" not in page.read_text()


def test_ids_and_hops_of_any_kind_are_reported(run: Run, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "numbered.jsonl", [{**musique(1, "a", "b"), "id": 7}])
    assert evaluate(run, file, "--system", "direct", "--out", tmp_path / "run").code == 0
    assert "<title>7</title>" in (tmp_path / "run/report/items/0001.html").read_text()
    rows = [{"question": f"Who is {n}?", "answer": "x", "hops": n} for n in ("1", "2", "\u00b2")]
    file = write_lines(tmp_path / "hops.jsonl", rows)
    assert evaluate(run, file, "--system", "direct", "--out", tmp_path / "hops").code == 0
    assert "\u00b2" in (tmp_path / "hops/report/index.html").read_text()


def test_what_is_finished_is_not_run_again(run: Run, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    evaluate(run, data, "--system", "flat", "--limit", 1, "--out", out)
    calls = len(evaluation_data.reads.calls)
    first = (out / "results.json").read_text()
    assert evaluate(run, data, "--system", "flat", "--limit", 1, "--out", out).code == 0
    assert len(evaluation_data.reads.calls) == calls
    assert (out / "results.json").read_text() == first
    assert evaluate(run, data, "--system", "flat,direct", "--out", out).code == 0
    assert len(evaluation_data.reads.calls) > calls
    assert json.loads((out / "results.json").read_text())["n"] == 5


def test_one_answer_that_is_withheld_counts_as_wrong_and_the_rest_is_measured(
    run: Run, data: Path, tmp_path: Path
) -> None:
    """It would be withheld each time: the same command could never go on."""
    model = ("--model", "scripted:evaluation_data:filtered")
    given = ("--system", "flat", "--set", "musique", "--json", "--out", tmp_path / "run")
    done = evaluate(run, data, *given, model=model)
    assert done.code == 0, done.err
    figures = json.loads(done.out)
    assert figures["n"] == 3
    assert figures["systems"]["flat"]["metrics"]["em"]["value"] == pytest.approx(2 / 3)


def test_an_endpoint_that_dies_ends_the_run_and_the_same_command_goes_on(
    run: Run, data: Path, tmp_path: Path
) -> None:
    out, dying = tmp_path / "run", ("--model", "scripted:evaluation_data:dies")
    evaluation_data.dies.left = 4
    done = evaluate(run, data, "--system", "flat", "--out", out, model=dying)
    assert done.code == 1
    assert done.complaint().endswith("run the same command to go on")
    assert not (out / "results.json").exists()
    evaluation_data.dies.left = 100
    done = evaluate(run, data, "--system", "flat", "--out", out, model=dying)
    assert done.code == 0, done.err
    found = json.loads((out / "results.json").read_text())
    assert found["systems"]["flat"]["metrics"]["f1"]["value"] == pytest.approx(1.0)
    # Three questions of four calls and two sums of one: nothing was asked twice.
    assert 100 - evaluation_data.dies.left + 4 == 3 * 4 + 2 * 1


def test_a_run_is_replayed_from_its_calls(run: Run, data: Path, tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    evaluate(run, data, "--system", "holistic,react", "--out", one)
    calls = len(evaluation_data.reads.calls)
    done = evaluate(run, data, "--system", "holistic,react", "--out", other, "--replay", one)
    assert done.code == 0, done.err
    assert len(evaluation_data.reads.calls) == calls

    def timeless(folder: Path) -> bytes:
        results = json.loads((folder / "results.json").read_text())
        results["config"].pop("command")
        for system in results["systems"].values():
            system["usage"].pop("seconds")
            system["metrics"].pop("seconds")
        return json.dumps(results).encode()

    assert timeless(one) == timeless(other)


def test_worlds_need_no_data(run: Run, tmp_path: Path) -> None:
    done = run("evaluate", "ood_qa", "--set", "worlds", "--limit", 2, "--system", "direct",
               "--no-vectors", *MODEL, "--out", tmp_path / "run", "--json")  # fmt: skip
    assert done.code == 0, done.err
    assert json.loads(done.out)["n"] == 2


def test_trained_items_and_answers_beside_questions_are_warned_of(
    run: Run, data: Path, tmp_path: Path
) -> None:
    rows = [json.loads(line) for line in (data / "musique/dev.jsonl").read_text().splitlines()]
    write_lines(data / "musique" / "train.jsonl", rows[:1])
    rows[0]["paragraphs"][2]["paragraph_text"] = f"{rows[0]['question']} The Ister."
    write_lines(data / "musique" / "dev.jsonl", rows)
    done = evaluate(run, data, "--system", "retrieve", "--out", tmp_path / "run")
    assert "warning: 1 of 3 items of musique stand in its training file as well" in done.err
    assert "a source gave the question itself (first: 2hop__1)" in done.err


BAD = {
    "no data": (["--data", "nowhere"], "there is no data at nowhere"),
    "no system of that name": (["--system", "holistc"], "did you mean 'holistic'?"),
    "a system twice": (["--system", "flat,flat"], "named twice"),
    "no system": (["--system", ","], "no system is named"),
    "nothing of it": (["--limit", "0"], "leaves no item"),
    "no set of that name": (["--set", "squad"], "there is no set 'squad'"),
    "a set that is not there": (["--set", "hotpotqa"], "has no dev file of hotpotqa"),
    "no weights": (["--system", "fragmentation"], "needs weights trained so"),
    "a budget": (["--budget", "calls=x"], "is not a number"),
    "no recording": (["--replay", "nowhere"], "has 0 recorded models"),
}


@pytest.mark.parametrize("what", list(BAD))
def test_a_wrong_option_is_one_sentence(what: str, run: Run, data: Path, tmp_path: Path) -> None:
    options, told = BAD[what]
    done = evaluate(run, data, "--out", tmp_path / "run", *options)
    assert done.code == 2
    assert told in done.complaint()


def test_an_unknown_scenario_is_one_sentence(run: Run, tmp_path: Path) -> None:
    done = run("evaluate", "ood_q", "--out", tmp_path / "run")
    assert done.code == 2
    assert "did you mean 'ood_qa'?" in done.complaint()


LINES = {
    "no JSON": (['{"question": "x"'], ":1 is not JSON"),
    "no record": (["[1, 2]"], ":1 is no record"),
    "nothing": ([], "holds no item"),
    "no question": ([json.dumps({"answer": "x"})], "is not a record of questions and answers"),
    "no such type": (
        [json.dumps({"question": "Who?", "answer": "x", "answer_type": "colour"})],
        "an answer_type is one of any, text",
    ),
    "no answer": ([json.dumps({"question": "Who?"})], "it has no answer"),
    "an empty answer": ([json.dumps({"question": "Who?", "answers": []})], "has no answer"),
    "a blank answer": ([json.dumps({"question": "Who?", "answer": " "})], "has no answer"),
    "an answer of many parts": ([json.dumps({"question": "Who?", "answer": {"name": "x"}})],
                                "an answer is a text, a number, or a list of them"),
    "facts in one text": ([json.dumps({"question": "Who?", "answer": "x", "facts": "It is x."})],
                          "its facts are no list of texts"),
    "half a character": ([json.dumps({"question": "Who?", "answer": "\ud83d"})],
                         ":1 holds half a character"),
    "two of one id": ([json.dumps({"id": "a", "question": q, "answer": "x"}) for q in "pq"],
                      "two items with the id 'a'"),
    "no plan": ([json.dumps({"question": "Who?", "answer": "x", "plan": "go"})],
                "its plan is not one"),
    "another format": ([json.dumps({**musique(1, "a", "b"), "paragraphs": 3})],
                       "is not a record of musique"),
    "no text": ([json.dumps({"question": 3, "answer": "x"})], "its question is no text"),
}  # fmt: skip


@pytest.mark.parametrize("what", list(LINES))
def test_a_wrong_file_is_one_sentence(what: str, run: Run, tmp_path: Path) -> None:
    lines, told = LINES[what]
    (tmp_path / "own.jsonl").write_text("\n".join(lines))
    done = evaluate(run, "own.jsonl", "--out", tmp_path / "run")
    assert done.code == 2
    assert told in done.complaint()


def test_a_file_that_is_no_text_is_one_sentence(run: Run, tmp_path: Path) -> None:
    (tmp_path / "own.jsonl").write_bytes(b"\xff\xfe\x00")
    assert "not UTF-8" in evaluate(run, "own.jsonl", "--out", tmp_path / "run").complaint()


def test_a_folder_of_another_evaluation_is_refused(run: Run, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert evaluate(run, data, "--system", "direct", "--out", out).code == 0
    done = evaluate(run, data, "--system", "direct", "--out", out, "--seed", 3)
    assert (done.code, "another seed" in done.complaint()) == (2, True)
    write_lines(data / "musique" / "dev.jsonl", [musique(5, "Norburg", "Ister")])
    done = evaluate(run, data, "--system", "direct", "--out", out)
    assert "another content of musique/dev.jsonl" in done.complaint()
    (out / "config.json").write_text("{")
    assert "is damaged" in evaluate(run, data, "--system", "direct", "--out", out).complaint()


@pytest.mark.parametrize("held", [b"{", b"[1]", b'{"a": "\xff"}'])
def test_a_damaged_folder_is_one_sentence(
    held: bytes, run: Run, data: Path, tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/config.json").write_bytes(held)
    done = evaluate(run, data, "--out", tmp_path / "run")
    assert (done.code, "config.json is damaged" in done.complaint()) == (2, True)


def test_only_a_row_with_the_web_knows_what_its_items_found(
    run: Run, data: Path, tmp_path: Path
) -> None:
    """Each item stands twice, under two ids: the second time its steps are known in that row."""
    rows = [json.loads(line) for line in (data / "musique/dev.jsonl").read_text().splitlines()]
    again = [{**row, "id": f"{row['id']}-again"} for row in rows]
    write_lines(data / "musique/dev.jsonl", [*rows, *again])
    out = tmp_path / "run"
    names = ("holistic", "holistic-no-memory", "holistic+web")
    given = ("--system", ",".join(names), "--set", "musique", "--out", out, "--json")
    done = evaluate(run, data, *given)
    assert done.code == 0, done.err
    systems = json.loads(done.out)["systems"]
    assert [systems[name]["metrics"]["f1"]["value"] for name in names] == [1.0] * 3
    calls = [systems[name]["usage"]["calls"] for name in names]
    assert calls[0] == calls[1] > calls[2]
    assert json.loads(evaluate(run, data, *given).out)["systems"] == systems
    questions = [row["question"] for row in rows]
    for name, alike in zip(names, (True, True, False), strict=True):
        once, twice = zip(*(asked(out / "journal.sqlite", name, q) for q in questions), strict=True)
        assert (once == twice) is alike, name


def test_without_vectors_no_memory_compares_by_them_either(
    run: Run, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from centerlm.errors import MissingWeightsError
    from remembered import opened, teach

    wanted: list[str] = []

    def find() -> None:
        wanted.append("an embedder")
        raise MissingWeightsError("there is none")

    monkeypatch.setattr("centerlm.memory.seeking.find_embedder", find)
    memory = opened(tmp_path / "given.sqlite", project="taught")
    teach(memory, "documents", [1] * 5, "Which county is Norburg in?")
    memory.settle()
    memory.close()
    config = tmp_path / "with.toml"
    config.write_text(f'[evaluate]\nmemory = "{memory.path}"\nmemory_project = "taught"\n')
    for name, given in (("holistic", ("--config", config)), ("holistic+web", ())):
        done = evaluate(run, data, "--system", name, *given, "--out", tmp_path / name)
        assert (done.code, wanted) == (0, []), name


def asked(journal: Path, system: str, question: str) -> list[list[str]]:
    """The prompts (their hashes) and the answer of each episode in which a system was asked."""
    episodes: list[list[str]] = []
    prefix = system.replace("+", "-with-")
    with closing(SqliteJournal(journal)) as store:
        for row in store.summaries(-1):
            if row.question == question and re.fullmatch(rf"{prefix}-\w+-0", row.name):
                events = store.events(row.name)
                prompts = sorted(e.prompt for e in events if isinstance(e, CallStarted))
                episodes.append([*prompts, row.answer])
    return episodes


def test_a_memory_that_is_given_is_read_and_never_changed(
    run: Run, data: Path, tmp_path: Path
) -> None:
    from remembered import opened, teach

    file = tmp_path / "experience.sqlite"
    memory = opened(file, project="taught")
    teach(memory, "documents", [1] * 5, "Which county is Norburg in?")
    memory.settle()
    memory.close()
    before = file.read_bytes()
    config = tmp_path / "with.toml"
    config.write_text(f'[evaluate]\nmemory = "{file}"\nmemory_project = "taught"\n')
    names, out = "holistic,holistic-no-memory", tmp_path / "run"
    given = ("--system", names, "--config", config, "--out", out, "--json")
    done = evaluate(run, data, *given)
    assert done.code == 0, done.err
    assert file.read_bytes() == before
    config.write_text('[evaluate]\nmemory = "gone.sqlite"\n')
    missing = evaluate(run, data, *given)
    assert missing.code == 2 and "there is no memory gone.sqlite" in missing.complaint()
    config.write_text("[evaluate]\n")
    changed = evaluate(run, data, *given)
    assert changed.code == 2 and "another memory" in changed.complaint()
