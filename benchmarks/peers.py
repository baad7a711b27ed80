"""What a user would pick instead of typeahead: one run, the same cores, texts and load for all.

    python -m benchmarks.peers --teacher FOLDER [online] [people] [rates] [--json PATH]

online  in process, one query at a time: from Enter to the embedding when all but the last word was typed before
        ("online", as the first paper has it), and from the last key. Encoders of whole texts start from scratch
people  over loopback: --people people type recorded sentences with their own gaps, from a key to the embedding in the
        client. HTTP peers get a request for each key, and then a debounce of 150 ms as in browsers: a key followed by
        another within 150 ms sends nothing, and the last one waits 150 ms before it sends
rates   over loopback: each server's top rate (closed loop); then an open loop at --share of each HTTP peer's top rate,
        for the peer and for typeahead; and one text at a time

The peers: FastAPI with sentence-transformers in float32; the same with ONNX Runtime int8; a static token table behind
FastAPI; the shipped student stepped by torch.nn.GRU behind typeahead's own websocket. All servers run on core 0, one
after the other, on one thread, and send the embedding as 1,536 bytes of float32. --teacher is a folder of
all-MiniLM-L6-v2 (``benchmarks/data.md`` says where to get it). Needs the extras ``bench`` and ``peers``.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import options, schedule
from benchmarks.load import QUERIES, Watch
from benchmarks.loadgen import Fate, Generator, Outcome, Protocol
from benchmarks.machine import pinned
from benchmarks.servers import Running, started, typeahead_server
from benchmarks.typed import Trace, load_queries, load_traces, varied_texts
from typeahead.evaluate.measures.query_latency import Latency, measure
from typeahead.evaluate.peers.names import load_peers
from typeahead.tables import report

TABLES = ("online", "people", "rates")
DEBOUNCE_MS = 150.0
#: Connections of the closed loop that finds a peer's top rate, and of the open loop below that rate.
_CONNECTIONS = 32
OURS = "typeahead"


@dataclass(frozen=True)
class Candidate:
    """One server of the comparison."""

    encoder: str
    #: As in :mod:`typeahead.evaluate.peers.names`; None for ``typeahead serve``.
    spec: str | None
    http: bool

    @property
    def label(self) -> str:
        """The server's name in tables."""
        return f"FastAPI, {self.encoder}" if self.http else self.encoder

    @contextmanager
    def server(self, cores: frozenset[int]) -> Iterator[Running]:
        """Run the server."""
        if self.spec is None:
            with typeahead_server(cores=cores) as running:
                yield running
        else:
            command = [sys.executable, "-m", "benchmarks.peer_servers", self.spec]
            with started(self.label, command, cores=cores) as running:
                yield running

    def client(self, server: Running, texts: Sequence[Sequence[str]]) -> Generator:
        """Open connections that ask for embeddings."""
        if self.http:
            return Generator(server.address, texts, protocol=Protocol.HTTP, path="/embed")
        return Generator(server.address, texts, protocol=Protocol.WEBSOCKET_BINARY, hello={"embedding": "float32"})


def candidates(teacher: str) -> list[Candidate]:
    """All servers, typeahead last."""
    return [
        Candidate("sentence-transformers", f"st:{teacher}", http=True),
        Candidate("ONNX Runtime int8", "minilm-doc", http=True),
        Candidate("static table", f"table:{teacher}", http=True),
        Candidate("torch.nn.GRU a key", "torch:minilm-gru", http=False),
        Candidate(OURS, None, http=False),
    ]


