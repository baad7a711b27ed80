"""The teacher, run in PyTorch, and the disk cache of its vectors.

:class:`Teacher` loads any Hugging Face or sentence-transformers folder (or hub id), reads pooling, length and
normalisation from its files, and encodes. :class:`VectorCache` keeps what it encoded, since a teacher's vector
of a text never changes while students are trained on it many times. What *ships* of a teacher is made by
:mod:`training.export` instead.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from tqdm import tqdm
from transformers import AutoModel, AutoTokenizer

from typeahead.encoders.transformer import batches_by_length

POOLINGS = ("mean", "cls", "last")


@dataclass(frozen=True)
class Pooling:
    """How token outputs become one vector."""

    mode: str
    max_length: int
    normalize: bool


def file_sha256(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_pooling(folder: Path) -> Pooling | None:
    """Read the pooling of a sentence-transformers folder; ``None`` for a plain Hugging Face one."""
    modules_path = folder / "modules.json"
    if not modules_path.is_file():
        return None
    modules = json.loads(modules_path.read_text())
    kinds = {module["type"].rsplit(".", 1)[-1]: module["path"] for module in modules}
    pooling = json.loads((folder / kinds["Pooling"] / "config.json").read_text())
    modes = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls", "pooling_mode_lasttoken": "last"}
    chosen = [mode for key, mode in modes.items() if pooling.get(key)]
    if len(chosen) != 1:
        raise ValueError(f"{folder}: pooling {pooling} is none of {POOLINGS}; give pooling in the recipe")
    length = 512
    bert_config = folder / "sentence_bert_config.json"
    if bert_config.is_file():
        length = int(json.loads(bert_config.read_text()).get("max_seq_length") or length)
    return Pooling(chosen[0], length, "Normalize" in kinds)


class Teacher:
    """A frozen dual encoder.

    ``path`` is a folder or a hub id. ``pooling``, ``max_length`` (word pieces, special tokens included) and
    ``normalize`` are read from the folder unless given. ``dtype`` is the type of the weights while encoding:
    bfloat16 is twice as fast on AVX512-BF16 and its vectors keep a cosine of 0.9999 to float32.
    """

    def __init__(
        self,
        path: str,
        *,
        pooling: str | None = None,
        max_length: int | None = None,
        normalize: bool | None = None,
        dtype: str = "float32",
        device: str = "cpu",
    ) -> None:
        found = read_pooling(Path(path)) or Pooling("cls", 512, False)
        self.path = path
        self.pooling = pooling or found.mode
        if self.pooling not in POOLINGS:
            raise ValueError(f"pooling {self.pooling!r} is none of {POOLINGS}")
        self.max_length = max_length or found.max_length
        self.normalize = found.normalize if normalize is None else normalize
        self.dtype = dtype
        self.device = torch.device(device)
        self.tokenizer: Any = AutoTokenizer.from_pretrained(path)
        self.model: Any = AutoModel.from_pretrained(path, dtype=getattr(torch, dtype)).eval().to(self.device)
        self.dim: int = self.model.config.hidden_size
        self.name: str = Path(path).name if Path(path).is_dir() else path

    def weights_sha256(self) -> str:
        """SHA-256 of the weights as float32 tensors in name order, so the same for a folder and a hub id."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.model.state_dict().items()):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(tensor.float().cpu().numpy()).tobytes())
        return digest.hexdigest()

    def key(self) -> str:
        """What a cached vector depends on besides its text, as a short hash."""
        parts = [self.weights_sha256(), self.pooling, str(self.max_length), str(self.normalize), self.dtype]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    @torch.inference_mode()
    def encode_ids(self, ids: Sequence[Sequence[int]]) -> np.ndarray:
        """Encode token id sequences (special tokens included) of any lengths to float32 (n, dim)."""
        longest = max(map(len, ids))
        padded = np.full((len(ids), longest), self.tokenizer.pad_token_id or 0, np.int64)
        mask = np.zeros((len(ids), longest), np.int64)
        for row, sequence in enumerate(ids):
            padded[row, : len(sequence)] = sequence
            mask[row, : len(sequence)] = 1
        attention = torch.from_numpy(mask).to(self.device)
        hidden = self.model(
            input_ids=torch.from_numpy(padded).to(self.device), attention_mask=attention
        ).last_hidden_state.float()
        if self.pooling == "mean":
            weights = attention.unsqueeze(-1).float()
            vectors = (hidden * weights).sum(1) / weights.sum(1)
        elif self.pooling == "cls":
            vectors = hidden[:, 0]
        else:
            vectors = hidden[torch.arange(len(ids)), attention.sum(1) - 1]
        if self.normalize:
            vectors = torch.nn.functional.normalize(vectors, dim=1)
        result: np.ndarray = vectors.cpu().numpy()
        return result

    def special_ids(self) -> tuple[list[int], list[int]]:
        """Ids that the teacher puts before and after the tokens of a text."""
        probe = self.tokenizer("a", add_special_tokens=False)["input_ids"]
        whole = self.tokenizer("a")["input_ids"]
        start = next(at for at in range(len(whole)) if whole[at : at + len(probe)] == probe)
        return whole[:start], whole[start + len(probe) :]

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text with the special tokens, cut at ``max_length``."""
        encoded: list[list[int]] = self.tokenizer(list(texts), truncation=True, max_length=self.max_length)["input_ids"]
        return encoded

    def encode(self, texts: Sequence[str], *, batch_tokens: int = 512) -> np.ndarray:
        """Encode texts to float32 (n, dim), in their order.

        Batches hold texts of like length and about ``batch_tokens`` word pieces: on a CPU small batches that stay
        in the second-level cache are faster (16 short texts: 299 a second, 128: 217).
        """
        ids = self.token_ids(texts)
        vectors = np.empty((len(texts), self.dim), np.float32)
        for rows in batches_by_length([len(sequence) for sequence in ids], batch_tokens):
            vectors[rows] = self.encode_ids([ids[row] for row in rows])
        return vectors


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


class VectorCache:
    """A teacher's vectors on disk: float16 shards, keyed by teacher, pooling and text.

    ``<folder>/<teacher key>/00000.safetensors`` holds ``digest`` uint8 (n, 16), BLAKE2b of each text, and
    ``vectors`` float16 (n, dim). A shard is written under another name and renamed when whole, so a run that was
    killed loses at most the shard that it was working on.
    """

    def __init__(self, folder: Path, teacher: Teacher, *, shard_size: int = 8192) -> None:
        self.teacher = teacher
        self.folder = folder / teacher.key()
        self.shard_size = shard_size
        self.folder.mkdir(parents=True, exist_ok=True)
        for left_over in self.folder.glob("*.partial"):
            left_over.unlink()
        self._shards: list[np.ndarray] = []
        self._where: dict[bytes, tuple[int, int]] = {}
        for path in sorted(self.folder.glob("*.safetensors")):
            tensors = load_file(path)
            self._add(tensors["digest"], tensors["vectors"])

    def _add(self, digests: np.ndarray, vectors: np.ndarray) -> None:
        number = len(self._shards)
        self._shards.append(vectors)
        for row, digest in enumerate(digests):
            self._where[digest.tobytes()] = (number, row)

    def fill(self, texts: Sequence[str], *, label: str = "teacher vectors") -> None:
        """Encode and store those of ``texts`` that are not there yet."""
        missing = [text for text in dict.fromkeys(texts) if _digest(text) not in self._where]
        with tqdm(total=len(missing), desc=label, unit="text", disable=None, mininterval=5) as progress:
            for start in range(0, len(missing), self.shard_size):
                part = missing[start : start + self.shard_size]
                vectors = self.teacher.encode(part).astype(np.float16)
                if not np.isfinite(vectors).all():
                    raise ValueError(f"teacher {self.teacher.name} gave a vector that is not finite")
                digests = np.frombuffer(b"".join(map(_digest, part)), np.uint8).reshape(-1, 16)
                path = self.folder / f"{len(self._shards):05d}.safetensors"
                partial = path.with_suffix(".partial")
                save_file({"digest": digests, "vectors": vectors}, partial)
                partial.replace(path)
                self._add(digests, vectors)
                progress.update(len(part))

    def __getitem__(self, texts: Sequence[str]) -> np.ndarray:
        """Return the vectors of texts that :meth:`fill` was given: float16 (n, dim). ``KeyError`` for others."""
        vectors = np.empty((len(texts), self.teacher.dim), np.float16)
        for row, text in enumerate(texts):
            shard, place = self._where[_digest(text)]
            vectors[row] = self._shards[shard][place]
        return vectors
