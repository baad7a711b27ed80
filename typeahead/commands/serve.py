"""Serve an index: the search box at /, typing over a websocket, searches and embeddings over HTTP.

Without --index only embeddings are served. A bearer token that clients must bring is taken from the environment
variable TYPEAHEAD_TOKEN or from --token-file, never from the command line, where every user of the machine can read it;
so is that of operators, who see metrics, dashboard and exact timings (TYPEAHEAD_OPERATOR_TOKEN, --operator-token-file).

SIGTERM, SIGINT and SIGHUP end the server: it answers what is pending and closes sessions with 1012, so that clients
come again. Under nohup SIGHUP is ignored. A running server keeps using the old index until you start it again.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import typeahead
from typeahead.core.encoder import Encoder

if TYPE_CHECKING:
    from typeahead.index.folder import Lexical
    from typeahead.server import ServerConfig

log = logging.getLogger(__name__)

#: Settings of the server that are plain numbers, with their help. Their defaults are the server's own.
_LIMITS = {
    "max_chars": "code points of a typed text",
    "max_frame_bytes": "bytes of a websocket message",
    "max_sessions": "websocket sessions at a time",
    "max_connections": "connections of all kinds at a time; 0 for 2000 more than sessions",
    "max_silent_connections": "connections at a time without a request under way; beyond, the oldest makes room",
    "max_connections_per_address": "connections of one address, or of one /64 under IPv6; 0 for any number",
    "max_head_bytes": "bytes of a request's head",
    "max_pending": "replies that one session may wait for",
    "max_search_batch": "queries in one call of the index",
    "max_waiting_searches": "queries that may wait for a search; beyond, keystrokes are answered with 'overloaded'",
    "max_turn_ms": "milliseconds of reading from clients after which keystrokes that need a step are answered so",
    "anytime": "cosine to the embedding last searched for from which those results stand for a keystroke; 1 for never",
    "lexical_weight": "weight of the words in a hybrid search, from 0 to 1",
    "lexical_wait_ms": "milliseconds that a search of the vectors waits for that of the words, at most",
    "default_k": "hits for a client that does not say how many",
    "max_k": "most hits that a client may ask for",
    "snippet_chars": "code points of a hit's text that are sent",
    "cache_bytes": "bytes of the cache of token prefixes",
    "fallback_tokens": "tokens beyond which a text is left to the fallback; 0 for what the encoder was trained on",
    "fallback_queue": "texts that may be with the fallback at a time; the encoder answers further ones",
    "max_body_bytes": "bytes of an HTTP request's body",
    "max_inputs": "texts in one request to /v1/embeddings",
    "max_batch": "texts in one request to /v1/embed",
    "max_input_chars": "code points of each of them, in either",
    "max_requests": "HTTP searches and requests for embeddings at a time",
    "max_bodies": "HTTP requests whose bodies are read at a time",
    "client_reports": "reports of browsers on what people felt that are read in a second; 0 reads none",
    "head_seconds": "seconds that a connection may go without a whole request head, at first and between requests",
    "body_seconds": "seconds that a client has to send a request's body",
    "hello_seconds": "seconds that a client has for its hello, where there is a token",
    "idle_seconds": "seconds without a message after which a session is closed",
    "stall_seconds": "seconds after which a client that does not read is cut off",
    "ping_seconds": "seconds between keep-alive pings",
    "drain_seconds": "seconds that pending replies have when the server is told to stop",
}


def add_server_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``serve`` and ``demo`` share."""
    from typeahead.server.config import ServerConfig

    defaults = {field.name: field.default for field in fields(ServerConfig)}
    parser.add_argument("--encoder", default="minilm-gru", help="encoder of what is typed: a model's name or folder")
    parser.add_argument(
        "--fallback",
        metavar="NAME",
        help="a transformer of the same teacher that encodes texts that are too long for the encoder, those that came "
        'at once where a client asks for "quality": "best", and all at which the encoder fails; none by default',
    )
    parser.add_argument("--host", default=defaults["host"], help="address to listen on")
    parser.add_argument("--port", type=int, default=defaults["port"], help="port; 0 takes a free one")
    parser.add_argument(
        "--allowed-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="an origin whose pages may connect beside the server's own; may be repeated",
    )
    parser.add_argument(
        "--allowed-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a host name that requests may name beside the server's own, such as a proxy's; may be repeated",
    )
    parser.add_argument(
        "--trusted-proxy",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="an address or a network of a proxy whose X-Forwarded-For or Forwarded says whose a connection is; may be "
        "repeated",
    )
    parser.add_argument(
        "--share-port",
        action="store_true",
        help="share the port with another server that runs there with this flag or with several workers: both are "
        "connected to until the other one is stopped, so for upgrades alone. Without it a port in use is refused",
    )
    parser.add_argument(
        "--example", action="append", default=[], metavar="QUERY", help="a query that the page offers; may be repeated"
    )
    parser.add_argument(
        "--hybrid",
        choices=["off", "linear", "rrf"],
        default=defaults["hybrid"],
        help="search the words beside the vectors, the last one as it is being typed, and put both rankings together: "
        "by their scores or by their ranks",
    )
    parser.add_argument(
        "--look-ahead",
        action="store_true",
        help="answer each key with what the encoder guesses that the whole text will find, where it guesses that, and "
        "Enter with what the text finds as it is",
    )
    parser.add_argument(
        "--complete",
        type=int,
        default=defaults["complete"],
        metavar="N",
        help="answer each key with what the text will find once its last word is finished, taken for the N commonest "
        "words of the index that begin like it (8 is a good number), and Enter as above; 0 for not at all",
    )
    parser.add_argument("--token-file", type=Path, help="file with the bearer token that clients must bring")
    parser.add_argument(
        "--operator-token-file", type=Path, help="file with the bearer token for metrics, dashboard and exact timings"
    )
    parser.add_argument(
        "--timings", action="store_true", help="tell every client, not just operators, where each reply's time went"
    )
    parser.add_argument(
        "--shared-cache",
        action="store_true",
        help="let all who bring the token share what is remembered of typed texts: fewer steps, but each of them can "
        "find out, by the time of a reply, what another has typed",
    )
    parser.add_argument(
        "--otel",
        action="store_true",
        help="send OpenTelemetry traces, one from the first key to Enter and without the text, to the collector that "
        'OTEL_EXPORTER_OTLP_ENDPOINT names; needs the extra "otel"',
    )
    limits = parser.add_argument_group("limits")
    for name, summary in _LIMITS.items():
        default = defaults[name]
        limits.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default, help=summary)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--index", type=Path, metavar="DIR", help="index to search")
    parser.add_argument(
        "--passage-encoder", metavar="ENCODER", help="a model that POST /v1/embeddings offers beside the encoder"
    )
    add_server_arguments(parser)
    parser.add_argument(
        "--lexical",
        choices=["words", "sparse"],
        default="words",
        help="what a hybrid searches beside the vectors: the documents' words, or the weights of tokens that "
        "python -m training.light.sparse_passages left in the index",
    )
    parser.add_argument(
        "--workers",
        type=_workers,
        default=1,
        help="processes that share the port; one that dies is replaced, and /metrics tells of all of them. Each has "
        "the limits, the cache and the model to itself",
    )
    parser.add_argument(
        "--verify",
        action="store_true",
        help="before listening, read every byte of the index and the models as typeahead verify does, and refuse to "
        "serve what is not as it was written",
    )
    # Given by the process that starts the workers: the numbers of the sockets that it hands on.
    parser.add_argument("--worker", type=_handles, help=argparse.SUPPRESS)
    # So is the folder with the manifest of the index that all of them search.
    parser.add_argument("--pinned", type=Path, help=argparse.SUPPRESS)


