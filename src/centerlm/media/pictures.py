"""Still pictures, read with a bound on how much memory their pixels may take.

The size stands in a picture's head, so one that is too large is refused before it is unpacked.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from centerlm.errors import MediaError
from centerlm.media.loading import load

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_PIXELS = 64_000_000
"""Pixels that are unpacked at once: 192 MB. JPEG is unpacked at a fraction of its size, so only
Pillow's own bound of 178 million holds for it."""

_STILL = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "PPM", "GIF")
_MOVING = ("GIF", "PNG")
"""Of these formats what has several frames is a video. Others are pictures by their first frame: a
photo with its previews (MPO), pages of a scan (TIFF), and what FFmpeg cannot decode (WEBP)."""


def is_picture(path: Path) -> bool:
    """Whether the content of a file is one still picture, or is looked at as one."""
    image = _open(path)
    if image is None:
        return False
    with image:
        return image.format not in _MOVING or _frames(image) == 1


def unseen_frames(path: Path) -> str:
    """A sentence on pages or frames of a picture that are not looked at; "" where it has none."""
    image = _open(path)
    if image is None:
        return ""
    with image:
        count = _frames(image) if image.format in ("TIFF", "WEBP") else 1
    if count == 1:
        return ""
    return (
        f"{path} has {count:,} pages or frames, and only the first is looked at; "
        "make a file of each, or a video of them"
    )


def _frames(image: Any) -> int:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return int(getattr(image, "n_frames", 1))
    except Exception:  # noqa: BLE001  a damaged picture makes Pillow raise nearly anything
        return 1


def read_picture(path: Path, *, side: int) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """RGB pixels (height, width, 3), the longer side at most `side`, and the full width and height.

    Raises:
        MediaError: it is no picture, too large, or damaged from the first pixel on.
    """
    numpy, operations = load("numpy"), load("PIL.ImageOps")
    image = _open(path)
    if image is None:
        raise MediaError(f"{path} is no picture that can be read; check that the file is whole")
    with image:
        full = image.size
        if image.format in ("JPEG", "MPO"):
            image.draft("RGB", (side, side))
        _check_size(path, image.size, full)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what is odd in a damaged head
                image.load()
            image = _eight_bits(operations.exif_transpose(image))
            image.thumbnail((side, side))
            pixels = numpy.asarray(_on_paper(image))
        except Exception as error:  # noqa: BLE001  as above
            raise MediaError(
                f"{path} is damaged or cut short ({error}); replace it with a whole copy"
            ) from None
    return pixels, full


def _eight_bits(image: Any) -> Any:
    """A picture of 16 bits or more a pixel with its own range spread over 8: cut off at 255, all of
    it would be white.
    """
    if image.mode not in ("I", "F") and not image.mode.startswith("I;16"):
        return image
    numpy = load("numpy")
    values = numpy.nan_to_num(numpy.array(image, numpy.float32), copy=False)
    with numpy.errstate(all="ignore"):  # damaged numbers may be beyond all bounds
        values -= values.min()
        values *= 255.0 / (float(values.max()) or 1.0)
        eight = numpy.nan_to_num(values, copy=False).clip(0, 255).astype(numpy.uint8)
    return load("PIL.Image").fromarray(eight)


def _on_paper(image: Any) -> Any:
    """The picture in RGB; what is transparent is white, so that black words on it can be read."""
    if "A" not in image.getbands() and "transparency" not in image.info:
        return image.convert("RGB")
    seen = image.convert("RGBA")
    paper = load("PIL.Image").new("RGBA", seen.size, "white")
    paper.alpha_composite(seen)
    return paper.convert("RGB")


def _check_size(path: Path, size: tuple[int, int], full: tuple[int, int]) -> None:
    if size[0] * size[1] > MAX_PIXELS:
        raise MediaError(
            f"{path} has {full[0]:,} x {full[1]:,} pixels, more than the "
            f"{MAX_PIXELS / 1e6:.0f} million that are unpacked; make it smaller first"
        )


def _open(path: Path) -> Any | None:
    """The picture with nothing but its head read, or None where it is none.

    Raises:
        MediaError: its head says that it unpacks to more than can be held.
    """
    pillow: Any = load("PIL.Image")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return pillow.open(path, formats=_STILL)
    except pillow.DecompressionBombError as error:
        pixels = str(error).partition("(")[2].partition(" ")[0]
        raise MediaError(
            f"{path} says that it has {pixels} pixels, more than are unpacked; make it smaller"
        ) from None
    except (OSError, ValueError, SyntaxError, EOFError):
        return None
