"""Uses all compiled code as a server does, and tells how often it was compiled and loaded: ``python -m … FOLDER``.

FOLDER is for an index. Prints JSON: by function, ``[hits, misses]`` of Numba's cache.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

import typeahead
from typeahead.core.encoder import IncrementalEncoder
from typeahead.core.engine import Engine
from typeahead.encoders.compiled.caching import dispatchers
from typeahead.encoders.compiled.recurrent import CompiledStep
from typeahead.encoders.compiled.vnni import supported
from typeahead.index.approximate import HnswVectors, build_graph
from typeahead.index.build import build_index
from typeahead.models.folder import find, read_config, shipped_models
from typeahead.search.addresses import open_backend
from typeahead.search.asking import Asker
from typeahead.search.filters import Equal
from typeahead.search.narrowing import Narrowing
from typeahead.search.port import Backend, Entry
from typeahead.text.dividing import divider_for
from typeahead.text.document import Document

LONG = " ".join(f"Boil {number} eggs in salted water for {number} minutes." for number in range(1, 60))
DOCUMENTS = [
    Document("egg", "How to boil an egg", LONG, fields={"kind": "food"}),
    Document("tea", "Black tea", "Pour boiling water over the leaves.", fields={"kind": "drink"}),
    *(Document(f"d{number}", f"Number {number}", f"Nothing about {number} eggs.") for number in range(40)),
]
TEXTS = ["how to boil an eg", "black tea", "eggs 7 minutes"]


def type_with(encoder: IncrementalEncoder) -> None:
    engine = Engine(encoder)
    sessions = [engine.session() for _ in range(6)]
    for end in range(1, 12):
        for number, session in enumerate(sessions):
            session.set_text(f"{number} how to boil an egg"[:end])
        engine.advance(sessions)
    encoder.encode([LONG, *TEXTS])


def step_both_readouts() -> None:
    """The residual GRU with a linear read-out and with a layer: what ships has one of them."""
    config, rng = read_config(find("minilm-gru")), np.random.default_rng(0)
    linear = {"recurrent": (64, 192), "readout": (128, 64)}
    layer = {"inner": (64, 128), "inner.states": (128, 128), "outer": (128, 64)}
    for readout, products in ((0, linear), (128, linear | layer)):
        tensors: dict[str, np.ndarray] = {}
        for name, (rows, columns) in products.items():
            tensors[name] = rng.integers(-127, 128, (rows, columns)).astype(np.int8)
            tensors[f"{name}.scale"] = tensors[f"{name}.bias"] = np.full(columns, 1e-3, np.float32)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "weights.safetensors"
            save_file(tensors, path)
            shape = {"hidden": 64, "state": 193, "readout": readout}
            step = CompiledStep(replace(config, dim=64, shape=shape), path, np.ones((9, 258), np.float16))
        for tokens in (np.arange(4), np.arange(8)[::2]):
            step(np.zeros((4, 193), np.float32), tokens)


def search_graph(folder: Path) -> None:
    vectors = np.random.default_rng(1).standard_normal((6000, 32)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    folder.mkdir()
    build_graph(vectors, folder / "graph.faiss", lambda _: None)
    search = HnswVectors(vectors, folder / "graph.faiss", 64)
    search.nearest(vectors[:2], 5, np.arange(6000) % 2 == 0)


async def search(backend: Backend, asker: Asker) -> None:
    for narrowing in (Narrowing(None, (), 0), Narrowing(Equal("kind", "food"), ("kind",), 0)):
        requests = asker.ask(TEXTS, 5, narrowing=narrowing)
        for batch in (requests, requests[:1]):
            await backend.candidates(batch, time.monotonic() + 60)


async def search_index(folder: Path) -> None:
    passages = typeahead.load("minilm-doc")
    divide = divider_for(passages).divide
    build_index(DOCUMENTS, folder, passages, divide=divide, passage_limit=passages.config.max_tokens)
    encoder = typeahead.load("minilm-gru")
    assert isinstance(encoder, IncrementalEncoder)
    asker = Asker(Engine(encoder), words=True, continuations=0)
    backend = await open_backend(str(folder))
    try:
        await search(backend, asker)
        assert backend.capabilities.writes is not None
        assert backend.capabilities.scoped is not None
        written = [
            Document("new", "Eggs, again", LONG, fields={"kind": "food"}),
            Document("short", "An egg", "Boil it."),
        ]
        divided = [(document, divide(document)) for document in written]
        vectors = [passages.encode([document.encoded(one) for one in parts]) for document, parts in divided]
        entries = [Entry(document, parts, found) for (document, parts), found in zip(divided, vectors, strict=True)]
        version = await backend.capabilities.writes.upsert(entries)
        while int(backend.version) < version:
            await asyncio.sleep(0.05)
        await search(backend, asker)
        scoped = await backend.capabilities.scoped(Equal("kind", "food"))
        await search(scoped, asker)
        await scoped.close()
    finally:
        await backend.close()


def main() -> None:
    folder = Path(sys.argv[1])
    for name in shipped_models():
        encoder = typeahead.load(name)
        if isinstance(encoder, IncrementalEncoder):
            type_with(encoder)
    if supported():
        step_both_readouts()
    search_graph(folder / "graph")
    asyncio.run(search_index(folder / "index"))
    counted = {}
    for name, function in dispatchers():
        found = function.stats
        counted[name] = [sum(found.cache_hits.values()), sum(found.cache_misses.values())]
    print(json.dumps(counted))


if __name__ == "__main__":
    main()
