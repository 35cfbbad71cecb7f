from __future__ import annotations

import sqlite3

import pytest

from centerlm.library import vectors

np = pytest.importorskip("numpy", reason="vectors need numpy, from the local extra")


def table(rows: object) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE vectors (passage INTEGER PRIMARY KEY, vector BLOB)")
    connection.execute("CREATE TABLE codes (passage INTEGER PRIMARY KEY, code BLOB)")
    for number, (vector, code) in enumerate(vectors.pack(rows), start=100):  # pyright: ignore[reportArgumentType]
        connection.execute("INSERT INTO vectors VALUES (?, ?)", (number, vector))
        connection.execute("INSERT INTO codes VALUES (?, ?)", (number, code))
    return connection


def unit(count: int, seed: int = 0) -> object:
    rows = np.random.default_rng(seed).standard_normal((count, 384)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_stored_cosines_are_within_a_hundredth() -> None:
    rows = unit(2000)
    connection = table(rows)
    query = rows[7]
    scores = vectors.cosines(connection, list(range(100, 2100)), query)
    exact = rows @ query
    assert len(scores) == 2000
    assert max(abs(scores[100 + i] - exact[i]) for i in range(2000)) < 0.01
    assert vectors.cosines(connection, [5, 99], query) == {}


def test_a_zero_vector_is_stored_and_scores_zero() -> None:
    connection = table(np.zeros((1, 384), dtype=np.float32))
    assert vectors.cosines(connection, [100], unit(1)[0]) == {100: 0.0}


def test_the_scan_finds_nearly_all_of_the_true_best() -> None:
    centres = unit(50, seed=1)
    draw = np.random.default_rng(2)
    rows = centres[draw.integers(0, 50, 20_000)] + 0.04 * draw.standard_normal((20_000, 384))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    index = vectors.SignIndex(table(rows))
    assert len(index) == 20_000
    hits = 0
    for number in range(30):
        query = rows[number]
        true = {int(i) + 100 for i in np.argpartition(-(rows @ query), 10)[:10]}
        near = index.nearest(query, 400)
        assert len(near) >= 400
        hits += len(true & set(near))
    assert hits / 300 > 0.9


def test_small_and_empty_indexes_give_all() -> None:
    assert len(vectors.SignIndex(table(unit(5))).nearest(unit(1)[0], 400)) == 5
    assert (
        vectors.SignIndex(table(np.zeros((0, 384), dtype=np.float32))).nearest(unit(1)[0], 4) == []
    )
