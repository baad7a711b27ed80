"""Makes the collection of an index in Qdrant.

A point is a passage, and the passages of a document are numbered from 0. Its payload has ``id``, ``passage``,
``title``, ``text``, ``url``, ``path``, ``anchor``, ``fields``, and ``changed``: the time of its write in microseconds.
What nobody could find out from the points is in the collection's metadata, as JSON::

    {"typeahead": {"format": 1, "teacher": …, "revision": …, "similarity": "cosine", "encoder": …}}
"""

from __future__ import annotations

from typing import Any, Final

from qdrant_client import models

from typeahead.search.space import Space

FORMAT: Final = 1
#: The payload indexes of a collection, for reading documents by their ids and for following changes.
INDEXES: Final = {
    "id": models.PayloadSchemaType.KEYWORD,
    "passage": models.PayloadSchemaType.INTEGER,
    "changed": models.PayloadSchemaType.INTEGER,
}


def described(space: Space, encoder: str = "") -> dict[str, Any]:
    """Return what the client's ``create_collection`` takes for the vectors of ``space``, beside the name."""
    distance = models.Distance.COSINE if space.similarity == "cosine" else models.Distance.DOT
    said = {
        "format": FORMAT,
        "teacher": space.teacher,
        "revision": space.revision,
        "similarity": space.similarity,
        "encoder": encoder,
    }
    return {
        "vectors_config": models.VectorParams(size=space.dim, distance=distance),
        "metadata": {"typeahead": said},
    }
