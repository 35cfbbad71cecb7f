"""centerlm: decompose an objective, seek each part from the source that knows, absorb the findings.

    import asyncio
    from centerlm import CenterLM, Objective, solve

Everything public is named here and loaded when it is first used: importing the package costs
milliseconds and pulls in no dependency. Names not in `__all__` may change without notice.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from centerlm.center import CenterLM, Example
    from centerlm.errors import CenterError, PlanError
    from centerlm.finding import (
        Citation,
        Finding,
        Passage,
        Quantity,
        Status,
        Usage,
        Value,
        failed,
        found,
        nothing,
    )
    from centerlm.journal import MemoryJournal, SqliteJournal
    from centerlm.library import Library
    from centerlm.models import open_model
    from centerlm.models.base import LanguageModel, Message, Price, Prompt, Reply, Sampling
    from centerlm.models.fake_server import FakeServer, Fault
    from centerlm.models.llama_cpp import LlamaCppModel
    from centerlm.models.openai import OpenAIModel
    from centerlm.models.provider import Provider
    from centerlm.models.scripted import ScriptedModel
    from centerlm.objective import Attachment, Budget, Objective
    from centerlm.opening import open_center
    from centerlm.plan import Plan, Step, format_plan, parse_plan
    from centerlm.run import Options
    from centerlm.solver import Solution, solve
    from centerlm.sources.base import Binding, Card, Seek, Source
    from centerlm.sources.calculator import Calculator
    from centerlm.sources.documents import Documents
    from centerlm.sources.expert import Expert
    from centerlm.sources.function import source
    from centerlm.sources.person import Person

__all__ = [
    "Attachment",
    "Binding",
    "Budget",
    "Calculator",
    "Card",
    "CenterError",
    "CenterLM",
    "Citation",
    "Documents",
    "Example",
    "Expert",
    "FakeServer",
    "Fault",
    "Finding",
    "LanguageModel",
    "Library",
    "LlamaCppModel",
    "MemoryJournal",
    "Message",
    "Objective",
    "OpenAIModel",
    "Options",
    "Passage",
    "Person",
    "Plan",
    "PlanError",
    "Price",
    "Prompt",
    "Provider",
    "Quantity",
    "Reply",
    "Sampling",
    "ScriptedModel",
    "Seek",
    "Solution",
    "Source",
    "SqliteJournal",
    "Status",
    "Step",
    "Usage",
    "Value",
    "failed",
    "format_plan",
    "found",
    "nothing",
    "open_center",
    "open_model",
    "parse_plan",
    "solve",
    "source",
]

_HOMES = {
    "center": ("CenterLM", "Example"),
    "opening": ("open_center",),
    "errors": ("CenterError", "PlanError"),
    "finding": (
        *("Citation", "Finding", "Passage", "Quantity", "Status", "Usage", "Value"),
        *("failed", "found", "nothing"),
    ),
    "journal": ("MemoryJournal", "SqliteJournal"),
    "library": ("Library",),
    "models": ("open_model",),
    "models.base": ("LanguageModel", "Message", "Price", "Prompt", "Reply", "Sampling"),
    "models.fake_server": ("FakeServer", "Fault"),
    "models.llama_cpp": ("LlamaCppModel",),
    "models.openai": ("OpenAIModel",),
    "models.provider": ("Provider",),
    "models.scripted": ("ScriptedModel",),
    "objective": ("Attachment", "Budget", "Objective"),
    "plan": ("Plan", "Step", "format_plan", "parse_plan"),
    "run": ("Options",),
    "solver": ("Solution", "solve"),
    "sources.base": ("Binding", "Card", "Seek", "Source"),
    "sources.calculator": ("Calculator",),
    "sources.documents": ("Documents",),
    "sources.expert": ("Expert",),
    "sources.function": ("source",),
    "sources.person": ("Person",),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            value = getattr(import_module(f"{__name__}.{home}"), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
