"""How many workers a Ray cluster is given; what they do is tested on a real one with `evaluate`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from centerlm.cluster import Cluster
from centerlm.errors import InputError


def _pretend(monkeypatch: pytest.MonkeyPatch, machines: Sequence[tuple[bool, float]]) -> None:
    """A cluster of machines, each there or not, with so many processors; workers open at once."""

    async def opened() -> None:
        pass

    worker = SimpleNamespace(open=SimpleNamespace(remote=opened))
    ray, exceptions = ModuleType("ray"), ModuleType("ray.exceptions")
    ray.__dict__.update(
        is_initialized=lambda: True,
        cluster_resources=lambda: {"CPU": sum(cpus for there, cpus in machines if there)},
        nodes=lambda: [{"Alive": there, "Resources": {"CPU": cpus}} for there, cpus in machines],
        remote=lambda **_: lambda _: SimpleNamespace(remote=lambda *_: _Worker(worker)),
        kill=lambda worker: None,
    )
    exceptions.__dict__.update(RayError=OSError, RayTaskError=OSError)
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setitem(sys.modules, "ray.exceptions", exceptions)


class _Worker:
    def __init__(self, does: Any) -> None:
        self.open = does.open


def _slots(cpus: int) -> int:
    async def slots() -> int:
        async with Cluster("auto", lambda: pytest.fail("opened here"), 1, cpus) as cluster:
            return cluster.slots

    return asyncio.run(slots())


def test_there_are_as_many_workers_as_fit_into_the_machines_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _pretend(monkeypatch, [(True, 3), (True, 6), (False, 64)])
    assert [_slots(1), _slots(2), _slots(4)] == [9, 4, 1]


def test_a_worker_that_no_single_machine_has_room_for_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _pretend(monkeypatch, [(True, 3), (True, 3)])
    with pytest.raises(InputError, match=r"needs 4 CPUs .* on one machine, and the largest has 3"):
        _slots(4)
