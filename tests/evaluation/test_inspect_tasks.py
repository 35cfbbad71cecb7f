"""The scenarios as tasks of Inspect AI, run by it on a model of its own, into its own log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import evaluation_data
from centerlm.errors import InputError
from centerlm.models.base import Message, Prompt, Sampling
from cli_run import Run, runner
from evaluation_data import write_lines, write_sets

inspect_ai = pytest.importorskip("inspect_ai", reason="needs the extra eval")
pytest.importorskip("inspect_ai.log", reason="needs all that Inspect needs")


def modelled(say: Any) -> Any:
    """Inspect's own mock of a model, saying what a script says."""
    from inspect_ai.model import ModelOutput, ModelUsage, get_model

    def answer(asked: list[Any], tools: Any, choice: Any, config: Any) -> ModelOutput:
        del tools, choice
        prompt = Prompt(tuple(Message(message.role, message.text) for message in asked))
        sampling = Sampling(config.max_tokens, temperature=config.temperature)
        output = ModelOutput.from_content("mockllm/model", say(prompt, sampling))
        # Without, the mock counts with a tokenizer that it would fetch.
        output.usage = ModelUsage(input_tokens=7, output_tokens=3, total_tokens=10)
        return output

    return get_model("mockllm/model", custom_outputs=answer)


def inspected(task: Any, say: Any, folder: Path) -> Any:
    """The log that Inspect wrote of a task, as its reader gives it."""
    from inspect_ai.log import read_eval_log

    (log,) = inspect_ai.eval(task, model=modelled(say), log_dir=str(folder), display="none")
    assert log.status == "success", log.error
    return read_eval_log(log.location)


def test_a_task_gives_what_evaluate_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from centerlm.evaluation.inspect_tasks import ood_qa

    monkeypatch.setenv("CENTERLM_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    data = write_sets(tmp_path / "data")
    run: Run = runner(monkeypatch, capsys)
    done = run("evaluate", "ood_qa", "--data", data, "--no-vectors", "--out", "run", "--json",
               "--system", "flat", "--model", "scripted:evaluation_data:reads")  # fmt: skip
    assert done.code == 0, done.err
    ours = {m: c["value"] for m, c in json.loads(done.out)["systems"]["flat"]["metrics"].items()}
    task = ood_qa(data=str(data), system="flat", vectors=False, work=str(tmp_path / "work"))
    log = inspected(task, evaluation_data.say, tmp_path / "logs")
    (score,) = log.results.scores
    theirs = {name: metric.value for name, metric in score.metrics.items()}
    assert theirs["mean"] == ours["f1"] == 1.0
    for name in ("em", "f1", "support_recall", "citation_precision", "plan_graph", "calls"):
        assert theirs[name] == ours[name], name
    sample = next(sample for sample in log.samples if sample.id == "2hop__1")
    assert sample.output.completion == "Ister"
    assert sample.metadata["centerlm_episodes"][0]["steps"][0]["answer"] == "Norburg"
    assert sum(event.event == "model" for event in sample.events) == 4
    assert log.eval.metadata["system"] == "flat"


def test_puzzles_are_tried_until_one_proposal_is_right(tmp_path: Path) -> None:
    from centerlm.evaluation.inspect_tasks import strategy

    (tmp_path / "game24").mkdir()
    (tmp_path / "game24/puzzles.csv").write_text("Rank,Puzzles\n1,4 9 10 13\n400,1 1 1 1\n")
    write_lines(tmp_path / "strategyqa/dev.jsonl", [
        {"qid": "q", "question": "Is painter number 3 alive?", "answer": True},
    ])  # fmt: skip
    task = strategy(data=str(tmp_path), system="flat", candidates=3, vectors=False,
                    work=str(tmp_path / "work"))  # fmt: skip
    log = inspected(task, evaluation_data.puzzle, tmp_path / "logs")
    (score,) = log.results.scores
    # One of two puzzles, and the question.
    assert score.metrics["mean"].value == pytest.approx(2 / 3)
    assert score.metrics["proposals"].value == (2 + 3) / 2


def test_an_item_that_a_system_is_not_for_has_no_score(tmp_path: Path) -> None:
    from centerlm.evaluation.inspect_tasks import ood_qa

    file = write_lines(tmp_path / "own.jsonl", [
        {"id": "a", "question": "Which?", "answer": "x", "plan": "1 [calculator] 1 + 1"},
        {"id": "b", "question": "Who?", "answer": "y"},
    ])  # fmt: skip
    task = ood_qa(data=str(file), system="oracle-plan", vectors=False, work=str(tmp_path / "work"))
    log = inspected(task, lambda prompt, sampling: "x", tmp_path / "logs")
    (score,) = log.results.scores
    assert (score.scored_samples, score.unscored_samples) == (1, 1)


def test_a_wrong_task_is_one_sentence(tmp_path: Path) -> None:
    from centerlm.evaluation.inspect_tasks import ood_qa

    with pytest.raises(InputError, match="did you mean 'holistic'"):
        ood_qa(data=str(tmp_path), system="holistc")
    with pytest.raises(InputError, match="needs weights trained so"):
        ood_qa(data=str(tmp_path), system="fragmentation")
    with pytest.raises(InputError, match="there is no data at"):
        ood_qa(data=str(tmp_path / "none"), system="direct")
