"""Serve an index: the search box at /, typing over a websocket, searches and embeddings over HTTP.

Without --index only embeddings are served. Every setting below can also be given by an environment variable, such as
TYPEAHEAD_MAX_CHARS for --max-chars, or in a file given by --config, as max_chars = 512. A flag wins over the
environment, and the environment over the file.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import typeahead
from typeahead.commands import warn
from typeahead.core.encoder import Encoder
from typeahead.encoders.loading import BEST, LIGHT, load_default
from typeahead.settings.declaring import ConfigError, Declared, Group, check, declared, setting, split_name
from typeahead.settings.flags import add_flags
from typeahead.settings.printing import as_toml
from typeahead.settings.sources import Settings, from_json, resolve
from typeahead.settings.tokens import TOKENS, read_tokens

if TYPE_CHECKING:
    from typeahead.server import ServerConfig

log = logging.getLogger(__name__)

#: The name of an index that was given without one.
DEFAULT_INDEX: Final = "default"
#: Encodes what is written to an index that does not name its encoder.
PASSAGES: Final = "minilm-doc"

SERVED: Final = Group("what is served")
PROCESSES: Final = Group("processes")
LOG: Final = Group("log")

_EPILOG: Final = """SIGTERM, SIGINT and SIGHUP stop the server: it answers what is pending and closes sessions with code
1012, so that clients reconnect. Under nohup SIGHUP is ignored. Changes of documents, and new indexes at the
same folder, are searched within a second, without a restart."""


@dataclass(frozen=True, kw_only=True)
class Launch:
    """Settings of ``typeahead serve`` that are not the server's own: what is loaded, and by how many processes."""

    index: tuple[str, ...] = setting(
        (),
        "Index to search. Without one only embeddings are served. May be given several times, as NAME=INDEX: clients "
        "choose by name, and get the first if they name none. One without a name is called default.",
        group=SERVED,
        flag="index",
        metavar="INDEX",
        names="index",
    )
    encoder: str | None = setting(
        None,
        "Encoder of typed text: the name of a model, or its folder. Without one it is minilm-causal where this machine "
        "runs it fast, which takes Numba and AVX-512 VNNI, and minilm-gru elsewhere.",
        group=SERVED,
        metavar="MODEL",
        names="model",
    )
    fast: bool = setting(
        False,
        "Take the least time and memory for a key: the encoder minilm-gru, and half-typed words as they stand "
        "(complete = 0). Either can still be set to something else.",
        group=SERVED,
    )
    fallback: str | None = setting(
        None,
        "A transformer of the same teacher. It encodes texts that are too long for the encoder, whole texts for which "
        'a client asks for "quality": "best", and every text on which the encoder fails.',
        group=SERVED,
        metavar="MODEL",
        names="model",
    )
    passage_encoder: str | None = setting(
        None,
        "Encoder of passages: it encodes documents that are written without vectors, and POST /v1/embeddings offers it "
        "besides the encoder. Where documents may be written, it is by default that of the index.",
        group=SERVED,
        metavar="MODEL",
        names="model",
    )
    lexical: Literal["words", "sparse"] = setting(
        "words",
        "What is searched besides vectors: the words of the documents or, with sparse, also the token weights that "
        "python -m training.light.sparse_passages left in the index.",
        group=SERVED,
    )
    verify: bool = setting(
        False,
        "Before listening, read every byte of the index and the models, as typeahead verify does, and refuse to serve "
        "anything that is damaged.",
        group=SERVED,
    )
    workers: int = setting(
        1,
        "Processes that share the port. One that dies is replaced, and /metrics adds up all of them. Limits, caches "
        "and memory for models are per process.",
        group=PROCESSES,
        least=1,
    )
    log_format: Literal["text", "json"] = setting(
        "text",
        "Form of the log on standard error: lines of text, or one JSON object a line.",
        group=LOG,
    )
    token_file: Path | None = setting(  # noqa: RUF009 - it makes a field, not a default
        None, "File with the bearer token that clients must send.", group=TOKENS, metavar="FILE"
    )
    operator_token_file: Path | None = setting(  # noqa: RUF009 - it makes a field, not a default
        None,
        "File with the bearer token for metrics, dashboard and exact timings.",
        group=TOKENS,
        metavar="FILE",
    )
    write_token_file: Path | None = setting(  # noqa: RUF009 - it makes a field, not a default
        None, "File with the bearer token for writes.", group=TOKENS, metavar="FILE"
    )
    signing_keys_file: Path | None = setting(  # noqa: RUF009 - it makes a field, not a default
        None, "File with the signing keys: kid:secret, one a line.", group=TOKENS, metavar="FILE"
    )

    def __post_init__(self) -> None:
        check(self)
        names = [name for name, _ in self.named]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ConfigError("index", f"has two of the name {min(twice)}: write NAME=INDEX, each with another name")

    @property
    def named(self) -> list[tuple[str, str]]:
        """The name and the address of each index."""
        split = [split_name(index) for index in self.index]
        return [(name or DEFAULT_INDEX, address) for name, address in split]


