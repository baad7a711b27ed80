"""Build an index from documents, or adopt an existing one.

SOURCE is a JSONL, CSV or TSV file, a folder of documentation (Markdown, MDX, reStructuredText, HTML, text), or a BEIR
folder. With --format it may also be a
pipe, or - for standard input. To resume an interrupted build, run the same command again. Any previous index at DIR
stays active until the new one is complete, and is kept if the new one would be empty or much smaller. With --vectors,
the teacher's existing vectors are adopted unchanged: only a sample is encoded, to check that they belong to these
documents. With --upgrade, the index of an earlier release is made usable: only its words are indexed anew.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typeahead
from typeahead.models.folder import find, read_config
from typeahead.progress import OnProgress, ProgressBar

if TYPE_CHECKING:
    from typeahead.index import Document, Guard, Manifest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.set_defaults(refuse=parser.error)
    parser.add_argument("source", type=_source, metavar="SOURCE", nargs="?", help="the documents")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the index")
    parser.add_argument(
        "--upgrade", type=Path, metavar="DIR", help="upgrade the index of an earlier release, instead of building one"
    )
    parser.add_argument("--encoder", default="minilm-doc", help="passage encoder: a model's name or folder")
    parser.add_argument(
        "--backend", choices=["auto", "exact", "hnsw"], default="auto", help="exact up to 50,000 vectors"
    )
    parser.add_argument(
        "--dimensions",
        type=int,
        metavar="N",
        help="reduce the vectors to N dimensions with a projection that keeps their neighbours; any encoder of the "
        "teacher can search the index",
    )
    parser.add_argument(
        "--format",
        choices=["auto", "jsonl", "csv", "tsv", "beir", "notes"],
        default="auto",
        help="format of the source",
    )
    for field in ("id", "title", "text", "url"):
        parser.add_argument(f"--{field}-field", metavar="NAME", help=f"name of the field with the {field}")
    parser.add_argument(
        "--columns", metavar="NAMES", help="comma-separated column names for a CSV or TSV file without a header"
    )
    parser.add_argument(
        "--delimiter",
        type=_delimiter,
        metavar="CHARACTER",
        help="column separator of a CSV file, such as ';' or tab (default: detected)",
    )
    parser.add_argument(
        "--encoding", type=_encoding, metavar="NAME", help="encoding of the source, such as cp1252 (default: detected)"
    )
    pages = parser.add_argument_group("folders of documentation")
    pages.add_argument("--base-url", default="", metavar="URL", help="where the pages are published")
    pages.add_argument(
        "--url-pattern",
        type=_url_pattern,
        default="{path}",
        metavar="PATTERN",
        help="path of a page below --base-url, such as {path}, {stem} or {stem}/ (default: {path})",
    )
    pages.add_argument("--drafts", action="store_true", help="read pages whose front matter marks them as drafts")
    parser.add_argument("--skip-bad-lines", action="store_true", help="skip unusable lines and count them")
    parser.add_argument("--allow-empty", action="store_true", help="build an index even if there are no documents")
    parser.add_argument(
        "--max-shrink",
        type=_share,
        default=0.5,
        metavar="SHARE",
        help="keep the previous index if the new one would lose more than this share of its documents, from 0 to 1",
    )
    parser.add_argument("--batch", type=int, default=256, help="documents encoded and stored at a time")
    parser.add_argument("--no-resume", action="store_true", help="start over instead of resuming an interrupted build")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="threads for encoding")
    adopt = parser.add_argument_group("adopting an existing index")
    adopt.add_argument(
        "--vectors", type=Path, metavar="FILE", help="the teacher's vectors: .npy, .npz or a FAISS index"
    )
    adopt.add_argument(
        "--ids",
        type=Path,
        metavar="FILE",
        help="the id of each vector's document (default: vectors are in the order of the documents)",
    )
    adopt.add_argument(
        "--teacher", metavar="NAME", help="the teacher that made the vectors (default: the teacher of --encoder)"
    )
    adopt.add_argument(
        "--similarity", choices=["cosine", "dot"], help="similarity of the vectors (default: the encoder's)"
    )
    adopt.add_argument(
        "--normalize", action="store_true", help="divide each vector by its length; for arrays and flat FAISS indexes"
    )
    adopt.add_argument(
        "--nprobe",
        type=int,
        metavar="N",
        help="inverted lists that a search probes (default: the FAISS index's setting)",
    )
    adopt.add_argument(
        "--unverified",
        action="store_true",
        help="do not compare the vectors with --encoder's own, and warn about that on every search",
    )


def _source(text: str) -> Path:
    return Path("/dev/stdin" if text == "-" else text)


def _delimiter(text: str) -> str:
    text = {"tab": "\t", "\\t": "\t"}.get(text, text)
    if len(text) != 1 or text in '"\r\n':
        raise argparse.ArgumentTypeError(f"{text!r} is neither a single character nor tab")
    return text


def _encoding(text: str) -> str:
    from typeahead.text.encodings import named

    try:
        return named(text)
    except LookupError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a text encoding known to Python") from None


def _url_pattern(text: str) -> str:
    from typeahead.text.markup.urls import check_pattern

    try:
        return check_pattern(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1")
    return share


def _tell(message: str) -> None:
    print(message, file=sys.stderr)


def run(options: argparse.Namespace) -> None:
    """Read the documents, encode or adopt them, and store them; or upgrade an index."""
    from typeahead.index import BadLines, FieldMap, Guard, read_source
    from typeahead.text.notes import Pages

    if options.upgrade is not None:
        _upgrade(options)
        return
    if options.source is None or options.out is None:
        options.refuse("there is nothing to do: give SOURCE and --out DIR, or --upgrade DIR")
    bad = BadLines() if options.skip_bad_lines else None
    documents = read_source(
        options.source,
        FieldMap(options.id_field, options.title_field, options.text_field, options.url_field),
        kind=options.format,
        columns=options.columns.split(",") if options.columns else None,
        bad=bad,
        delimiter=options.delimiter,
        encoding=options.encoding,
        notice=_tell,
        pages=Pages(options.base_url, options.url_pattern, options.drafts),
    )
    guard = Guard(allow_empty=options.allow_empty, max_shrink=options.max_shrink)
    warnings: list[str] = []
    try:
        with ProgressBar() as progress:
            if options.vectors:
                manifest = _adopt(options, documents, guard, progress, warnings.append)
            else:
                manifest = _build(options, documents, guard, progress)
    finally:
        if bad and bad.count:
            _tell(f"{bad.count:,} lines skipped, the first: {bad.first[0]}")
    for warning in warnings:
        _tell(f"warning: {warning}")
    dimensions = manifest.dimensions or manifest.dim
    print(f"{options.out}: {manifest.count:,} documents, {dimensions} dimensions, {manifest.backend}")
    if manifest.adoption:
        print(f"{options.out}: {manifest.adoption}")


def _upgrade(options: argparse.Namespace) -> None:
    from typeahead.index import upgrade_index

    if options.source is not None or options.out is not None:
        options.refuse("--upgrade takes the documents from the index: leave out SOURCE and --out")
    with ProgressBar() as progress:
        manifest = upgrade_index(options.upgrade, progress)
    print(f"{options.upgrade}: {manifest.count:,} documents, index format {manifest.format_version}")


def _build(options: argparse.Namespace, documents: Iterator[Document], guard: Guard, progress: OnProgress) -> Manifest:
    from typeahead.index import build_index

    return build_index(
        documents,
        options.out,
        typeahead.load(options.encoder, threads=options.threads),
        backend=options.backend,
        dimensions=options.dimensions,
        batch=options.batch,
        progress=progress,
        resume=not options.no_resume,
        source=str(options.source),
        guard=guard,
    )


def _adopt(
    options: argparse.Namespace,
    documents: Iterator[Document],
    guard: Guard,
    progress: OnProgress,
    warn: Callable[[str], None],
) -> Manifest:
    from typeahead.index import Teacher, adopt_index

    config = read_config(find(options.encoder), verify=False)
    own = options.teacher in (None, config.teacher.name)
    if own and options.similarity not in (None, config.similarity):
        raise typeahead.TypeaheadError(
            f"--similarity is {options.similarity}, but {config.teacher.name} compares by {config.similarity}"
        )
    checks = own and not options.unverified
    return adopt_index(
        options.vectors,
        documents,
        options.out,
        teacher=Teacher(options.teacher or config.teacher.name, config.teacher.revision if own else None),
        encoder=typeahead.load(options.encoder, threads=options.threads) if checks else None,
        unverified=options.unverified,
        similarity=options.similarity or config.similarity,
        normalize=options.normalize,
        dim=config.dim if own else None,
        ids=options.ids,
        backend=options.backend,
        nprobe=options.nprobe,
        dimensions=options.dimensions,
        progress=progress,
        warn=warn,
        source=str(options.source),
        guard=guard,
    )
