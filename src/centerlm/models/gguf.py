"""The header of a GGUF file: its metadata, and the shape, type and place of every tensor.

Reads the header only, never the weights. Format (versions 2 and 3, little endian):
https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
The `gguf` package reads it too, but brings requests, PyYAML and tqdm for a page of code.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field, replace
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

from centerlm.errors import MissingWeightsError

REMEDY = "run: centerlm models get default"
_STRING, _ARRAY = 8, 9
_FORMATS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}
_DEFAULT_ALIGNMENT = 32
BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 30: (1, 2),
}  # fmt: skip
"""Elements and bytes of a block of each common tensor type; others count one byte a tensor."""
_MAX_ENTRIES = 1 << 24
_MAX_STRING = 1 << 24


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of a GGUF file: `shape` with rows first, as numpy has it, its ggml type `kind`, and
    where it begins, in bytes from the start of the file.
    """

    shape: tuple[int, ...]
    kind: int
    offset: int

    @property
    def length(self) -> int:
        """In bytes; too small for types not known here."""
        elements = math.prod(self.shape)
        block, size = BLOCKS.get(self.kind, (elements or 1, 1))
        return -(-elements // block) * size


@dataclass(frozen=True, slots=True)
class GGUF:
    """`metadata` by key, the number of `tensors`, the `size` of the file in bytes, the `layout`
    (each tensor by its name, in the file's order), and `table`: the byte where that begins.
    """

    path: Path
    metadata: dict[str, Any]
    tensors: int
    size: int
    layout: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    table: int = 0


class _Reader:
    """Reads values one after the other; a position past the end means a truncated file."""

    def __init__(self, data: mmap) -> None:
        self.data = data
        self.at = 0

    def numbers(self, code: str, count: int) -> tuple[Any, ...]:
        values = struct.unpack_from(f"<{count}{code}", self.data, self.at)
        self.at += struct.calcsize(f"<{count}{code}")
        return values

    def number(self, code: str) -> int:
        return self.numbers(code, 1)[0]

    def string(self) -> str:
        length = self.number("Q")
        if length > _MAX_STRING or self.at + length > len(self.data):
            raise struct.error("a string reaches past the end")
        start, self.at = self.at, self.at + length
        return self.data[start : self.at].decode("utf-8")

    def value(self, kind: int) -> Any:
        if kind == _STRING:
            return self.string()
        if kind != _ARRAY:
            return self.numbers(_FORMATS[kind], 1)[0]
        inner, count = self.number("I"), self.number("Q")
        if count > _MAX_ENTRIES:
            raise struct.error("an array is too long")
        if inner in (_STRING, _ARRAY):
            return [self.value(inner) for _ in range(count)]
        return list(self.numbers(_FORMATS[inner], count))


def read_gguf(path: Path) -> GGUF:
    """The metadata of the GGUF file at `path`.

    Raises:
        MissingWeightsError: there is no such file, it cannot be read, is not GGUF, or is truncated
            (a tensor reaches past the end of the file).
    """
    try:
        with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
            return _read(path, data)
    except (FileNotFoundError, IsADirectoryError):
        raise MissingWeightsError(f"there is no model file at {path}; {REMEDY}") from None
    except OSError as error:
        raise MissingWeightsError(
            f"the model file {path} cannot be read ({error.strerror})"
        ) from None
    except (struct.error, KeyError, UnicodeDecodeError, ValueError, RecursionError):
        raise MissingWeightsError(
            f"the model file {path} is truncated or not a GGUF model; get it again, "
            f"for the default model {REMEDY}"
        ) from None


def _read(path: Path, data: mmap) -> GGUF:
    reader = _Reader(data)
    if data[:4] != b"GGUF":
        raise ValueError("no magic")
    reader.at = 4
    if reader.number("I") not in (2, 3):
        raise ValueError("unknown version")
    tensors, entries = reader.numbers("Q", 2)
    if max(tensors, entries) > _MAX_ENTRIES:
        raise ValueError("too many entries")
    metadata: dict[str, Any] = {}
    for _ in range(entries):
        key = reader.string()
        metadata[key] = reader.value(reader.number("I"))
    length, table = 0, reader.at
    places: dict[str, Tensor] = {}
    for _ in range(tensors):
        name = reader.string()
        shape = reader.numbers("Q", reader.number("I"))
        place = Tensor(shape[::-1], reader.number("I"), reader.number("Q"))
        length = max(length, place.offset + place.length)
        places[name] = place
    alignment = int(metadata.get("general.alignment", _DEFAULT_ALIGNMENT))
    start = -(-reader.at // alignment) * alignment
    if start + length > len(data):
        raise ValueError("tensors reach past the end")
    layout = {name: replace(place, offset=start + place.offset) for name, place in places.items()}
    return GGUF(path, metadata, tensors, len(data), layout, table)
