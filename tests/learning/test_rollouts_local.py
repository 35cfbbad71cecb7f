"""Rollouts on llama.cpp: a tiny random model in its slots, sampled under the grammars of use."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from centerlm.center import CenterLM
from centerlm.journal import SqliteJournal
from centerlm.learning.calls import read_calls
from centerlm.learning.rollouts import Rollout, RolloutSettings, rollouts
from centerlm.models.llama_cpp import LlamaCppModel
from centerlm.run import Options
from learning.tiny import tiny_gguf, tiny_model
from learning.town import Town, question

for _module in ("xllamacpp", "torch", "transformers", "gguf"):
    pytest.importorskip(_module, reason="needs the extras `local` and `train`")

pytestmark = pytest.mark.local
CONTEXT = 2048  # its tokens are bytes
SETTINGS = RolloutSettings(
    k=3,
    concurrency=3,
    temperature=1.0,
    options=Options(reasks=False, splits=False, reopens=0),
)


def test_sampled_episodes_differ_and_are_kept(tmp_path: Path) -> None:
    """What a model without any training writes under the grammars still makes whole episodes."""
    folder = tiny_model(tmp_path / "model")
    config = folder / "config.json"
    longer = json.loads(config.read_text()) | {"max_position_embeddings": CONTEXT}
    config.write_text(json.dumps(longer))
    path = tiny_gguf(folder, tmp_path / "tiny.gguf")

    async def tried(model: LlamaCppModel) -> tuple[Rollout, ...]:
        journal = SqliteJournal(tmp_path / "journal.sqlite")
        groups = await rollouts(
            [question()], CenterLM(model, ()), lambda q: [Town()], SETTINGS, journal=journal
        )
        for rollout in groups[0]:
            replies = [call.reply for call in read_calls(journal, rollout.episode).calls]
            assert {reply.model for reply in replies} == {"tiny"}
            assert all(reply.text for reply in replies)
        journal.close()
        return groups[0]

    async def twice() -> tuple[tuple[Rollout, ...], tuple[Rollout, ...]]:
        model = LlamaCppModel(path, context=CONTEXT, slots=3)
        try:
            return await tried(model), await tried(model)
        finally:
            await model.close()

    first, again = asyncio.run(twice())
    assert len({r.episode for r in first}) == 3
    assert len({r.tree.plan for r in first}) > 1
    assert [r.kept for r in again] == [True] * 3
    assert [r.tree.answer for r in again] == [r.tree.answer for r in first]
