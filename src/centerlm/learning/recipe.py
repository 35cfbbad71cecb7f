"""The recipe of a run of learning: one TOML file, from data to adapter.

Sections: `[data]`, `[worlds]`, `[mix]`, `[train]`, `[rounds]`, `[dpo]`. Unknown settings are
refused with the ones that exist. Presets are recipes in code; the recipe used is written to the
run's folder, so that the folder alone says how it was made.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, cast, get_args

import msgspec

from centerlm.learning.train_settings import MIX, TrainSettings
from centerlm.toml_settings import read_toml, settings_of

Preset = Literal["quick", "default", "reader"]
Stage = Literal["decompose", "seek", "absorb", "all", "fragmentation", "cot", "expert"]
STAGES: tuple[str, ...] = get_args(Stage)
SETS = ("strategyqa", "musique", "2wiki", "hotpotqa", "gsm8k", "qdmr", "xquad", "qed")
"""Data sets that are read by default, by name; each from its own folder of the data folder. Solved
puzzles ("game24", "planbench", "gym") are read where they are named.
"""

_Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]
_Share: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=1)]
_Set = Literal[
    "strategyqa", "musique", "2wiki", "hotpotqa", "gsm8k", "qdmr", "xquad", "qed",
    "game24", "planbench", "gym",
]  # fmt: skip


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class DataSection(_Section, frozen=True):
    """What is read. `guidance` are own JSONL files, `squad` own questions on passages, in files of
    the SQuAD format.

    `plans` and `readings` bound how many plans and questions of passages are used, by origin
    ("gsm8k" = 450); "other" is for all origins not named. `atomic` single-hop questions of passages
    are also learned as plans of one step, and of `studied` groups of passages on one subject what
    people asked of them, as the plan of a study; `recursion` of the plans of people, which are
    flat, are learned as they are where [center] is offered: their parts are handed to it. With
    `aliases` a third of the prompts show sources under other names, so that choice follows the
    card; with `experience` two thirds show what is remembered of sources, true or misleading. Of
    the questions of passages the share `absent` has no answer in the passages shown. `held` is the
    share of training records that is held out to score each round; `guard` how many held-out
    examples of an act are scored.
    """

    sets: tuple[_Set, ...] = SETS  # pyright: ignore[reportAssignmentType] (the same names)
    guidance: tuple[str, ...] = ()
    squad: tuple[str, ...] = ()
    remembered: tuple[str, ...] = ()
    plans: dict[str, _Count] = msgspec.field(default_factory=dict[str, int])
    readings: dict[str, _Count] = msgspec.field(default_factory=dict[str, int])
    atomic: _Count = 600
    studied: _Count = 0
    recursion: _Share = 0.5
    aliases: bool = True
    experience: bool = True
    absent: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.15
    held: Annotated[float, msgspec.Meta(ge=0, le=0.5)] = 0.05
    guard: _Count = 200
    seed: int = 0


class WorldsSection(_Section, frozen=True):
    """Generated worlds. `templates`: half of the documents are written from train passages. Kinds
    of sources in `without` are held out: no card names one, no question needs one. With `kinds`
    (as "chain", "more") there are no questions but of these. With `cards` "plain", sources are
    shown in the same words everywhere and without others beside them, so that few tokens teach
    many plans; choosing is then not learned. `joined` is the share of sentences of documents that
    state several facts, where these can be joined. `wide` worlds also have paintings, ships, lakes
    and other kinds of things, and half of them years for dates.

    At the end of `all`, `tested` questions of each number of hops are asked of fresh worlds.
    """

    count: _Count = 400
    max_hops: Annotated[int, msgspec.Meta(ge=1, le=8)] = 2
    people: Annotated[int, msgspec.Meta(ge=4, le=100)] = 12
    seed: int = 0
    forms: tuple[Literal["peel", "flat"], ...] = ("peel", "flat")
    templates: bool = True
    without: tuple[Literal["expert", "person", "experiment"], ...] = ()
    kinds: tuple[str, ...] = ()
    cards: Literal["varied", "plain"] = "varied"
    joined: _Share = 0.0
    wide: bool = False
    tested: _Count = 40


class MixSection(_Section, frozen=True):
    """Shares of the examples of the three acts in every batch."""

    decompose: _Share = MIX["decompose"]
    seek: _Share = MIX["seek"]
    absorb: _Share = MIX["absorb"]


class TrainSection(TrainSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a round trains. `split` trains two adapters of half the rank: plan and absorb."""

    split: bool = False

    def settings(self) -> TrainSettings:
        """For one adapter: with `split`, each of the two has half the rank, and half of alpha."""
        values = msgspec.structs.asdict(self)
        if values.pop("split"):
            values["rank"], values["alpha"] = self.rank // 2, self.alpha // 2
        return TrainSettings(**values)


