"""Batches of embeddings over HTTP, and the look-up behind them: the measurements of SwiftEmbed's tables.

    python -m benchmarks.embed --encoder MODEL [rates] [steps] [lengths] [dimensions] [formats] [--json PATH]

rates       over loopback, server on core 0, client on core 1, closed loop: requests and texts a second and latency of
            ``POST /v1/embed`` by format, texts in a request and connections (tables 2 and 5)
steps       in process: a step of the model in a batch of 128, as the engine runs it, and its two parts: adding rows to
            sums, and reading embeddings from them
lengths     in process: time of a text of 1 to 512 tokens (table 8)
dimensions  in process: time of a text and of a step by dimension, random tables (table 4)
formats     in process: bytes and time to write 100 vectors as JSON, as lines of JSON, and as bytes (table 11)

MODEL is the name or folder of a static model. In process, everything runs on one thread, and figures are medians. Texts
are real queries where there are any.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

import typeahead
from benchmarks import options
from benchmarks.load import Watch
from benchmarks.loadgen import Generator, Protocol
from benchmarks.machine import pinned
from benchmarks.servers import typeahead_server
from benchmarks.typed import load_queries
from typeahead.core.engine import Engine
from typeahead.encoders.static import StaticEncoder
from typeahead.encoders.static_import import import_static
from typeahead.paths import models_folder
from typeahead.server.http.formats import Format, write_binary, write_json, write_line
from typeahead.tables import report

TABLES = ("rates", "steps", "lengths", "dimensions", "formats")
#: Texts per request, connections.
_LOADS = ((1, 1), (1, 8), (1, 64), (1, 256), (10, 1), (10, 64), (100, 1), (100, 64))
_FORMATS = (Format.BINARY, Format.JSON)
_DIMENSIONS = (64, 128, 256, 384, 512, 768, 1024)
_WARM_UP = 0.5
_REPETITIONS = 200
_QUERIES = 20_000


def rates(
    encoder: str, queries: Sequence[str], seconds: float, cores: tuple[frozenset[int], frozenset[int]]
) -> list[Any]:
    """One line for each format and load."""
    server_cores, client_cores = cores
    table = []
    with typeahead_server(cores=server_cores, encoder=encoder, options=("--max-requests", "1024")) as server:
        for accept in _FORMATS:
            for batch, connections in _LOADS:
                requests = [tuple(queries[at : at + batch]) for at in range(0, len(queries) - batch, batch)]
                texts = [requests[number::connections] for number in range(connections)]
                with (
                    pinned(client_cores),
                    Generator(
                        server.address,
                        texts,
                        protocol=Protocol.HTTP,
                        path="/v1/embed",
                        field="texts",
                        accept=accept.value,
                    ) as generator,
                ):
                    generator.closed_loop(_WARM_UP)
                    watch = Watch(server)
                    outcome = generator.closed_loop(seconds)
                    shares = watch.shares()
                rate = outcome.answered_a_second(0.0, seconds)
                table.append(
                    {
                        "format": accept.value,
                        "texts a request": batch,
                        "connections": connections,
                        "requests/s": round(rate),
                        "texts/s": round(rate * batch),
                        **outcome.latencies_ms(),
                        "errors": outcome.row()["errors"],
                        "server CPU %": round(100 * shares.server),
                        "client busy %": round(100 * outcome.client_busy),
                        "others' CPU %": round(100 * shares.others),
                    }
                )
    return table


def steps(encoder: StaticEncoder) -> list[Any]:
    """One line."""
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, encoder.tokenizer.vocabulary_size, 128)
    sums = encoder._rows.take(rng.integers(0, encoder.tokenizer.vocabulary_size, 128), axis=0)
    return [
        {
            "a step of 128 µs": round(_step_micros(encoder), 3),
            "of it the sums µs": round(_micros(lambda: sums + encoder._rows.take(tokens, axis=0)) / 128, 3),
            "of it the embeddings µs": round(_micros(lambda: encoder._read(sums)) / 128, 3),
            "one embedding alone µs": round(_micros(lambda: encoder._read(sums[:1])), 2),
        }
    ]


def lengths(encoder: StaticEncoder, queries: Sequence[str]) -> list[Any]:
    """One line for each length."""
    words = " ".join(queries).split()
    single = [word for word in dict.fromkeys(words) if len(encoder.tokenizer.encode(word)) == 1]
    counts = sorted({min(count, encoder.max_tokens) for count in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)})
    return [_length(encoder, _of_tokens(single, count), count) for count in counts]


def _length(encoder: StaticEncoder, texts: Sequence[str], count: int) -> dict[str, Any]:
    return {
        "tokens": count,
        "one text µs": round(_micros(lambda: encoder.encode(texts[:1])), 2),
        "a text of 100 µs": round(_micros(lambda: encoder.encode(texts)) / len(texts), 2),
    }


def dimensions(queries: Sequence[str]) -> list[Any]:
    """One line for each dimension."""
    return [_dimension(dim, queries[:100]) for dim in _DIMENSIONS]


def _dimension(dim: int, texts: Sequence[str]) -> dict[str, Any]:
    rows = np.random.default_rng(0).standard_normal((30_522, dim), np.float32)
    with tempfile.TemporaryDirectory() as temporary:
        source = Path(temporary) / "source"
        source.mkdir()
        shutil.copy(models_folder() / "minilm-gru" / "tokenizer.json", source)
        (source / "config.json").write_text(json.dumps({"normalize": True}))
        save_file({"embeddings": rows}, source / "model.safetensors")
        encoder = import_static(source, Path(temporary) / "model")
    return {
        "dimension": dim,
        "one text µs": round(_micros(lambda: encoder.encode(texts[:1])), 2),
        "a text of 100 µs": round(_micros(lambda: encoder.encode(texts)) / len(texts), 2),
        "a step of 128 µs": round(_step_micros(encoder), 3),
        "table MB": round(rows.nbytes / 1e6, 1),
    }


def _step_micros(encoder: StaticEncoder) -> float:
    """Microseconds of a step in a batch of 128, including writing states and embeddings where the engine keeps them."""
    states = Engine(encoder)._states
    rng = np.random.default_rng(0)
    slots = list(range(1, 1 + 128))
    tokens = [rng.integers(0, encoder.tokenizer.vocabulary_size, 128).tolist() for _ in range(_REPETITIONS)]
    spent = []
    for batch in tokens:
        started = time.perf_counter_ns()
        states.step(slots, batch, slots)
        spent.append((time.perf_counter_ns() - started) / 1e3)
    return float(np.median(spent)) / 128


def formats(encoder: StaticEncoder, queries: Sequence[str]) -> list[Any]:
    """One line for each format: 100 vectors as the server writes them."""
    vectors = encoder.encode(queries[:100])
    writers: dict[str, Callable[[], Any]] = {
        "application/json": lambda: write_json("model", vectors),
        "application/x-ndjson": lambda: b"".join(write_line(row, vector) for row, vector in enumerate(vectors)),
        "application/octet-stream, float32": lambda: write_binary(vectors, "float32"),
        "application/octet-stream, float16": lambda: write_binary(vectors, "float16"),
    }
    size, micros = len(writers["application/json"]()), _micros(writers["application/json"])
    return [
        {
            "format": name,
            "bytes": len(write()),
            "µs": round(spent := _micros(write), 2),
            "bytes % of JSON": round(100 * len(write()) / size, 1),
            "time % of JSON": round(100 * spent / micros, 2),
        }
        for name, write in writers.items()
    ]


def _of_tokens(words: Sequence[str], count: int) -> list[str]:
    """A hundred texts of ``count`` words each."""
    rng = np.random.default_rng(count)
    return [" ".join(rng.choice(words, count)) for _ in range(100)]


def _micros(work: Callable[[], Any]) -> float:
    """Median microseconds of a call."""
    spent = []
    for _ in range(_REPETITIONS):
        started = time.perf_counter_ns()
        work()
        spent.append(time.perf_counter_ns() - started)
    return float(np.median(spent)) / 1e3


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = options.parser("embed", __doc__)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"{', '.join(TABLES)}; all by default")
    parser.add_argument("--encoder", required=True, metavar="MODEL", help="a static model's name or folder")
    parser.add_argument("--seconds", type=options.positive, default=5.0, help="of each measurement (5)")
    options.add_cores(parser)
    options.add_typing(parser)
    chosen = parser.parse_args(arguments)
    if unknown := sorted(set(chosen.tables) - set(TABLES)):
        parser.error(f"unknown table {', '.join(unknown)}: choose from {', '.join(TABLES)}")
    tables = chosen.tables or TABLES
    queries, asked = load_queries(chosen.queries, _QUERIES)
    encoder = typeahead.load(chosen.encoder)
    if not isinstance(encoder, StaticEncoder):
        parser.error(f"{encoder.config.name} is not a static model: give one such as minilm-static")
    facts = {"queries": asked, "encoder": encoder.config.name}
    makers: dict[str, Callable[[], list[Any]]] = {
        "rates": lambda: rates(chosen.encoder, queries, chosen.seconds, (chosen.server_cores, chosen.client_core)),
        "steps": lambda: steps(encoder),
        "lengths": lambda: lengths(encoder, queries),
        "dimensions": lambda: dimensions(queries),
        "formats": lambda: formats(encoder, queries),
    }
    for name in tables:
        path = chosen.json and chosen.json.with_name(f"{chosen.json.stem}-{name}{chosen.json.suffix}")
        report(f"Embed: {name}", makers[name](), json_path=path, **facts)


if __name__ == "__main__":
    options.run(main)