def _workers(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of processes: give 1 or more")
    return int(text)


def _handles(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def read_config(options: argparse.Namespace) -> ServerConfig:
    """Make the server's settings of the arguments and the environment."""
    from typeahead.server import ServerConfig

    return ServerConfig(
        host=options.host,
        port=options.port,
        allowed_origins=tuple(options.allowed_origin),
        allowed_hosts=tuple(options.allowed_host),
        trusted_proxies=tuple(options.trusted_proxy),
        share_port=options.share_port,
        token=_token("TYPEAHEAD_TOKEN", options.token_file),
        operator_token=_token("TYPEAHEAD_OPERATOR_TOKEN", options.operator_token_file),
        timings=options.timings,
        shared_cache=options.shared_cache,
        examples=tuple(options.example),
        otel=options.otel,
        hybrid=options.hybrid,
        look_ahead=options.look_ahead,
        complete=options.complete,
        **{name: getattr(options, name) for name in _LIMITS},
    )


def _token(variable: str, file: Path | None) -> str | None:
    """A token from its file, or else from the environment."""
    if file is None:
        return os.environ.get(variable)
    try:
        return file.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError as error:
        raise typeahead.TypeaheadError(f"{file} is not UTF-8: {error}") from error


def run_server(
    options: argparse.Namespace, index: Path | None, passages: Encoder | None, *, lexical: Lexical = "words"
) -> None:
    """Serve until told to stop; ``lexical`` is what a hybrid searches beside the vectors."""
    from typeahead.server import serve
    from typeahead.server.process.run import Worker

    configure_log()
    config = read_config(options)
    handles = getattr(options, "worker", None)
    worker = None if handles is None else Worker(handles)
    encoder = typeahead.load(options.encoder)
    fallback = _load_fallback(options.fallback, passages)

    # Of several processes the one that started them tells the address, once all of them are ready.
    announce = _announce if worker is None else None
    if index is None:
        serve(config, encoder, None, passages=passages, fallback=fallback, on_ready=announce, worker=worker)
        return
    from typeahead.index import open_index
    from typeahead.index.manifest import Manifest

    pinned = getattr(options, "pinned", None)
    with open_index(index, lexical=lexical, manifest=None if pinned is None else Manifest.read(pinned)) as opened:
        opened.check_teacher(encoder.config)
        if worker is None:
            log.info("searching %s of %s: %d documents", opened.manifest.generation, index, opened.manifest.count)
        serve(config, encoder, opened, passages=passages, fallback=fallback, on_ready=announce, worker=worker)


def _announce(address: str) -> None:
    print(address, flush=True)
    print("Type into the page there. Ctrl+C stops the server.", file=sys.stderr, flush=True)


def _load_fallback(name: str | None, passages: Encoder | None) -> Encoder | None:
    """Load the fallback, once where it is the encoder of passages too."""
    if name is None:
        return None
    return passages if passages is not None and name == passages.config.name else typeahead.load(name)


def run_workers(options: argparse.Namespace) -> None:
    """Have other processes serve until told to stop."""
    from typeahead.server.process.pinning import PinnedIndex
    from typeahead.server.process.run import prepared
    from typeahead.server.process.supervisor import Supervisor

    configure_log()
    config = prepared(read_config(options), warn=True)
    with ExitStack() as stack:
        pinned = None
        if options.index is not None:
            pinned = stack.enter_context(PinnedIndex(options.index))
            pinned.take()
        Supervisor(
            [sys.executable, "-m", "typeahead", *options.arguments],
            config.host,
            config.port,
            count=options.workers,
            drain_seconds=config.drain_seconds,
            on_ready=_announce,
            pinned=pinned,
            share_port=config.share_port,
        ).run()


def configure_log() -> None:
    """Write the log to standard error, with times, unless this process has a log already."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("typeahead").setLevel(logging.INFO)


def run(options: argparse.Namespace) -> None:
    """Load and serve, or have other processes do it."""
    if options.verify and options.worker is None:
        from typeahead.commands.verify import refuse_unless_verified

        served = (options.index, options.encoder, options.fallback, options.passage_encoder)
        refuse_unless_verified(dict.fromkeys(name for name in served if name is not None))
    # Said once, however many processes serve.
    if options.index and options.worker is None:
        from typeahead.index import Manifest

        if warning := Manifest.read(options.index).warning:
            print(f"warning: {warning}", file=sys.stderr, flush=True)
    if options.workers > 1 and options.worker is None:
        run_workers(options)
        return
    passages = typeahead.load(options.passage_encoder) if options.passage_encoder else None
    run_server(options, options.index, passages, lexical=options.lexical)
