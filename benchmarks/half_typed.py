"""What the demo shows for half-typed queries, before and after a change, judged blindly.

    python -m benchmarks.half_typed draw --seed 20261130 --count 60 > benchmarks/half_typed.txt
    python -m benchmarks.half_typed ask --index INDEX [--serve="FLAGS"] --out before.json
    python -m benchmarks.half_typed sheet before.json after.json --seed 1 --out sheet.md --key key.json
    python -m benchmarks.half_typed score verdicts.txt key.json

``draw`` draws names, questions and words from the documentation of the running Python and cuts each before its end
(benchmarks/half_drawn.py). It looks at no result. ``ask`` starts a real server on the demo's index, with the defaults
of ``typeahead serve`` or with FLAGS, types each query key by key without Enter, and writes the top rows. ``sheet`` puts
two such files side by side for a judge who does not know which is which (benchmarks/blind.py), and ``score`` counts the
lists that the judge found plainly wrong.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks import options
from benchmarks.asking import serving, typist
from benchmarks.blind import read_verdicts, score, sheet
from benchmarks.half_drawn import Drawn, draw
from typeahead.demo.building import stdlib_records
from typeahead.errors import SourceError
from typeahead.progress import OnProgress, ProgressBar
from typeahead.tables import report

QUERIES: Final = Path(__file__).with_name("half_typed.txt")

#: What of each reply is written down: the top rows, and code points of their text.
_ROWS: Final = 3
_TEXT: Final = 120


def written(queries: Sequence[Drawn], *, seed: int) -> str:
    """The list as a file: ``kind<TAB>query`` a line, under the command that draws it."""
    command = f"python -m benchmarks.half_typed draw --seed {seed} --count {len(queries)}"
    lines = [f"# {command} (Python {platform.python_version()})", *("\t".join(one) for one in queries)]
    return "\n".join(lines) + "\n"


def read_queries(path: Path) -> list[Drawn]:
    """Read what :func:`written` made.

    Raises :class:`~typeahead.errors.SourceError` for a file without queries and for a line without a kind.
    """
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    found = [line.split("\t") for line in lines]
    bad = next((line for line, parts in zip(lines, found, strict=True) if len(parts) != 2 or not parts[1]), None)
    if bad is not None or not lines:
        what = "holds no query" if bad is None else f"has a line that is not kind<TAB>query: {bad!r}"
        raise SourceError(f"{what}; draw a list with python -m benchmarks.half_typed draw", path=path)
    return [Drawn(kind, query) for kind, query in found]


def ask(address: str, queries: Sequence[Drawn], progress: OnProgress | None = None) -> list[dict[str, Any]]:
    """Type each query into an empty field of the server at ``address``; return what the page shows at the last key."""
    answers = []
    with typist(address) as session:
        for done, (kind, query) in enumerate(queries, 1):
            reply = session.spell(query)
            hits = [
                {"id": hit["id"], "title": hit["title"], "text": hit["text"][:_TEXT]}
                for hit in reply.get("hits", [])[:_ROWS]
            ]
            answers.append({"kind": kind, "query": query, "weak": reply.get("weak", False), "hits": hits})
            if progress is not None:
                progress("typing queries", done, len(queries))
    return answers


def _draw(chosen: argparse.Namespace) -> None:
    print(written(draw(list(stdlib_records()), chosen.count, chosen.seed), seed=chosen.seed), end="")


def _ask(chosen: argparse.Namespace) -> None:
    queries = read_queries(chosen.queries)
    with serving(chosen.index, chosen.serve) as server, ProgressBar() as progress:
        answers = ask(server.address, queries, progress)
    _write_json(chosen.out, {"flags": chosen.serve, "queries": answers})


def _sheet(chosen: argparse.Namespace) -> None:
    text, key = sheet(_read_json(chosen.before), _read_json(chosen.after), seed=chosen.seed)
    chosen.out.write_text(text, encoding="utf-8")
    _write_json(chosen.key, key)


def _score(chosen: argparse.Namespace) -> None:
    key = _read_json(chosen.key)
    verdicts = read_verdicts(chosen.verdicts.read_text(encoding="utf-8"), len(key["queries"]))
    report("Half-typed queries", score(verdicts, key), json_path=chosen.json)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SourceError(f"is not JSON: {error}", path=path) from error


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main(arguments: Sequence[str]) -> None:
    """Draw, ask, compare or count."""
    parser = options.parser("half_typed", __doc__)
    steps = parser.add_subparsers(required=True, metavar="STEP")

    step = steps.add_parser("draw", help="draw a list of queries and print it")
    step.add_argument("--seed", type=int, required=True)
    step.add_argument("--count", type=options.whole, required=True, help="number of queries")
    step.set_defaults(run=_draw)

    step = steps.add_parser("ask", help="type a list of queries into a server and write what it shows")
    step.add_argument("--index", type=Path, required=True, help="the demo's index")
    step.add_argument(
        "--serve", default="", metavar="FLAGS", help='flags of typeahead serve, such as --serve="--hybrid linear"'
    )
    step.add_argument("--queries", type=Path, default=QUERIES, help=f"the list ({QUERIES.name} of this folder)")
    step.add_argument("--out", type=Path, required=True, help="JSON file to write")
    step.set_defaults(run=_ask)

    step = steps.add_parser("sheet", help="make a blind sheet of two files from ask")
    step.add_argument("before", type=Path)
    step.add_argument("after", type=Path)
    step.add_argument("--seed", type=int, required=True, help="seed of the order of A and B")
    step.add_argument("--out", type=Path, required=True, help="sheet to write, Markdown")
    step.add_argument("--key", type=Path, required=True, help="JSON file that says which is which")
    step.set_defaults(run=_sheet)

    step = steps.add_parser("score", help="count what a judge found plainly wrong")
    step.add_argument("verdicts", type=Path, help="a line for each query, such as 1 wrong fine")
    step.add_argument("key", type=Path)
    step.set_defaults(run=_score)

    chosen = parser.parse_args(arguments)
    chosen.run(chosen)


if __name__ == "__main__":
    options.run(main)
