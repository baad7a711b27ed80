"""Collections for tests: those that this package makes, and those of somebody else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from pymilvus import CollectionSchema, DataType, FieldSchema

from tests.engines.milvus.servers import Milvus
from typeahead.core.encoder import Vectors
from typeahead.engines.milvus.creating import described
from typeahead.search.space import Space
from typeahead.text.document import Document

#: Parameters of an address for vectors that no encoder made.
STRANGE: Final = "teacher=test&unverified=yes"
Fill = Callable[[Milvus, str, Sequence[Document], Vectors], None]
GRAPH: Final = {"M": 16, "efConstruction": 64}


def silent(_: str) -> None:
    """Warnings are not what is tested."""


def make(
    milvus: Milvus,
    name: str,
    fields: Sequence[FieldSchema],
    rows: Sequence[dict[str, Any]],
    vectors: Vectors,
    *,
    metric: str = "COSINE",
    index: str = "HNSW",
    params: Any = None,
    dynamic: bool = False,
    vector: Any = None,
) -> None:
    """Make a collection with the field ``embedding``, and fill it."""
    embedding = vector or FieldSchema("embedding", DataType.FLOAT_VECTOR, dim=vectors.shape[1])
    schema = CollectionSchema([*fields, embedding], enable_dynamic_field=dynamic)
    indexes = milvus.client.prepare_index_params()
    indexes.add_index(
        "embedding",
        index_type=index,
        index_name="embedding",
        metric_type=metric,
        params=GRAPH if params is None else params,
    )
    milvus.client.create_collection(name, schema=schema, index_params=indexes)
    put(milvus, name, rows, vectors)


def put(milvus: Milvus, name: str, rows: Sequence[dict[str, Any]], vectors: Vectors) -> None:
    """Write rows, and wait until they are found."""
    if rows:
        milvus.client.insert(
            name, [{**row, "embedding": vector} for row, vector in zip(rows, sendable(vectors), strict=True)]
        )
    seen(milvus, name)


def sendable(vectors: Vectors) -> list[Any]:
    """Vectors as the client takes them."""
    return list(vectors) if vectors.dtype.itemsize == 2 else vectors.tolist()


def seen(milvus: Milvus, name: str) -> None:
    """Wait until what was written is found."""
    milvus.client.query(name, filter="", output_fields=["count(*)"], consistency_level="Strong")


def fill_own(milvus: Milvus, name: str, documents: Sequence[Document], vectors: Vectors) -> None:
    """Make an empty collection as this package does; documents are written later."""
    assert not documents
    milvus.client.create_collection(
        name, **described(Space("test", None, vectors.shape[1], "cosine"), lite=milvus.lite)
    )


def fill_plain(milvus: Milvus, name: str, documents: Sequence[Document], vectors: Vectors) -> None:
    """Make a collection with a column for each field, and ids of its own."""
    text = {"dtype": DataType.VARCHAR, "max_length": 2000}
    make(
        milvus,
        name,
        [
            FieldSchema("row", DataType.INT64, is_primary=True),
            *(FieldSchema(one, **text) for one in ("slug", "headline", "body", "link")),
            FieldSchema("year", DataType.INT16),
            FieldSchema("odd", DataType.BOOL),
            FieldSchema("a", DataType.DOUBLE),
            FieldSchema("tags", DataType.ARRAY, element_type=DataType.VARCHAR, max_capacity=8, max_length=50),
        ],
        [
            {"row": row, "slug": one.id, "headline": one.title, "body": one.text, "link": one.url, **plain(one)}
            for row, one in enumerate(documents)
        ],
        vectors,
    )


def fill_objects(milvus: Milvus, name: str, documents: Sequence[Document], vectors: Vectors) -> None:
    """Make a collection as frameworks do: ids as primary keys, texts, and JSON of all else; vectors by L2."""
    make(
        milvus,
        name,
        [
            FieldSchema("pk", DataType.VARCHAR, is_primary=True, max_length=100),
            FieldSchema("text", DataType.VARCHAR, max_length=2000),
            FieldSchema("metadata", DataType.JSON),
        ],
        [
            {"pk": one.id, "text": one.text, "metadata": {"title": one.title, "source": one.url, **plain(one)}}
            for one in documents
        ],
        vectors,
        metric="L2",
    )


def fill_dynamic(milvus: Milvus, name: str, documents: Sequence[Document], vectors: Vectors) -> None:
    """Make a collection whose schema has nothing but the primary key: all else is in the dynamic field."""
    make(
        milvus,
        name,
        [FieldSchema("id", DataType.VARCHAR, is_primary=True, max_length=100)],
        [{"id": one.id, "title": one.title, "text": one.text, "url": one.url, **plain(one)} for one in documents],
        vectors,
        metric="IP",
        index="IVF_FLAT",
        params={"nlist": 4},
        dynamic=True,
    )


def plain(document: Document) -> dict[str, Any]:
    """The fields as JSON."""
    return {name: list(one) if isinstance(one, tuple) else one for name, one in document.fields.items()}
