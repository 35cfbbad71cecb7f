"""What tests of the library share."""

from __future__ import annotations

import pytest
from word_embedder import WordEmbedder


@pytest.fixture
def embedder() -> WordEmbedder:
    pytest.importorskip("numpy", reason="vectors need numpy, from the local extra")
    return WordEmbedder()
