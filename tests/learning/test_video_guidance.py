"""Guidance about videos: from programs of clips and from NExT-QA, as `centerlm guide` writes it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from centerlm.evaluation.clips import make_clip
from centerlm.evaluation.nextqa import read_nextqa
from centerlm.learning.readers import read_own
from centerlm.learning.video_guidance import FIRST_SEED, clip_guidance, nextqa_guidance
from cli_run import runner
from nextqa_data import write_nextqa


def test_clips_to_learn_from_are_others_than_those_of_the_evaluation() -> None:
    made = list(clip_guidance(40))
    assert len(made) == 40
    assert {edit.by for edit in made} == {"clips"}
    deep = {q.text for seed in range(20) for q in make_clip(seed, "deeper").questions}
    assert not deep & {edit.objective for edit in made}
    first = make_clip(FIRST_SEED, "in", speech=True)
    assert made[0].objective == first.questions[0].text
    assert first.movers != make_clip(0, "in", speech=True).movers


def test_nextqa_is_asked_whole_of_the_training_videos_alone(tmp_path: Path) -> None:
    write_nextqa(tmp_path)
    made = list(nextqa_guidance(tmp_path))
    assert len(made) == len(read_nextqa(tmp_path, train=True)) == 200
    assert made[0].plan == ("1 [video] what does the dog do? One of: sleep; bark; eat; dig; swim")


def test_the_command_adds_what_is_new_and_learning_can_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = runner(monkeypatch, capsys)
    write_nextqa(tmp_path)
    out = tmp_path / "video.jsonl"
    words = ["guide", "--clips", "30", "--nextqa", str(tmp_path), "--out", str(out), "--json"]
    first = json.loads(run(*words).out)
    assert first["new"] >= 10
    assert json.loads(run(*words).out)["new"] == 0
    read = read_own(out)
    assert {guidance.by for guidance in read.guidance} == {"clips", "nextqa"}
    assert {one.kind for one in read.skipped} <= {"repeated", "contradictory"}
    assert all(guidance.answer is None for guidance in read.guidance)
