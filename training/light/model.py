"""LightRetriever's model (arXiv:2505.12260): a whole encoder for passages, a look-up for queries.

The teacher's model is trained in three roles. It encodes passages to vectors and, with a
:class:`~training.light.sparse_head.SparseHead`, to token weights. It encodes single tokens after a prompt; their mean
is a query's vector. And it encodes whole queries, which that look-up should come close to. The classes for these roles
share its weights: :class:`PassageSide`, :class:`~training.teacher.token_encoder.TokenEncoder` and
:class:`~training.ranking.encoding.PassageEncoder`. :mod:`training.ranking.gradcache` takes each of them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_array, vstack
from torch import Tensor, nn

from training.data import Passage, Text
from training.light.sparse_head import HEAD, SparseHead, keep_largest
from training.padding import pad
from training.ranking.contrast_passages import save_passage_encoder
from training.ranking.encoding import PassageEncoder, blocks, encode, passage_ids, query_ids
from training.ranking.recipe import LightRecipe
from training.recipe import Recipe
from training.teacher.token_encoder import TokenEncoder
from training.teacher.torch_teacher import TorchTeacher

#: The file that states how a query's tokens count, and how many weights a passage keeps.
SPARSE = "sparse.json"
#: Passages whose token weights form one dense table at a time.
_PART = 512


class PassageSide(PassageEncoder):
    """Passages to vectors, followed by token weights if there is a head: float32 (n, dim) or (n, dim + vocabulary)."""

    def __init__(self, teacher: TorchTeacher, head: SparseHead | None) -> None:
        super().__init__(teacher)
        self.head = head
        before, after = teacher.special_ids(teacher.passage_prompt)
        self._before, self._after = len(before), len(after)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Encode ids with special tokens, padded on the right."""
        hidden, mask = self.outputs(ids, lengths)
        vectors = self.pool(hidden, mask)
        if self.head is None:
            return vectors
        return torch.cat([vectors, self.head(hidden, self.own_tokens(ids, lengths))], 1)

    def split(self, found: Tensor) -> tuple[Tensor, Tensor | None]:
        """Split the output of :meth:`forward` into vectors and weights."""
        dim = self._teacher.dim
        return found[:, :dim], found[:, dim:] if self.head is not None else None

    def encode(self, ids: Sequence[Sequence[int]], top_k: int) -> tuple[np.ndarray, csr_array | None]:
        """Encode id sequences to vectors float32 (n, dim) and the ``top_k`` (0: all) best weights (n, vocabulary)."""
        vectors, weights = [], []
        # The weights of many passages would not fit into memory as a dense table.
        for rows in blocks(len(ids), _PART):
            found = torch.from_numpy(encode(self, ids[rows.start : rows.stop], self._teacher.device))
            own, dense = self.split(found)
            vectors.append(own.numpy())
            if dense is not None:
                weights.append(csr_array(keep_largest(dense, top_k).numpy()))
        return np.concatenate(vectors), vstack(weights, format="csr") if weights else None

    def own_tokens(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """The positions of the text itself, without prompt and special tokens: bool (n, longest)."""
        places = torch.arange(ids.shape[1], device=ids.device)
        own = (places >= self._before) & (places < (lengths - self._after)[:, None])
        # A passage without any token of its own uses its special ones.
        return own | ~own.any(1, keepdim=True) & (places < lengths[:, None])


class Light(nn.Module):
    """The whole model. ``teacher.model`` is trained, through LoRA if ``one.lora_rank`` is set."""

    def __init__(self, teacher: TorchTeacher, one: LightRecipe) -> None:
        super().__init__()
        self.teacher, self._one = teacher, one
        self.prompts = one.prompts or (teacher.query_prompt,)
        if len({teacher.reading(prompt).spaced for prompt in (*self.prompts, teacher.query_prompt)}) > 1:
            raise ValueError(
                f"the tokenizer of {teacher.name} reads a query in another way after each of these prompts: "
                f"{', '.join(map(repr, self.prompts))}. End all of them with a space, or none, and set one of them as "
                "query_prompt in [teacher]"
            )
        teacher.model.requires_grad_(True)
        self.head = SparseHead.of(teacher) if one.sparse else None
        if one.lora_rank:
            teacher.model = adapted(teacher.model, one)
            if self.head is not None:
                self.head.weight.requires_grad_(False)
        self.tokens = TokenEncoder(teacher, self.prompts)
        self.passages = PassageSide(teacher, self.head)
        self.whole = PassageEncoder(teacher)

    @property
    def device(self) -> torch.device:
        """The device of the model."""
        return self.teacher.device

    def query_tokens(self, texts: Sequence[Text], max_tokens: int) -> list[list[int]]:
        """The token ids of queries, without special tokens."""
        return query_ids(self.teacher, texts, max_tokens, self.prompts[0])

    def whole_ids(self, tokens: Sequence[Sequence[int]], prompts: Sequence[int]) -> list[list[int]]:
        """Query tokens as the whole model takes them, each after the prompt with its number."""
        around = [self.teacher.special_ids(prompt) for prompt in self.prompts]
        return [[*around[number][0], *ids, *around[number][1]] for ids, number in zip(tokens, prompts, strict=True)]

    def passage_ids(self, passages: Sequence[Passage]) -> list[list[int]]:
        """The token ids of passages, with special tokens."""
        texts = [passage.whole() for passage in passages]
        return passage_ids(self.teacher, texts, self._one.passage_tokens)

    def counts(self, tokens: Sequence[Sequence[int]]) -> csr_array:
        """How often, or whether, each token is in each query: float32 (n, vocabulary)."""
        return token_counts(tokens, self.teacher.model.config.vocab_size, self._one.counts)

    @torch.no_grad()
    def calibrate(self, passages: Sequence[Passage]) -> None:
        """Make a head that was never trained start with few active tokens."""
        if self.head is None or not self.head.fresh:
            return
        parts = []
        for ids in self.passage_ids(passages):
            padded, lengths = (part.to(self.device) for part in pad([ids]))
            hidden, _ = self.passages.outputs(padded, lengths)
            parts.append(hidden[self.passages.own_tokens(padded, lengths)])
        self.head.calibrate(torch.cat(parts))

    def encode_passages(self, passages: Sequence[Passage]) -> tuple[np.ndarray, csr_array | None]:
        """Vectors float32 (n, dim) and weights (n, vocabulary), only the largest ones if the recipe says so."""
        return self.passages.encode(self.passage_ids(passages), self._one.top_k)

    def encode_whole(self, tokens: Sequence[Sequence[int]], prompts: Sequence[int]) -> np.ndarray:
        """Encode queries with the whole model to float32 (n, dim)."""
        return encode(self.whole, self.whole_ids(tokens, prompts), self.device)

    def save(self, folder: Path, recipe: Recipe) -> None:
        """Write the passage encoder and its head as a folder like the teacher's, and a recipe that uses it."""
        if self._one.lora_rank:
            # The adapters become part of the weights.
            self.teacher.model = self.teacher.model.merge_and_unload()
            self.tokens.model = self.passages.model = self.whole.model = self.teacher.model
        final = save_passage_encoder(self.teacher, folder, recipe)
        if self.head is not None:
            self.head.save(final / HEAD)
            said = {"counts": self._one.counts, "top_k": self._one.top_k, "max_tokens": self._one.passage_tokens}
            (final / SPARSE).write_text(json.dumps(said) + "\n", encoding="utf-8")


def adapted(model: Any, one: LightRecipe) -> Any:
    """The model with low-rank adapters at all linear layers (LoRA, by peft). Nothing else of it is trained."""
    import peft

    settings = peft.LoraConfig(
        r=one.lora_rank, lora_alpha=one.lora_alpha, lora_dropout=one.lora_dropout, target_modules="all-linear"
    )
    return peft.get_peft_model(model, settings)


def token_counts(tokens: Sequence[Sequence[int]], vocabulary: int, kind: str) -> csr_array:
    """Sparse queries (n, vocabulary): how often a token is in the query ("count"), or 1 if it is ("set")."""
    starts = np.cumsum([0, *map(len, tokens)])
    flat = np.concatenate([np.asarray(ids, np.int64) for ids in tokens])
    counts = csr_array((np.ones(len(flat), np.float32), flat, starts), (len(tokens), vocabulary))
    counts.sum_duplicates()
    if kind == "set":
        counts.data[:] = 1
    return counts


def mean_of_tokens(vectors: Tensor, places: Sequence[Sequence[int]], *, normalize: bool) -> Tensor:
    """The mean of each query's token vectors, (n, dim). ``places`` says where they are in ``vectors`` (m, dim)."""
    flat = torch.tensor([place for own in places for place in own], device=vectors.device)
    starts = torch.tensor([0, *(len(own) for own in places)][:-1], device=vectors.device).cumsum(0)
    means = nn.functional.embedding_bag(flat, vectors.contiguous(), starts, mode="mean")
    return nn.functional.normalize(means, dim=1) if normalize else means
