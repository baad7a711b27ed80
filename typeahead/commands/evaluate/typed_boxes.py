"""The boxes that ``typeahead evaluate typed`` was asked for: ours by its server, engines, and the teacher."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from typeahead.commands import warn
from typeahead.commands.evaluate import common
from typeahead.errors import MissingExtra, TypeaheadError

if TYPE_CHECKING:
    from typeahead.evaluate.measures.typists import Gaps
    from typeahead.evaluate.peers import Peer
    from typeahead.evaluate.typed.boxes import Box
    from typeahead.evaluate.typed.source import Source
    from typeahead.evaluate.vectors.passages import PassageVectors
    from typeahead.text.document import Document

#: The box with the server's default settings, and the peers' names in tables.
DEFAULT = "typeahead"
PEERS = {"typesense": "Typesense", "bm25": "BM25, last word as prefix"}
_TEACHER, _DEBOUNCED = "teacher at every key", "teacher, debounced 150 ms"

Opener = Callable[[], AbstractContextManager["Box"]]


class Boxes:
    """The boxes of a command line.

    What cannot work is refused at once: two boxes of one name, a teacher that cannot be loaded, typing that cannot be
    read. :attr:`source` has to be set before boxes are opened.

    Attributes:
        left_out: the reason for each box that cannot be measured here, by its name.
        source: the documents that every box searches.
    """

    source: Source

    def __init__(self, options: argparse.Namespace) -> None:
        names = [*(name for name, _ in options.serve), *PEERS.values(), _TEACHER, _DEBOUNCED]
        if twice := {name for name in names if names.count(name) > 1}:
            raise TypeaheadError(f"two boxes are called {min(twice)}: give --serve another label")
        self.left_out: dict[str, str] = {}
        self._options = options
        self._teacher = self._load_teacher()
        self._gaps = self._load_gaps()

    def openers(self, folder: Path) -> Iterator[tuple[str, Opener, bool]]:
        """Each box's name, a function that opens it, and whether it is ours.

        An index that is built for our boxes goes below ``folder``.
        """
        from typeahead.evaluate.typed.lexical import bm25_prefix
        from typeahead.evaluate.typed.served import served
        from typeahead.evaluate.typed.typesense import typesense

        index = self.source.index or self._build(folder / "index")
        for name, flags in ({DEFAULT: ""} | dict(self._options.serve)).items():
            yield name, partial(served, name, index, flags), True
        engines: dict[str, Callable[[list[Document]], AbstractContextManager[Box]]] = {
            "typesense": typesense,
            "bm25": bm25_prefix,
        }
        for peer in dict.fromkeys(self._options.peers):
            yield PEERS[peer], partial(engines[peer], self.source.documents), False
        if self._teacher is not None:
            yield from self._teachers(self._teacher)

    def _load_teacher(self) -> Peer | None:
        from typeahead.evaluate.peers import load_peer

        given = self._options.teacher
        if not given:
            return None
        try:
            peer = load_peer(given if ":" in given else f"st:{given}", threads=self._options.threads)
        except MissingExtra as error:
            self.left_out[_TEACHER] = str(error)
            return None
        if peer.encoder is None:
            raise TypeaheadError(f"{given} has no embeddings: --teacher has to be an encoder")
        return peer

    def _load_gaps(self) -> Gaps | None:
        from typeahead.evaluate.measures.typists import Gaps

        if self._options.traces:
            return Gaps.read(self._options.traces)
        if self._teacher is not None:
            self.left_out[_DEBOUNCED] = "it needs recorded typing for its gaps: give --traces"
        return None

    def _teachers(self, peer: Peer) -> Iterator[tuple[str, Opener, bool]]:
        from typeahead.evaluate.typed.teacher import DebouncedBox, TeacherBox

        box = TeacherBox(peer.encoder, self._vectors(peer), threads=self._options.threads)
        yield _TEACHER, lambda: nullcontext(box), False
        if self._gaps is not None:
            debounced = DebouncedBox(box, self._gaps, seed=self._options.seed)
            yield _DEBOUNCED, lambda: nullcontext(debounced), False

    def _vectors(self, peer: Peer) -> PassageVectors:
        return common.encoded_passages(self._options, self.source.dataset(), peer)

    def _build(self, out: Path) -> Path:
        """Build an index of the documents: by a passage encoder of ours, or with vectors of the teacher itself."""
        import numpy as np

        import typeahead
        from typeahead.index import Teacher, adopt_index, build_index
        from typeahead.progress import ProgressBar

        encoder = common.load_passage_encoder(self._options)
        documents, described = self.source.documents, str(self._options.source)
        with ProgressBar() as progress:
            if encoder.folder is not None:
                build_index(documents, out, encoder.encoder, progress=progress, source=described)
                return out
            vectors = out.with_suffix(".npy")
            np.save(vectors, self._vectors(encoder).to_array())
            # A sample is encoded by our own passage encoder: vectors of another teacher are refused.
            ours = typeahead.load("minilm-doc")
            adopt_index(
                vectors,
                documents,
                out,
                teacher=Teacher(ours.config.teacher.name, ours.config.teacher.revision),
                encoder=ours,
                progress=progress,
                warn=warn,
                source=described,
            )
        return out
