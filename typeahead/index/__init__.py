"""Index folders: build, adopt, open and search a folder of a teacher's vectors and their documents.

    index = open_index(Path("my-index"))
    hits = index.search(encoder.encode(["how to boil an egg"]), k=8)[0]

``manifest`` specifies the folder. FAISS is imported only by indexes that need it: ones with an HNSW graph, and
FAISS files that were adopted.
"""

from typeahead.index.adopt import adopt_index
from typeahead.index.backend import embed
from typeahead.index.build import build_index
from typeahead.index.folder import Index, open_index
from typeahead.index.guard import Guard
from typeahead.index.manifest import Manifest, Teacher
from typeahead.index.upgrade import upgrade_index
from typeahead.search.ranking import Hit
from typeahead.text.document import Document
from typeahead.text.sources import BadLines, FieldChoice, FieldMap, Skipped, read_embedded, read_source

__all__ = [
    "BadLines",
    "Document",
    "FieldChoice",
    "FieldMap",
    "Guard",
    "Hit",
    "Index",
    "Manifest",
    "Skipped",
    "Teacher",
    "adopt_index",
    "build_index",
    "embed",
    "open_index",
    "read_embedded",
    "read_source",
    "upgrade_index",
]
