"""Build an index from documents, or adopt an existing one.

SOURCE is a file of records (JSONL, JSON, CSV, TSV, Parquet, Arrow), a page (Markdown, MDX, reStructuredText, HTML,
text), a folder of such files, a BEIR folder, or the address of a database with --query. Files of records may be
compressed. With --format, SOURCE may also be a pipe, or - for standard input. Long documents are divided into passages,
each with a vector of its own. A previous index at DIR stays active until the new one is complete, and is kept if the
new one would be empty or much smaller. To resume an interrupted build, run the same command again. With --update, the
index at DIR is kept, and only documents that changed are encoded and written; a running server shows them within a
second.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typeahead
from typeahead.commands import updating
from typeahead.commands.sources import add_pages, add_reading, reading, tell
from typeahead.models.folder import find, read_config
from typeahead.progress import OnProgress, ProgressBar

if TYPE_CHECKING:
    from typeahead.index import BadLines, Document, Guard, Manifest, Skipped
    from typeahead.text.mapping import Found

ENCODER = "minilm-doc"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.usage = f"{parser.prog} SOURCE [SOURCE …] --out DIR [options]"
    parser.set_defaults(refuse=parser.error)
    parser.add_argument(
        "source", type=_source, metavar="SOURCE", nargs="*", help="the documents: files, folders, - or a database"
    )
    parser.add_argument(
        "--out",
        type=_out,
        metavar="DIR",
        help="folder of the index, a new table: postgresql://HOST/DB?table=NAME, or collection: qdrant://HOST/NAME or "
        "milvus://HOST/NAME; several addresses, separated by spaces, are the parts of one index",
    )
    parser.add_argument("--text-field", metavar="NAME", help="field with the text (default: text)")
    parser.add_argument("--title-field", metavar="NAME", help="field with the title (default: title)")
    parser.add_argument("--skip-bad-lines", action="store_true", help="skip unusable lines and count them")
    add_reading(parser.add_argument_group("reading the documents"))
    add_pages(parser.add_argument_group("folders of documentation"))
    updating.add_arguments(parser.add_argument_group("updating an index"))
    _add_building(parser.add_argument_group("building the index"))
    _add_adopting(
        parser.add_argument_group(
            "adopting vectors",
            "Vectors that the teacher made already stay as they are. Only a sample of the documents is encoded, to "
            "check that the vectors belong to them.",
        )
    )


def _add_building(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--encoder",
        help=f"passage encoder: a model's name or folder (default: {ENCODER}; with --update, the one of the index)",
    )
    group.add_argument(
        "--backend", choices=["auto", "exact", "hnsw"], default="auto", help="exact up to 50,000 vectors"
    )
    group.add_argument(
        "--dimensions",
        type=int,
        metavar="N",
        help="reduce the vectors to N dimensions with a projection that keeps their neighbours; any encoder of the "
        "teacher can search the index",
    )
    group.add_argument(
        "--no-divide",
        dest="divide",
        action="store_false",
        help="make one vector of each document, of its beginning if it is longer than the encoder reads",
    )
    group.add_argument(
        "--upgrade", type=Path, metavar="DIR", help="upgrade the index of an earlier release, instead of building one"
    )
    group.add_argument("--allow-empty", action="store_true", help="build an index even if there are no documents")
    group.add_argument(
        "--max-shrink",
        type=share,
        default=0.5,
        metavar="SHARE",
        help="keep the previous index if the new one would lose more than this share of its documents, from 0 to 1; "
        "--delete-missing deletes nothing if more would go",
    )
    group.add_argument("--batch", type=int, default=256, help="documents encoded and stored at a time")
    group.add_argument("--no-resume", action="store_true", help="start over instead of resuming an interrupted build")
    group.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="threads for encoding")


def _add_adopting(adopt: argparse._ArgumentGroup) -> None:
    adopt.add_argument(
        "--vectors", type=Path, metavar="FILE", help="the teacher's vectors: .npy, .npz or a FAISS index"
    )
    adopt.add_argument(
        "--vectors-column",
        metavar="NAME",
        help="the field of the documents that holds their vectors, instead of a file",
    )
    adopt.add_argument(
        "--ids",
        type=Path,
        metavar="FILE",
        help="the id of each vector's document (default: vectors are in the order of the documents)",
    )
    adopt.add_argument(
        "--by-passage",
        action="store_true",
        help="each vector is that of a passage: lines of the source with the same id are the passages of one document",
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


def _source(text: str) -> Path | str:
    if "://" in text:
        return text
    return Path("/dev/stdin" if text == "-" else text)


def _out(text: str) -> Path | str:
    return text if "://" in text else Path(text)


def share(text: str) -> float:
    """Read a share from 0 to 1."""
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1")
    return found


def run(options: argparse.Namespace) -> None:
    """Read the documents, encode or adopt them, and store them; or upgrade an index."""
    from typeahead.index import BadLines, Guard, Skipped
    from typeahead.index.summary import summarize

    updating.check(options)
    if options.upgrade is not None:
        _upgrade(options)
        return
    if options.empty:
        manifest = updating.create(options.out, options.encoder or ENCODER)
        print(f"{options.out}: no documents yet, {manifest.dim} dimensions")
        return
    if not options.source or options.out is None:
        options.refuse("there is nothing to do: give SOURCE and --out DIR, or --upgrade DIR")
    if options.vectors and options.vectors_column:
        options.refuse("--vectors and --vectors-column both say where the vectors are: give one")
    if options.by_passage and options.vectors is None:
        options.refuse("--by-passage is for vectors of passages: give them with --vectors FILE")
    bad = BadLines() if options.skip_bad_lines else None
    skipped = Skipped()
    if isinstance(options.out, str):
        _make_table(options, bad, skipped)
        return
    guard = Guard(allow_empty=options.allow_empty, max_shrink=options.max_shrink)
    warnings: list[str] = []
    if options.update and updating.exists(options.out):
        with _counted(bad, skipped), ProgressBar() as progress:
            updating.update(options, lambda kinds: _documents(options, bad, skipped, kinds), bad, progress)
        return
    options.encoder = options.encoder or ENCODER
    with _counted(bad, skipped), ProgressBar() as progress:
        manifest = _make(options, bad, skipped, guard, progress, warnings.append)
    for warning in warnings:
        tell(f"warning: {warning}")
    dimensions = manifest.dimensions or manifest.dim
    print(f"{options.out}: {manifest.count:,} documents, {dimensions} dimensions, {manifest.backend}")
    print(f"{options.out}: {summarize(options.out, manifest)}")
    if manifest.adoption:
        print(f"{options.out}: {manifest.adoption}")


@contextmanager
def _counted(bad: BadLines | None, skipped: Skipped) -> Iterator[None]:
    """Say at the end what was left out, also after an error."""
    try:
        yield
    finally:
        if bad and bad.count:
            tell(f"{bad.count:,} lines skipped, the first: {bad.first[0]}")
        if skipped:
            tell(f"skipped: {skipped}")


def _upgrade(options: argparse.Namespace) -> None:
    from typeahead.index import upgrade_index

    if options.source or options.out is not None:
        options.refuse("--upgrade takes the documents from the index: leave out SOURCE and --out")
    with ProgressBar() as progress:
        manifest = upgrade_index(options.upgrade, progress)
    print(f"{options.upgrade}: {manifest.count:,} documents, index format {manifest.format_version}")


def _documents(
    options: argparse.Namespace, bad: BadLines | None, skipped: Skipped, known: Mapping[str, str]
) -> Iterator[Found]:
    """The documents of the sources, with their vectors if these are in a column."""
    from typeahead.index import read_embedded, read_source
    from typeahead.text.mapping import Found

    names, how = reading(options, bad, skipped, known)
    if options.vectors_column:
        return read_embedded(options.source, options.vectors_column, names, **how)
    return (Found(document) for document in read_source(options.source, names, **how))


def _make(
    options: argparse.Namespace,
    bad: BadLines | None,
    skipped: Skipped,
    guard: Guard,
    progress: OnProgress,
    warn: Callable[[str], None],
) -> Manifest:
    from typeahead.index import read_embedded, read_source

    names, how = reading(options, bad, skipped)
    if options.vectors_column:
        from typeahead.index.adopt.column import set_apart

        found = read_embedded(options.source, options.vectors_column, names, **how)
        with set_apart(found, options.out) as (vectors, documents):
            return _adopt(options, vectors, documents, guard, progress, warn)
    documents = read_source(options.source, names, **how)
    if options.vectors:
        return _adopt(options, options.vectors, documents, guard, progress, warn)
    return _build(options, documents, guard, progress)


def _described(options: argparse.Namespace) -> str:
    """The sources, as the manifest records them."""
    from typeahead.text.formats.database import shown

    return " ".join(shown(source) if isinstance(source, str) else str(source) for source in options.source)


def _build(options: argparse.Namespace, documents: Iterator[Document], guard: Guard, progress: OnProgress) -> Manifest:
    from typeahead.index import build_index
    from typeahead.text.dividing import divider_for

    encoder = typeahead.load(options.encoder, threads=options.threads)
    divider = divider_for(encoder) if options.divide else None
    return build_index(
        documents,
        options.out,
        encoder,
        divide=None if divider is None else divider.divide,
        passage_limit=None if divider is None else divider.limit,
        backend=options.backend,
        dimensions=options.dimensions,
        batch=options.batch,
        progress=progress,
        resume=not options.no_resume,
        source=_described(options),
        guard=guard,
        encoder_address=updating.address_of(options.encoder),
    )


def _make_table(options: argparse.Namespace, bad: BadLines | None, skipped: Skipped) -> None:
    """Encode the documents into a new table of a database, or a new collection; or into several, by their ids."""
    from typeahead.engines.milvus import entry as milvus
    from typeahead.engines.parts.placing import part_of
    from typeahead.engines.postgres import entry as postgres
    from typeahead.engines.qdrant import entry as qdrant
    from typeahead.index import BadLines, Skipped, read_source
    from typeahead.search.addresses import parts_of
    from typeahead.text.dividing import divider_for
    from typeahead.text.formats.database import shown

    addresses = parts_of(options.out)
    loads = [one.load_documents for one in (postgres, qdrant, milvus) if all(map(one.is_address, addresses))]
    if not loads:
        options.refuse(f"--out {shown(options.out)} is neither a folder nor postgresql://…, qdrant://… or milvus://…")
    if options.vectors or options.vectors_column or options.dimensions:
        options.refuse(
            "a database takes documents that are encoded here: leave out --vectors, --vectors-column and --dimensions"
        )
    if options.update and not postgres.is_address(options.out):
        options.refuse("--update is for folders and for tables of PostgreSQL: leave it out")
    if options.update and any(recorded := [postgres.look_up(address) for address in addresses]):
        encoder = options.encoder or next((one.encoder for one in recorded if one is not None), None) or ENCODER
        with _counted(bad, skipped), ProgressBar() as progress:
            updating.update_engine(
                options, encoder, lambda kinds: _documents(options, bad, skipped, kinds), bad, progress
            )
        return
    if len(addresses) > 1 and any(str(source) == "/dev/stdin" for source in options.source):
        options.refuse("several databases read the documents once each: give a file instead of standard input")
    options.encoder = options.encoder or ENCODER
    encoder = typeahead.load(options.encoder, threads=options.threads)
    divider = divider_for(encoder) if options.divide else None
    with _counted(bad, skipped), ProgressBar() as progress:
        for place, address in enumerate(addresses):
            # What is left out is counted the first time.
            first = place == 0
            lines = bad if first or bad is None else BadLines()
            names, how = reading(options, lines, skipped if first else Skipped())
            documents = read_source(options.source, names, **how)
            if len(addresses) > 1:
                documents = _of_part(documents, partial(part_of, parts=len(addresses)), place)
            made = loads[0](
                address,
                documents,
                encoder,
                divide=None if divider is None else divider.divide,
                encoder_address=updating.address_of(options.encoder),
                progress=progress,
            )
            print(
                f"{shown(address)}: {made.documents:,} documents, {made.passages:,} passages, {encoder.dim} dimensions"
            )


def _of_part(documents: Iterator[Document], part: Callable[[str], int], place: int) -> Iterator[Document]:
    return (one for one in documents if part(one.id) == place)


def _adopt(
    options: argparse.Namespace,
    vectors: Path,
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
        vectors,
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
        source=_described(options),
        guard=guard,
        by_passage=options.by_passage,
        encoder_address=options.encoder,
    )
