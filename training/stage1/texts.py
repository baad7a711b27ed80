"""The texts of a run as token ids and teacher vectors, and batches of them.

Each file of a recipe is read, tokenised and looked up once, whichever stages use it. A stage is a set of row numbers.
All token ids lie in one array, so a batch is put together without a loop over its texts.
"""

from __future__ import annotations

import hashlib
import logging
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

log = logging.getLogger(__name__)

#: Texts tokenised at a time.
_TOKENIZE = 10_000


class Fitting:
    """Which texts a student can read: those with 1 to ``max_tokens`` tokens.

    A longer text is left out, because the student would have to guess what was cut off. ``rows`` are the places of the
    texts that fit, and ``ids`` their token ids, int32 each. ``long`` texts have too many tokens, ``empty`` ones none.
    """

    def __init__(self, texts: Sequence[str], teacher: TorchTeacher, max_tokens: int) -> None:
        self.rows: list[int] = []
        self.ids: list[np.ndarray] = []
        self.long = self.empty = 0
        for start in range(0, len(texts), _TOKENIZE):
            part = teacher.text_ids(texts[start : start + _TOKENIZE])
            for row, sequence in enumerate(part, start):
                if 0 < len(sequence) <= max_tokens:
                    self.rows.append(row)
                    self.ids.append(np.array(sequence, np.int32))
                elif sequence:
                    self.long += 1
                else:
                    self.empty += 1


class Texts:
    """Texts as token ids and teacher vectors.

    ``texts`` are those with 1 to ``max_tokens`` tokens: see :class:`Fitting`. ``kept`` int64 (n,) holds their places in
    ``examples``. ``flat`` int32 holds all ids, text after text; ``lengths`` int64 (n,) how many each text has;
    ``targets`` float16 (n, dim) the teacher's vectors of the texts as queries.
    """

    def __init__(self, examples: Sequence[Example], teacher: TorchTeacher, cache: VectorCache, max_tokens: int) -> None:
        fitting = Fitting([example.text for example in examples], teacher, max_tokens)
        self._take(fitting.rows, [examples[row].text for row in fitting.rows], fitting.ids, teacher, cache)

    @classmethod
    def of(cls, texts: list[str], ids: list[np.ndarray], teacher: TorchTeacher, cache: VectorCache) -> Texts:
        """Make the same of texts that are known to fit, with their token ids."""
        made = cls.__new__(cls)
        made._take(range(len(texts)), texts, ids, teacher, cache)
        return made

    def _take(
        self, kept: Sequence[int], texts: list[str], ids: list[np.ndarray], teacher: TorchTeacher, cache: VectorCache
    ) -> None:
        self.kept = np.array(kept, np.int64)
        self.texts = texts
        self.flat = np.concatenate(ids) if ids else np.empty(0, np.int32)
        self.lengths = np.array([len(part) for part in ids], np.int64)
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
    """All texts of a recipe that a student can read: those to train on, and those held out from each file.

    The teacher encodes no others. The log says how many are left out of each file, and why. Raises ``ValueError`` if no
    text is left.
    """

    def __init__(self, recipe: Recipe, teacher: TorchTeacher, cache: VectorCache, *, quiet: bool = False) -> None:
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
        texts: list[str] = []
        ids: list[np.ndarray] = []
        #: For each text: its file, its number in the file, and the number that decides on its truncation, or -1.
        taken: list[tuple[int, int, float]] = []
        most = recipe.student.max_tokens
        for path, limit in limits.items():
            file = self._files[path]
            examples: list[Example] = []
            origins: list[tuple[int, int, float]] = []
            held_out: list[Example] = []
            for number, example in enumerate(read_examples(path, limit=limit)):
                if is_development(example.text, recipe.development):
                    held_out.append(example)
                    continue
                examples.append(example)
                origins.append((file, number, -1.0))
            whole = len(examples)
            for row in range(whole) if truncated[path] else ():
                share, cut = _truncate(examples[row].text)
                if share < truncated[path] and cut and not is_development(cut, recipe.development):
                    examples.append(Example(examples[row].source, cut))
                    origins.append((file, origins[row][1], share))
            found = Fitting([example.text for example in examples], teacher, most)
            judged = Fitting([example.text for example in held_out], teacher, most)
            fitting = [examples[row].text for row in found.rows]
            self.of_file[path] = [examples[row] for row in found.rows if row < whole]
            self.held_out[path] = [held_out[row] for row in judged.rows]
            texts += fitting
            ids += found.ids
            taken += [origins[row] for row in found.rows]
            if not quiet:
                _tell(path, found.long + judged.long, found.empty + judged.empty, len(examples) + len(held_out), most)
            fitting += [example.text for example in self.held_out[path]]
            cache.fill(fitting, prompt=teacher.query_prompt, label=f"teacher: {path.name}")
        for path in map(Path, recipe.held_out):
            given = list(read_examples(path))
            judged = Fitting([example.text for example in given], teacher, most)
            self.held_out[path] = [given[row] for row in judged.rows]
            if not quiet:
                _tell(path, judged.long, judged.empty, len(given), most)
            fitting = [example.text for example in self.held_out[path]]
            cache.fill(fitting, prompt=teacher.query_prompt, label=f"teacher: {path.name}")
        if not texts:
            raise ValueError(
                f"no text of {', '.join(map(str, limits))} has 1 to {most} tokens: cut long texts into shorter ones, "
                "or raise max_tokens of the student"
            )
        self.texts = Texts.of(texts, ids, teacher, cache)
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


def _tell(path: Path, long: int, empty: int, total: int, most: int) -> None:
    """Log how many texts of a file are left out."""
    if long:
        log.warning("%s: %d of %d texts are left out: they have more than %d tokens", path, long, total, most)
    if empty:
        log.warning("%s: %d of %d texts are left out: they have no token", path, empty, total)


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
