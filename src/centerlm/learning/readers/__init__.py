"""Readers of human guidance: the official formats of public sets, and the project's own.

`read_guidance` reads several sets from one data folder. Every record becomes `Guidance` or a
`Skipped` that says where it stands and why it was not used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from centerlm.errors import InputError
from centerlm.learning.data_sets import FILES
from centerlm.learning.guidance import Read
from centerlm.learning.readers.common import join
from centerlm.learning.readers.gsm8k import read_gsm8k
from centerlm.learning.readers.musique import read_musique
from centerlm.learning.readers.own import read_own
from centerlm.learning.readers.qdmr import read_qdmr
from centerlm.learning.readers.strategyqa import read_strategyqa
from centerlm.learning.readers.wiki2 import read_2wiki

Split = Literal["train", "dev"]

ALL = ("strategyqa", "musique", "2wiki", "qdmr", "gsm8k")
"""The sets `read_guidance` reads by default, all under one data folder."""

_LINES: dict[str, Callable[[Path], Read]] = {
    "strategyqa": read_strategyqa,
    "musique": read_musique,
    "2wiki": read_2wiki,
    "gsm8k": read_gsm8k,
}

__all__ = [
    "ALL",
    "Split",
    "read_2wiki",
    "read_gsm8k",
    "read_guidance",
    "read_musique",
    "read_own",
    "read_qdmr",
    "read_strategyqa",
]


def read_guidance(data: Path, sets: Sequence[str] = ALL, *, split: Split = "train") -> Read:
    """Guidance of the named sets, in order.

    `data` is a folder with a folder a set, each in its official format. Break is read in its
    default domains (see `read_qdmr`) for training only: the other split has no file here.

    Raises:
        InputError: the folder or a file is missing, or there is no such set.
    """
    if not data.is_dir():
        raise InputError(f"there is no data folder {data}; check the path")
    reads: list[Read] = []
    for name in sets:
        if name in _LINES:
            file = (data / FILES[name][0]).with_name(f"{split}.jsonl")
            reads.append(_LINES[name](file))
        elif name == "qdmr" and split == "train":
            reads += [read_qdmr(data / file) for file in FILES["qdmr"]]
        elif name != "qdmr":
            raise InputError(f"there is no set {name!r} of guidance; there are {', '.join(ALL)}")
    return join(reads)
