"""Arguments and steps that several measurements share: encoders, the collection, its passages, and the results.

Encoding a large collection takes hours. So the rest of a command line is checked before: numbers, packages, dimensions,
and whether the results can be written.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typeahead.errors import MissingExtra, TypeaheadError
from typeahead.models.teacher import same_teacher

if TYPE_CHECKING:
    from typeahead.evaluate.data.datasets import Dataset
    from typeahead.evaluate.peers import Peer
    from typeahead.evaluate.vectors.passages import PassageVectors


#: A package, its module, and the extra that installs it.
SCORING = ("ir_measures", "ir_measures", "evaluate")
SEARCH = ("threadpoolctl", "threadpoolctl", "evaluate")
FAISS = ("faiss-cpu", "faiss", "evaluate")
PLOTS = ("matplotlib", "matplotlib", "evaluate")
MTEB = ("mteb", "mteb", "mteb")


class HelpFormatter(argparse.HelpFormatter):
    """Shows an argument's default, unless it has none or its help tells."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        shown = action.default not in (None, False, argparse.SUPPRESS) and "default" not in (action.help or "")
        return f"{action.help} (default: %(default)s)" if shown else action.help


def at_least(least: int) -> Callable[[str], int]:
    """A type for arguments: whole numbers from ``least`` on."""

    def whole_number(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least {least}")
        return value

    return whole_number


def seconds(text: str) -> float:
    """A type for arguments: finite numbers above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return value


def percent(text: str) -> int:
    """A type for arguments: whole percents from 1 to 100."""
    value = at_least(1)(text)
    if value > 100:
        raise argparse.ArgumentTypeError(f"{text!r} is more than 100 percent")
    return value


def share(text: str) -> float:
    """A type for arguments: numbers from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to 1")
    return value


def add_results(parser: argparse.ArgumentParser) -> None:
    """Declare ``--json``."""
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="write all figures to a file; - prints them, and the tables go to standard error",
    )


def require(*packages: tuple[str, str, str]) -> None:
    """Raise :class:`~typeahead.errors.MissingExtra` unless all packages are installed, without importing them."""
    for package, module, extra in packages:
        if find_spec(module) is None:
            raise MissingExtra(package, extra)


def refuse_unwritable(*files: Path | None) -> None:
    """Check that files can be written; raises ``OSError`` or :class:`~typeahead.errors.TypeaheadError` if not."""
    for file in files:
        if file is None or str(file) == "-":
            continue
        if file.is_dir():
            raise TypeaheadError(f"{file} is a folder: name a file to write")
        file.parent.mkdir(parents=True, exist_ok=True)
        probe = file.with_name(f"{file.name}.partial")
        probe.touch()
        probe.unlink()


def publish(path: Path | None, kind: str, figures: dict[str, Any], *blocks: str) -> None:
    """Write the figures to ``path``, if there is one, and print blocks of text and the machine below them.

    The file is written first, since a pipe for the text may be closed; if the file fails, the text is printed anyway.
    """
    from typeahead.evaluate.report.results import write_results
    from typeahead.tables import stamp

    text = "\n\n".join([*filter(None, blocks), stamp()])
    try:
        write_results(path, kind, figures)
    finally:
        print(text, file=sys.stderr if str(path) == "-" else None)


def add_query_encoders(parser: argparse.ArgumentParser, *, threads: int | None = None) -> None:
    """Declare ``--query-encoder``, one or many, and ``--threads``."""
    parser.add_argument(
        "--query-encoder",
        nargs="+",
        action="extend",
        required=True,
        metavar="ENCODER",
        help="one or more, for example minilm-gru st:sentence-transformers/all-MiniLM-L6-v2 bm25",
    )
    cores = threads or os.cpu_count() or 1
    parser.add_argument("--threads", type=at_least(1), default=cores, help="threads for whole texts and search")


def add_collection(parser: argparse.ArgumentParser) -> None:
    """Declare the collection and the encoder of its passages."""
    add_judgements(parser)
    add_passage_encoder(parser)
    add_cache(parser)


def add_cache(parser: argparse.ArgumentParser) -> None:
    """Declare where passage vectors are kept, and how."""
    parser.add_argument("--cache", type=Path, default=Path(".typeahead/passages"), help="folder of passage vectors")
    parser.add_argument(
        "--passage-dtype",
        choices=["float32", "float16"],
        default="float32",
        help="float16 needs half the disk space",
    )