class RoundsSection(_Section, frozen=True):
    """Rounds of experience after the first, supervised one.

    Each rolls out `k` episodes on each of `questions` fresh questions and trains on what worked and
    on `replay` (a share, at least a quarter) of the first data, at `learning_rate`: one pass, or
    with `max_tokens` so much of it as takes at most so many tokens to compute. A round after which
    an act lost more than `tolerance` of its score is not kept. `dagger` of the rounds also train
    absorbing on the states the center reached. `curriculum` is the share of a round's questions
    that are begun near their end, with all findings but the last told, then fewer. `method`
    "policy" is policy gradient on every act of the episodes (of so many as `max_tokens` allows, by
    lot), on whole questions, without replay, DAgger and preferences; its temperature should be 1.
    `children`, `cost` and `diversity` are the weights of the terms of credit beside a node's own
    success, which weighs 1: together less.
    """

    count: _Count = 0
    method: Literal["experience", "policy"] = "experience"
    questions: _Count = 200
    k: Annotated[int, msgspec.Meta(ge=1, le=64)] = 4
    dagger: _Count = 2
    max_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    replay: Annotated[float, msgspec.Meta(ge=0.25, le=1)] = 0.5
    learning_rate: Annotated[float, msgspec.Meta(gt=0)] = 3e-4
    tolerance: _Share = 0.01
    temperature: Annotated[float, msgspec.Meta(ge=0)] = 0.8
    max_hops: Annotated[int, msgspec.Meta(ge=1, le=8)] = 3
    curriculum: _Share = 0.5
    children: _Share = 0.5
    cost: _Share = 0.2
    diversity: _Share = 0.1


class DPOSection(_Section, frozen=True):
    """Preferences between plans: of people (edits) after the first round, of episodes after each.

    At most `pairs` are trained after a round (0: none) by DPO; `beta`, `sft` and `learning_rate`
    are those of `dpo.DPOSettings`. Not kept where an act lost more than `[rounds] tolerance`.
    """

    pairs: _Count = 64
    learning_rate: Annotated[float, msgspec.Meta(gt=0)] = 5e-5
    beta: Annotated[float, msgspec.Meta(gt=0)] = 0.1
    sft: Annotated[float, msgspec.Meta(ge=0)] = 0.1


class Recipe(_Section, frozen=True):
    """All of a `learn.toml`. `base` is "default" (the shipped weights), a hub name or a folder."""

    base: str = "default"
    data: DataSection = msgspec.field(default_factory=DataSection)
    worlds: WorldsSection = msgspec.field(default_factory=WorldsSection)
    mix: MixSection = msgspec.field(default_factory=MixSection)
    train: TrainSection = msgspec.field(default_factory=TrainSection)
    rounds: RoundsSection = msgspec.field(default_factory=RoundsSection)
    dpo: DPOSection = msgspec.field(default_factory=DPOSection)

    def shares(self) -> dict[str, float]:
        """Shares by act; acts with share 0 are not trained."""
        return {act: share for act, share in msgspec.structs.asdict(self.mix).items() if share}


def preset(name: Preset) -> Recipe:
    """`default`: all data at hand. `quick`: a few worlds of at most 3 hops, for a first try.
    `reader`: single questions of passages, what a comparison's arms go on from.
    """
    match name:
        case "default":
            train = TrainSection(dtype="auto", compile="auto")
            return Recipe(train=train, rounds=RoundsSection(count=2))
        case "reader":
            return Recipe(
                data=DataSection(
                    sets=("xquad", "qed"), readings={"other": 800}, absent=0.05, guard=60
                ),
                worlds=WorldsSection(count=120, max_hops=1, seed=61_000, tested=0),
                train=TrainSection(
                    max_tokens=1_300_000, row_tokens=768, rows=1, dtype="auto", compile="auto"
                ),
            )
        case "quick":
            train = TrainSection(
                max_updates=QUICK_UPDATES, save_every=10, dtype="auto", compile="auto"
            )
            return Recipe(
                data=DataSection(sets=(), guard=60),
                worlds=WorldsSection(count=40, max_hops=3, templates=False, tested=15),
                train=train,
            )


QUICK_UPDATES = 60


def load_recipe(path: Path | None, base: Recipe) -> Recipe:
    """A recipe file; what it does not say is as in `base`.

    Raises:
        ConfigError: it is missing, not TOML, or has an unknown or wrong setting; says which.
    """
    if path is None:
        return base
    data = read_toml(path, "recipe")
    merged: dict[str, Any] = msgspec.to_builtins(base)
    for name, value in data.items():
        known = merged.get(name)
        merged[name] = (
            known | value if isinstance(known, dict) and isinstance(value, dict) else value
        )
    return settings_of(merged, Recipe, f"the recipe {path}", _known)


def _known(section: str) -> tuple[str, ...]:
    """The names of the settings of a section."""
    part: msgspec.Struct = getattr(Recipe(), section) if section else Recipe()
    return part.__struct_fields__


def recipe_toml(recipe: Recipe) -> str:
    """The recipe as TOML, every setting written out."""
    top: list[str] = []
    sections: list[str] = []
    settings: dict[str, Any] = msgspec.to_builtins(recipe)
    for name, value in settings.items():
        if isinstance(value, dict):
            section = cast("dict[str, Any]", value)
            lines = [f"{key} = {_toml(item)}" for key, item in section.items() if item is not None]
            sections.append("\n".join([f"\n[{name}]", *lines]))
        else:
            top.append(f"{name} = {_toml(value)}")
    return "\n".join([*top, *sections]) + "\n"


def _toml(value: Any) -> str:
    """A value of a recipe: but for tables, TOML writes it as JSON does."""
    if isinstance(value, dict):
        pairs = cast("dict[str, Any]", value).items()
        return "{" + ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in pairs) + "}"
    return json.dumps(value, ensure_ascii=False)
