"""Time from a keystroke to results over a loopback websocket: a real server process, and a client that replays typing.

The server is ``typeahead serve`` on a free port. The client sends each key at its recorded time and Enter
:data:`~typeahead.evaluate.measures.latency.ENTER_AFTER_MS` after the last one.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from typeahead.errors import MissingExtra, TypeaheadError
from typeahead.evaluate.data.traces import Keystroke
from typeahead.evaluate.measures.latency import ENTER_AFTER_MS, Timings


@contextmanager
def server_process(index: Path | None, encoder: str) -> Iterator[tuple[str, int]]:
    """Run ``typeahead serve``. Gives its address and process id."""
    command = [sys.executable, "-m", "typeahead", "serve", "--encoder", encoder, "--port", "0", "--timings"]
    command += ["--index", str(index)] if index else []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            if not address:
                raise TypeaheadError(f"the server did not start: run {' '.join(command)} to see why")
            yield address, process.pid
        finally:
            process.terminate()


def resident_megabytes(pid: int) -> float | None:
    """Resident memory of a process in MB; ``None`` without /proc."""
    status = Path(f"/proc/{pid}/status")
    if not status.is_file():
        return None
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024 / 1e6


def type_over_websocket(
    index: Path, encoder: str, traces: Sequence[Sequence[Keystroke]], facts: dict[str, Any]
) -> list[dict[str, object]]:
    """Type ``traces`` one after the other. Gives rows of timings, and adds other observations to ``facts``."""
    with server_process(index, encoder) as (address, pid):
        keys, submits = asyncio.run(_type_all(address, traces, facts))
        facts["server_memory_MB"] = resident_megabytes(pid)
    return [keys.row(), submits.row()]


async def _type_all(
    address: str, traces: Sequence[Sequence[Keystroke]], facts: dict[str, Any]
) -> tuple[Timings, Timings]:
    try:
        from websockets.asyncio.client import connect
    except ImportError as error:
        raise MissingExtra("websockets", "server") from error
    keys, submits = Timings("key to results, websocket"), Timings("Enter to results, websocket")
    stages: dict[str, list[int]] = {}
    ready = unanswered = sent = 0
    url = address.replace("http://", "ws://") + "/v1/type"
    for trace in traces:
        async with connect(url, subprotocols=["typeahead.v1"]) as connection:  # type: ignore[list-item]
            pressed: dict[int, float] = {}
            answered: set[int] = set()
            last = len(trace) + 1

            async def read(
                pressed: dict[int, float] = pressed,
                answered: set[int] = answered,
                last: int = last,
                link: Any = connection,
            ) -> dict[str, Any]:
                async for message in link:
                    now = time.perf_counter()
                    reply: dict[str, Any] = json.loads(message)
                    if "error" in reply:
                        raise TypeaheadError(f"the server answered {reply['error']}")
                    if "seq" not in reply:
                        continue
                    answered.add(reply["seq"])
                    took = (now - pressed[reply["seq"]]) * 1e6
                    (submits if reply["seq"] == last else keys).values.append(took)
                    for stage, spent in reply["timing_us"].items() if reply["seq"] != last else ():
                        stages.setdefault(stage, []).append(spent)
                    if reply["seq"] == last:
                        return reply
                raise TypeaheadError("the server closed the connection")

            reading = asyncio.create_task(read())
            start = time.perf_counter()
            for seq, keystroke in enumerate(trace, 1):
                await _until(start + keystroke.at / 1000)
                pressed[seq] = time.perf_counter()
                await connection.send(json.dumps({"seq": seq, "text": keystroke.text}))
            await _until(start + (trace[-1].at + ENTER_AFTER_MS) / 1000)
            pressed[last] = time.perf_counter()
            await connection.send(json.dumps({"seq": last, "submit": True}))
            reply = await reading
            ready += bool(reply.get("ready"))
            sent += len(trace)
            unanswered += len(trace) - len(answered - {last})
    facts["websocket_ready_at_Enter_%"] = 100 * ready / max(len(traces), 1)
    for stage, spent_us in stages.items():
        facts[f"websocket_{stage}_by_the_server's_clock_(p50_µs)"] = float(np.median(spent_us))
    facts["websocket_keys_superseded"] = f"{unanswered} of {sent}"
    return keys, submits


async def _until(moment: float) -> None:
    """Wait until the clock shows ``moment``, to type at the recorded pace."""
    await asyncio.sleep(max(moment - time.perf_counter(), 0))
