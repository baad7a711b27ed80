"""Makes the collection of an index in Milvus.

A row is a passage, and the passages of a document are numbered from 0. Its fields are ``point``, the primary key,
``id``, ``passage``, ``title``, ``text``, ``url``, ``path``, ``anchor``, ``fields``, ``vector``, and ``changed``: the
time of its write in microseconds. ``path`` is within an object, as Milvus wants it. What nobody could find out from the
rows is in the collection's description, as JSON; Milvus Lite keeps no descriptions, so it is in a property there::

    {"typeahead": {"format": 1, "teacher": …, "revision": …, "similarity": "cosine", "encoder": …}}
"""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import Any, Final

from pymilvus import CollectionSchema, DataType, FieldSchema, MilvusClient

from typeahead.engines.milvus.layout import MADE
from typeahead.search.space import Space

FORMAT: Final = 1
VECTOR: Final = "vector"
#: Bytes that a text, or the JSON of all fields, has at most: Milvus holds no longer ones.
LONGEST: Final = 65_535
#: Bytes of a primary key.
_KEY: Final = 64
#: How the graph is built.
_GRAPH: Final = {"M": 16, "efConstruction": 200}


def described(space: Space, encoder: str = "", *, lite: bool = False) -> dict[str, Any]:
    """Return what the client's ``create_collection`` takes for the vectors of ``space``, beside the name."""
    said = {
        "format": FORMAT,
        "teacher": space.teacher,
        "revision": space.revision,
        "similarity": space.similarity,
        "encoder": encoder,
    }
    texts = ("id", "title", "text", "url", "anchor")
    schema = CollectionSchema(
        [
            FieldSchema("point", DataType.VARCHAR, is_primary=True, max_length=_KEY),
            *(FieldSchema(name, DataType.VARCHAR, max_length=LONGEST) for name in texts),
            FieldSchema("passage", DataType.INT64),
            FieldSchema("changed", DataType.INT64),
            FieldSchema("path", DataType.JSON),
            FieldSchema("fields", DataType.JSON),
            FieldSchema(VECTOR, DataType.FLOAT_VECTOR, dim=space.dim),
        ],
        description=json.dumps({MADE: said}),
    )
    index = MilvusClient.prepare_index_params()
    metric = "COSINE" if space.similarity == "cosine" else "IP"
    index.add_index(VECTOR, index_type="HNSW", index_name=VECTOR, metric_type=metric, params=_GRAPH)
    properties = {"properties": {MADE: json.dumps(said)}} if lite else {}
    return {"schema": schema, "index_params": index, "consistency_level": "Bounded", **properties}


def point_of(document: str, passage: int) -> str:
    """The primary key of a passage. Those of one document follow each other."""
    return f"{blake2b(document.encode(), digest_size=16).hexdigest()}-{passage:08}"
