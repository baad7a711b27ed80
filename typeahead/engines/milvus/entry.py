"""Where ``milvus://`` is opened and made: imports the client, or says how to install it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typeahead.errors import MissingExtra

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typeahead.core.encoder import Encoder
    from typeahead.engines.entries import Loaded
    from typeahead.index.build import Divide
    from typeahead.progress import OnProgress
    from typeahead.search.addresses import OpenOptions
    from typeahead.search.port import Backend
    from typeahead.text.document import Document


async def open_milvus(address: str, options: OpenOptions) -> Backend:
    """Open the collection of an address. Raises what :func:`.opening.open_collection` does, and MissingExtra."""
    _need_client()
    from typeahead.engines.milvus.opening import open_collection

    return await open_collection(address, options)


def is_address(out: object) -> bool:
    """Whether an output is the address of a collection, and no folder."""
    return str(out).startswith(("milvus://", "milvuss://"))


def load_documents(
    address: str,
    documents: Iterable[Document],
    encoder: Encoder,
    *,
    divide: Divide | None = None,
    encoder_address: str = "",
    progress: OnProgress | None = None,
) -> Loaded:
    """Write documents into a new collection. Raises what :func:`.loading.load_collection` does, and MissingExtra."""
    _need_client()
    from typeahead.engines.milvus.address import read_address
    from typeahead.engines.milvus.loading import load_collection

    return load_collection(
        read_address(address), documents, encoder, divide=divide, encoder_address=encoder_address, progress=progress
    )


def _need_client() -> None:
    try:
        import pymilvus
    except ImportError as error:
        raise MissingExtra("pymilvus", "milvus") from error
    del pymilvus
