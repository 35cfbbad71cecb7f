"""The calculator: exact arithmetic, units, dates, and operations over findings."""

from centerlm.sources.calculator.calls import FUNCTIONS
from centerlm.sources.calculator.operations import Computed
from centerlm.sources.calculator.source import Calculator, compute, evaluate

__all__ = ["FUNCTIONS", "Calculator", "Computed", "compute", "evaluate"]
