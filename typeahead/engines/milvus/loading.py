"""Makes a collection of documents: ``typeahead index SOURCE --out milvus://…``.

A collection appears at once, and fills while documents are encoded. Where that fails, it is deleted again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress

from typeahead.core.encoder import Encoder
from typeahead.engines.entries import Entries, Loaded, batches, entries_by, space_of
from typeahead.engines.milvus.address import MilvusAddress
from typeahead.engines.milvus.creating import described
from typeahead.engines.milvus.server import Server
from typeahead.engines.milvus.writing import rows_of
from typeahead.errors import AddressError, SearchError
from typeahead.index.build import Divide
from typeahead.progress import OnProgress, no_progress
from typeahead.search.space import Space
from typeahead.text.document import Document


def load_collection(
    address: MilvusAddress,
    documents: Iterable[Document],
    encoder: Encoder,
    *,
    divide: Divide | None = None,
    encoder_address: str = "",
    progress: OnProgress | None = None,
    entries: Entries | None = None,
) -> Loaded:
    """Encode documents and write them into a new collection, with a graph of its vectors.

    ``entries`` makes entries of documents, if not the encoder. Raises :class:`~typeahead.errors.AddressError` if there
    is such a collection already, or it cannot be made, and :class:`~typeahead.errors.SourceError` for documents that
    cannot be written.
    """
    make = entries or entries_by(encoder, divide)
    try:
        return asyncio.run(_load(address, documents, space_of(encoder), make, encoder_address, progress or no_progress))
    except SearchError as error:
        if isinstance(error, AddressError):
            raise
        raise AddressError(address.shown, f"the collection cannot be written: {error}") from error


async def _load(
    address: MilvusAddress,
    documents: Iterable[Document],
    space: Space,
    make: Entries,
    encoder_address: str,
    tell: OnProgress,
) -> Loaded:
    server = Server(address)
    try:
        if not await server.create(**described(space, encoder_address, lite=address.file is not None)):
            raise AddressError(
                address.shown, f"there is a collection {address.collection} already: delete it, or name another"
            )
        try:
            count = passages = 0
            changed = time.time_ns() // 1000
            for part in batches(documents):
                made = await asyncio.to_thread(make, part)
                rows = [row for entry in made for row in rows_of(entry, changed)]
                await server.call("insert", data=rows)
                count, passages = count + len(made), passages + len(rows)
                tell("encode", count, None)
        except BaseException:
            with suppress(SearchError):
                await server.call("drop_collection")
            raise
        return Loaded(count, passages)
    finally:
        await server.close()
