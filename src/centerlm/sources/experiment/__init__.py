"""The source `experiment`: programs in a sandbox, and named simulators and validators."""

from centerlm.sources.experiment.named import NamedExperiment, named_call
from centerlm.sources.experiment.sandbox import Limits, Ran, run_program, why_unavailable
from centerlm.sources.experiment.source import Experiment

__all__ = [
    "Experiment",
    "Limits",
    "NamedExperiment",
    "Ran",
    "named_call",
    "run_program",
    "why_unavailable",
]
