"""What a person sees in a real browser: the time from key to paint, and whether results are there at Enter.

    python -m benchmarks.browser --index INDEX --traces keystrokes.jsonl.gz

Starts ``typeahead serve --index INDEX`` on loopback, opens its search page in headless Chromium, and types recorded
sentences (:mod:`typeahead.evaluate.data.traces`) key by key at their own pace, as the browser's own key events. Each
query is the beginning of a sentence, cut at the end of a word near ``--characters``. Enter follows the last key after
the same pause as in ``typeahead bench``.

All times are taken in the page. *Key to paint* runs from the time stamp of the key's event until after the frame with
its results: a task posted while that frame was being prepared notes the end. *Ready at Enter* is reported by the page
(with at least one result) and by the server. A key that a newer one overtakes has no results of its own and is counted
separately. Needs the extra "test".
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.chromium import chromium
from typeahead.errors import TypeaheadError
from typeahead.evaluate.data.traces import Keystroke, read_traces
from typeahead.evaluate.measures.latency import ENTER_AFTER_MS, sample
from typeahead.evaluate.measures.websocket import server_process
from typeahead.tables import report

#: Seconds to wait for a query's results before giving up.
PATIENCE = 30

LISTEN = """
const box = document.querySelector("typeahead-search");
globalThis.seen = { keys: [], trips: [], ready: [] };

const after = (frame) => requestAnimationFrame(() => {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => frame(performance.now());
  port2.postMessage(null);
});
box.addEventListener("hits", ({ detail: { keyAt, sentAt, submit, ready } }) => {
  if (submit) seen.ready.at(-1).server = ready;
  else if (keyAt !== null) {
    seen.trips.push(performance.now() - sentAt);
    after((now) => { seen.keys.push(now - keyAt); });
  }
});
box.addEventListener("submit", ({ detail: { ready, hits } }) => {
  seen.ready.push({ page: ready && hits.length > 0, server: null });
});
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--traces", type=Path, required=True, help="recorded typing: JSON lines, plain or gzipped")
    parser.add_argument("--encoder", default="minilm-gru", help="a model's name or folder")
    parser.add_argument("--queries", type=int, default=200, help="number of queries to type")
    parser.add_argument(
        "--characters", type=int, default=24, help="cut sentences at the first end of a word after this many characters"
    )
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    traces = sample(list(read_traces(options.traces)), options.queries)
    with server_process(options.index, options.encoder) as (address, _), chromium("window-size=1000,900") as driver:
        driver.get(address)
        until(driver, "document.querySelector('typeahead-search').state === 'open'")
        driver.execute_script(LISTEN)
        typed = 0
        for trace in traces:
            typed += type_query(driver, beginning(trace, options.characters))
        seen = driver.execute_script("return seen")
    rows = [row("key to paint", seen["keys"]), row("key's round trip", seen["trips"])]
    report(
        "Browser",
        rows,
        json_path=options.json,
        queries=len(seen["ready"]),
        keys=typed,
        keys_superseded=typed - len(seen["keys"]),
        **{
            f"ready_at_Enter_by_the_{side}_%": 100 * np.mean([ready[side] is True for ready in seen["ready"]])
            for side in ("page", "server")
        },
    )


def row(what: str, milliseconds: Sequence[float]) -> dict[str, Any]:
    """One line of the table: count and percentiles."""
    figures = np.percentile(milliseconds, [50, 95, 99])
    names = ("p50 ms", "p95 ms", "p99 ms")
    return {"what": what, "n": len(milliseconds)} | dict(zip(names, figures.tolist(), strict=True))


def beginning(trace: Sequence[Keystroke], characters: int) -> Sequence[Keystroke]:
    """The keys up to the first end of a word after ``characters``."""
    for at, keystroke in enumerate(trace):
        if len(keystroke.text) > characters and keystroke.text.endswith(" "):
            return trace[:at]
    return trace


def type_query(driver: Any, trace: Sequence[Keystroke]) -> int:
    """Type into the empty field, press Enter and wait for the answer. Returns the number of keys that left a text."""
    driver.execute_script("document.querySelector('typeahead-search').type('');")
    start = time.perf_counter() - trace[0].at / 1000
    for before, now in pairwise([Keystroke(0, ""), *trace]):
        sleep_until(start + now.at / 1000)
        if len(now.text) > len(before.text):
            press(driver, now.text[-1], text=now.text[-1])
        else:
            press(driver, "Backspace", windowsVirtualKeyCode=8)
    sleep_until(start + (trace[-1].at + ENTER_AFTER_MS) / 1000)
    before_enter = driver.execute_script("return seen.ready.length")
    press(driver, "Enter", text="\r", windowsVirtualKeyCode=13)
    until(driver, f"seen.ready.length > {before_enter} && seen.ready.at(-1).server !== null")
    return sum(keystroke.text.strip() != "" for keystroke in trace)


def press(driver: Any, key: str, **more: Any) -> None:
    """Press a key in the browser itself, so that its event carries the time at which the browser received it."""
    for kind in ("keyDown" if "text" in more else "rawKeyDown", "keyUp"):
        driver.execute_cdp_cmd("Input.dispatchKeyEvent", {"type": kind, "key": key, "code": key, **more})


def sleep_until(moment: float) -> None:
    """Sleep to keep the recorded pace: this is typing, not waiting for a result."""
    time.sleep(max(0.0, moment - time.perf_counter()))


def until(driver: Any, condition: str) -> None:
    """Wait until a JavaScript expression is true in the page."""
    deadline = time.monotonic() + PATIENCE
    while not driver.execute_script(f"return {condition}"):
        if time.monotonic() > deadline:
            raise TypeaheadError(f"the page did not reach this state in {PATIENCE} seconds: {condition}")
        time.sleep(0.02)


if __name__ == "__main__":
    main()
