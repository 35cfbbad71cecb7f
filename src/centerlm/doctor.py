"""What is installed and what is missing, with the command that mends it."""

from __future__ import annotations

import importlib.util
import platform
import sqlite3
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from centerlm.config import FILE, default_file, load_settings
from centerlm.errors import CenterError, ConfigError
from centerlm.models.lora import read_lora, shipped_adapter
from centerlm.models.weights import REGISTRY, find_file, home

ADAPTER = "adapter"
EXTRAS: dict[str, tuple[str, ...]] = {
    "local": ("xllamacpp", "onnxruntime", "tokenizers", "numpy"),
    "train": ("torch", "transformers"),
    "serve": ("starlette", "uvicorn", "prometheus_client"),
    "mcp": ("mcp",),
    "media": ("av", "cv2", "faster_whisper", "ioutrack", "PIL", "rapidocr", "scenedetect"),
    "labels": ("ai_edge_litert",),
}


def examine() -> dict[str, Any]:
    """`{"ready", "checks": [{"what", "ok", "found", "remedy", "needed"}]}`.

    "ready" is whether everything that solving with the default center needs is there.
    """
    checks = [
        _check(
            "Python",
            sys.version_info >= (3, 11),
            platform.python_version(),
            "use Python 3.11 or newer",
        ),
        _full_text_search(),
        _data_folder(),
        *(_extra(name, modules) for name, modules in EXTRAS.items()),
        *(_weights_check(row) for row in weights_report()),
        _settings(),
        *_plugins(),
    ]
    return {"ready": all(c["ok"] for c in checks if c["needed"]), "checks": checks}


def _check(what: str, ok: bool, found: str, remedy: str, *, needed: bool = True) -> dict[str, Any]:
    return {"what": what, "ok": ok, "found": found, "remedy": remedy, "needed": needed}


def _full_text_search() -> dict[str, Any]:
    database = sqlite3.connect(":memory:")
    try:
        database.execute("CREATE VIRTUAL TABLE t USING fts5(text)")
    except sqlite3.OperationalError:
        return _check("SQLite", False, "no FTS5", "use a Python whose SQLite has FTS5")
    finally:
        database.close()
    return _check("SQLite", True, f"{sqlite3.sqlite_version} with FTS5", "")


def _data_folder() -> dict[str, Any]:
    folder = home()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        remedy = "set CENTERLM_HOME to a folder you may write to"
        return _check("data folder", False, f"{folder}: {error}", remedy)
    return _check("data folder", True, str(folder), "")


def _extra(name: str, modules: Sequence[str]) -> dict[str, Any]:
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    found = ", ".join(f"{m} {_version(m)}" for m in modules if m not in missing) or "nothing"
    return _check(
        f"extra [{name}]",
        not missing,
        found,
        f"{', '.join(missing)} missing; run: pip install 'centerlm[{name}]'",
        needed=name == "local",
    )


def _settings() -> dict[str, Any]:
    file = default_file()
    try:
        load_settings(file)
    except ConfigError as error:
        return _check("settings", False, str(file), str(error))
    return _check("settings", True, str(file) if file else f"no {FILE} here: the defaults", "")


def _plugins() -> list[dict[str, Any]]:
    """Installed plugins, and what keeps any from being loaded."""
    from centerlm.sources.registry import load_plugins

    loaded = load_plugins()
    found = ", ".join(loaded.sources) or "none"
    return [
        _check("plugins", True, found, ""),
        *(_check("plugin", False, "cannot be used", p, needed=False) for p in loaded.problems),
    ]


def _version(module: str) -> str:
    try:
        return metadata.version(module)
    except metadata.PackageNotFoundError:  # as of PIL, which pillow brings
        brought = metadata.packages_distributions().get(module)
        return metadata.version(brought[0]) if brought else "(unknown version)"


def _weights_check(row: dict[str, Any]) -> dict[str, Any]:
    return _check(
        f"model {row['name']}",
        row["ok"],
        row["state"] if row["ok"] else "not found, or not as pinned",
        row["state"],
        needed=row["name"] in ("default", ADAPTER),
    )


def weights_report() -> list[dict[str, Any]]:
    """Each pinned model: name, about, licence, size in megabytes, whether and where it is found.

    The trained center's adapter, where the package has one, is the last row.
    """
    rows: list[dict[str, Any]] = []
    for model in REGISTRY.values():
        try:
            ok, state = True, str(find_file(model.name, model.files[0]))
            for file in model.files[1:]:
                find_file(model.name, file)
        except CenterError as error:
            ok, state = False, str(error)
        rows.append(
            {
                "name": model.name,
                "about": model.about,
                "licence": model.licence,
                "megabytes": round(model.size / 1e6, 1),
                "ok": ok,
                "state": state,
            }
        )
    if (path := shipped_adapter()) is not None:
        rows.append(_adapter_row(path))
    return rows


def _adapter_row(path: Path) -> dict[str, Any]:
    try:
        read_lora(path)
        ok, state = True, str(path)
    except CenterError:
        ok, state = False, f"the adapter {path} is truncated; install centerlm again"
    return {
        "name": ADAPTER,
        "about": "the trained center: what solving with the default model adds to it",
        "licence": "Apache-2.0",
        "megabytes": round(path.stat().st_size / 1e6, 1),
        "ok": ok,
        "state": state,
    }
