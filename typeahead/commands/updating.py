"""Updates an index in place, for ``typeahead index --update``, and makes an empty one, for ``--empty``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from typeahead.errors import IndexNotFound, ReplacementRefused, SourceError, TypeaheadError
from typeahead.progress import OnProgress

if TYPE_CHECKING:
    from typeahead.engines.updating import OpenEngine
    from typeahead.index import BadLines, Manifest
    from typeahead.index.drafts import Draft
    from typeahead.index.opened import OpenIndex
    from typeahead.index.upserting import Upserted
    from typeahead.text.mapping import Found


def add_arguments(group: argparse._ArgumentGroup) -> None:
    """Declare the arguments."""
    group.add_argument(
        "--update",
        action="store_true",
        help="write what is new or changed into the index at DIR, beside a running server, too; without an index, "
        "build one",
    )
    group.add_argument(
        "--delete-missing",
        action="store_true",
        help="with --update, delete documents that the sources no longer have, unless these are more than --max-shrink",
    )
    group.add_argument(
        "--empty", action="store_true", help="make an index without documents at DIR, to be written to later"
    )


def check(options: argparse.Namespace) -> None:
    """Refuse arguments that do not go together."""
    if options.delete_missing and not options.update:
        options.refuse("--delete-missing goes with --update: without it, the index is built anew from the sources")
    if options.update and options.vectors:
        options.refuse("--update takes vectors from a column alone: name it with --vectors-column")
    if options.empty and (options.source or options.out is None or options.update or options.upgrade):
        options.refuse("--empty makes an index without documents: give it --out DIR, and no SOURCE")


def exists(folder: Path) -> bool:
    """Whether there is an index to update. One that cannot be opened is there, and is an error later."""
    from typeahead.index import Manifest

    try:
        Manifest.read(folder)
    except IndexNotFound:
        return False
    return True


def create(folder: Path, encoder: str) -> Manifest:
    """Make an empty index for the vectors of a passage encoder."""
    from typeahead.encoders.loading import load
    from typeahead.index.build import recorded
    from typeahead.index.changes import compacting
    from typeahead.index.manifest import Teacher

    loaded = load(encoder)
    config = loaded.config
    if config.role == "query":
        raise TypeaheadError(f"encoder {config.name} encodes queries: give a passage encoder such as minilm-doc")
    return compacting.create(
        folder,
        Teacher(config.teacher.name, config.teacher.revision or None),
        loaded.dim,
        similarity=config.similarity,
        encoder=recorded(loaded, address_of(encoder)),
        passage_limit=config.max_tokens,
    )


def address_of(encoder: str) -> str:
    """Return the name or folder of an encoder as it is valid in any folder."""
    return str(Path(encoder).resolve()) if Path(encoder).is_dir() else encoder


def update(
    options: argparse.Namespace,
    read: Callable[[Mapping[str, str]], Iterable[Found]],
    bad: BadLines | None,
    progress: OnProgress,
) -> None:
    """Write what is new or changed, delete what is missing if that is asked for, and say what was done.

    ``read`` returns the documents of the sources; it is told the kinds that fields have in the index.
    """
    from typeahead.index.opened import OpenIndex

    with OpenIndex(options.out, options.encoder, threads=options.threads) as index:
        _update(index, options, read, bad, progress)


def update_engine(
    options: argparse.Namespace,
    encoder: str,
    read: Callable[[Mapping[str, str]], Iterable[Found]],
    bad: BadLines | None,
    progress: OnProgress,
) -> None:
    """Do the same with the table at an address; ``encoder`` encodes what has changed."""
    from typeahead.commands.sources import tell
    from typeahead.engines.updating import OpenEngine

    def warn(message: str) -> None:
        tell(f"warning: {message}")

    with OpenEngine(options.out, encoder, divide=options.divide, threads=options.threads, warn=warn) as engine:
        _update(engine, options, read, bad, progress)


def _update(
    index: OpenIndex | OpenEngine,
    options: argparse.Namespace,
    read: Callable[[Mapping[str, str]], Iterable[Found]],
    bad: BadLines | None,
    progress: OnProgress,
) -> None:
    before = len(index)
    seen: set[str] = set()
    report = index.upsert(_drafts(read(index.kinds()), seen), progress)
    deleted = 0
    error: TypeaheadError | None = _problem(report, bad)
    if error is None and options.delete_missing:
        try:
            deleted = delete_missing(index, seen, before, options.max_shrink, bad)
        except ReplacementRefused as refused:
            error = refused
    merge_if_due(index)
    print(f"{index.path}: {described(report, deleted)}; version {index.version}")
    if error is not None:
        raise error
    if not options.delete_missing and (missing := len(index) - len(seen)) > 0:
        print(
            f"{missing:,} documents of the index are not in the sources: --delete-missing deletes them",
            file=sys.stderr,
        )


def described(report: Upserted, deleted: int) -> str:
    """Say in one line what an update did."""
    return (
        f"{report.added:,} added, {report.count - report.added:,} changed, {report.unchanged:,} unchanged, "
        f"{deleted:,} deleted; {report.encoded:,} passages encoded"
    )


def delete_missing(
    index: OpenIndex | OpenEngine, seen: set[str], before: int, max_shrink: float, bad: BadLines | None = None
) -> int:
    """Delete the documents that are not among ``seen``, and return how many these are.

    Raises :class:`~typeahead.errors.ReplacementRefused`, and deletes nothing, if the sources had no documents or some
    that could not be read, or if more than the share ``max_shrink`` of the ``before`` documents would go.
    """
    missing = [key for key in index.ids() if key not in seen]
    if not missing:
        return 0
    after = len(index) - len(missing)
    if not seen:
        why = "the sources have no documents, so nothing is deleted: build the index anew if it is to be empty"
    elif bad is not None and bad.count:
        why = (
            f"{bad.count:,} lines could not be read, and may be those of the {len(missing):,} documents that are "
            "missing, so nothing is deleted: correct the lines first"
        )
    elif len(missing) > max_shrink * before:
        why = (
            f"{len(missing):,} of {before:,} documents are missing from the sources, so nothing is deleted: pass "
            f"--max-shrink 1 if that is intended (it is {max_shrink:g})"
        )
    else:
        return index.delete(missing).count
    raise ReplacementRefused(f"{index.path}: {why}", before=before, after=after, folder=Path(index.path))


def merge_if_due(index: OpenIndex | OpenEngine) -> None:
    """Merge the changes into the files of the index if they are many; a running server may be doing that already."""
    from typeahead.index.changes.compacting import compact
    from typeahead.index.staging import IndexBusy

    if index.due:
        with suppress(IndexBusy):
            compact(Path(index.path))


def _drafts(found: Iterable[Found], seen: set[str]) -> Iterator[Draft]:
    from typeahead.index.drafts import Draft

    for one in found:
        seen.add(one.document.id)
        yield Draft(one.document, None if one.vector is None else one.vector[None])


def _problem(report: Upserted, bad: BadLines | None) -> SourceError | None:
    """Return the error for documents that were not written; with ``bad`` they are counted there."""
    if not report.failed:
        return None
    first = report.errors[0]
    if bad is None:
        more = f" ({report.failed - 1:,} more could not be written either)" if report.failed > 1 else ""
        return SourceError(f"{first.message}{more}")
    for problem in report.errors:
        bad.add(SourceError(problem.message))
    bad.count += report.failed - len(report.errors)
    return None
