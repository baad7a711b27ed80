"""What does a search box show for what people type? Names, half-typed names, slips, rare words and nonsense.

SOURCE is an index, a BEIR folder, or a file of documents that "typeahead index" reads. All queries are drawn from its
documents by a seed; judged queries are typed besides, if there are any. Our own box is "typeahead serve" in a process
of its own; peers answer the same queries in the same run. The package typeahead.evaluate.typed defines all figures.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typeahead.commands import warn
from typeahead.commands.evaluate import common
from typeahead.errors import MissingExtra, TypeaheadError

if TYPE_CHECKING:
    from typeahead.evaluate.peers import Peer
    from typeahead.evaluate.typed.boxes import Box
    from typeahead.evaluate.typed.source import Source
    from typeahead.evaluate.vectors.passages import PassageVectors
    from typeahead.text.document import Document

#: The box with the server's default settings, and the peers' names in tables.
DEFAULT = "typeahead"
PEERS = {"typesense": "Typesense", "bm25": "BM25, last word as prefix"}
_TEACHER, _DEBOUNCED = "teacher at every key", "teacher, debounced 150 ms"

_Opener = Callable[[], AbstractContextManager["Box"]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("source", type=Path, metavar="SOURCE", help="an index, a BEIR folder, or a file of documents")
    parser.add_argument(
        "--serve",
        action="append",
        type=_labelled,
        default=[],
        metavar="LABEL=FLAGS",
        help='our box once more, with these flags of "typeahead serve"; may be given more than once. The box with the '
        f"default settings is called {DEFAULT}",
    )
    parser.add_argument(
        "--peers", nargs="*", choices=list(PEERS), default=list(PEERS), help="engines to compare with (default: all)"
    )
    parser.add_argument(
        "--teacher",
        metavar="FOLDER",
        help="also compare with the teacher at every key, and behind a debounce: a folder of sentence-transformers, or "
        "an encoder such as onnx:FOLDER",
    )
    parser.add_argument("--traces", type=Path, help="recorded typing (JSON lines, may be gzipped) for the debounce")
    parser.add_argument(
        "--names", type=common.at_least(1), default=300, help="titles to type, and slips of each family"
    )
    parser.add_argument("--words", type=common.at_least(1), default=300, help="words and random strings of each kind")
    parser.add_argument("--seed", type=common.at_least(0), default=0, help="seed of all that is drawn")
    parser.add_argument(
        "--judgements",
        type=Path,
        metavar="FOLDER",
        help="a BEIR folder with judged queries on these documents (default: SOURCE, if it has some)",
    )
    common.add_split(parser)
    common.add_passage_encoder(parser)
    common.add_cache(parser)
    parser.add_argument(
        "--threads", type=common.at_least(1), default=os.cpu_count() or 1, help="threads for whole texts"
    )
    parser.add_argument("--per-query", action="store_true", help="also write each query's screens to the JSON file")
    parser.add_argument("--page", type=Path, metavar="FILE.md", help="write a page of tables and curves")
    common.add_results(parser)


def _labelled(text: str) -> tuple[str, str]:
    label, equals, flags = text.partition("=")
    if not (equals and label.strip()) or label.startswith("-"):
        raise argparse.ArgumentTypeError(f"{text!r} is not LABEL=FLAGS, such as 'words=--hybrid linear'")
    return label, flags


def _refuse_same_names(labels: list[str]) -> None:
    names = [*labels, *PEERS.values(), _TEACHER, _DEBOUNCED]
    if twice := {name for name in names if names.count(name) > 1}:
        raise TypeaheadError(f"two boxes are called {min(twice)}: give --serve another label")


def run(options: argparse.Namespace) -> None:
    """Draw the queries, type them into each box, score what is shown."""
    from typeahead.evaluate.report import typed as report
    from typeahead.evaluate.report.page import write_report
    from typeahead.evaluate.report.results import record_of
    from typeahead.evaluate.report.tables import absent
    from typeahead.evaluate.typed import drawing, measures
    from typeahead.evaluate.typed.source import open_source
    from typeahead.progress import ProgressBar

    _refuse_same_names([name for name, _ in options.serve])
    if options.page:
        common.require(common.PLOTS)
    common.refuse_unwritable(options.json, options.page)
    with ProgressBar() as progress:
        source = open_source(
            options.source,
            judgements=options.judgements,
            split=options.split,
            relevant_from=options.relevant_from,
            progress=progress,
        )
    if source.judged:
        common.require(common.SCORING)
    for warning in source.warnings:
        warn(warning)
    queries = drawing.draw(
        source.documents,
        names=options.names,
        words=options.words,
        seed=options.seed,
        judged=source.judged.queries if source.judged else None,
    )
    with tempfile.TemporaryDirectory(prefix="typeahead-typed-") as folder:
        facts, answers, skipped = _type(options, source, queries, Path(folder))
    boxes = [
        {"box": name, "facts": facts[name], **measures.score(queries, found, source.judged)}
        for name, found in answers.items()
    ]
    figures = {
        "collection": source.name,
        "documents": len(source.documents),
        "seed": options.seed,
        "drawn": _counts(queries),
        "drawn_sha256": drawing.digest(queries),
        "warnings": source.warnings,
        "boxes": boxes,
        "skipped": skipped,
    }
    heading = f"{source.name}: {len(source.documents):,} documents; typed: {report.drawn(figures)}"
    if options.page:
        write_report([record_of("typed", figures)], options.page, title="What people type")
    written = figures | ({"queries": measures.per_query_record(queries, answers)} if options.per_query else {})
    blocks = [heading, *source.warnings, *report.blocks(figures), absent((), skipped)]
    common.publish(options.json, "typed", written, *blocks)


def _counts(queries: list[Any]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for query in queries:
        counts[query.measure] = counts.get(query.measure, 0) + 1
    return counts


def _type(
    options: argparse.Namespace, source: Source, queries: list[Any], folder: Path
) -> tuple[dict[str, Any], dict[str, list[Any]], list[dict[str, str]]]:
    """What each box is and answered, and the boxes that are left out."""
    from typeahead.evaluate.typed.asking import ask
    from typeahead.progress import ProgressBar

    facts: dict[str, Any] = {}
    answers: dict[str, list[Any]] = {}
    skipped: list[dict[str, str]] = []
    for name, opener in _boxes(options, source, folder, skipped):
        try:
            with opener() as box, ProgressBar() as progress:
                answers[name] = ask(name, box, queries, progress)
                facts[name] = dict(box.facts)
        except MissingExtra as error:
            warn(f"{name} is left out: {error}")
            skipped.append({"query_encoder": name, "skipped": str(error)})
    return facts, answers, skipped


def _boxes(
    options: argparse.Namespace, source: Source, folder: Path, skipped: list[dict[str, str]]
) -> Iterator[tuple[str, _Opener]]:
    """Each box by its name, with a function that opens it. A box is made only when its turn comes."""
    from typeahead.evaluate.typed.lexical import bm25_prefix
    from typeahead.evaluate.typed.served import served
    from typeahead.evaluate.typed.typesense import typesense

    index = source.index or _temporary_index(options, source, folder / "index")
    for name, flags in ({DEFAULT: ""} | dict(options.serve)).items():
        yield name, partial(served, name, index, flags)
    engines: dict[str, Callable[[list[Document]], AbstractContextManager[Box]]] = {
        "typesense": typesense,
        "bm25": bm25_prefix,
    }
    for peer in dict.fromkeys(options.peers):
        yield PEERS[peer], partial(engines[peer], source.documents)
    if options.teacher:
        yield from _teachers(options, source, skipped)


def _teachers(
    options: argparse.Namespace, source: Source, skipped: list[dict[str, str]]
) -> Iterator[tuple[str, _Opener]]:
    from typeahead.evaluate.measures.typists import Gaps
    from typeahead.evaluate.peers import load_peer
    from typeahead.evaluate.typed.teacher import DebouncedBox, TeacherBox

    gaps = Gaps.read(options.traces) if options.traces else None
    spec = options.teacher if ":" in options.teacher else f"st:{options.teacher}"
    peer = load_peer(spec, threads=options.threads)
    box = TeacherBox(peer.encoder, _vectors(options, source, peer), threads=options.threads)
    yield _TEACHER, lambda: nullcontext(box)
    if gaps is None:
        skipped.append({"query_encoder": _DEBOUNCED, "skipped": "it needs recorded typing for its gaps: give --traces"})
        return
    yield _DEBOUNCED, lambda: nullcontext(DebouncedBox(box, gaps, seed=options.seed))


def _vectors(options: argparse.Namespace, source: Source, peer: Peer) -> PassageVectors:
    if peer.encoder is None:
        raise TypeaheadError(f"{peer.label} has no embeddings: it cannot encode documents")
    return common.encoded_passages(options, source.dataset(), peer)


def _temporary_index(options: argparse.Namespace, source: Source, out: Path) -> Path:
    """Build an index of the documents: with a passage encoder of ours, or with vectors of the teacher itself."""
    import numpy as np

    import typeahead
    from typeahead.index import Teacher, adopt_index, build_index
    from typeahead.progress import ProgressBar

    encoder = common.load_passage_encoder(options)
    with ProgressBar() as progress:
        if encoder.folder is not None:
            build_index(source.documents, out, encoder.encoder, progress=progress, source=str(options.source))
            return out
        vectors = out.with_suffix(".npy")
        np.save(vectors, _vectors(options, source, encoder).to_array())
        # A sample is encoded by our own passage encoder: vectors of another teacher are refused.
        ours = typeahead.load("minilm-doc")
        teacher = ours.config.teacher
        adopt_index(
            vectors,
            source.documents,
            out,
            teacher=Teacher(teacher.name, teacher.revision),
            encoder=ours,
            progress=progress,
            warn=warn,
            source=str(options.source),
        )
        return out
