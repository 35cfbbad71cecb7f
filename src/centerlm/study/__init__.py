"""Study: the center plans what to learn about a whole subject, asks its own questions, seeks them,
and fills the knowledge web with what it finds.
"""

from centerlm.study.studying import Study, Visit, study

__all__ = ["Study", "Visit", "study"]
