"""A model whose decoding is not constrained by a grammar: what it has learned by itself."""

from __future__ import annotations

from dataclasses import dataclass

from centerlm.models.base import Constraint
from centerlm.models.wrapped import WrappedModel


@dataclass(frozen=True, slots=True)
class Unconstrained(WrappedModel):
    """`model`, but without the means to constrain it: a center then sends no grammar."""

    @property
    def constraint(self) -> Constraint:
        return "none"
