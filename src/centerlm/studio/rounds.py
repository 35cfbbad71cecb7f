"""Rounds of learning that the studio starts: each a folder, worked on by a process of its own.

    guidance.jsonl held.jsonl   what is trained on; guidance of whole families of questions held out
    recipe.toml run/ log.txt    the recipe, the folder of `centerlm learn`, and what it said
    round.json                  what the round is of, where it stands, corrections before and after
    lock                        held by the process as long as it lives

A family is all questions that ask alike (names and numbers masked): none of a held-out one is
trained on.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from centerlm.errors import InputError
from centerlm.journal_file import lock_file
from centerlm.learning.guide import Edit
from centerlm.learning.readers.own import read_own
from centerlm.learning.recipe import preset, recipe_toml
from centerlm.learning.run_folder import RunFolder, read_json, write_json
from centerlm.memory.kinds import mask

LENGTHS = {"short": 20, "usual": 60, "long": 200}
"""Updates of a round, by what the form calls it."""
LEAST = 2
HELD, MOST_HELD = 5, 30
"""One family of five is held out, and so many of its plans are counted at most."""


@dataclass(frozen=True, slots=True)
class Round:
    """A round. `state` is waiting, counting before, training, counting after, done, stopped or
    failed; a number of `before` and `after` is the corrections that a held-out plan needs.
    """

    number: int
    folder: Path
    record: dict[str, Any]
    running: bool

    @property
    def state(self) -> str:
        state = str(self.record.get("state", "waiting"))
        ended = state in ("done", "failed", "stopped")
        return state if self.running or ended else "stopped"

    @property
    def run(self) -> RunFolder:
        return RunFolder(self.folder / "run")

    @property
    def adapter(self) -> Path | None:
        """The adapter that it made, for llama.cpp."""
        path = self.run.path / "adapter.gguf"
        return path if path.is_file() else None

    def log(self, lines: int = 12) -> str:
        """The last lines of what the process said."""
        try:
            text = (self.folder / "log.txt").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])


def all_rounds(root: Path) -> list[Round]:
    """The rounds in a folder, the newest first."""
    rounds: list[Round] = []
    for number in _numbers(root):
        with suppress(InputError):  # it was killed before it had a record
            rounds.append(a_round(root, number))
    return rounds


def _numbers(root: Path) -> list[int]:
    names = (path.name for path in root.glob("*"))
    return sorted((int(name) for name in names if re.fullmatch(r"[0-9]{1,9}", name)), reverse=True)


def check_idle(root: Path) -> None:
    """Raises InputError where a round is under way: two at once would share the processors."""
    if busy := next((one for one in all_rounds(root) if one.running), None):
        raise InputError(f"round {busy.number} is under way; stop it, or wait for its end")


def a_round(root: Path, number: int) -> Round:
    """Raises InputError where there is no such round."""
    folder = root / str(number)
    record = read_json(folder / "round.json")
    if record is None:
        raise InputError(f"there is no round {number}; see all under Learn")
    return Round(number, folder, record, _locked(folder / "lock"))


def _locked(file: Path) -> bool:
    if not file.exists():
        return False
    try:
        os.close(lock_file(file))
    except BlockingIOError:
        return True
    return False


def split_families(edits: Sequence[Edit]) -> tuple[list[Edit], list[Edit]]:
    """The newest guidance of each objective: to train on, and of held-out families."""
    newest = {edit.objective: edit for edit in edits}
    families: dict[str, list[Edit]] = {}
    for edit in newest.values():
        families.setdefault(mask(edit.objective), []).append(edit)
    ordered = sorted(families, key=lambda name: hashlib.sha256(name.encode()).digest())
    held = set(ordered[: len(ordered) // HELD])
    train = [edit for name in ordered if name not in held for edit in families[name]]
    return train, [edit for name in held for edit in families[name]][:MOST_HELD]


def new_round(
    root: Path, edits: Sequence[Edit], *, length: str, model: str, start: Path | None
) -> Round:
    """Make the folder of a round on this guidance, going on from an adapter.

    Raises:
        InputError: there is too little guidance, or a round is under way.
    """
    train, held = split_families(edits)
    if len(train) < LEAST:
        raise InputError(
            f"there are {len(train)} corrected plans to train on; correct {LEAST} at least under "
            "Guide (ten are a beginning)"
        )
    check_idle(root)
    number = max(_numbers(root), default=0) + 1
    folder = root / str(number)
    folder.mkdir(parents=True)
    _write_lines(folder / "guidance.jsonl", train)
    _write_lines(folder / "held.jsonl", held)
    unused = read_own(folder / "guidance.jsonl").skipped
    if len(train) - len(unused) < LEAST:
        shutil.rmtree(folder)
        raise InputError(
            f"{len(unused)} of {len(train)} corrected plans cannot be used: {unused[0].reason}"
        )
    recipe = preset("quick")
    replaced = msgspec.structs.replace
    recipe = replaced(
        recipe,
        base=model.partition(":")[2] or "default",
        data=replaced(recipe.data, guidance=(str(folder / "guidance.jsonl"),)),
        train=replaced(recipe.train, max_updates=LENGTHS[length]),
        worlds=replaced(recipe.worlds, tested=0),
    )
    (folder / "recipe.toml").write_text(recipe_toml(recipe), encoding="utf-8")
    record = {
        "began": time.time(),
        "trained": len(train) - len(unused),
        "unused": [skipped.reason for skipped in unused],
        "held": len(held),
        "model": model,
        "start": str(start) if start else "",
        "length": length,
        "state": "waiting",
    }
    write_json(folder / "round.json", record)
    return a_round(root, number)


def _write_lines(path: Path, edits: Sequence[Edit]) -> None:
    lines = [json.dumps(edit.as_json(), ensure_ascii=False) + "\n" for edit in edits]
    path.write_text("".join(lines), encoding="utf-8")


def work_on(one: Round) -> None:
    """Start the process of a round, or start it again: it goes on where it was. Waits until it is
    there.

    Raises:
        InputError: it is under way already, or cannot be started.
    """
    if one.running:
        raise InputError(f"round {one.number} is under way already")
    command = [sys.executable, "-m", "centerlm.studio.round_worker", str(one.folder)]
    try:
        with (one.folder / "log.txt").open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # it outlives the studio, and is not hit by its Ctrl-C
            )
    except OSError as error:
        raise InputError(f"the round cannot be started: {error}") from None
    deadline = time.monotonic() + 30
    while not _locked(one.folder / "lock") and process.poll() is None:
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)


def stop(one: Round) -> None:
    """Ask the process of a round to stop at the next good place; it can go on.

    Raises:
        InputError: it is not under way.
    """
    process = one.record.get("process")
    if not one.running or not isinstance(process, int):
        raise InputError(f"round {one.number} is not under way; reload the page")
    os.kill(process, signal.SIGINT)
