"""Opens a collection as a back end: looks at it, checks whose vectors it holds, and reads its words.

Nothing in the collection is altered, and nothing of it is copied to disk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from typeahead.core.encoder import Vectors
from typeahead.engines.documents import Read
from typeahead.engines.milvus.address import MilvusAddress, read_address
from typeahead.engines.milvus.backend import MilvusBackend
from typeahead.engines.milvus.copy import Collection
from typeahead.engines.milvus.layout import Layout, everything, look
from typeahead.engines.milvus.searches import Searches
from typeahead.engines.milvus.server import Server
from typeahead.engines.milvus.writing import CollectionWrites
from typeahead.engines.payloads import read_rows
from typeahead.engines.polling import PolledCopy
from typeahead.engines.teachers import have_length_one, space_of
from typeahead.errors import AddressError, SearchError
from typeahead.index.adopt.agreement import SAMPLE
from typeahead.search.addresses import OpenOptions
from typeahead.search.port import Backend
from typeahead.search.space import Space

#: The most rows whose words are kept in memory.
MOST_ROWS: Final = 1_000_000


async def open_collection(address: str, options: OpenOptions) -> Backend:
    """Open the collection of an address.

    Raises :class:`~typeahead.errors.AddressError` with one line that says what is wrong, and
    :class:`~typeahead.errors.ModelError` for an encoder that cannot be loaded.
    """
    read = read_address(address)
    server = Server(read)
    copy: PolledCopy | None = None
    try:
        info: Mapping[str, Any] = await server.open()
        layout = await look(server, read, info)
        space = await _space(server, read, layout, options.warn)
        source = Collection(server, layout)
        words = read.words and _few(read, await source.count(documents=False), options.warn)
        copy = PolledCopy(source, words=words)
        await copy.open()
        if copy.skipped:
            options.warn(
                f"{read.collection}: {copy.skipped:,} rows are left out, as they have neither title nor text, no id, "
                "or the id of another row"
            )
        copy.follow()
        writes = None if layout.made is None or not words else CollectionWrites(server, source, copy, space)
        return MilvusBackend(
            read.shown,
            space,
            server,
            Searches(layout, read.ef, read.nprobe, lite=read.file is not None),
            copy,
            writes=writes,
        )
    except BaseException as error:
        if copy is not None:
            await copy.close()
        await server.close()
        if isinstance(error, SearchError) and not isinstance(error, AddressError):
            raise AddressError(read.shown, str(error).removeprefix(f"{read.shown} ")) from error
        raise


def _few(read: MilvusAddress, count: int, warn: Callable[[str], None]) -> bool:
    """Whether a collection has so few rows that its words may be kept in memory."""
    if count <= MOST_ROWS:
        return True
    warn(
        f"{read.collection} has {count:,} rows, and the words of at most {MOST_ROWS:,} are kept in memory: vectors "
        "alone are searched"
    )
    return False


async def _space(server: Server, read: MilvusAddress, layout: Layout, warn: Callable[[str], None]) -> Space:
    """Find out whose vectors a collection holds, and whether the metric serves."""
    made = layout.made
    if made is not None:
        return Space(str(made["teacher"]), made.get("revision"), layout.dim, str(made["similarity"]))
    documents, vectors = await _sample(server, layout)
    space = await space_of(read, read.collection, layout.dim, documents, vectors, warn)
    unlike = layout.metric == "L2" or (layout.metric == "COSINE") != (space.similarity == "cosine")
    if unlike and not have_length_one(vectors):
        raise AddressError(
            read.shown,
            f"vectors compare by {layout.metric}, which is like {space.similarity} only for vectors of length 1, and "
            f"these have others: make an index with the metric {'COSINE' if space.similarity == 'cosine' else 'IP'}",
        )
    return space


async def _sample(server: Server, layout: Layout) -> tuple[list[Read], Vectors]:
    """Some documents of a collection, and their vectors float32 (n, dim)."""
    entities = await server.call(
        "query",
        filter=everything(layout),
        output_fields=[*layout.payload, layout.vector],
        limit=SAMPLE,
        consistency_level="Bounded",
    )
    documents: list[Read] = []
    vectors: list[Vectors] = []
    for entity in entities:
        vector = layout.vector_of(entity)
        if vector is not None and (read := next(read_rows(layout, [layout.row(entity)]), None)) is not None:
            documents.append(read)
            vectors.append(vector)
    return documents, np.array(vectors, np.float32).reshape(len(vectors), layout.dim)