def all_settings() -> tuple[Declared, ...]:
    """Every setting of ``typeahead serve``."""
    from typeahead.server import ServerConfig

    return declared(Launch) + declared(ServerConfig)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.usage = "typeahead serve [--index [NAME=]INDEX ...] [--config FILE] [SETTING ...]"
    parser.epilog = _EPILOG
    parser.add_argument(
        "--config",
        type=Path,
        default=argparse.SUPPRESS,
        metavar="FILE",
        help="Read settings from this TOML file. Its keys are the names of the flags with underscores; settings that "
        "may be given more than once are lists with a plural name, such as allowed_origins.",
    )
    parser.add_argument(
        "--print-config",
        action="store_true",
        default=argparse.SUPPRESS,
        help="Print all settings as TOML for --config, say where each value comes from, and exit. Tokens are left out.",
    )
    add_flags(parser, all_settings())
    # The two that follow are given by the process that starts the workers. First, the numbers of their sockets.
    parser.add_argument("--worker", type=_handles, help=argparse.SUPPRESS)
    # The file with the effective settings, which a worker takes instead of flags, environment and file.
    parser.add_argument("--handed", type=Path, help=argparse.SUPPRESS)


def _handles(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def read_settings(options: argparse.Namespace, settings: Sequence[Declared] | None = None) -> Settings:
    """The effective settings, with the tokens. Raises :class:`~typeahead.server.ConfigError` and ``OSError``."""
    settings = all_settings() if settings is None else settings
    handed = getattr(options, "handed", None)
    if handed is not None:
        return read_tokens(from_json(handed.read_text(encoding="utf-8"), settings, os.environ))
    file = getattr(options, "config", None)
    found = read_tokens(resolve(settings, options=options, environment=os.environ, file=file))
    for sentence in found.outdated():
        warn(sentence)
    if found.values["fast"]:
        for name, value in (("encoder", LIGHT), ("complete", 0)):
            if found.is_default(name):
                found = found.replaced(name, value)
    return found


def run_server(
    settings: Settings,
    indexes: Mapping[str, str],
    passages: Encoder | None,
    *,
    handles: Sequence[int] | None = None,
) -> None:
    """Serve until told to stop.

    ``indexes`` are addresses by name, the default first. ``handles`` are the sockets of a worker.
    """
    from typeahead.server import ServerConfig, serve
    from typeahead.server.process.run import Worker

    launch, config = settings.make(Launch), settings.make(ServerConfig)
    worker = None if handles is None else Worker(handles)
    encoder = load_default() if launch.encoder is None else typeahead.load(launch.encoder)
    if worker is None:
        log.info("encoding with %s", encoder.config.name)
    fallback = _load_fallback(launch.fallback, passages)

    # The process that started the workers prints the address, once all of them are ready.
    announce = _announce if worker is None else None
    if not indexes:
        serve(config, encoder, None, passages=passages, fallback=fallback, on_ready=announce, worker=worker)
        return
    from typeahead.search.addresses import OpenOptions, open_backend
    from typeahead.search.port import Backend

    async def open_indexes() -> Mapping[str, Backend]:
        opened: dict[str, Backend] = {}
        try:
            for name, address in indexes.items():
                options = OpenOptions(
                    lexical=launch.lexical,
                    # Said once, however many processes serve.
                    warn=_log_warning if worker is None else lambda _: None,
                )
                backend = opened[name] = await open_backend(address, options)
                if worker is None:
                    # Not the address that was given: it may have a password.
                    log.info("searching %s of %s: %d documents", backend.version, backend.address, backend.count)
        except BaseException:
            for backend in opened.values():
                await backend.close()
            raise
        return opened

    serve(config, encoder, open_indexes, passages=passages, fallback=fallback, on_ready=announce, worker=worker)


def _log_warning(message: str) -> None:
    log.warning("%s", message)


def _announce(address: str) -> None:
    print(address, flush=True)
    where = "Give this socket to your proxy." if address.startswith("unix:") else "Type into the page there."
    print(f"{where} Ctrl+C stops the server.", file=sys.stderr, flush=True)


def _load_fallback(name: str | None, passages: Encoder | None) -> Encoder | None:
    """Load the fallback, unless it is the encoder of passages, which is loaded already."""
    if name is None:
        return None
    return passages if passages is not None and name == passages.config.name else typeahead.load(name)


def run_workers(settings: Settings, arguments: Sequence[str]) -> None:
    """Start worker processes and keep them serving until told to stop.

    Workers get the effective settings in a file, so that one that is replaced later has the same, whatever has become
    of the configuration file. ``arguments`` are repeated for people who look at the list of processes.
    """
    from typeahead.index.manifest import Manifest
    from typeahead.search.addresses import folder_of
    from typeahead.server import ServerConfig
    from typeahead.server.process.run import prepared
    from typeahead.server.process.supervisor import Supervisor

    config, launch = prepared(settings.make(ServerConfig), warn=True), settings.make(Launch)
    with ExitStack() as stack:
        handed = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="typeahead-"))) / "settings.json"
        handed.write_text(settings.to_json(), encoding="utf-8")
        folders = [folder for _, index in launch.named if (folder := folder_of(index)) is not None]
        for folder in folders:
            # Said once, and an index that is not there is told before anything starts.
            if warning := Manifest.read(folder).warning:
                log.warning("%s", warning)
        Supervisor(
            [sys.executable, "-m", "typeahead", *arguments, "--handed", str(handed)],
            config.host,
            config.port,
            count=launch.workers,
            ending_seconds=config.notice_seconds + config.drain_seconds,
            on_ready=_announce,
            share_port=config.share_port,
            unix=None if config.socket is None else (config.socket, int(config.socket_mode, 8)),
        ).run()


