"""What the dashboard costs who leaves it open: the bars are no growth of its memory and 10% of a core.

    python -m benchmarks.dashboard [--minutes 10] [--index DIR] [--people 20] [--json PATH]

Starts ``typeahead serve`` on a free port, lets people type at human pace, and opens ``/dashboard`` in a headless
Chromium, with every table open. At each sample the page's garbage is collected and its JavaScript heap, its nodes and
its listeners are read over the DevTools protocol; the processor time is that of the page's renderer, by ``/proc``. The
first samples are a warm-up: the page takes the memory for its five minutes of history at once, but code is compiled as
it is used. Growth is that of the median of the last third of the samples over that of the first third after the
warm-up, which is five minutes where the run is longer than eight: tables and lines get longer until then, as the
history fills. Linux only. Needs the extra ``test`` and Debian's ``chromium`` and ``chromium-driver``.
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

#: Seconds between samples, and samples that are warm-up at least.
EVERY = 10.0
WARM_UP = 2
#: Minutes until the page's history is full, and those of a run that has time to wait for that.
FULL, LONG = 5.2, 8.0
#: Samples that say something about growth.
FEWEST = 3


@contextmanager
def server(index: Path | None) -> Iterator[str]:
    """Run a server until the block ends; gives its address."""
    command = [sys.executable, "-m", "typeahead", "serve", "--port", "0", "--passage-encoder", "minilm-doc"]
    if index is not None:
        command += ["--index", str(index)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        if not address:
            raise SystemExit(f"the server did not start: run {' '.join(command)}")
        yield address
    finally:
        process.terminate()
        process.wait()


def renderers(driver: Any) -> list[int]:
    """Process ids of the browser's renderers, of whom one has the page."""
    parent = driver.service.process.pid
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
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
    """Processor time that the processes have taken."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def sample(driver: Any) -> dict[str, float]:
    """Collect the page's garbage and read what is left."""
    driver.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
    metrics = driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    found = {metric["name"]: metric["value"] for metric in metrics}
    return {
        "heap MB": found["JSHeapUsedSize"] / 1e6,
        "nodes": found["Nodes"],
        "listeners": found["JSEventListeners"],
    }


def growth(values: list[float]) -> float:
    """Percent that the last third is above the first, by their medians."""
    third = max(1, len(values) // 3)
    return 100 * (statistics.median(values[-third:]) / statistics.median(values[:third]) - 1)


def look_on(driver: Any, minutes: float) -> list[dict[str, float]]:
    """Take samples, with the share of a core since the one before."""
    pids = renderers(driver)
    began = before = time.monotonic()
    spent = cpu_seconds(pids)
    samples = []
    while time.monotonic() - began < minutes * 60:
        time.sleep(EVERY)
        now, spent_now = time.monotonic(), cpu_seconds(pids)
        share = 100 * (spent_now - spent) / (now - before)
        samples.append({"minute": (now - began) / 60, "core %": share, **sample(driver)})
        # What collecting the garbage takes is the measurement's, not the page's.
        before, spent = time.monotonic(), cpu_seconds(pids)
    return samples


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--index", type=Path, help="an index to search; without it there are embeddings only")
    parser.add_argument("--people", type=int, default=20, help="who type at the server, at some 5 keys a second each")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    options = parser.parse_args()
    least = EVERY * (WARM_UP + FEWEST) / 60
    if options.minutes < least:
        parser.error(f"--minutes is {options.minutes:g}: give at least {least:.2g}")
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
        raise SystemExit(f"the dashboard was not live at the end, but: {state}")
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
