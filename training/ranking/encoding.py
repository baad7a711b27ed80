"""Texts to token ids and vectors: queries by students, passages by the passage encoder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from training.data import Text
from training.padding import pad
from training.students import Student
from training.teacher.torch_teacher import TorchTeacher
from typeahead.encoders.transformer import batches_by_length

#: Word pieces encoded at a time, without gradients.
_CPU_TOKENS, _GPU_TOKENS = 512, 32_768


def query_ids(
    teacher: TorchTeacher, texts: Sequence[Text], max_tokens: int, prompt: str | None = None
) -> list[list[int]]:
    """The first ``max_tokens`` token ids of each query, without special tokens; [UNK] for a query without a token.

    ``prompt`` is the text that stands before them, by default the teacher's prompt for queries.
    """
    whole = _tokenize(teacher, texts, prompt)
    nothing = [teacher.tokenizer.unk_token_id or 0]
    return [ids[:max_tokens] or nothing for ids in whole]


def passage_ids(teacher: TorchTeacher, texts: Sequence[Text], max_length: int = 0) -> list[list[int]]:
    """Token ids of passages with the teacher's prompt and special tokens, at most ``max_length`` (0: the teacher's)."""
    length = min(max_length or teacher.max_length, teacher.max_length)
    found: list[list[int]] = [[] for _ in texts]
    plain = [row for row, text in enumerate(texts) if isinstance(text, str)]
    if plain:
        encoded = teacher.token_ids([str(texts[row]) for row in plain], teacher.passage_prompt, length)
        for row, ids in zip(plain, encoded, strict=True):
            found[row] = ids
    if len(plain) < len(texts):
        before, after = teacher.special_ids(teacher.passage_prompt)
        for row, text in enumerate(texts):
            if not isinstance(text, str):
                found[row] = [*before, *text[: length - len(before) - len(after)], *after]
    return found


def _tokenize(teacher: TorchTeacher, texts: Sequence[Text], prompt: str | None) -> list[list[int]]:
    encoded = iter(teacher.text_ids([text for text in texts if isinstance(text, str)], prompt))
    return [list(next(encoded)) if isinstance(text, str) else list(text) for text in texts]


class PassageEncoder(nn.Module):
    """The teacher as a trainable encoder of passages: padded ids and lengths to float32 (n, dim)."""

    def __init__(self, teacher: TorchTeacher) -> None:
        super().__init__()
        self.model: nn.Module = teacher.model
        self._teacher = teacher
        self.filler = int(teacher.tokenizer.pad_token_id or 0)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Encode ids with special tokens, padded on the right, to float32 (n, dim)."""
        return self.pool(*self.outputs(ids, lengths))

    def outputs(self, ids: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """The model's outputs float32 (n, longest, width), and a mask int64 (n, longest) that is 0 in the padding."""
        mask = (torch.arange(ids.shape[1], device=ids.device) < lengths.unsqueeze(1)).long()
        return self.model(input_ids=ids, attention_mask=mask).last_hidden_state.float(), mask

    def pool(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """Pool outputs to vectors float32 (n, dim)."""
        vectors = self._teacher.pool(hidden, mask)
        # For a cosine, students give unit vectors. Not every teacher does.
        return nn.functional.normalize(vectors, dim=1) if self._teacher.similarity == "cosine" else vectors


@torch.inference_mode()
def encode(module: nn.Module, ids: Sequence[Sequence[int]], device: torch.device) -> np.ndarray:
    """Encode id sequences with a student or a :class:`PassageEncoder`, to float32 (n, dim), in their order."""
    filler = int(getattr(module, "filler", 0))
    parts: list[tuple[list[int], np.ndarray]] = []
    for rows in batches_by_length([len(one) for one in ids], _CPU_TOKENS if device.type == "cpu" else _GPU_TOKENS):
        padded, lengths = pad([ids[row] for row in rows], filler)
        parts.append((rows, module(padded.to(device), lengths.to(device)).float().cpu().numpy()))
    vectors = np.empty((len(ids), parts[0][1].shape[1]), np.float32)
    for rows, part in parts:
        vectors[rows] = part
    return vectors


def encode_queries(
    student: Student | None, teacher: TorchTeacher, texts: Sequence[Text], max_tokens: int, device: torch.device
) -> np.ndarray:
    """Encode queries with a student, or with the teacher if there is none, to float32 (n, dim)."""
    if student is not None:
        return encode(student, query_ids(teacher, texts, max_tokens), device)
    return teacher.encode([str(text) for text in texts], prompt=teacher.query_prompt)


def blocks(count: int, size: int) -> Iterator[range]:
    """Split ``range(count)`` into ranges of at most ``size``."""
    return (range(start, min(start + size, count)) for start in range(0, count, size))