def run(options: argparse.Namespace) -> None:
    """Load and serve, or have other processes do it, or print the settings."""
    if options.worker is None:
        _run(options)
        return
    from typeahead.server.process.siblings import telling_failure

    with telling_failure(options.worker[0]):
        _run(options)


def _run(options: argparse.Namespace) -> None:
    from typeahead.server import ServerConfig

    settings = read_settings(options)
    launch, config = settings.make(Launch), settings.make(ServerConfig)
    del config  # made only to refuse bad settings before anything is read
    if getattr(options, "print_config", False):
        header = f"Settings of typeahead serve {typeahead.__version__}. To use this file: typeahead serve --config FILE"
        print(as_toml(settings, header=header), end="")
        return
    from typeahead.server.observe.log_lines import write_log

    write_log(launch.log_format)
    with settings.explained():
        _serve(options, settings, launch)


def _serve(options: argparse.Namespace, settings: Settings, launch: Launch) -> None:
    from typeahead.server import ServerConfig

    if options.worker is None:
        if launch.verify:
            from typeahead.commands.verify import refuse_unless_verified
            from typeahead.search.addresses import folder_of

            folders = [folder_of(index) for _, index in launch.named]
            served = (*folders, launch.encoder or BEST, launch.fallback, launch.passage_encoder)
            refuse_unless_verified(dict.fromkeys(name for name in served if name is not None))
        if launch.workers > 1:
            run_workers(settings, options.arguments)
            return
    passages = _load_passage_encoder(launch, settings.make(ServerConfig))
    run_server(settings, dict(launch.named), passages, handles=options.worker)


def _recorded_encoder(address: str) -> str | None:
    """The encoder of passages that an index names, if it does: a folder, or the first table of PostgreSQL."""
    from typeahead.engines.postgres import entry as postgres
    from typeahead.errors import SearchError
    from typeahead.index.manifest import Manifest
    from typeahead.search.addresses import folder_of, parts_of

    if (folder := folder_of(address)) is not None:
        encoder = Manifest.read(folder).encoder
        return None if encoder is None else encoder.address
    first = parts_of(address)[0]
    if not postgres.is_address(first):
        return None
    try:
        found = postgres.look_up(first)
    except SearchError:
        # Opening it will say what is wrong.
        return None
    return None if found is None else found.encoder


def _load_passage_encoder(launch: Launch, config: ServerConfig) -> Encoder | None:
    """Load the encoder of passages that was asked for; where documents may be written, by default that of the index."""
    from typeahead.errors import ModelError

    if launch.passage_encoder is not None:
        return typeahead.load(launch.passage_encoder)
    if config.write_token is None and config.signing_keys is None:
        return None
    for name, address in launch.named:
        recorded = _recorded_encoder(address)
        if recorded is not None:
            try:
                return typeahead.load(recorded)
            except ModelError as error:
                message = "the encoder of the index %s cannot be loaded, so documents need vectors to be written: %s"
                log.warning(message, name, error)
                return None
    # An index that was adopted or upgraded names none. One of another teacher does not take its vectors.
    return typeahead.load(PASSAGES)
