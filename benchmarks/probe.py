"""What a stranger can tell about what others typed, by asking the server about it.

    python -m benchmarks.probe [--texts 2000] [--index DIR] [--server-option=…] [--json PATH]

Somebody types half of the texts, such as "my card pin is 4821", in a session that stays open. Then a stranger asks
about all of them in random order: once each, and, as a more patient attacker, once from each of --sessions sessions,
because a session knows what it asked before. Each number in a reply, the reply's length and the round trip on loopback
are put to the test: the threshold that best separates typed from untyped texts on one half is tried on the other half,
and vice versa. A share right (balanced accuracy) of 50% is guessing.

The same attack runs against a server started with --shared-cache, whose sessions trust each other, and --timings. It
has to succeed there; otherwise it would be no attack. --index and --server-option apply to both servers.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from benchmarks import options
from benchmarks.machine import pinned
from benchmarks.servers import Running, typeahead_server
from typeahead.tables import report

_BEGINNING = "my card pin is "
_TOKEN = "the token of both"

#: By the name of the figure: for each text, the value in each probe.
Seen = dict[str, list[list[float]]]


class Session:
    """One websocket session."""

    def __init__(self, connection: ClientConnection, token: str | None) -> None:
        self.connection = connection
        self._seq = 0
        if token is not None:
            self.connection.send(json.dumps({"hello": {"token": token}}))
            self.connection.recv()

    def ask(self, text: str) -> tuple[float, str]:
        """Send a whole text. Returns the microseconds until the reply, and the reply."""
        self._seq += 1
        message = json.dumps({"seq": self._seq, "text": text})
        start = time.perf_counter_ns()
        self.connection.send(message)
        reply = self.connection.recv()
        spent = (time.perf_counter_ns() - start) / 1000
        assert isinstance(reply, str)
        return spent, reply

    def type(self, text: str) -> None:
        """Type a text key by key, waiting for each answer."""
        for end in range(len(_BEGINNING), len(text) + 1):
            self.ask(text[:end])


def numbers(value: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """All numbers in a reply, with the path to each."""
    if isinstance(value, bool | int | float):
        yield name, float(value)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from numbers(inner, f"{name}.{key}" if name else key)
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from numbers(inner, f"{name}[{place}]")


def probe(session: Session, text: str) -> dict[str, float]:
    """Ask about one text."""
    session.ask(_BEGINNING)
    spent, reply = session.ask(text)
    fields = json.loads(reply)
    del fields["seq"]
    return dict(numbers(fields)) | {"round trip": spent, "length": len(json.dumps(fields))}


def attack(server: Running, texts: Sequence[str], typed: Sequence[bool], *, token: str | None, sessions: int) -> Seen:
    """Let a victim type half of the texts, then ask about all of them from each of ``sessions`` sessions."""
    url = server.address.replace("http", "ws", 1) + "/v1/type"
    with ExitStack() as stack:

        def session() -> Session:
            opened = connect(url, subprotocols=[Subprotocol("typeahead.v1")], compression=None)
            return Session(stack.enter_context(opened), token)

        victim = session()
        for text, is_typed in zip(texts, typed, strict=True):
            if is_typed:
                victim.type(text)
        strangers = [session() for _ in range(sessions)]
        # The first answer of a session has a cost of its own.
        for stranger in strangers:
            stranger.ask(_BEGINNING + "0")
        order = list(range(len(texts)))
        seen: Seen = {}
        for stranger in strangers:
            random.shuffle(order)
            for at in order:
                for name, value in probe(stranger, texts[at]).items():
                    seen.setdefault(name, [[] for _ in texts])[at].append(value)
    return seen


def balanced_accuracy(values: NDArray[np.float64], typed: NDArray[np.bool_]) -> float:
    """How well a threshold separates typed from untyped: chosen on each half of the texts, tried on the other."""
    halves = np.arange(len(values)) % 2 == 0
    tried = [_tried(values[one], typed[one], values[~one], typed[~one]) for one in (halves, ~halves)]
    return float(np.mean(tried))


def _tried(
    values: NDArray[np.float64], typed: NDArray[np.bool_], others: NDArray[np.float64], others_typed: NDArray[np.bool_]
) -> float:
    thresholds = np.unique(np.quantile(values, np.linspace(0, 1, 201)))
    shares = [_right(values <= threshold, typed) for threshold in thresholds]
    best = int(np.argmax(np.abs(np.array(shares) - 0.5)))
    share = _right(others <= thresholds[best], others_typed)
    return share if shares[best] >= 0.5 else 1 - share


def _right(called: NDArray[np.bool_], typed: NDArray[np.bool_]) -> float:
    return float((called[typed].mean() + (~called[~typed]).mean()) / 2)


def judged(seen: Seen, typed: Sequence[bool], sessions: int) -> list[dict[str, Any]]:
    """The share of right guesses by each figure, from one probe and from all probes together."""
    labels = np.array(typed)
    rows = []
    for name, probes in sorted(seen.items()):
        if any(len(of_text) != sessions for of_text in probes):
            # Not every reply has this figure, so its presence may tell.
            probes = [[float(len(of_text))] for of_text in probes]
        ways = {"one probe": [of_text[0] for of_text in probes]}
        if len(probes[0]) > 1:
            ways |= {
                f"{what} of {sessions}": [function(of_text) for of_text in probes]
                for what, function in (("least", min), ("median", statistics.median), ("mean", statistics.fmean))
            }
        for way, values in ways.items():
            array = np.array(values, np.float64)
            means = [float(np.median(array[labels])), float(np.median(array[~labels]))]
            right = balanced_accuracy(array, labels)
            rows.append(
                {"figure": name, "of": way, "typed, p50": means[0], "untyped, p50": means[1], "right %": 100 * right}
            )
    return rows


@contextmanager
def of_token(token: str | None) -> Iterator[None]:
    """Servers started inside the block require this token."""
    if token is None:
        yield
        return
    os.environ["TYPEAHEAD_TOKEN"] = token
    try:
        yield
    finally:
        del os.environ["TYPEAHEAD_TOKEN"]


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = options.parser("probe", __doc__)
    parser.add_argument(
        "--texts", type=options.whole, default=2000, help="number of texts, half of which are typed (2000)"
    )
    parser.add_argument("--sessions", type=options.whole, default=20, help="sessions of the patient stranger (20)")
    parser.add_argument("--index", type=Path, metavar="DIR", help="search this index at every key")
    parser.add_argument(
        "--server-option",
        action="append",
        default=[],
        metavar="OPTION",
        help="option for typeahead serve; may be repeated",
    )
    parser.add_argument("--seed", type=int, default=0)
    options.add_cores(parser)
    chosen = parser.parse_args(arguments)
    random.seed(chosen.seed)
    texts = [f"{_BEGINNING}{number:04d}" for number in random.sample(range(10_000), chosen.texts)]
    typed = [at < len(texts) // 2 for at in range(len(texts))]
    pairs = list(zip(texts, typed, strict=True))
    random.shuffle(pairs)
    texts, typed = [text for text, _ in pairs], [is_typed for _, is_typed in pairs]
    table: list[dict[str, Any]] = []
    worst: dict[str, float] = {}
    for name, token, extra in (
        ("as it is", None, ()),
        ("shared, with timings", _TOKEN, ("--shared-cache", "--timings")),
    ):
        with (
            of_token(token),
            typeahead_server(
                cores=chosen.server_cores, index=chosen.index, options=(*chosen.server_option, *extra)
            ) as server,
            pinned(chosen.client_core),
        ):
            found = attack(server, texts, typed, token=token, sessions=chosen.sessions)
        rows = judged(found, typed, chosen.sessions)
        worst[name] = max(row["right %"] for row in rows)
        # Each hit has figures of its own, so the table keeps those that tell the most.
        rows.sort(key=lambda row: -row["right %"])
        table += [{"server": name} | row for row in rows[:12]]
    facts = {f"most_right_%_({name})": round(share, 1) for name, share in worst.items()}
    report("Probe", table, json_path=chosen.json, texts=len(texts), sessions=chosen.sessions, seed=chosen.seed, **facts)


if __name__ == "__main__":
    options.run(main)
