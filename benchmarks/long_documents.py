"""Facts near the ends of long documents: whether the box finds them, and shows them.

    python -m benchmarks.long_documents SOURCE [--out DIR] [--documents 200] [--seed 0] [--json PATH]

SOURCE is what ``typeahead index`` reads: a folder of HTML or Markdown, or a JSONL file. Documents of at least 8,000
code points are drawn, and a sentence from the last tenth of each: 8 to 25 words, at most 200 code points, and in no
other document. The query is all its words in their order, in lower case and without punctuation. All of SOURCE is
indexed at DIR (a temporary folder by default; an index that is there is used as it is), and searched by
:class:`typeahead.Box`.

Reported: how many of the documents are among the first 3 hits, and in how many of these hits the whole sentence stands
in the snippet, which has 300 code points as the server sends it.
"""

from __future__ import annotations

import random
import re
import sys
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import typeahead
from benchmarks import options
from typeahead.errors import TypeaheadError
from typeahead.index import Document, build_index, read_source
from typeahead.progress import ProgressBar
from typeahead.search.snippets import snippet
from typeahead.search.sought import sought
from typeahead.tables import report
from typeahead.text.dividing import divider_for

LONG = 8000
_TOP, _SNIPPET = 3, 300
_WORDS = range(8, 26)
_LONGEST = 200
#: The end of a sentence, and a line break, over which no sentence is taken.
_END = re.compile(r"(?<=[.!?])\s+|\n")
_WORD = re.compile(r"\w[\w'’-]*")


class Fact(NamedTuple):
    """A sentence, and the only document that has it."""

    document: str
    sentence: str

    @property
    def query(self) -> str:
        """What is typed for it."""
        return " ".join(_WORD.findall(self.sentence.lower()))


def plain(text: str) -> str:
    """Return the text with single spaces for white space."""
    return " ".join(text.split())


def sentences(text: str) -> list[str]:
    """The sentences in the last tenth of a text that can be asked for."""
    tail = text[len(text) * 9 // 10 :]
    # The first began before the tail.
    found = map(plain, _END.split(tail)[1:])
    return [one for one in found if one.endswith((".", "!", "?")) and len(one) <= _LONGEST and _fits(one)]


def _fits(sentence: str) -> bool:
    return len(_WORD.findall(sentence)) in _WORDS


def draw(documents: Iterable[Document], count: int, seed: int) -> list[Fact]:
    """Draw a sentence from each of ``count`` long documents, or from as many as there are."""
    documents = list(documents)
    texts = {document.id: plain(document.text) for document in documents}
    generator = random.Random(seed)
    long = sorted((one for one in documents if len(one.text) >= LONG), key=lambda one: one.id)
    generator.shuffle(long)
    facts: list[Fact] = []
    for document in long:
        if len(facts) == count:
            break
        candidates = sentences(document.text)
        generator.shuffle(candidates)
        for sentence in candidates:
            if not any(sentence in text for key, text in texts.items() if key != document.id):
                facts.append(Fact(document.id, sentence))
                break
    return facts


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = options.parser("long_documents", __doc__)
    parser.add_argument("source", type=Path, metavar="SOURCE", help="what typeahead index reads")
    parser.add_argument("--out", type=Path, metavar="DIR", help="the index, made if it is not there")
    parser.add_argument("--documents", type=options.whole, default=200, metavar="N", help="long documents (200)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the draw (0)")
    parser.add_argument("--encoder", default="minilm-doc", help="passage encoder of a new index")
    parsed = parser.parse_args(arguments)
    try:
        documents = list(read_source(parsed.source))
        facts = draw(documents, parsed.documents, parsed.seed)
        if not facts:
            raise TypeaheadError(f"{parsed.source} holds no document of {LONG} code points with a sentence to ask for")
        with ExitStack() as stack:
            out = parsed.out or Path(stack.enter_context(tempfile.TemporaryDirectory())) / "index"
            if not out.exists():
                encoder = typeahead.load(parsed.encoder)
                divider = divider_for(encoder)
                with ProgressBar() as progress:
                    build_index(
                        documents, out, encoder, progress=progress, divide=divider.divide, passage_limit=divider.limit
                    )
            box = stack.enter_context(typeahead.Box(out))
            found = [ask(box, fact) for fact in facts]
    except TypeaheadError as error:
        sys.exit(f"error: {error}")
    row = {
        "long documents": len(facts),
        f"in the top {_TOP}": sum(is_found for is_found, _ in found),
        "sentence in the snippet": sum(is_shown for _, is_shown in found),
    }
    missed = [fact.sentence for fact, (is_found, _) in zip(facts, found, strict=True) if not is_found]
    facts_of_run = {"documents": len(documents), "seed": parsed.seed, "missed": missed}
    report("Facts near the ends of long documents", [row], json_path=parsed.json, **facts_of_run)


def ask(box: typeahead.Box, fact: Fact) -> tuple[bool, bool]:
    """Whether the document of a fact is among the first hits, and whether its snippet holds the sentence."""
    for hit in box.search(fact.query, k=_TOP).hits:
        if hit.id == fact.document:
            return True, fact.sentence in plain(snippet(hit.text, sought(fact.query), _SNIPPET))
    return False, False


if __name__ == "__main__":
    main()
