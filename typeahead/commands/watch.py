"""Keep an index up to date with a folder: its files are followed, and what changes is written.

First the whole folder is compared with the index, as by `typeahead index FOLDER --update`; without an index, one is
made. Then changed files are read again, and the documents of deleted files are deleted. A running server shows that
within a second or two. A folder that is gone, or has lost more than --max-shrink of its documents at once, may be
unmounted: then nothing is deleted, and following goes on. Ctrl+C ends it.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typeahead.commands import updating
from typeahead.commands.index import ENCODER, share
from typeahead.commands.sources import add_pages, add_reading, reading, tell
from typeahead.errors import MissingExtra, SourceError, TypeaheadError
from typeahead.progress import ProgressBar

if TYPE_CHECKING:
    from typeahead.index.mirror import Look, Mirror
    from typeahead.index.opened import OpenIndex
    from typeahead.text.mapping import Found

#: Milliseconds between two looks at the folder itself.
_LOOK_MS = 1000
#: Milliseconds without a change after which a burst of changes is over, and that a burst lasts at most.
_QUIET_MS, _BURST_MS = 100, 2000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.usage = f"{parser.prog} FOLDER --out DIR [options]"
    parser.set_defaults(refuse=parser.error, vectors=None, by_passage=False)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the folder")
    parser.add_argument("--out", type=Path, metavar="DIR", required=True, help="folder of the index")
    parser.add_argument(
        "--delete-missing",
        action="store_true",
        help="delete, at the start, documents of the index that the folder does not have; without it, only documents "
        "that vanish while the folder is followed",
    )
    parser.add_argument(
        "--max-shrink",
        type=share,
        default=0.5,
        metavar="SHARE",
        help="delete nothing if more than this share of the documents vanish at once, from 0 to 1",
    )
    parser.add_argument(
        "--encoder", help=f"passage encoder: a model's name or folder (default: the one of the index, or {ENCODER})"
    )
    parser.add_argument("--threads", type=int, default=0, help="threads for encoding (default: all cores)")
    parser.add_argument("--text-field", metavar="NAME", help="field with the text (default: text)")
    parser.add_argument("--title-field", metavar="NAME", help="field with the title (default: title)")
    parser.add_argument("--skip-bad-lines", action="store_true", help="skip unusable lines and count them")
    add_reading(parser.add_argument_group("reading the documents"))
    add_pages(parser.add_argument_group("folders of documentation"))


def run(options: argparse.Namespace) -> None:
    """Update the index, then follow the folder until Ctrl+C."""
    from typeahead.index.opened import OpenIndex

    watch = _watchfiles()
    if not options.folder.is_dir():
        raise SourceError("there is no such folder", path=options.folder)
    stop = threading.Event()
    with _stopped_by_signals(stop):
        if not updating.exists(options.out):
            updating.create(options.out, options.encoder or ENCODER)
        with OpenIndex(options.out, options.encoder, threads=options.threads) as index:
            mirror = _mirror(options, index, stop)
            _start(options, index, mirror)
            print(f"following {options.folder}; Ctrl+C ends it", file=sys.stderr, flush=True)
            follow(watch, options.folder, options.out, mirror, stop, lambda look: _say(options, index, look))
    print(f"{options.out}: stopped", file=sys.stderr)


def follow(watch: Any, folder: Path, out: Path, mirror: Mirror, stop: threading.Event, said: Any) -> None:
    """Look whenever ``watch`` (:func:`watchfiles.watch`) tells of a change, or the folder is another one."""
    inside = str(out.resolve())

    def counts(_: object, path: str) -> bool:
        return not path.startswith(inside)

    while not stop.is_set():
        seen = _identity(folder)
        if seen is None:
            said(mirror.look())
            stop.wait(_LOOK_MS / 1000)
            continue
        first = True
        try:
            for changes in watch(
                folder.resolve(),
                watch_filter=counts,
                debounce=_BURST_MS,
                step=_QUIET_MS,
                stop_event=stop,
                rust_timeout=_LOOK_MS,
                yield_on_timeout=True,
            ):
                # Only now is the folder followed, and it may have changed before.
                if changes or first:
                    said(mirror.look())
                first = False
                if _identity(folder) != seen:
                    break
        except FileNotFoundError:
            continue
        except (OSError, RuntimeError) as error:
            raise TypeaheadError(
                f"{folder} cannot be followed ({error}): set the environment variable WATCHFILES_FORCE_POLLING=true"
            ) from error


def _watchfiles() -> Any:
    try:
        from watchfiles import watch
    except ImportError as error:
        raise MissingExtra("watchfiles", "watch") from error
    return watch


def _identity(folder: Path) -> tuple[int, int] | None:
    """What changes when another folder is mounted, or put, in the place of this one; None if there is none."""
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


@contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """Let the first SIGINT or SIGTERM set ``stop``; a second one interrupts whatever is being done."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def end(number: int, _: object) -> None:
        stop.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _mirror(options: argparse.Namespace, index: OpenIndex, stop: threading.Event) -> Mirror:
    from typeahead.index import BadLines, Skipped
    from typeahead.index.mirror import Mirror
    from typeahead.text.sources import read_files

    def read(only: Collection[Path] | None) -> Iterator[Found]:
        bad = BadLines() if options.skip_bad_lines else None
        names, how = reading(options, bad, Skipped(), index.kinds())
        yield from read_files(options.folder, names, only, **how)
        if bad is not None and bad.count:
            tell(f"{bad.count:,} lines skipped, the first: {bad.first[0]}")

    return Mirror(
        options.folder,
        index,
        read,
        max_shrink=options.max_shrink,
        tell=tell,
        wait=stop.wait,
        without=options.out,
    )


def _start(options: argparse.Namespace, index: OpenIndex, mirror: Mirror) -> None:
    before = len(index)
    with ProgressBar() as progress:
        look = mirror.first(progress)
    if options.delete_missing:
        look.deleted = updating.delete_missing(index, mirror.ids, before, options.max_shrink)
    _say(options, index, look, always=True)
    if missing := len(index) - len(mirror.ids):
        tell(f"{missing:,} documents of the index are not in the folder, and stay: --delete-missing deletes them")


def _say(options: argparse.Namespace, index: OpenIndex, look: Look, *, always: bool = False) -> None:
    for problem in look.report.errors:
        tell(problem.message)
    if look.did_anything or always:
        done = updating.described(look.report, look.deleted)
        print(f"{options.out}: {done}; version {index.version}", flush=True)
        updating.merge_if_due(index)
