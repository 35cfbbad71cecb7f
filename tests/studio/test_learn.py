"""The pages of learning: what a round needs, how it is split, its process, promotion and back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from centerlm.errors import InputError
from centerlm.learning.guide import Edit
from centerlm.learning.run_folder import write_json
from centerlm.studio import rounds
from serving_parts import until
from studio_parts import Seen, studio

Look = Callable[..., Seen]
WHEN = "2026-05-01T12:00:00+00:00"


def _edits(*questions: str) -> list[Edit]:
    return [Edit(q, "1 [documents] Who?\n2 [documents] When was #1?", WHEN) for q in questions]


FAMILIES = [
    *("When was Ada born?", "Who wrote the book of Otto?", "How long is the Ister?"),
    *("Which is older, A or B?", "Where does Karl live?", "Is Tarn a town in Norway?"),
]


def test_whole_families_are_held_out() -> None:
    edits = _edits(*FAMILIES, "When was Otto born?", "When was Ada born?")
    train, held = rounds.split_families(edits)
    assert len(train) + len(held) == 7
    assert 1 <= len(held) <= 2
    born = {edit.objective for edit in edits if edit.objective.startswith("When was")}
    assert born <= {e.objective for e in train} or born <= {e.objective for e in held}


def test_a_round_needs_guidance_and_is_one_at_a_time(home: Path) -> None:
    root = home / "rounds"
    with pytest.raises(InputError, match="correct 2 at least under Guide"):
        rounds.new_round(
            root, _edits("When was Ada born?"), length="short", model="local", start=None
        )
    made = rounds.new_round(root, _edits(*FAMILIES), length="short", model="local", start=None)
    assert made.state == "stopped" and made.record["trained"] == 5 and made.record["held"] == 1
    recipe = (made.folder / "recipe.toml").read_text()
    assert "max_updates = 20" in recipe and str(made.folder / "guidance.jsonl") in recipe
    with pytest.raises(InputError, match="not under way"):
        rounds.stop(made)


@pytest.mark.local
def test_a_whole_round_is_trained_counted_promoted_and_rolled_back(home: Path) -> None:
    for module in ("xllamacpp", "torch", "transformers", "peft", "gguf"):
        pytest.importorskip(module, reason="needs the extras `local` and `train`")
    from learning.tiny import tiny_gguf, tiny_model

    base = tiny_gguf(tiny_model(home / "tiny", context=8192), home / "tiny.gguf")
    root, model = home / "studio" / "rounds", f"local:{base}"
    made = rounds.new_round(root, _edits(*FAMILIES), length="short", model=model, start=None)
    recipe = made.folder / "recipe.toml"
    small = {"max_updates = 20": "max_updates = 2", "rows = 4": "rows = 1", "rank = 16": "rank = 4",
             "row_tokens = 1024": "row_tokens = 6000", "count = 40": "count = 2",
             "guard = 60": "guard = 2"}  # fmt: skip
    text = recipe.read_text()
    for old, new in small.items():
        assert f"{old}\n" in text
        text = text.replace(f"{old}\n", f"{new}\n")
    recipe.write_text(text)
    rounds.work_on(made)
    ended = until(lambda: not (one := rounds.a_round(root, 1)).running and one, seconds=600)
    assert ended.state == "done", (ended.record, ended.log(40))
    assert len(ended.record["before"]) == len(ended.record["after"]) == 1
    with studio(model, sources=("calculator",)) as served:
        page = httpx.get(f"{served.url}/learn/1", timeout=60).text
        assert "Promote its adapter" in page and "after 2 updates" in page
        assert httpx.post(f"{served.url}/learn/1/promote", timeout=60).status_code == 204
        assert "of round 1" in httpx.get(f"{served.url}/learn", timeout=60).text
        again = httpx.post(f"{served.url}/learn/1/promote", timeout=60)
        assert again.status_code == 400 and "in use already" in again.text
    with studio(model, sources=("calculator",)) as served:
        assert "of round 1" in httpx.get(f"{served.url}/learn", timeout=60).text
        assert httpx.post(f"{served.url}/learn/back", timeout=60).status_code == 204
        assert "of round 1" not in httpx.get(f"{served.url}/learn", timeout=60).text
        assert httpx.post(f"{served.url}/learn/back", timeout=60).status_code == 400


def test_the_process_of_a_round_says_why_it_failed(home: Path) -> None:
    """Its base is no model: the process itself has to say so, in a sentence."""
    made = rounds.new_round(
        home / "rounds", _edits(*FAMILIES), length="short",
        model=f"local:{home / 'missing.gguf'}", start=None,
    )  # fmt: skip
    rounds.work_on(made)
    ended = until(
        lambda: not (one := rounds.a_round(home / "rounds", 1)).running and one, seconds=120
    )
    assert ended.state == "failed", ended.log()
    assert "missing.gguf" in ended.record["problem"]


def test_the_pages_say_what_is_needed_and_show_a_round(look: Look, home: Path) -> None:
    root = home / "studio" / "rounds"
    made = rounds.new_round(root, _edits(*FAMILIES), length="short", model="local", start=None)
    round_ = made.folder / "run" / "rounds" / "0" / "all"
    round_.mkdir(parents=True)
    lines = [
        {"update": n, "loss": 2.0 / n, "learning_rate": 1e-3, "tokens": 10 * n}
        for n in range(1, 21)
    ]
    (round_ / "curves.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    write_json(made.folder / "round.json", made.record | {"before": [3.0], "after": [1.0]})
    with studio("cli_parts:sums", sources=("calculator",)) as served:
        seen = look(served.url)
        page = seen.go("/learn")
        assert "is not trained here" in page.inner_text("main")
        refused = httpx.post(f"{served.url}/learn/start", json={"length": "short"}, timeout=30)
        assert refused.status_code == 409 and "only a local center" in refused.text
        page.get_by_role("link", name="Round 1").click()
        assert "3.00 → 1.00" in page.inner_text(".final")
        assert page.locator("svg.curve path").count() == 2
        page.get_by_role("button", name="Go on").is_visible()
        for path in ("1/promote", "1/stop", "7/stop", "back"):
            answer = httpx.post(f"{served.url}/learn/{path}", timeout=30)
            assert answer.status_code in (400, 404, 409), path
