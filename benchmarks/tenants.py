"""What one tenant can learn of another: two servers, one with and one without the other tenant's documents.

    python -m benchmarks.tenants --index DIR [--queries 10000] [--documents 2000] [--json PATH]

Half of the documents of an index are given to tenant a and half to tenant b. One server has both, the other those of a
alone. A client with a token for a, which may search and write, asks both the same, in turns: real queries, beginnings
of them, titles, ids and rare words of b's documents, at once and typed key by key; filters that name b, a field that
only b's documents have or try to widen the scope; facets, pages, documents by their ids, and deletions of what is b's.
Meanwhile documents of b change. Counted are hits, completions and counts that are not a's, and replies that differ by a
single byte once their timings are taken out. Of the requests that name something of b, the times of both servers are
compared: how often a time tells which server answered, with the best threshold, chosen on one half of the requests and
tried on the other (balanced accuracy; 50% is chance), over all and for the kind of request that tells most.

Ids are shared by all tenants of an index. Whoever may write can find out by writing that an id is taken, so writes of
b's ids are left out: they are refused, and tests say so.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray
from websockets.sync.client import connect

from benchmarks import options
from benchmarks.servers import typeahead_server
from benchmarks.typed import load_queries
from typeahead.errors import TypeaheadError
from typeahead.index import open_index
from typeahead.index.changes.compacting import create
from typeahead.index.living import LivingIndex
from typeahead.index.vectors import VECTORS, map_vectors
from typeahead.search.port import Entry
from typeahead.tables import report
from typeahead.text.document import Document, Passage, Values

_BATCH: Final = 500
#: What may differ from one reply to the next.
_TIMINGS: Final = re.compile(rb'"(timing_us|took_ms|elapsed_ms)":(\{[^}]*\}|[0-9.]+),?')

#: What is asked for, as likely as it stands here.
_KINDS: Final = (
    *("query", "beginning", "title", "rare word", "filter", "facets", "facets of b"),
    *("page", "typed", "id", "deletion", "index"),
)
#: Kinds that name nothing of the other tenant.
_OWN: Final = ("query", "beginning")
#: Requests between two changes of the other tenant's documents.
_CHANGE: Final = 25

#: Method, path and body; of what is typed, its texts one after the other.
Request = tuple[str, str, Any]


def split(folder: Path, count: int, seed: int) -> tuple[list[Entry], list[Entry]]:
    """Give documents of an index to two tenants."""
    with open_index(folder) as index:
        rows = np.sort(np.random.default_rng(seed).permutation(len(index))[: 2 * count])
        vectors = np.asarray(map_vectors(index.generation / VECTORS)[rows], np.float32)
        documents = index.documents(rows.tolist())
    tenants: tuple[list[Entry], list[Entry]] = ([], [])
    for number, (document, vector) in enumerate(zip(documents, vectors, strict=True)):
        fields: dict[str, Values] = {"tenant": "ab"[number % 2], "part": number // 2 % 5}
        if number % 2:
            fields["secret"] = number
        owned = replace(document, fields=fields, headings=())
        tenants[number % 2].append(Entry(owned, (Passage(owned.text),), vector[None]))
    return tenants


def requests(
    mine: Sequence[Entry], theirs: Sequence[Entry], queries: Sequence[str], seed: int
) -> Iterator[tuple[str, Request]]:
    """Draw requests without end, each with its kind: all but :data:`_OWN` name something of the other's documents."""
    draw = random.Random(seed)
    my_words = {word for entry in mine for word in _words(entry.document)}
    rare = sorted({word for entry in theirs for word in _words(entry.document)} - my_words)
    while True:
        their, query = draw.choice(theirs).document, draw.choice(queries)
        word = draw.choice(rare)
        by_filter: list[Any] = [
            {"tenant": "b"},
            {"any": [{"tenant": "b"}, {"tenant": "a"}]},
            {"not": {"tenant": "a"}},
            {"tenant": ["a", "b"]},
            {"not": {"not": {"any": [{"tenant": "b"}]}}},
            {"secret": {"exists": True}},
            {"secret": "text"},
            {"part": "text"},
        ]
        kind = draw.choice(_KINDS)
        body: dict[str, Any] = {"query": query, "k": 8}
        if kind == "query":
            pass
        elif kind == "beginning":
            body["query"] = query[: draw.randint(1, len(query))]
        elif kind == "title":
            body["query"] = their.title or their.text[:60]
        elif kind == "rare word":
            body["query"] = word[: draw.randint(2, len(word))]
        elif kind == "filter":
            body["filter"] = draw.choice(by_filter)
        elif kind == "facets":
            body |= {"query": draw.choice(["", query, word]), "facets": ["tenant", "part"]}
        elif kind == "facets of b":
            body |= {"query": draw.choice(["", query]), "facets": ["secret"]}
        elif kind == "page":
            body |= {"offset": draw.choice([8, 40, 200]), "query": word}
        elif kind == "typed":
            text = draw.choice([word, their.title[:24] or word, query[:24]])
            yield kind, ("TYPE", "/v1/type", [text[:end] for end in range(1, len(text) + 1)])
            continue
        elif kind == "deletion":
            wanted = draw.choice([{"ids": [their.id]}, {"filter": {"tenant": "b"}}, {"filter": {"secret": {"gte": 0}}}])
            yield kind, ("POST", "/v1/documents/delete", wanted)
            continue
        elif kind == "index":
            yield kind, ("GET", "/v1/index", None)
            continue
        else:
            one = draw.choice([their.id, draw.choice(mine).document.id])
            yield kind, ("GET", f"/v1/documents/{quote(one, safe='')}", None)
            continue
        yield kind, ("POST", "/v1/search", body)