def add_judgements(parser: argparse.ArgumentParser) -> None:
    """Declare the collection alone."""
    parser.add_argument(
        "dataset",
        metavar="DATASET",
        help="a BEIR folder, a folder of MS MARCO's TSV files, or an id of ir_datasets (beir/nfcorpus/test)",
    )
    add_split(parser)


def add_split(parser: argparse.ArgumentParser) -> None:
    """Declare which judgements of a collection count."""
    parser.add_argument("--split", default="test", help="which judgements of a folder: test, dev, dev.small")
    parser.add_argument(
        "--relevant-from",
        type=int,
        metavar="GRADE",
        help="grade from which a passage counts as relevant for RR and R (default: 2 for TREC DL, else 1)",
    )


def add_passage_encoder(parser: argparse.ArgumentParser) -> None:
    """Declare ``--passage-encoder``."""
    parser.add_argument("--passage-encoder", default="minilm-doc", metavar="ENCODER", help="encoder of the passages")


def load_query_encoders(
    options: argparse.Namespace, *, threads: int | None = None
) -> tuple[list[Peer], list[dict[str, str]]]:
    """Load the encoders; those whose package is not installed give a ``{"query_encoder", "missing"}`` each.

    Raises :class:`~typeahead.errors.TypeaheadError` if no encoder can be loaded, or two have the same label.
    """
    from typeahead.evaluate.peers import load_peers

    peers, missing = load_peers(options.query_encoder, threads=threads or options.threads)
    labels = [peer.label for peer in peers]
    if not peers:
        raise TypeaheadError("; ".join(peer["missing"] for peer in missing))
    if len(set(labels)) < len(labels):
        raise TypeaheadError(f"two query encoders have the same name: {', '.join(labels)}; name one with LABEL=ENCODER")
    for peer in missing:
        warn(f"{peer['query_encoder']} is missing: {peer['missing']}")
    return peers, missing


def load_passage_encoder(options: argparse.Namespace) -> Peer:
    """Load the encoder of the passages."""
    from typeahead.evaluate.peers import load_peer

    peer = load_peer(options.passage_encoder, threads=options.threads)
    if peer.encoder is None:
        raise TypeaheadError(f"{peer.label} has no embeddings: it cannot encode passages")
    return peer


def refuse_other_spaces(peers: Sequence[Peer], passage_encoder: Peer) -> list[str]:
    """Check that queries can be compared with passages. Gives warnings for encoders of another teacher.

    Raises :class:`~typeahead.errors.TypeaheadError` for a query encoder of another dimension.
    """
    warnings = []
    dim = passage_encoder.encoder.dim
    for peer in peers:
        if peer.encoder is None:
            continue
        if peer.encoder.dim != dim:
            raise TypeaheadError(
                f"{peer.label} gives vectors of {peer.encoder.dim} dimensions, {passage_encoder.label} of {dim}: "
                "they cannot be compared"
            )
        if peer.folder is not None and passage_encoder.folder is not None:
            ours, theirs = peer.encoder.config.teacher, passage_encoder.encoder.config.teacher
            if not same_teacher(ours, theirs):
                warnings.append(
                    f"{peer.label} answers in the space of {ours.name}, {passage_encoder.label} in that of "
                    f"{theirs.name}: its figures mean nothing"
                )
    for warning in warnings:
        warn(warning)
    return warnings


def open_collection(options: argparse.Namespace) -> Dataset:
    """Open the collection and print its warnings."""
    from typeahead.evaluate.data.datasets import open_dataset
    from typeahead.progress import ProgressBar

    with ProgressBar() as progress:
        dataset = open_dataset(
            options.dataset, split=options.split, relevant_from=options.relevant_from, progress=progress
        )
    for warning in dataset.warnings:
        warn(f"{dataset.name}: {warning}")
    return dataset


def encoded_passages(options: argparse.Namespace, dataset: Dataset, encoder: Peer) -> PassageVectors:
    """Get the passages' vectors, from the cache or encoded now."""
    from typeahead.evaluate.vectors.passages import encode_passages
    from typeahead.progress import ProgressBar

    encoder = encoder.for_passages()
    with ProgressBar() as progress:
        return encode_passages(
            encoder.encoder,
            encoder.key,
            dataset,
            options.cache,
            dtype=options.passage_dtype,
            progress=progress,
            announce=warn,
        )


def warn(message: str) -> None:
    """Print a message on standard error."""
    print(message, file=sys.stderr)
