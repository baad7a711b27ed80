"""Whether each name of the standard library stands first when somebody types all of it.

    python -m benchmarks.full_names --index INDEX [--serve="FLAGS"] [--limit 1500]

INDEX is the demo's index, which ``typeahead demo`` leaves in ``.typeahead``. A real server searches it, with the
defaults of ``typeahead serve`` or with FLAGS. Each name in the index is typed into the empty field: all but its last
character, then the last character, then Enter. The table says, by kind, how often the document of this very name came
first after the last key and at Enter. Methods and attributes are typed with their class and module, as in
``json.JSONEncoder.encode``.

Kinds come from the running Python, so it has to be the version that built the index.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Any, Final

from benchmarks import options
from benchmarks.asking import ids, serving, typist
from typeahead.demo.building import qualified_name, stdlib_records
from typeahead.errors import TypeaheadError
from typeahead.index import open_index
from typeahead.progress import OnProgress, ProgressBar
from typeahead.tables import markdown, report

#: Order of the rows. Functions and classes of ``builtins`` count as built-in.
KINDS: Final = ("module", "built-in", "class", "function", "method", "attribute", "special form")


@dataclass(frozen=True)
class Outcome:
    """What came first for a name: the id of a document, or an empty string if there was none."""

    name: str
    kind: str
    at_key: str
    at_enter: str

    @property
    def right(self) -> bool:
        """Whether the name's own document came first both times."""
        return self.at_key == self.at_enter == self.name


def kind_of(record: Mapping[str, Any]) -> str:
    """The kind of a record's item, one of :data:`KINDS`."""
    kind = str(record["kind"])
    return "built-in" if record["home"] == "builtins" and kind in ("class", "function") else kind


def names_of(index: Path, records: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The names in an index with their kinds.

    Raises :class:`~typeahead.errors.TypeaheadError` if the index has other documents, because another version of Python
    built it or because it is not the demo's.
    """
    kinds: dict[str, str] = {}
    for record in records:
        # As in the demo: the first record of a name is its document.
        kinds.setdefault(qualified_name(record), kind_of(record))
    with open_index(index) as opened:
        names = list(opened.ids())
    strange = [name for name in names if name not in kinds]
    if strange:
        raise TypeaheadError(
            f"{index} holds {strange[0]!r}, which is no name of this Python: let typeahead demo build an index with it"
        )
    return {name: kinds[name] for name in names}


def type_names(
    address: str, names: Mapping[str, str], *, connections: int, progress: OnProgress | None = None
) -> list[Outcome]:
    """Type every name into the server at ``address``, over several connections at once; outcomes in the order given."""
    lock, done = Lock(), 0

    def part(start: int) -> list[Outcome]:
        nonlocal done
        outcomes = []
        with typist(address) as session:
            for name, kind in islice(names.items(), start, None, connections):
                # Results of the name before must not stand for this one.
                session.press("")
                session.press(name[:-1])
                at_key, at_enter = (next(iter(ids(reply)), "") for reply in (session.press(name), session.enter()))
                outcomes.append(Outcome(name, kind, at_key, at_enter))
                with lock:
                    done += 1
                    if progress is not None:
                        progress("typing names", done, len(names))
        return outcomes

    with ThreadPoolExecutor(connections) as pool:
        found = {outcome.name: outcome for outcomes in pool.map(part, range(connections)) for outcome in outcomes}
    return [found[name] for name in names]


def rows_of(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """The table: one row for each kind that was typed, and one for all of them."""
    groups = {kind: [one for one in outcomes if one.kind == kind] for kind in KINDS} | {"all": list(outcomes)}
    return [
        {
            "kind": kind,
            "names": len(group),
            "first at the key %": _share([one.at_key == one.name for one in group]),
            "first at Enter %": _share([one.at_enter == one.name for one in group]),
        }
        for kind, group in groups.items()
        if group
    ]


def _share(right: Sequence[bool]) -> float:
    return round(100 * sum(right) / len(right), 2)


def main(arguments: Sequence[str]) -> None:
    """Type and print."""
    parser = options.parser("full_names", __doc__)
    parser.add_argument("--index", type=Path, required=True, help="the demo's index")
    parser.add_argument(
        "--serve", default="", metavar="FLAGS", help='flags of typeahead serve, such as --serve="--hybrid linear"'
    )
    parser.add_argument("--limit", type=options.whole, metavar="N", help="type a random sample of N names (all)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the sample (0)")
    parser.add_argument("--connections", type=options.whole, default=4, help="sessions that type at once (4)")
    parser.add_argument("--failures", type=options.whole, default=50, metavar="N", help="failures to list (50)")
    chosen = parser.parse_args(arguments)
    names = names_of(chosen.index, list(stdlib_records()))
    total = len(names)
    if chosen.limit is not None and chosen.limit < total:
        names = {name: names[name] for name in random.Random(chosen.seed).sample(sorted(names), chosen.limit)}
    with serving(chosen.index, chosen.serve) as server, ProgressBar() as progress:
        outcomes = type_names(server.address, names, connections=chosen.connections, progress=progress)
    failed = [asdict(outcome) for outcome in outcomes if not outcome.right]
    if failed:
        print(f"What stood first instead, {min(len(failed), chosen.failures)} of {len(failed)}\n")
        print(markdown(failed[: chosen.failures]) + "\n")
    report(
        "Full names",
        rows_of(outcomes),
        json_path=chosen.json,
        names_in_the_index=total,
        names_typed=len(names),
        seed=chosen.seed,
        flags=chosen.serve or "none",
    )


if __name__ == "__main__":
    options.run(main)
