"""The failure model of centerlm: one class a boundary, one sentence a message.

A sub-objective that fails is data (a `Finding` with a status), never an exception that crosses the
engine. What is raised reaches the user: every message says what was wrong, where, and what to do.
`exit_code` is what the command line exits with.
"""

from __future__ import annotations


class CenterError(Exception):
    """Base of everything centerlm raises on purpose."""

    exit_code: int = 1


class InputError(CenterError):
    """What the user gave cannot be used: an argument, a file, a question."""

    exit_code = 2


class ConfigError(InputError):
    """A configuration file or setting cannot be used."""


class MissingExtraError(InputError):
    """An optional part of the package is not installed."""

    def __init__(self, module: str, extra: str) -> None:
        super().__init__(
            f"{module} is not installed; run: pip install 'centerlm[{extra}]'",
        )
        self.module = module
        self.extra = extra


class MissingWeightsError(InputError):
    """Model weights are missing, truncated or not the pinned ones."""


class PlanError(CenterError):
    """A text is not a plan. `line` and `column` count from 1; `hint` says how to mend it."""

    exit_code = 2

    def __init__(self, problem: str, *, line: int = 1, column: int = 1, hint: str = "") -> None:
        self.problem = problem
        self.line = line
        self.column = column
        self.hint = hint
        end = f"; {hint}" if hint else ""
        super().__init__(f"line {line}, column {column}: {problem}{end}")


class ModelError(CenterError):
    """A language model did not answer. `transient` says that asking again may help, `withheld` that
    it will not answer this very prompt, and others as before.
    """

    def __init__(self, message: str, *, transient: bool = False, withheld: bool = False) -> None:
        super().__init__(message)
        self.transient = transient
        self.withheld = withheld


class SourceError(CenterError):
    """A knowledge source could not do what it was asked; becomes a failed finding."""


class OutOfBudgetError(CenterError):
    """A call was refused, before it started, because the budget does not cover it."""


class LibraryError(InputError):
    """A library of documents cannot be opened, read or written."""


class MemoryFileError(InputError):
    """A seeking memory, or a file of exported experience, cannot be opened, read or written."""


class MediaError(InputError):
    """A picture, recording or video cannot be read."""


class JournalError(CenterError):
    """The journal cannot be opened, read or written."""


class StoppedError(CenterError):
    """A run of learning ended before its end, and can be resumed."""

    exit_code = 130


class ExhaustedError(StoppedError):
    """Memory or disk ran out during a run of learning; it can be resumed once there is more."""

    exit_code = 1
