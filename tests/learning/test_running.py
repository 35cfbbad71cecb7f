"""Whole runs on a tiny base: resumed, replayed, split, refused."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from centerlm.acts import AbsorbView, Note
from centerlm.center import absorb_prompt
from centerlm.errors import InputError, StoppedError
from centerlm.learning.example import TrainingExample
from centerlm.learning.job import Job, Listener
from centerlm.learning.preferences import Preference
from centerlm.learning.recipe import (
    DataSection,
    Recipe,
    RoundsSection,
    TrainSection,
    WorldsSection,
    recipe_toml,
)
from centerlm.learning.rounds import Result, Teacher, first_round, next_round
from centerlm.learning.run_folder import RunFolder, read_json
from centerlm.learning.running import learn, replayed_recipe
from centerlm.learning.stored import (
    read_examples,
    read_preferences,
    write_examples,
    write_preferences,
)
from centerlm.learning.watching import Progress
from learning.taught import equal, examples, loaded
from learning.tiny import tiny_model

TRAIN = TrainSection(
    row_tokens=400, rows=2, rank=4, alpha=8, save_every=1, device="cpu", threads=1, max_updates=4
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("base") / "tiny")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pairs") / "sums.jsonl"
    rows = [{"question": f"What is {n} plus {n}?", "answer": str(2 * n)} for n in range(150)]
    path.write_text("\n".join([*map(json.dumps, rows), "nonsense"]), encoding="utf-8")
    return path


class Told:
    """What a run told; `stop_at` ends it after so many updates."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.lines: list[str] = []
        self.updates: list[int] = []
        self._stop_at = stop_at

    @property
    def listener(self) -> Listener:
        return Listener(lambda *_: None, self._update, self.lines.append)

    def _update(self, now: Progress) -> None:
        self.updates.append(now.update)

    def stop(self) -> bool:
        return self._stop_at is not None and len(self.updates) >= self._stop_at


def recipe(base: Path) -> Recipe:
    return Recipe(base=str(base), train=TRAIN, data=DataSection(sets=(), held=0.2))


def run(job: Job, told: Told | None = None) -> tuple[Told, RunFolder]:
    told = told or Told()
    learn(job, listener=told.listener, stop=told.stop)
    return told, RunFolder(job.out)


