"""What an open dashboard costs its reader. The bars: its memory does not grow, and it takes at most 10% of a core.

    python -m benchmarks.dashboard [--minutes 10] [--index DIR] [--people 20] [--json PATH]

Starts ``typeahead serve`` on a free port, lets people type at human pace, and opens ``/dashboard`` in a headless
Chromium with every table open. Each sample collects the page's garbage and reads its JavaScript heap, nodes and
listeners over the DevTools protocol; the processor time is that of the page's renderer, from ``/proc``.

The first samples are a warm-up: the page allocates its five minutes of history at once, but its code is compiled as it
is used. Runs of more than eight minutes wait until the history is full, because tables and lines get longer until then.
Growth compares the medians of the last third and the first third of the samples after the warm-up.

Linux only. Needs the extra ``test`` and Debian's ``chromium`` and ``chromium-driver``.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.typing_load import TypingLoad, start_browser
from typeahead.tables import report

#: Seconds between samples, and the least number of samples for the warm-up.
EVERY = 10.0
WARM_UP = 2
#: Minutes until the page's history is full, and the least length of a run that waits for that.
FULL, LONG = 5.2, 8.0
#: Fewest samples from which growth can be told.
FEWEST = 3


@contextmanager
def server(index: Path | None) -> Iterator[str]:
    """Run a server until the block ends. Yields its address."""
    command = [sys.executable, "-m", "typeahead", "serve", "--port", "0", "--passage-encoder", "minilm-doc"]
    if index is not None:
        command += ["--index", str(index)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        if not address:
            raise SystemExit(f"the server did not start: run {' '.join(command)} to see why")
        yield address
    finally:
        process.terminate()
        process.wait()


def renderers(driver: Any) -> list[int]:
    """Process ids of the browser's renderers, one of which shows the page."""
    parent = driver.service.process.pid
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # the process has ended
            continue
        children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, waiting = [], [parent]
    while waiting:
        pid = waiting.pop()
        waiting += children.get(pid, [])
        try:
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if b"--type=renderer" in arguments:
            found.append(pid)
    return found


def cpu_seconds(pids: list[int]) -> float:
    """Processor seconds that the processes have used."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def sample(driver: Any) -> dict[str, float]:
    """Collect the page's garbage and measure the rest."""
    driver.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
    metrics = driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    found = {metric["name"]: metric["value"] for metric in metrics}
    return {
        "heap MB": found["JSHeapUsedSize"] / 1e6,
        "nodes": found["Nodes"],
        "listeners": found["JSEventListeners"],
    }


def growth(values: list[float]) -> float:
    """Growth in percent from the first third to the last, by their medians."""
    third = max(1, len(values) // 3)
    return 100 * (statistics.median(values[-third:]) / statistics.median(values[:third]) - 1)


def look_on(driver: Any, minutes: float) -> list[dict[str, float]]:
    """Take samples, each with the share of a core used since the one before."""
    pids = renderers(driver)
    began = before = time.monotonic()
    spent = cpu_seconds(pids)
    samples = []
    while time.monotonic() - began < minutes * 60:
        time.sleep(EVERY)
        now, spent_now = time.monotonic(), cpu_seconds(pids)
        share = 100 * (spent_now - spent) / (now - before)
        samples.append({"minute": (now - began) / 60, "core %": share, **sample(driver)})
        # Collecting garbage is part of the measurement, so the page does not pay for it.
        before, spent = time.monotonic(), cpu_seconds(pids)
    return samples


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--index", type=Path, help="index to search; without one the server only encodes")
    parser.add_argument("--people", type=int, default=20, help="people who type, some 5 keys a second each")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    least = EVERY * (WARM_UP + FEWEST) / 60
    if options.minutes < least:
        parser.error(f"--minutes is {options.minutes:g}: at least {least:.2g} are needed")
    with tempfile.TemporaryDirectory() as profile, server(options.index) as address:
        driver = start_browser(Path(profile))
        try:
            with TypingLoad(address, people=options.people):
                driver.get(f"{address}/dashboard")
                driver.execute_cdp_cmd("Performance.enable", {})
                driver.execute_script("for (const table of document.querySelectorAll('details')) table.open = true")
                samples = look_on(driver, options.minutes)
                state = driver.find_element("id", "state").text
                keys = driver.find_element("id", "keys").text
                browser = driver.capabilities["browserVersion"]
        finally:
            driver.quit()
    if state != "Live":
        raise SystemExit(f"the dashboard was not live at the end; it showed {state!r}")
    warm_up = FULL if options.minutes >= LONG else 0
    steady = [one for one in samples[WARM_UP:] if one["minute"] > warm_up]
    report(
        f"Dashboard, {options.minutes:g} minutes, {options.people} people typing",
        samples,
        json_path=options.json,
        **{
            "history_was_full": warm_up > 0,
            "heap_growth_%_(last_third_over_first)": growth([one["heap MB"] for one in steady]),
            "nodes_growth_%": growth([one["nodes"] for one in steady]),
            "core_%_(mean_of_the_renderer)": statistics.fmean(one["core %"] for one in steady),
            "keys_a_second_(as_the_page_shows)": keys,
            "chromium": browser,
        },
    )


if __name__ == "__main__":
    main()
