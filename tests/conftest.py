"""Settings of all property tests: few examples, no deadline (shared machines are slow at times)."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("default", deadline=None, max_examples=60)
settings.load_profile("default")
