"""After a round: training on its preferences between plans, kept only if no act is lost by it.

DPO (see `dpo`) goes on from the adapter that the round ended with, on edits of people after the
first round and on plans that were tried after each later one. A step of its own folder, `dpo`,
beside those of the round: done when its scores are there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from centerlm.learning.dpo import DPOSettings, pair_tokens, train_dpo
from centerlm.learning.example import TrainingExample
from centerlm.learning.preferences import Preference
from centerlm.learning.recipe import Recipe
from centerlm.learning.rounds import COUNTS, PARTS, SCORES, WHOLE, Preferred, Result, Teacher
from centerlm.learning.row_trainer import load
from centerlm.learning.run_folder import read_json, write_json
from centerlm.learning.score import exact_replies, lost
from centerlm.learning.train_settings import in_16_bits
from centerlm.learning.training import with_adapter

FOLDER = "dpo"


def prefer(
    teacher: Teacher,
    round_: Path,
    pairs: Sequence[Preference],
    held: Sequence[TrainingExample],
    before: Result,
) -> Result:
    """Train the adapter that plans on pairs of plans; what is done is read back.

    Without pairs, with `[dpo] pairs = 0`, without a LoRA or where all pairs are longer than a row,
    and if an act lost more than the recipe's tolerance, it is `before`, but for what it cost.
    """
    recipe = teacher.recipe
    folder = round_ / FOLDER
    part = WHOLE if WHOLE in before.adapters else "plan"
    if (done := read_json(folder / SCORES)) is not None:
        return _with(before, folder, part, done)
    if not pairs or not recipe.dpo.pairs or not recipe.train.rank or part not in before.adapters:
        return before
    teacher.say("training on preferences")
    settings = recipe.train.settings()
    start = before.adapters[part]
    model, encoder = teacher.load()
    fitting = [p for p in pairs if pair_tokens(p, encoder).longest <= settings.row_tokens]
    if not fitting:
        return before
    torch = load("torch")
    if settings.threads:
        torch.set_num_threads(settings.threads)
    if in_16_bits(settings):
        model = model.to(torch.bfloat16)
    tuned = train_dpo(
        chosen(fitting, recipe.dpo.pairs, settings.seed),
        with_adapter(model, settings, start, teacher.base),
        encoder,
        folder,
        dpo_settings(recipe),
        start=start,
        resume=(folder / "run.json").exists(),
        on_progress=teacher.on_progress,
        stop=teacher.stop,
    )
    teacher.say("scoring held-out replies")
    # Loaded anew: TRL changed how the one it trained is called.
    model, encoder = teacher.load()
    scored = load("peft").PeftModel.from_pretrained(model, str(tuned.folder))
    seen = [e for e in held if part == WHOLE or e.act in PARTS[part]]
    scores = exact_replies(scored, encoder, seen, row_tokens=settings.row_tokens)
    done = {
        "scores": scores,
        "lost": lost(before.scores, scores, recipe.rounds.tolerance),
        "pairs": tuned.pairs,
        "updates": tuned.steps,
        "examples": 0,
        "tokens": tuned.tokens,
        "plain_tokens": tuned.tokens,
        "trained_tokens": tuned.trained_tokens,
    }
    write_json(folder / SCORES, done)
    return _with(before, folder, part, done)


def chosen(pairs: Sequence[Preference], most: int, seed: int) -> list[Preference]:
    """At most `most` pairs: those that differ most in credit; of those that do not say (edits),
    which come first, drawn by `seed`.
    """
    edits = [pair for pair in pairs if not pair.margin]
    Random(seed).shuffle(edits)
    return [*edits, *sorted((p for p in pairs if p.margin), key=lambda p: -p.margin)][:most]


def dpo_settings(recipe: Recipe) -> DPOSettings:
    """How a recipe trains on preferences."""
    train = recipe.train.settings()
    return DPOSettings(
        beta=recipe.dpo.beta,
        sft=recipe.dpo.sft,
        learning_rate=recipe.dpo.learning_rate,
        rank=train.rank,
        alpha=train.alpha,
        max_tokens=train.row_tokens,
        warmup=train.warmup,
        seed=train.seed,
        save_every=train.save_every,
        device=train.device,
        dtype="bfloat16" if in_16_bits(train) else "float32",
    )


def _with(before: Result, folder: Path, part: str, done: Mapping[str, Any]) -> Result:
    """`before` with what training on preferences cost and, if it is kept, made of it."""
    preferred = Preferred(int(done["pairs"]), not done["lost"], tuple(done["lost"]), done["scores"])
    costs: dict[str, Any] = {name: getattr(before, name) + int(done[name]) for name in COUNTS}
    after = replace(before, preferred=preferred, **costs)
    if not preferred.kept:
        return after
    adapters = {**before.adapters, part: folder / "adapter"}
    return replace(after, adapters=adapters, scores={**before.scores, **preferred.scores})
