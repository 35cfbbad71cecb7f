"""Which adapter the studio's center runs with: promoted from a round, and rolled back.

Kept in the data folder and used by the studio alone: other commands run with what the settings say,
so that what they measure does not change under them.
"""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from centerlm.errors import InputError
from centerlm.learning.run_folder import read_json, write_json
from centerlm.models.weights import home
from centerlm.opening import center_adapter, open_center
from centerlm.serving.parts import Parts


def is_local(parts: Parts) -> bool:
    """Whether the center is a local model: only those have adapters."""
    return parts.given.settings().center.model.partition(":")[0] == "local"


def promoted() -> list[Path]:
    """The adapters promoted so far that are still there, the one in use last."""
    record = read_json(_file()) or {}
    return [Path(path) for path in record.get("promoted", ()) if Path(path).is_file()]


def in_use(parts: Parts) -> Path | None:
    """The adapter the center runs with; None without one."""
    return center_adapter(parts.settings.center)


def use_promoted(parts: Parts) -> None:
    """Open the center with the adapter that was promoted last, or as the settings say.

    Raises:
        CenterError: it cannot be opened; the center stays as it is.
    """
    settings = parts.given.settings()
    if not is_local(parts) or settings.center.adapter is not None:
        return
    if given := promoted():
        center = replace(settings.center, adapter=str(given[-1]))
        settings = replace(settings, center=center)
    if settings.center == parts.settings.center:
        return
    parts.center = open_center(settings, parts.endpoints)
    parts.settings = replace(parts.settings, center=settings.center)


def promote(parts: Parts, adapter: Path) -> None:
    """Have the center run with an adapter from the next question on.

    Raises:
        InputError: the center is not local, its adapter is set, or it runs with this one already.
        CenterError: the adapter cannot be used; nothing is changed.
    """
    if not is_local(parts):
        raise InputError("the center is not a local model, so it runs with no adapter")
    if parts.given.settings().center.adapter is not None:
        raise InputError("the settings name the center's adapter; name this one there instead")
    if in_use(parts) == adapter:
        raise InputError("this adapter is in use already")
    _change(parts, [*promoted(), adapter])


def roll_back(parts: Parts) -> None:
    """Go back to what ran before the last promotion.

    Raises:
        InputError: nothing was promoted.
        CenterError: what ran before cannot be opened any more; nothing is changed.
    """
    if not (given := promoted()):
        raise InputError("nothing was promoted, so there is nothing to go back from")
    _change(parts, given[:-1])


def _change(parts: Parts, given: list[Path]) -> None:
    before = read_json(_file()) or {}
    write_json(_file(), {"promoted": [str(path) for path in given]})
    try:
        use_promoted(parts)
    except BaseException:
        write_json(_file(), before)
        raise


def _file() -> Path:
    return home() / "studio" / "adapters.json"
