"""Libraries of documents: reading files, cutting passages, indexing and searching them."""

from centerlm.library.document import Problem
from centerlm.library.ingest import IngestReport, Progress
from centerlm.library.library import Library, Mode, Stats

__all__ = ["IngestReport", "Library", "Mode", "Problem", "Progress", "Stats"]
