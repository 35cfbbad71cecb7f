"""Folders that appear whole or not at all, and the sentence for a disk that is full."""

from __future__ import annotations

import errno
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from centerlm.errors import InputError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def new_folder(target: Path, *, needs: int = 0) -> Generator[Path]:
    """An empty folder beside `target`, to be filled; it becomes `target` when the block ends well.

    `needs` is the number of bytes that will be written. After any error nothing is left behind.

    Raises:
        InputError: `target` already holds something, cannot be written, or the disk is full.
    """
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise InputError(f"{target} is already there; choose another name, or remove it first")
    made: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(target.parent).free
        if free < needs:
            raise InputError(
                f"{target} needs {needs / 1e9:.1f} GB and {target.parent} has {free / 1e9:.1f} GB "
                "free; free some space, or choose another place (CENTERLM_HOME moves the data "
                "folder)"
            )
        made = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
        yield made
        made.chmod(0o755)
        if target.is_dir():
            target.rmdir()
        made.rename(target)
    except OSError as error:
        raise InputError(cannot_write(target, error)) from None
    finally:
        if made is not None and made.exists():
            shutil.rmtree(made, ignore_errors=True)


def cannot_write(target: Path, error: OSError) -> str:
    """The sentence for a file or folder that could not be written."""
    if error.errno in _FULL:
        return (
            f"{target} cannot be written: the disk is full or a file size limit is reached; free "
            "some space, or choose another place (CENTERLM_HOME moves the data folder)"
        )
    return f"{target} cannot be written ({error.strerror or error}); choose another place"