def _words(document: Document) -> list[str]:
    return re.findall(r"[a-z]{4,12}", f"{document.title} {document.text}".lower())


class Client:
    """A connection to a server for requests and one for what is typed, with a token."""

    def __init__(self, address: str, token: str, stack: ExitStack) -> None:
        self._connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=60)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

        self._typed = stack.enter_context(connect(f"ws://{address.removeprefix('http://')}/v1/type"))
        self._typed.send(json.dumps({"hello": {"k": 8, "token": token, "facets": ["tenant"]}}))
        self.hello = self._typed.recv()
        self._seq = 0

    def ask(self, request: Request) -> tuple[int, bytes, int]:
        """Return the status, the reply without its timings, and nanoseconds."""
        method, path, body = request
        if method == "TYPE":
            return self._type(body)
        data = None if body is None else json.dumps(body)
        started = time.perf_counter_ns()
        self._connection.request(method, path, data, self._headers)
        answer = self._connection.getresponse()
        found = answer.read()
        return answer.status, _TIMINGS.sub(b"", found), time.perf_counter_ns() - started

    def _type(self, texts: Sequence[str]) -> tuple[int, bytes, int]:
        found = []
        started = time.perf_counter_ns()
        for text in texts:
            self._seq += 1
            self._typed.send(json.dumps({"seq": self._seq, "text": text}))
            found.append(_TIMINGS.sub(b"", self._typed.recv(decode=False)))
        return 200, b"[" + b",".join(found) + b"]", time.perf_counter_ns() - started


def foreign_words(reply: bytes, theirs: frozenset[str]) -> int:
    """How many hits, documents and counts of a reply are not the tenant's own."""
    found = json.loads(reply)
    leaks = 0
    for one in found if isinstance(found, list) else [found]:
        leaks += sum(hit["id"] in theirs for hit in one.get("hits", ()))
        leaks += one.get("id") in theirs
        leaks += one.get("deleted", 0)
        for name, facet in (one.get("facets") or {}).items():
            leaks += sum(name == "secret" or value["value"] == "b" for value in facet["values"])
    return leaks


