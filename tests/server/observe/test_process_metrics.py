"""The metrics of the process, compared with what the system's other interfaces say."""

from __future__ import annotations

import mmap
import os
import resource
import sys
import time
from typing import Any

import pytest

from typeahead.server.observe.counters import Registry, merge
from typeahead.server.observe.process_metrics import add_process_metrics

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells all of it")


def families() -> dict[str, Any]:
    registry = Registry()
    add_process_metrics(registry)
    return {family["name"]: family for family in registry.snapshot()}


def values() -> dict[str, float]:
    return {name: family["series"][0][1] for name, family in families().items()}


def test_they_have_the_names_and_kinds_of_prometheus_own_clients() -> None:
    prometheus = pytest.importorskip("prometheus_client")
    theirs = {family.name: family.type for family in prometheus.ProcessCollector(registry=None).collect()}
    ours = {name.removesuffix("_total"): family["kind"] for name, family in families().items()}
    assert ours == theirs


def test_cpu_files_and_start_are_those_of_this_process() -> None:
    before, used = values(), time.process_time()
    assert 0 < before["process_cpu_seconds_total"] <= used
    with open(os.devnull) as _:  # noqa: PTH123 - a descriptor is wanted
        assert values()["process_open_fds"] == before["process_open_fds"] + 1
    assert before["process_max_fds"] == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert 0 <= time.time() - before["process_start_time_seconds"] < 24 * 3600
    assert 0 < before["process_resident_memory_bytes"] < before["process_virtual_memory_bytes"]


def test_memory_grows_with_what_is_held() -> None:
    before = values()["process_resident_memory_bytes"]
    # Not from the heap, which may have as much that was freed before.
    with mmap.mmap(-1, 64 << 20) as held:
        held.write(os.urandom(1 << 16) * 1024)
        assert values()["process_resident_memory_bytes"] - before > len(held) // 2


def test_several_processes_add_up_and_the_latest_start_counts() -> None:
    registry = Registry()
    add_process_metrics(registry)
    other = registry.snapshot()
    for family in other:
        family["series"] = [[[], 7]]
    merged = {family["name"]: family["series"][0][1] for family in merge([registry.snapshot(), other])}
    alone = values()
    assert merged["process_max_fds"] == alone["process_max_fds"] + 7
    assert merged["process_start_time_seconds"] == alone["process_start_time_seconds"]