@pytest.fixture(scope="module")
def whole(base: Path, pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    out = tmp_path_factory.mktemp("runs") / "whole"
    told, folder = run(Job("expert", recipe(base), out, pairs=(pairs,)))
    assert "left out, not json: 1" in told.lines
    return folder


def test_a_run_leaves_all_that_says_how_it_was_made(whole: RunFolder) -> None:
    record = read_json(whole.record)
    assert record is not None
    assert record["finished"]
    assert record["tokens"] > 0
    assert record["trained_tokens"] < record["tokens"]
    assert set(record["rounds"][0]["scores"]) == {"answer"}
    statistics = read_json(whole.statistics)
    assert statistics is not None
    assert statistics["examples"]["sums"]["answer"] == len(read_examples(whole.examples))
    assert (whole.adapter / "adapter_model.safetensors").is_file()
    assert whole.curves.is_file()
    ids = [{e.id for e in read_examples(p)} for p in (whole.examples, whole.held)]
    assert not ids[0] & ids[1]


def test_a_stopped_run_goes_on_to_the_same_adapter(
    base: Path, pairs: Path, whole: RunFolder, tmp_path: Path
) -> None:
    job = Job("expert", recipe(base), tmp_path / "run", pairs=(pairs,))
    with pytest.raises(StoppedError, match="after update 2 of 4"):
        run(job, Told(stop_at=2))
    with pytest.raises(InputError, match="go on with --resume"):
        run(job)
    pairs_are_stored = Job("expert", Recipe(), job.out, given=False, resume=True)
    told, folder = run(pairs_are_stored)
    assert told.updates == [3, 4]
    assert equal(folder.adapter, whole.adapter)
    told, _ = run(pairs_are_stored)  # what is finished is not done again
    assert told.updates == []


def test_a_replay_needs_no_data_and_gives_the_same_adapter(
    whole: RunFolder, tmp_path: Path
) -> None:
    same = replayed_recipe(whole.path)
    _, folder = run(Job("expert", same, tmp_path / "again", replay=whole.path))
    assert equal(folder.adapter, whole.adapter)
    fewer = msgspec.structs.replace(same.train, max_updates=1)
    changed = msgspec.structs.replace(same, train=fewer)
    told, _ = run(Job("expert", changed, tmp_path / "changed", replay=whole.path))
    assert told.updates == [1]


def test_remembered_test_questions_are_refused(base: Path, tmp_path: Path) -> None:
    dev = tmp_path / "data" / "musique" / "dev.jsonl"
    dev.parent.mkdir(parents=True)
    dev.write_text(json.dumps({"id": "2hop__1_2", "question": "Who leads Norburg?"}))
    prompt = absorb_prompt(AbsorbView("Who leads Norburg?", (Note("Norburg", "Ada leads it."),)))
    file = tmp_path / "remembered.jsonl"
    write_examples(
        file, [TrainingExample("absorb", prompt, "Ada [1]", "remembered:e", "remembered")]
    )
    data = DataSection(sets=(), remembered=(str(file),))
    made = msgspec.structs.replace(recipe(base), data=data, worlds=WorldsSection(count=0))
    job = Job("absorb", made, tmp_path / "run", data=tmp_path / "data")
    with pytest.raises(InputError, match="1 of 1 training records are test records"):
        run(job)


def test_other_recipes_stages_and_folders_are_refused(
    base: Path, pairs: Path, whole: RunFolder, tmp_path: Path
) -> None:
    other = msgspec.structs.replace(recipe(base), worlds=WorldsSection(count=1))
    with pytest.raises(InputError, match="another recipe"):
        run(Job("expert", other, whole.path, pairs=(pairs,), resume=True))
    with pytest.raises(InputError, match="holds a run of learn expert, not of cot"):
        run(Job("cot", recipe(base), whole.path, resume=True))
    (tmp_path / "mine.txt").touch()
    with pytest.raises(InputError, match="is not empty"):
        run(Job("expert", recipe(base), tmp_path, pairs=(pairs,)))
    with pytest.raises(InputError, match="holds no run to replay"):
        run(Job("expert", recipe(base), tmp_path / "new", replay=tmp_path))
    with pytest.raises(InputError, match="no finished run"):
        run(Job("cot", recipe(base), tmp_path / "new", match=tmp_path))


def test_an_adapter_of_another_base_is_refused(
    pairs: Path, whole: RunFolder, tmp_path: Path
) -> None:
    wider = tiny_model(tmp_path / "wide", hidden=128)
    with pytest.raises(InputError, match="another base"):
        run(Job("expert", recipe(wider), tmp_path / "run", start=whole.path, pairs=(pairs,)))


def test_a_match_processes_as_many_tokens(base: Path, whole: RunFolder, tmp_path: Path) -> None:
    worlds = WorldsSection(count=1, max_hops=1, people=6)
    data = DataSection(sets=(), held=0)
    train = msgspec.structs.replace(TRAIN, row_tokens=1500, max_updates=None)
    arm = Recipe(base=str(base), train=train, worlds=worlds, data=data)
    _, folder = run(Job("fragmentation", arm, tmp_path / "run", match=whole.path))
    wanted, got = (read_json(each.record) or {} for each in (whole, folder))
    assert wanted["tokens"] <= got["tokens"] < wanted["tokens"] + 1500
    assert {e.act for e in read_examples(folder.examples)} == {"answer"}


def teacher(base: Path, train: TrainSection, **rounds: float | None) -> Teacher:
    made = Recipe(base=str(base), train=train, rounds=RoundsSection(count=1, **rounds))  # pyright: ignore[reportArgumentType] (numbers)
    told = Told()
    return Teacher(lambda: loaded(base), "tiny", made, told.listener.update, told.stop, print)


def test_two_adapters_share_the_work_of_one(base: Path, tmp_path: Path) -> None:
    split = msgspec.structs.replace(TRAIN, split=True)
    done = first_round(teacher(base, split), tmp_path / "0", examples(), examples(8), {})
    assert set(done.adapters) == {"plan", "absorb"}
    assert set(done.scores) == {"decompose", "seek", "absorb"}
    assert done.updates <= 5  # 4, divided and rounded
    config = json.loads((done.adapters["plan"] / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"]) == (2, 4)


@pytest.mark.parametrize("worse", [True, False])
def test_a_round_that_loses_an_act_is_not_kept(base: Path, tmp_path: Path, worse: bool) -> None:
    with_rounds = teacher(base, TRAIN)
    first = first_round(with_rounds, tmp_path / "0", examples(), examples(8), {})
    scores = dict.fromkeys(first.scores, 1.0 if worse else 0.0)
    before = Result(first.adapters, scores, True, (), 1, 1, 1, 1, 1)
    after = next_round(with_rounds, tmp_path / "1", 1, examples(4), examples(), examples(8), before)
    assert after.kept is not worse
    assert (after.adapters == before.adapters) is worse
    assert bool(after.lost) is worse
    assert read_json(tmp_path / "1" / "scores.json") is not None


@pytest.mark.parametrize(("bound", "most"), [(None, 10**6), (1600, 1600)])
def test_a_round_has_a_bound_of_its_own(
    base: Path, tmp_path: Path, bound: int | None, most: int
) -> None:
    """Not the one of the first training, which is 4 updates here."""
    with_rounds = teacher(base, TRAIN, max_tokens=bound)
    first = first_round(with_rounds, tmp_path / "0", examples(96), [], {})
    after = next_round(with_rounds, tmp_path / "1", 1, examples(24), examples(96), [], first)
    assert first.updates == 4
    assert after.tokens <= most
    assert (after.updates > 4) is (bound is None)
    assert after.examples == 24 + 48 if bound is None else after.examples < 24 + 48
    again = next_round(with_rounds, tmp_path / "1", 1, [], [], [], first)
    assert again == after


def seeking(base: Path, **rounds: object) -> Recipe:
    """A run of one round that needs nothing but one small world."""
    return Recipe(
        base=str(base),
        train=msgspec.structs.replace(TRAIN, row_tokens=1500),
        data=DataSection(sets=(), held=0.0),
        worlds=WorldsSection(count=1, max_hops=1, people=6),
        rounds=RoundsSection(count=1, **rounds),  # pyright: ignore[reportArgumentType] (of its own)
    )


def test_a_replay_trains_on_the_rounds_and_preferences_of_another_run(
    base: Path, tmp_path: Path
) -> None:
    """The other run is what one leaves: material, and what its round added."""
    theirs = RunFolder(tmp_path / "theirs")
    theirs.path.mkdir()
    theirs.recipe.write_text(recipe_toml(seeking(base)), encoding="utf-8")
    write_examples(theirs.examples, examples())
    write_examples(theirs.held, examples(8))
    theirs.statistics.write_text("{}", encoding="utf-8")
    write_examples(theirs.round(1) / "examples.jsonl", examples(8))
    pair = Preference(examples()[0].prompt, "1 [documents] A?", "1 [documents] B?", "p", "tried")
    write_preferences(theirs.round(1) / "preferences.jsonl", [pair])
    write_preferences(theirs.path / "preferences.jsonl", [pair, pair])
    same = replayed_recipe(theirs.path)
    told, folder = run(Job("seek", same, tmp_path / "again", replay=theirs.path))
    record = read_json(folder.record)
    assert record is not None
    assert [made["preferences"]["pairs"] for made in record["rounds"]] == [2, 1]
    assert "round 0: 2 preferences" in "\n".join(told.lines)
    assert all((folder.round(n) / "dpo" / "scores.json").is_file() for n in (0, 1))
    told, _ = run(Job("seek", Recipe(), folder.path, given=False, resume=True))
    assert told.updates == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"train": TrainSection(rank=0)}, "rank = 0 trains none"),
        ({}, "needs a GGUF base"),
        ({"base": "x.gguf", "rounds": RoundsSection(count=1, max_tokens=5000)}, "less than 4 rows"),
    ],
)
def test_rounds_that_cannot_be_run_are_refused_before_anything_is_made(
    base: Path, tmp_path: Path, change: dict[str, object], says: str
) -> None:
    wrong = msgspec.structs.replace(seeking(base), **change)
    with pytest.raises(InputError, match=says):
        run(Job("all", wrong, tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_edits_of_people_are_preferences_of_the_first_round(base: Path, tmp_path: Path) -> None:
    plan = "1 [documents] Who made {}?\n2 [documents] When was #1 born?"
    rows = [
        {
            "objective": f"When was the maker of thing {n} born?",
            "plan": plan.format(f"thing {n}"),
            "by": "person",
            "edited_from": f"1 [expert:things] When was the maker of thing {n} born?",
        }
        for n in range(3)
    ]
    rows[2]["edited_from"] = rows[2]["plan"]
    edits = tmp_path / "edits.jsonl"
    edits.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    small = msgspec.structs.replace(
        seeking(base),
        data=DataSection(sets=(), held=0.0, guidance=(str(edits),)),
        rounds=RoundsSection(count=0),
        train=msgspec.structs.replace(TRAIN, row_tokens=1500, max_updates=1),
    )
    told, folder = run(Job("all", small, tmp_path / "run"))
    pairs = read_preferences(folder.path / "preferences.jsonl")
    assert [pair.rejected for pair in pairs] == [row["edited_from"] for row in rows[:2]]
    assert [pair.chosen for pair in pairs] == [row["plan"] for row in rows[:2]]
    shown = ["\n".join(m.text for m in pair.prompt.messages) for pair in pairs]
    assert all("expert:things: answers questions of things" in text for text in shown)
    assert "left out, no edit: 1" in told.lines
    record = read_json(folder.record)
    assert record is not None
    assert record["rounds"][0]["preferences"]["pairs"] == 2