def told_apart(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Balanced accuracy of the best threshold between two samples: chosen on one half, tried on the other."""
    scores = []
    for first in (0, 1):
        chosen, tried = (one[first::2], other[first::2]), (one[1 - first :: 2], other[1 - first :: 2])
        cuts = np.quantile(np.concatenate(chosen), np.linspace(0.01, 0.99, 99))
        balance = [(np.mean(chosen[0] > cut) + np.mean(chosen[1] <= cut)) / 2 for cut in cuts]
        best = int(np.argmax(np.abs(np.array(balance) - 0.5)))
        found = (np.mean(tried[0] > cuts[best]) + np.mean(tried[1] <= cuts[best])) / 2
        scores.append(found if balance[best] >= 0.5 else 1 - found)
    return float(np.mean(scores))


def token(keys: str) -> str:
    """Sign a token for tenant a."""
    command = [
        sys.executable,
        "-m",
        "typeahead",
        "token",
        "--right",
        "search",
        "--right",
        "write",
        "--filter",
        '{"tenant": "a"}',
    ]
    made = subprocess.run(
        [*command, "--expires", "12h"],
        env={**os.environ, "TYPEAHEAD_SIGNING_KEYS": keys},
        capture_output=True,
        text=True,
    )
    if made.returncode:
        raise TypeaheadError(f"no token was made: {made.stderr.strip()}")
    return made.stdout.strip()


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = options.parser("tenants", __doc__)
    parser.add_argument("--index", type=Path, required=True, metavar="DIR")
    parser.add_argument("--queries", type=options.whole, default=10_000, help="requests (10000)")
    parser.add_argument("--documents", type=options.whole, default=2000, help="documents of each tenant (2000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--texts", type=Path, metavar="FILE", help="queries, one a line")
    chosen = parser.parse_args(arguments)
    mine, theirs = split(chosen.index, chosen.documents, chosen.seed)
    texts, source = load_queries(chosen.texts, 20_000)
    keys = f"benchmark:{'0123456789abcdef' * 4}"
    os.environ["TYPEAHEAD_SIGNING_KEYS"] = keys
    signed = token(keys)
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="typeahead-tenants-")))
        clients = []
        for name, parts in (("both", (mine, theirs)), ("alone", (mine,))):
            with open_index(chosen.index) as index:
                create(place / name, index.manifest.teacher, index.space.dim)
            every = [entry for part in parts for entry in part]
            # As they would come: the documents of both in turns.
            every.sort(key=lambda entry: entry.document.id)
            with LivingIndex(place / name) as living:
                for start in range(0, len(every), _BATCH):
                    living.write(every[start : start + _BATCH])
            server = stack.enter_context(
                typeahead_server(cores=frozenset(os.sched_getaffinity(0)), index=place / name, encoder="minilm-causal")
            )
            clients.append(Client(server.address, signed, stack))
        if clients[0].hello != clients[1].hello:
            raise TypeaheadError(f"the hellos differ: {clients[0].hello!r} / {clients[1].hello!r}")
        changing = stack.enter_context(LivingIndex(place / "both"))
        statuses: Counter[int] = Counter()
        foreign_ids = frozenset(entry.document.id for entry in theirs)
        leaks = differing = 0
        times: dict[str, list[tuple[int, int]]] = {}
        first = ""
        drawn = requests(mine, theirs, texts, chosen.seed)
        for number in range(chosen.queries):
            kind, request = next(drawn)
            if number % _CHANGE == 0:
                changing.write([theirs[number // _CHANGE % len(theirs)]])
            order = clients if number % 2 else clients[::-1]
            answers = [client.ask(request) for client in order]
            both, alone = answers if number % 2 else answers[::-1]
            leaks += foreign_words(both[1], foreign_ids)
            statuses[both[0]] += 1
            if both[:2] != alone[:2]:
                differing += 1
                first = first or f"{request}: {both[:2]!r:.300} / {alone[:2]!r:.300}"
            if kind not in _OWN and number > chosen.queries // 20:
                times.setdefault(kind, []).append((both[2], alone[2]))
    spent = np.array([pair for pairs in times.values() for pair in pairs], np.float64)
    told = {kind: told_apart(*np.array(pairs, np.float64).T) for kind, pairs in times.items() if len(pairs) > 3}
    worst = max(told, key=told.__getitem__)
    report(
        "What a tenant can learn of another",
        [],
        json_path=chosen.json,
        queries=source,
        requests=chosen.queries,
        documents_of_each=chosen.documents,
        replies_by_status=", ".join(f"{status}: {count}" for status, count in sorted(statuses.items())),
        foreign_hits_and_counts=leaks,
        replies_that_differ=differing,
        first_that_differs=first or "none",
        median_us_with_and_without=", ".join(f"{value / 1000:.0f}" for value in np.median(spent, axis=0)),
        told_apart_by_time_percent=round(100 * told_apart(*spent.T), 1),
        told_apart_by_the_worst_kind_percent=f"{100 * told[worst]:.1f} ({worst}, {len(times[worst])} requests)",
    )


if __name__ == "__main__":
    options.run(main)
