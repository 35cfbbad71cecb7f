"""The seeking memory: which source answered what kind of question, and how it was asked.

memory = SeekingMemory("memory.sqlite", project="my-project")
await solve(objective, center=..., sources=..., memory=memory)
"""

from centerlm.memory.seeking import SeekingMemory

__all__ = ["SeekingMemory"]
