"""Build an index of documents, or adopt one that exists.

SOURCE is a JSONL, CSV or TSV file, a folder of Markdown or text files, or a BEIR folder. A build that was interrupted
goes on where it was when the same command is given again; an older index at DIR stays in force until the new one is
whole. With --vectors, vectors that the teacher made earlier are adopted as they are: only a sample is encoded, to check
that they are the vectors of these documents.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import typeahead
from typeahead import models
from typeahead.progress import Progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("source", type=Path, metavar="SOURCE", help="the documents")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the index")
    parser.add_argument("--encoder", default="minilm-doc", help="encoder of the passages: a model's name or folder")
    parser.add_argument(
        "--backend", choices=["auto", "exact", "hnsw"], default="auto", help="exact up to 50,000 vectors"
    )
    parser.add_argument(
        "--dimensions",
        type=int,
        metavar="N",
        help="of the index, if fewer than the vectors': a projection that keeps their neighbours; any encoder of the "
        "teacher searches it",
    )
    parser.add_argument(
        "--format", choices=["auto", "jsonl", "csv", "tsv", "beir", "notes"], default="auto", help="kind of the source"
    )
    for field in ("id", "title", "text", "url"):
        parser.add_argument(f"--{field}-field", metavar="NAME", help=f"field that holds the {field}")
    parser.add_argument(
        "--columns", metavar="NAMES", help="names, with commas, of the columns of a CSV or TSV file without a header"
    )
    parser.add_argument("--skip-bad-lines", action="store_true", help="count lines that cannot be used, and go on")
    parser.add_argument("--batch", type=int, default=256, help="documents that are encoded and stored at a time")
    parser.add_argument("--no-resume", action="store_true", help="start again where an earlier build was interrupted")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="threads that encode")
    adopt = parser.add_argument_group("adopting an index that exists")
    adopt.add_argument(
        "--vectors", type=Path, metavar="FILE", help="the teacher's vectors: .npy, .npz or a FAISS index"
    )
    adopt.add_argument(
        "--ids", type=Path, metavar="FILE", help="id of each vector's document (default: documents' order)"
    )
    adopt.add_argument("--teacher", metavar="NAME", help="which teacher made the vectors (default: that of --encoder)")
    adopt.add_argument(
        "--similarity", choices=["cosine", "dot"], help="how vectors are compared (default: as the encoder's)"
    )
    adopt.add_argument(
        "--normalize", action="store_true", help="divide each vector by its length; for arrays and flat FAISS indexes"
    )
    adopt.add_argument(
        "--nprobe", type=int, metavar="N", help="inverted lists that a search looks into (default: as the FAISS index)"
    )
    adopt.add_argument(
        "--unverified",
        action="store_true",
        help="do not compare vectors with what --encoder makes of their documents, and say so at each search",
    )


def run(options: argparse.Namespace) -> None:
    """Read, encode or adopt, store."""
    from typeahead.index import BadLines, FieldMap, Teacher, adopt_index, build_index, read_source

    bad = BadLines() if options.skip_bad_lines else None
    documents = read_source(
        options.source,
        FieldMap(options.id_field, options.title_field, options.text_field, options.url_field),
        kind=options.format,
        columns=options.columns.split(",") if options.columns else None,
        bad=bad,
    )
    warnings: list[str] = []
    with Progress() as progress:
        if options.vectors:
            config = models.read_config(models.find(options.encoder), verify=False)
            own = options.teacher in (None, config.teacher.name)
            if own and options.similarity not in (None, config.similarity):
                raise typeahead.TypeaheadError(
                    f"--similarity is {options.similarity}, but {config.teacher.name} compares by {config.similarity}"
                )
            manifest = adopt_index(
                options.vectors,
                documents,
                options.out,
                teacher=Teacher(options.teacher or config.teacher.name, config.teacher.revision if own else None),
                encoder=typeahead.load(options.encoder, threads=options.threads)
                if own and not options.unverified
                else None,
                unverified=options.unverified,
                similarity=options.similarity or config.similarity,
                normalize=options.normalize,
                dim=config.dim if own else None,
                ids=options.ids,
                backend=options.backend,
                nprobe=options.nprobe,
                dimensions=options.dimensions,
                progress=progress,
                warn=warnings.append,
                source=str(options.source),
            )
        else:
            manifest = build_index(
                documents,
                options.out,
                typeahead.load(options.encoder, threads=options.threads),
                backend=options.backend,
                dimensions=options.dimensions,
                batch=options.batch,
                progress=progress,
                resume=not options.no_resume,
                source=str(options.source),
            )
    if bad and bad.count:
        print(f"{bad.count} lines left out, the first: {bad.first[0]}", file=sys.stderr)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    dimensions = manifest.dimensions or manifest.dim
    print(f"{options.out}: {manifest.count:,} documents, {dimensions} dimensions, {manifest.backend}")
    if manifest.adoption:
        print(f"{options.out}: {manifest.adoption}")
