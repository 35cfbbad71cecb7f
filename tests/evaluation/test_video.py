"""The scenario video: clips with right plans, NExT-QA, questions of one's own; grounding."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from centerlm.errors import InputError
from centerlm.evaluation.clips import make_clip
from centerlm.evaluation.grounding import grounding
from centerlm.evaluation.nextqa import overlap_choices, read_nextqa, read_videos
from centerlm.evaluation.scenarios import open_scenario
from centerlm.evaluation.scenarios.base import Opening
from centerlm.evaluation.scenarios.video import choice
from centerlm.sources.media import Media
from nextqa_data import write_nextqa


@pytest.mark.parametrize(
    ("cited", "gold", "iop", "iou"),
    [
        ([(0, 10)], [(0, 10)], 1, 1),
        ([(0, 5)], [(0, 10)], 1, 0.5),
        ([(0, 20)], [(0, 10)], 0.5, 0.5),
        ([(0, 2), (1, 4)], [(0, 2), (6, 8)], 0.5, 1 / 3),
        ([], [(0, 1)], 0, 0),
        ([(3, 3)], [(0, 1)], 0, 0),
    ],
)
def test_grounding_is_in_seconds(
    cited: list[tuple[float, float]], gold: list[tuple[float, float]], iop: float, iou: float
) -> None:
    assert grounding(cited, gold) == pytest.approx((iop, iou))


def test_clips_are_the_same_for_a_seed_and_larger_in_their_splits() -> None:
    assert make_clip(3, speech=True) == make_clip(3, speech=True)
    assert make_clip(3, speech=True) != make_clip(4, speech=True)
    usual, more, longer = (
        [make_clip(seed, split, speech=False) for seed in range(8)]
        for split in ("in", "more", "longer")
    )
    assert max(len(c.movers) for c in usual) < min(len(c.movers) for c in more)
    assert max(c.seconds / len(c.movers) for c in usual) < min(
        c.seconds / len(c.movers) for c in longer
    )
    deep = {q.depth for seed in range(4) for q in make_clip(seed, "deeper").questions}
    assert max(deep) > max(q.depth for c in usual for q in c.questions)


def test_nextqa_is_read_and_split_by_video(tmp_path: Path) -> None:
    write_nextqa(tmp_path)
    dev, train = read_nextqa(tmp_path), read_nextqa(tmp_path, train=True)
    assert [q.video for q in dev] == ["97", "98", "99"]
    assert len(train) == 200
    assert dev[2].spans == ((1.0, 2.0),)
    videos = read_videos(tmp_path, ["99"])
    assert [o.text for o in videos["99"].observations] == [
        "A dog stands.",
        "The dog will bark at a cat.",
    ]
    assert overlap_choices(dev[2:], videos) == {"99-0": 1}


def test_nextqa_is_a_set_of_the_scenario(tmp_path: Path) -> None:
    scenario = open_scenario("video", Opening(str(write_nextqa(tmp_path)), tmp_path / "work"))
    assert len(scenario.items) == 3
    item = scenario.items[0]
    assert item.accepted == ("bark",)
    assert scenario.main_source(item) == "video"
    baseline = scenario.baselines()["word-overlap"]
    assert [scores["em"] for scores in baseline.values()] == [1.0, 1.0, 1.0]


def test_in_one_set_of_nextqa_the_source_chooses_in_the_other_captions_are_read(
    tmp_path: Path,
) -> None:
    for name, chooses in (("nextqa", True), ("nextqa-read", False)):
        opening = Opening(str(write_nextqa(tmp_path)), tmp_path / "work", (name,))
        scenario = open_scenario("video", opening)
        item = scenario.items[0]
        assert item.id.startswith(f"{name}-9")
        video = scenario.sources_of(item)[0]
        assert isinstance(video, Media)
        assert video.chooses is chooses


def test_clips_need_no_data_where_the_script_is_seen(tmp_path: Path) -> None:
    scenario = open_scenario("video", Opening(None, tmp_path, ("clips-script",), limit=20))
    assert len(scenario.items) == 20
    assert {item.splits["split"] for item in scenario.items} == {"in", "deeper", "longer", "more"}
    assert all(item.plan is not None for item in scenario.items)


def test_an_answer_is_the_option_it_shares_most_words_with() -> None:
    options = ("run away", "sit down", "eat")
    assert choice("he will sit down", options) == "sit down"
    assert choice("nothing of it", options) is None
    assert choice(None, options) is None


@pytest.mark.parametrize(
    ("sets", "data", "sentence"),
    [
        (("clip",), None, "there is no set 'clip' here"),
        (("nextqa",), None, "needs --data"),
        (("nextqa",), "", "give the folder of NExT-QA"),
        (("own",), "own.jsonl", "is no question on a video"),
    ],
)
def test_what_cannot_be_evaluated_is_one_sentence(
    tmp_path: Path, sets: tuple[str, ...], data: str | None, sentence: str
) -> None:
    (tmp_path / "own.jsonl").write_text('{"id": "a", "question": "Who?"}\n')
    given = None if data is None else str(tmp_path / data)
    with pytest.raises(InputError, match=sentence):
        open_scenario("video", Opening(given, tmp_path / "work", sets))


ASKS = {"id": "a", "video": "a.mp4", "question": "Who?", "answers": ["Ada"]}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"answers": []}, "has no answer"),
        ({"answers": ["Ada", ""]}, "has no answer"),
        ({"answers": [None]}, "has no answer"),
        ({"answers": [["Ada"]]}, "an answer is a text, a number, or a list of them"),
        ({"question": " "}, "its question is no text"),
        ({"question": "Who? " * 2_000}, "its question is too long"),
        ({"answer_type": "colour"}, "an answer_type is one of any, text, number"),
        ({"span": [3, 9]}, "give it as"),
        ({"span": [["a", "b"]]}, "give it as"),
    ],
)
def test_a_question_of_ones_own_that_cannot_be_scored_is_one_sentence(
    tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    (tmp_path / "own.jsonl").write_text(json.dumps(ASKS | change))
    with pytest.raises(InputError, match=sentence):
        open_scenario("video", Opening(str(tmp_path / "own.jsonl"), tmp_path / "work", ("own",)))
