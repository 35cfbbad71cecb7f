"""Fictional worlds: documents, composed questions, their plans, findings and exact answers."""

from centerlm.learning.worlds.cards import Offered
from centerlm.learning.worlds.questions import WorldQuestion
from centerlm.learning.worlds.realistic import Template, templates
from centerlm.learning.worlds.sources import world_sources
from centerlm.learning.worlds.world import BEYOND, KINDS, Split, World, make_world, questions_of

__all__ = [
    "BEYOND",
    "KINDS",
    "Offered",
    "Split",
    "Template",
    "World",
    "WorldQuestion",
    "make_world",
    "questions_of",
    "templates",
    "world_sources",
]
