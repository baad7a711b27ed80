"""The texts of a run as token ids and teacher vectors, and batches of them.

Each file of a recipe is read, tokenised and looked up once, whichever stages use it. A stage is a set of row numbers.
All token ids lie in one array, so a batch is put together without a loop over its texts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from training.data import Example, is_development, read_examples
from training.recipe import Recipe, StageRecipe
from training.teacher.torch_teacher import TorchTeacher
from training.teacher.vectors import VectorCache
from typeahead.moved import moved_names

#: Texts tokenised at a time.
_TOKENIZE = 10_000


class Texts:
    """Texts as token ids and teacher vectors.

    ``texts`` are those with 1 to ``max_tokens`` tokens. Longer ones are left out, because the student would have to
    guess what was cut off. ``kept`` int64 (n,) holds their places in ``examples``. ``flat`` int32 holds all ids, text
    after text; ``lengths`` int64 (n,) how many each text has; ``targets`` float16 (n, dim) the teacher's vectors of the
    texts as queries.
    """

    def __init__(self, examples: Sequence[Example], teacher: TorchTeacher, cache: VectorCache, max_tokens: int) -> None:
        texts = [example.text for example in examples]
        parts: list[np.ndarray] = []
        kept: list[int] = []
        for start in range(0, len(texts), _TOKENIZE):
            part = teacher.tokenizer(texts[start : start + _TOKENIZE], add_special_tokens=False)["input_ids"]
            fitting = [row for row, sequence in enumerate(part) if 0 < len(sequence) <= max_tokens]
            parts += [np.array(part[row], np.int32) for row in fitting]
            kept += [start + row for row in fitting]
        self.kept = np.array(kept, np.int64)
        self.texts = [texts[row] for row in kept]
        self.flat = np.concatenate(parts) if parts else np.empty(0, np.int32)
        self.lengths = np.array([len(part) for part in parts], np.int64)
        self._starts = np.cumsum(self.lengths) - self.lengths
        self.targets = cache.get(self.texts, prompt=teacher.query_prompt)

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def ids(self) -> list[np.ndarray]:
        """The token ids of each text."""
        return np.split(self.flat, self._starts[1:]) if len(self) else []

    def counts(self, vocabulary: int) -> np.ndarray:
        """How often each token is in the texts: int64 (vocabulary,)."""
        return np.bincount(self.flat, minlength=vocabulary)

    def sha256(self) -> str:
        """SHA-256 of all token ids and lengths. A resumed run checks that its texts are still the same."""
        digest = hashlib.sha256(self.flat.tobytes())
        digest.update(self.lengths.tobytes())
        return digest.hexdigest()

    def batches(
        self, size: int, rng: np.random.Generator, *, rows: np.ndarray | None = None, by_length: bool = False
    ) -> Iterator[np.ndarray]:
        """Row numbers of batches with texts of similar length, out of ``rows`` or all texts.

        Texts are sorted by length within 64 batches, and the batches are shuffled. With ``by_length``, everything is
        sorted and short texts come first.
        """
        order = rng.permutation(len(self) if rows is None else rows)
        if by_length:
            order = order[np.argsort(self.lengths[order], kind="stable")]
        batches = []
        for start in range(0, len(order), size * 64):
            part = order[start : start + size * 64]
            part = part[np.argsort(self.lengths[part], kind="stable")]
            batches += [part[first : first + size] for first in range(0, len(part), size)]
        for number in range(len(batches)) if by_length else rng.permutation(len(batches)):
            yield batches[number]

    def tensors(self, rows: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
        """The padded ids int64 (n, longest), lengths int64 (n,) and targets float32 (n, dim) of some rows."""
        lengths = self.lengths[rows]
        positions = np.arange(lengths.max())
        places = self._starts[rows, None] + positions
        ids = self.flat[np.minimum(places, len(self.flat) - 1)].astype(np.int64)
        ids[positions >= lengths[:, None]] = 0
        targets = torch.from_numpy(self.targets[rows].astype(np.float32))
        return torch.from_numpy(ids), torch.from_numpy(lengths), targets


class Corpus:
    """All texts of a recipe: those to train on, and those held out from each file."""

    def __init__(self, recipe: Recipe, teacher: TorchTeacher, cache: VectorCache, *, fill: bool = True) -> None:
        limits: dict[Path, int | None] = {}
        truncated: dict[Path, float] = {}
        for stage in recipe.stages:
            for path, limit in stage.sources():
                before = limits.get(path, 0)
                limits[path] = None if limit is None or before is None else max(limit, before)
                truncated[path] = max(truncated.get(path, 0.0), stage.truncated)
        self._files = {path: number for number, path in enumerate(limits)}
        self.held_out: dict[Path, list[Example]] = {}
        self.of_file: dict[Path, list[Example]] = {}
        examples: list[Example] = []
        #: For each example: its file, its number in the file, and the number that decides on its truncation, or -1.
        origins: list[tuple[int, int, float]] = []
        for path, limit in limits.items():
            begin, file = len(examples), self._files[path]
            held_out = []
            for number, example in enumerate(read_examples(path, limit=limit)):
                if is_development(example.text, recipe.development):
                    held_out.append(example)
                    continue
                examples.append(example)
                origins.append((file, number, -1.0))
            whole = list(range(begin, len(examples)))
            self.held_out[path], self.of_file[path] = held_out, examples[begin:]
            for row in whole if truncated[path] else ():
                share, cut = _truncate(examples[row].text)
                if share < truncated[path] and cut and not is_development(cut, recipe.development):
                    examples.append(Example(examples[row].source, cut))
                    origins.append((file, origins[row][1], share))
            if fill:
                texts = [example.text for example in examples[begin:] + held_out]
                cache.fill(texts, prompt=teacher.query_prompt, label=f"teacher: {path.name}")
        for name in recipe.held_out:
            self.held_out[Path(name)] = list(read_examples(name))
            if fill:
                texts = [example.text for example in self.held_out[Path(name)]]
                cache.fill(texts, prompt=teacher.query_prompt, label=f"teacher: {Path(name).name}")
        if not fill:
            cache.refresh()
        self.texts = Texts(examples, teacher, cache, recipe.student.max_tokens)
        taken = [origins[row] for row in self.texts.kept.tolist()]
        self._file, self._number, self._share = (np.array(column) for column in zip(*taken, strict=True))

    def beside(self, path: Path) -> list[Example]:
        """The training texts among which the texts held out from a file, or given as a file, are to find theirs."""
        return self.of_file.get(path) or [example for of_file in self.of_file.values() for example in of_file]

    def rows(self, stage: StageRecipe) -> np.ndarray:
        """The rows of the texts that a stage trains on: int64 (n,)."""
        chosen = np.zeros(len(self.texts), bool)
        for path, limit in stage.sources():
            of_file = self._file == self._files[path]
            chosen |= of_file if limit is None else of_file & (self._number < limit)
        chosen &= self._share < stage.truncated
        if stage.max_tokens:
            chosen &= self.texts.lengths <= stage.max_tokens
        if stage.share < 1:
            chosen &= np.random.default_rng(len(chosen)).random(len(chosen)) < stage.share
        return np.flatnonzero(chosen)


def _truncate(text: str) -> tuple[float, str]:
    """A number in [0, 1) that decides whether ``text`` is truncated, and its first words. Both depend on its hash."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, person=b"truncate").digest()
    words = text.split()
    kept = 1 + int.from_bytes(digest[8:], "little") % max(len(words) - 1, 1)
    return int.from_bytes(digest[:8], "little") / 2**64, " ".join(words[:kept]) if kept < len(words) else ""


if not TYPE_CHECKING:
    __getattr__ = moved_names(
        __name__,
        {
            "pad": "training.padding:pad",
        },
    )
