"""All natural reading material of a data folder, in the data sets' official names and formats.

Only files for training are read here: `train.jsonl` of the multi-hop sets, and the two of `reading`
(their names say "dev" and "xquad" because their makers used them so).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from random import Random

from centerlm.errors import InputError
from centerlm.learning.guidance import Skipped
from centerlm.learning.hops import read_2wiki, read_hotpot, read_musique
from centerlm.learning.reading import Material, joined, read_qed, read_squad
from centerlm.learning.records import Decision, Reading
from centerlm.learning.strategies import read_strategyqa
from centerlm.plan import MAX_TEXT, Plan, Step, escape

FILES: tuple[tuple[str, Callable[[Path], Material]], ...] = (
    ("reading/xquad_en.json", partial(read_squad, origin="xquad")),
    ("reading/qed_dev.jsonl", read_qed),
    ("musique/train.jsonl", read_musique),
    ("2wikimultihopqa/train.jsonl", read_2wiki),
    ("hotpotqa/train.jsonl", read_hotpot),
    ("strategyqa/train.jsonl", read_strategyqa),
)
"""Files under a data folder, and their readers."""


def read_natural(data: Path) -> Material:
    """What the files of `data` give together; a file that is missing is named in `skipped`.

    Raises:
        InputError: none of the files is there, or one cannot be read.
    """
    given: list[Material] = []
    missing: list[Skipped] = []
    for name, read in FILES:
        if (data / name).is_file():
            given.append(read(data / name))
        else:
            missing.append(Skipped(str(data / name), "there is no such file", "missing file"))
    if not given:
        names = ", ".join(name for name, _ in FILES)
        raise InputError(f"{data} has no reading material; put at least one of {names} there")
    return joined((*given, Material(skipped=tuple(missing))))


def atomic_decisions(readings: Iterable[Reading], *, n: int, seed: int) -> Iterator[Decision]:
    """Up to `n` single-hop questions as decisions: one step that asks the documents as it stands.

    The forms "X >> relation" are left out: nobody asks so, and plans are written in sentences.
    """
    asked = [r for r in readings if ">>" not in r.question and len(escape(r.question)) <= MAX_TEXT]
    Random(seed).shuffle(asked)
    for reading in asked[:n]:
        plan = Plan((Step(1, ("documents",), escape(reading.question)),))
        yield Decision(f"{reading.id}:atomic", reading.origin, reading.question, plan)
