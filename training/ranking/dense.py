"""The vectors of a whole collection on disk, and exact search in them, for later rounds of hard negatives.

The sibling :mod:`training.ranking.bm25` searches by words. Unlike :mod:`typeahead.index`, which serves people, this
search takes hundreds of thousands of queries at once, on a GPU if there is one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from training.data import Collection
from training.ranking.encoding import PassageEncoder, blocks, encode, passage_ids
from training.teacher.torch_teacher import TorchTeacher
from training.teacher.vectors import VectorCache

#: Passages in a file. A kill costs at most this many.
SHARD = 16_384


class CollectionVectors:
    """A passage encoder's vectors of a collection, in float16 files of :data:`SHARD` rows, in the collection's order.

    The folder's name depends on the encoder, its prompt and the collection. So every file in it is right, and
    :meth:`fill` only computes what is missing.
    """

    def __init__(self, folder: Path, teacher: TorchTeacher, collection: Collection) -> None:
        name = f"collection-{collection.digest}"
        if teacher.passage_prompt:
            written = (teacher.passage_prompt + "\0 ").encode()
            name += "-" + hashlib.blake2b(written, digest_size=4).hexdigest()
        self.folder = folder / teacher.key() / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self._teacher, self._collection = teacher, collection
        self._blocks = list(blocks(len(collection), SHARD))

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:05d}.npy"

    def fill(self, *, process: int = 0, processes: int = 1, cache: VectorCache | None = None) -> None:
        """Encode the missing files of this process's share.

        With a ``cache``, which needs a single process, it keeps each vector by its text, too. A round of training with
        a frozen passage encoder finds them there.
        """
        encoder = PassageEncoder(self._teacher)
        mine = [number for number in range(process, len(self._blocks), processes) if not self._path(number).is_file()]
        total = sum(len(self._blocks[number]) for number in mine)
        with tqdm(total=total, desc="passages", unit="passage", disable=None, mininterval=5) as progress:
            for number in mine:
                texts = [self._collection[row].whole() for row in self._blocks[number]]
                # Some collections give passages as token ids.
                plain = [text for text in texts if isinstance(text, str)]
                if cache is not None and len(plain) == len(texts):
                    cache.fill(plain, prompt=self._teacher.passage_prompt, label="passages")
                    vectors = cache.get(plain, prompt=self._teacher.passage_prompt)
                else:
                    vectors = encode(encoder, passage_ids(self._teacher, texts), self._teacher.device)
                vectors = vectors.astype(np.float16)
                if not np.isfinite(vectors).all():
                    raise ValueError(f"{self._teacher.name} gave a vector that is not finite: try dtype float32")
                partial = self._path(number).with_suffix(".partial")
                with partial.open("wb") as file:
                    np.save(file, vectors)
                partial.replace(self._path(number))
                progress.update(len(texts))

    def __iter__(self) -> Iterator[tuple[int, np.ndarray]]:
        """The first row of each file, and its vectors, float16, mapped into memory."""
        for number, rows in enumerate(self._blocks):
            yield rows.start, np.load(self._path(number), mmap_mode="r")


@torch.inference_mode()
def search(
    queries: np.ndarray, shards: Iterable[tuple[int, np.ndarray]], depth: int, device: torch.device
) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each query, rows int64 and scores float32 of the ``depth`` passages with the largest inner products.

    ``queries`` are float32 (n, dim). The best passage comes first; equal scores are in the order of their rows.
    """
    asked = torch.from_numpy(queries).to(device)
    best = torch.full((len(asked), 0), 0.0, device=device)
    rows = torch.zeros((len(asked), 0), dtype=torch.int64, device=device)
    for first, vectors in shards:
        scores = asked @ torch.from_numpy(np.array(vectors)).to(device).float().T
        top = scores.topk(min(depth, scores.shape[1]), dim=1)
        merged, found = torch.cat([best, top.values], 1), torch.cat([rows, top.indices + first], 1)
        kept = merged.topk(min(depth, merged.shape[1]), dim=1)
        best, rows = kept.values, found.gather(1, kept.indices)
    return [_ordered(*pair) for pair in zip(rows.cpu().numpy(), best.cpu().numpy(), strict=True)]


def _ordered(rows: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.lexsort((rows, -scores))
    return rows[order], scores[order]
