"""Cores, processor time and server processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from benchmarks import options
from benchmarks.machine import allow_files, family, machine_seconds, pinned, processor_seconds, resident_bytes
from benchmarks.servers import started
from typeahead.errors import TypeaheadError

SLEEPER = "import sys; print('http://127.0.0.1:1', flush=True); sys.stdin.read()"


def test_a_pinned_process_starts_its_children_on_its_cores() -> None:
    before = os.sched_getaffinity(0)
    core = min(before)
    with pinned({core}):
        code = "import os; print(os.sched_getaffinity(0))"
        assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == f"{{{core}}}"
    assert os.sched_getaffinity(0) == before
    with pytest.raises(TypeaheadError, match="cores 4096 are wanted"), pinned({4096}):
        pass


def test_processor_time_is_that_of_the_process_and_of_the_machine() -> None:
    mine, machine, clock = processor_seconds(os.getpid()), machine_seconds(), time.process_time()
    while time.process_time() - clock < 0.2:
        pass
    # Both are told in ticks of 10 ms.
    assert processor_seconds(os.getpid()) - mine >= 0.15
    assert machine_seconds() - machine >= 0.15
    assert processor_seconds(2**22 + 1) == 0


def test_children_count_with_their_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", SLEEPER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert child.pid in family(os.getpid())
        assert resident_bytes(os.getpid()) > resident_bytes(child.pid) > 1_000_000


def test_a_server_runs_while_it_is_measured_and_then_is_gone() -> None:
    code = "import time; print('http://127.0.0.1:1', flush=True); time.sleep(600)"
    with started("a server", [sys.executable, "-c", code], cores=os.sched_getaffinity(0)) as server:
        assert server.address == "http://127.0.0.1:1"
        assert server.resident_megabytes() > 1
        os.kill(server.pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(server.pid, 0)


def test_a_server_that_does_not_start_says_why() -> None:
    code = "raise SystemExit('no room')"
    with (
        pytest.raises(TypeaheadError, match="a server did not start: no room"),
        started("a server", [sys.executable, "-c", code], cores=os.sched_getaffinity(0)),
    ):
        pass


def test_more_sockets_than_the_system_allows_are_refused() -> None:
    with pytest.raises(TypeaheadError, match="hard limit"):
        allow_files(2**40)


def test_a_failure_is_told_in_one_line() -> None:
    def fail(_: object) -> None:
        raise TypeaheadError("it went wrong")

    with pytest.raises(SystemExit) as ended:
        options.run(fail)
    assert str(ended.value.code).endswith(": it went wrong")