def online(teacher: str, queries: Sequence[str], repetitions: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Measure in process. Returns the table, and how many times faster typeahead is."""
    specs = [f"{each.encoder}={each.spec or 'minilm-gru'}" for each in candidates(teacher)]
    loaded, missing = load_peers(specs, threads=1)
    found = measure(loaded, queries, repetitions=repetitions)
    by_label = {latency.label: latency for latency in found.latencies}
    ours = by_label[OURS]
    facts: dict[str, Any] = {}
    for label, latency in by_label.items():
        if label != OURS:
            facts[f"online,_times_faster_than_{label}"] = _times(latency, ours)
    if missing:
        facts["left_out"] = "; ".join(each["missing"] for each in missing)
    return found.rows(), facts


def _times(theirs: Latency, ours: Latency) -> str:
    return (
        f"online p50 {theirs.online.p50 / ours.online.p50:.1f}, p99 {theirs.online.p99 / ours.online.p99:.1f}; "
        f"key p50 {theirs.key.p50 / ours.key.p50:.1f}, p99 {theirs.key.p99 / ours.key.p99:.1f}"
    )


def debounced(
    plan: schedule.Schedule, texts: Sequence[Sequence[str]], wait_ms: float = DEBOUNCE_MS
) -> tuple[schedule.Schedule, list[list[str]]]:
    """What a browser with a debounce sends, and when.

    A key followed by another of the same person within ``wait_ms`` sends nothing. Every other key sends ``wait_ms``
    after it was pressed, so the person waits ``wait_ms`` longer than the request takes.
    """
    due, connection = plan
    asked: list[list[str]] = [[] for _ in texts]
    moments: list[int] = []
    people: list[int] = []
    for person in range(len(texts)):
        presses = due[connection == person]
        gaps = np.diff(presses, append=np.iinfo(np.int64).max) / 1e6
        for number in np.flatnonzero(gaps >= wait_ms).tolist():
            moments.append(int(presses[number] + wait_ms * 1e6))
            people.append(person)
            asked[person].append(texts[person][number % len(texts[person])])
    order = np.argsort(moments, kind="stable")
    # People who never paused send nothing, but a connection needs a text.
    return (np.array(moments, np.int64)[order], np.array(people, np.int32)[order]), [each or ["a"] for each in asked]


def without_empty(plan: schedule.Schedule, texts: Sequence[Sequence[str]]) -> tuple[schedule.Schedule, list[list[str]]]:
    """Drop the moments at which a box is empty: no client asks for an embedding of nothing."""
    due, connection = plan
    pressed: Counter[int] = Counter()
    keep = np.ones(len(due), bool)
    for at, person in enumerate(connection.tolist()):
        keep[at] = bool(texts[person][pressed[person] % len(texts[person])].strip())
        pressed[person] += 1
    return (due[keep], connection[keep]), [[text for text in each if text.strip()] for each in texts]


def people_table(
    chosen: Sequence[Candidate], traces: Sequence[Trace], people: int, seconds: float, cores: tuple[frozenset[int], ...]
) -> list[dict[str, Any]]:
    """Let the same people type at every server."""
    plan, texts = without_empty(*schedule.human(traces, people, seconds))
    late, asked = debounced(plan, texts)
    table: list[dict[str, Any]] = []
    for candidate in chosen:
        for debounce in (0.0, DEBOUNCE_MS) if candidate.http else (0.0,):
            with candidate.server(cores[0]) as server, pinned(cores[1]):
                with candidate.client(server, texts) as generator:
                    _warm(generator)
                # New connections, so that everybody starts at the first text.
                with candidate.client(server, asked if debounce else texts) as generator:
                    watch = Watch(server)
                    outcome = generator.open_loop(*(late if debounce else plan), patience=30.0)
                    share = watch.shares()
            waits = outcome.latencies_ms()
            table.append(
                {
                    "server": candidate.label,
                    "debounce ms": round(debounce),
                    "keys": len(plan[0]),
                    "asked": outcome.keys,
                    **{f"key to embedding {name}": round(value + debounce, 3) for name, value in waits.items()},
                    **_fates(outcome),
                    "server CPU %": round(100 * share.server),
                }
            )
    ours = table[-1]["key to embedding p99 ms"]
    return [line | {"p99 / ours": round(line["key to embedding p99 ms"] / ours, 1)} for line in table]


def _warm(generator: Generator) -> None:
    generator.closed_loop(0.5, patience=30.0)


def _fates(outcome: Outcome) -> dict[str, int]:
    return {
        "superseded": outcome.count(Fate.SUPERSEDED),
        "unanswered": outcome.count(Fate.UNANSWERED) + outcome.count(Fate.UNSENT),
        "errors": outcome.count(Fate.FAILED),
    }


def _at_rate(
    candidate: Candidate,
    server: Running,
    texts: Sequence[Sequence[str]],
    rate: float,
    seconds: float,
) -> dict[str, Any]:
    with candidate.client(server, texts) as generator:
        _warm(generator)
        outcome = generator.open_loop(*schedule.constant(rate, seconds, len(texts)), patience=30.0)
    found = outcome.latencies_ms()
    return {"p50 ms": found.get("p50 ms"), "p99 ms": found.get("p99 ms"), **_fates(outcome)}


def rates_table(
    chosen: Sequence[Candidate],
    traces: Sequence[Trace],
    queries: Sequence[str],
    share: float,
    seconds: float,
    cores: tuple[frozenset[int], ...],
) -> list[dict[str, Any]]:
    """Measure top rates, one text at a time, and the open loops."""
    texts = [[text for text in each if text.strip()] for each in varied_texts(traces, queries, _CONNECTIONS)]
    table: list[dict[str, Any]] = []
    for candidate in chosen:
        with candidate.server(cores[0]) as server, pinned(cores[1]):
            with candidate.client(server, texts) as generator:
                _warm(generator)
                best = generator.closed_loop(seconds, patience=30.0).answered_a_second(0.0, seconds)
            with candidate.client(server, texts[:1]) as generator:
                _warm(generator)
                single = generator.closed_loop(seconds, patience=30.0).latencies_ms()
            line: dict[str, Any] = {
                "server": candidate.label,
                "top rate /s": round(best),
                "one at a time p50 ms": single.get("p50 ms"),
                "one at a time p99 ms": single.get("p99 ms"),
                "open loop /s": None,
            }
            if candidate.http:
                line["open loop /s"] = rate = round(max(share * best, 1.0), 1)
                line |= _at_rate(candidate, server, texts, rate, seconds)
            table.append(line)
    ours = chosen[-1]
    with ours.server(cores[0]) as server, pinned(cores[1]):
        for line in table:
            if line["open loop /s"] is not None:
                same = _at_rate(ours, server, texts, line["open loop /s"], seconds)
                line["ours p50 ms"], line["ours p99 ms"] = same["p50 ms"], same["p99 ms"]
                line["p99 / ours"] = round(line["p99 ms"] / same["p99 ms"], 1)
    columns = list(dict.fromkeys(name for line in table for name in line))
    return [{name: line.get(name) for name in columns} for line in table]


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = options.parser("peers", __doc__)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"{', '.join(TABLES)}; all by default")
    parser.add_argument(
        "--teacher", required=True, metavar="FOLDER", help="sentence-transformers folder of the teacher"
    )
    parser.add_argument("--people", type=options.whole, default=8, help="people who type at the same time (8)")
    parser.add_argument("--seconds", type=options.positive, default=20.0, help="length of each measurement (20)")
    parser.add_argument(
        "--share", type=options.positive, default=0.6, help="open loop's share of a peer's top rate (0.6)"
    )
    parser.add_argument(
        "--repetitions", type=options.whole, default=1020, help="queries for each encoder in process (1020)"
    )
    options.add_cores(parser)
    options.add_typing(parser)
    chosen = parser.parse_args(arguments)
    if unknown := sorted(set(chosen.tables) - set(TABLES)):
        parser.error(f"unknown table {', '.join(unknown)}: choose from {', '.join(TABLES)}")
    if chosen.repetitions <= 20:
        parser.error("--repetitions: the first 20 only warm up, so more than 20 are needed")
    if not Path(chosen.teacher).is_dir():
        parser.error(f"--teacher {chosen.teacher} is not a folder")
    traces, typing = load_traces(chosen.traces)
    queries, asked = load_queries(chosen.queries, QUERIES)
    who, cores = candidates(chosen.teacher), (chosen.server_cores, chosen.client_core)
    wanted = chosen.tables or TABLES
    for name in wanted:
        facts: dict[str, Any] = {"typing": typing, "queries": asked}
        if name == "online":
            with pinned(chosen.server_cores):
                table, found = online(chosen.teacher, queries[: chosen.repetitions], chosen.repetitions)
            facts |= found
        elif name == "people":
            table = people_table(who, traces, chosen.people, chosen.seconds, cores)
        else:
            table = rates_table(who, traces, queries, chosen.share, chosen.seconds, cores)
        path = chosen.json
        if path is not None and str(path) != "-" and len(wanted) > 1:
            path = path.with_name(f"{path.stem}-{name}{path.suffix}")
        report(f"Peers: {name}", table, json_path=path, **facts)
        print(flush=True)


if __name__ == "__main__":
    options.run(main)
