"""Recognises indexes of other libraries, and says how to export their documents and vectors.

LangChain keeps documents as a pickle, which runs code of its author when it is loaded, so typeahead never opens one.
The library itself, which made the folder, can export it: as JSONL with vectors, which are adopted.
"""

from __future__ import annotations

from pathlib import Path

from typeahead.errors import SourceError

_THEN = """

and adopt its vectors:

    typeahead index export.jsonl --vectors-column vector --teacher MODEL --out DIR"""

_LANGCHAIN = """a FAISS store of LangChain, whose documents are a pickle. Loading a pickle can run any code, so it stays
closed. If you trust the folder, export it with LangChain:

    import json; from langchain_community.vectorstores import FAISS
    store = FAISS.load_local({folder!r}, None, {name!r}, allow_dangerous_deserialization=True)
    for row, key in store.index_to_docstore_id.items():
        document = store.docstore.search(key)
        print(json.dumps({{"id": key, "text": document.page_content, "fields": document.metadata,
                          "vector": store.index.reconstruct(row).tolist()}}))"""

_LLAMA_INDEX = """a folder of LlamaIndex. Export it with LlamaIndex:

    import json; from llama_index.core import StorageContext
    store = StorageContext.from_defaults(persist_dir={folder!r})
    for key, node in store.docstore.docs.items():
        print(json.dumps({{"id": key, "text": node.get_content(), "fields": node.metadata,
                          "vector": store.vector_store.get(key)}}))"""

_CHROMA = """a folder of Chroma. Export it with Chroma:

    import chromadb, json
    found = chromadb.PersistentClient({folder!r}).get_collection("NAME").get(
        include=["documents", "metadatas", "embeddings"])
    for key, text, fields, vector in zip(*(found[name] for name in ("ids", "documents", "metadatas", "embeddings"))):
        print(json.dumps({{"id": key, "text": text, "fields": fields or {{}}, "vector": list(map(float, vector))}}))"""

_LANCEDB = """a folder of LanceDB. Export a table with LanceDB:

    import lancedb, pyarrow.parquet
    pyarrow.parquet.write_table(lancedb.connect({folder!r}).open_table({name!r}).to_arrow(), "export.parquet")

and adopt its vectors:

    typeahead index export.parquet --vectors-column vector --teacher MODEL --out DIR"""


def refuse_foreign(path: Path) -> None:
    """Raise :class:`~typeahead.errors.SourceError` for an index of another library."""
    message = _recognised(path)
    if message is not None:
        raise SourceError(f"is {message}", path=path)


def _recognised(path: Path) -> str | None:
    folder = path
    if path.suffix in (".pkl", ".faiss"):
        folder = path.parent
    if not folder.is_dir():
        return None
    for pickle in sorted(folder.glob("*.pkl")):
        if pickle.with_suffix(".faiss").is_file() and path in (folder, pickle, pickle.with_suffix(".faiss")):
            return _LANGCHAIN.format(folder=str(folder), name=pickle.stem) + _THEN
    if (folder / "docstore.json").is_file() and (folder / "index_store.json").is_file():
        return _LLAMA_INDEX.format(folder=str(folder)) + _THEN
    if (folder / "chroma.sqlite3").is_file():
        return _CHROMA.format(folder=str(folder)) + _THEN
    for table in sorted([path] if path.suffix == ".lance" else folder.glob("*.lance")):
        if (table / "_versions").is_dir():
            return _LANCEDB.format(folder=str(table.parent), name=table.stem)
    return None
