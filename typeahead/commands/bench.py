"""Measure latency with recorded typing.

``bench keystrokes --traces FILE`` replays recorded typing in one thread of this process, and measures the time from the
text after each keystroke to its embedding. ``--teacher`` and ``--torch`` add the peers, which need the extra "peers".
``--index`` adds the time from keystroke to results over a loopback websocket, typed at the recorded pace.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

from typeahead.encoders.loading import load
from typeahead.evaluate.data.traces import read_traces
from typeahead.evaluate.measures import latency
from typeahead.models.folder import find
from typeahead.tables import report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("what", choices=["keystrokes"], help="what to measure")
    parser.add_argument("--traces", type=Path, required=True, help="recorded typing as JSON lines, optionally gzipped")
    parser.add_argument("--encoder", default="minilm-gru", help="a model's name or folder")
    parser.add_argument("--limit", type=int, default=0, help="replay about this many traces; 0 for all")
    parser.add_argument("--teacher", metavar="FOLDER", help="compare with this sentence-transformers teacher")
    parser.add_argument("--teacher-texts", type=int, default=500, help="number of texts for the teacher to encode")
    parser.add_argument("--torch", action="store_true", help="compare with torch.nn.GRU running the same weights")
    parser.add_argument("--index", type=Path, help="measure keystroke to results over a websocket on this index")
    parser.add_argument("--websocket-traces", type=int, default=10, help="number of traces to type over the websocket")
    parser.add_argument("--json", type=Path, default=Path("-"), help="file for the figures as JSON; - prints them")


def run(options: argparse.Namespace) -> None:
    """Replay and print."""
    traces = list(read_traces(options.traces))
    if options.limit:
        traces = latency.sample(traces, options.limit)  # type: ignore[assignment]
    folder = find(options.encoder)
    encoder: Any = load(folder)
    latency.warm_up(encoder)
    ours, ready = latency.replay(encoder, traces, f"keystroke, {encoder.config.name}")
    rows = [ours.row()]
    facts: dict[str, Any] = {"keystrokes": len(ours.values), "ready_at_Enter_%": 100 * ready}
    texts = [keystroke.text for trace in traces for keystroke in trace if keystroke.text.strip()]
    spread = texts[:: max(len(texts) // options.teacher_texts, 1)][: options.teacher_texts]
    full = latency.whole(encoder, spread, f"whole text from nothing, {encoder.config.name}")
    rows.append(full.row())
    if options.torch:
        from typeahead.evaluate.peers import TorchStepEncoder

        peer = TorchStepEncoder(folder, threads=1)
        latency.warm_up(peer)
        timings, _ = latency.replay(peer, traces, "keystroke, torch.nn.GRU with the same cache")
        rows.append(timings.row())
        facts["times_faster_than_torch_(p50)"] = round(timings.row()["p50 µs"] / ours.row()["p50 µs"], 1)  # type: ignore[operator]
    if options.teacher:
        from typeahead.evaluate.peers import SentenceTransformerTeacher

        teacher: Any = SentenceTransformerTeacher(options.teacher, threads=1)
        latency.warm_up(teacher)
        timings = latency.whole(teacher, spread, "teacher, each text from nothing")
        rows.append(timings.row())
        facts["times_faster_than_the_teacher_(p50)"] = round(timings.row()["p50 µs"] / ours.row()["p50 µs"], 1)  # type: ignore[operator]
    if options.index:
        from typeahead.evaluate.measures.websocket import type_over_websocket

        typed = latency.sample(traces, options.websocket_traces)
        rows += type_over_websocket(options.index, options.encoder, typed, facts)
    facts["command"] = shlex.join(["typeahead", *sys.argv[1:]])
    report("Keystrokes", rows, json_path=options.json, **facts)
