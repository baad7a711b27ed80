"""The teacher's vector of each single token, the whole vocabulary in one pass.

LightRetriever's E[t] = Enc(prompt; t) (arXiv:2505.12260, section 3 and appendix A.5): the teacher's output for a text
of one token after a prompt, special tokens included. The mean of its tokens' vectors then stands for a query, and
needs no model. :class:`TokenEncoder` also keeps the graph, so the teacher can be trained through these vectors
(:mod:`training.light.train`).

In a *decoder* a token sees only what stands before it, so all tokens share the work on the prompt. They stand in one
sequence, prompt first, each followed by its special tokens, at the positions it would have alone. A mask lets a token
see the prompt and itself, but no other token. In an *encoder* the prompt sees the token too. There is nothing to share,
and each token is a row of a batch. Both ways give the same vectors as each token alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn


class Encoding(Protocol):
    """What this module needs of a teacher; :class:`~training.teacher.torch_teacher.TorchTeacher` has it all."""

    model: Any
    device: torch.device
    dim: int
    query_prompt: str

    def special_ids(self, prompt: str | None = None) -> tuple[list[int], list[int]]:
        """The ids before and after a text's tokens."""

    def pool(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """Pool token outputs (n, length, dim) under ``mask`` (n, length) to vectors (n, dim)."""

    def encode_ids(self, ids: Sequence[Sequence[int]]) -> np.ndarray:
        """Encode token id sequences, special tokens included, to float32 (n, dim)."""


#: How many tokens share a prompt in one sequence. The cost of attention grows with the square of this.
_BLOCKS = 256
#: Rows of a batch, without gradients.
_CPU_ROWS, _GPU_ROWS = 512, 8192


class TokenEncoder(nn.Module):
    """The teacher on single tokens, each after one of several prompts. The default is the prompt of queries."""

    #: Padding, which no row ever needs.
    filler = 0

    def __init__(self, teacher: Encoding, prompts: Sequence[str] = ()) -> None:
        super().__init__()
        self.model: nn.Module = teacher.model
        self._teacher = teacher
        self._around = [teacher.special_ids(prompt) for prompt in prompts or (teacher.query_prompt,)]
        self.causal = reads_leftwards(teacher)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:  # noqa: ARG002
        """Encode int64 ``ids`` (n, 2), the number of a prompt and a token in each row, to float32 (n, dim)."""
        vectors = torch.zeros(len(ids), self._teacher.dim, device=ids.device)
        for number, (before, after) in enumerate(self._around):
            rows = (ids[:, 0] == number).nonzero()[:, 0]
            if len(rows):
                vectors = vectors.index_copy(0, rows, self._encode(ids[rows, 1], before, after))
        return vectors

    def _encode(self, tokens: Tensor, before: Sequence[int], after: Sequence[int]) -> Tensor:
        if self.causal:
            parts = [self._blocks(part, before, after) for part in torch.split(tokens, _BLOCKS)]
        else:
            parts = [self._rows(tokens, before, after)]
        hidden = torch.cat(parts).float()
        return self._teacher.pool(hidden, torch.ones(hidden.shape[:2], dtype=torch.int64, device=hidden.device))

    def _rows(self, tokens: Tensor, before: Sequence[int], after: Sequence[int]) -> Tensor:
        """Outputs (n, length, width), with each token in its own row."""
        left, right = (torch.tensor(side, dtype=torch.int64, device=tokens.device) for side in (before, after))
        count = len(tokens)
        ids = torch.cat([left.expand(count, -1), tokens[:, None], right.expand(count, -1)], 1)
        hidden: Tensor = self.model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
        return hidden

    def _blocks(self, tokens: Tensor, before: Sequence[int], after: Sequence[int]) -> Tensor:
        """The same outputs, with all tokens in one sequence after one prompt."""
        device, shared, width, count = tokens.device, len(before), 1 + len(after), len(tokens)
        right = torch.tensor(after, dtype=torch.int64, device=device)
        blocks = torch.cat([tokens[:, None], right.expand(count, -1)], 1)
        ids = torch.cat([torch.tensor(before, dtype=torch.int64, device=device), blocks.flatten()])
        positions = torch.cat([torch.arange(shared), shared + torch.arange(width).repeat(count)]).to(device)
        mask = block_mask(shared, width, count, device=device)
        dtype = next(self.model.parameters()).dtype
        barred = torch.zeros(mask.shape, dtype=dtype, device=device).masked_fill(~mask, torch.finfo(dtype).min)
        output = self.model(
            input_ids=ids[None], attention_mask=barred[None, None], position_ids=positions[None], use_cache=False
        )
        hidden: Tensor = output.last_hidden_state[0]
        own = hidden[shared:].view(count, width, -1)
        return torch.cat([hidden[:shared].expand(count, -1, -1), own], 1)


def block_mask(shared: int, width: int, count: int, *, device: torch.device | str = "cpu") -> Tensor:
    """Which position sees which: bool (n, n), for a prompt of ``shared`` tokens and ``count`` blocks of ``width``.

    The mask is causal. A block sees the prompt and itself, but no other block.
    """
    block = torch.cat([torch.full((shared,), -1), torch.arange(count).repeat_interleave(width)]).to(device)
    causal = torch.ones(len(block), len(block), dtype=torch.bool, device=device).tril()
    return causal & ((block[None] == block[:, None]) | (block[None] == -1))


@torch.inference_mode()
def reads_leftwards(teacher: Encoding) -> bool:
    """Whether a token's output is independent of what follows, as in a decoder. Tried out: no configuration says so."""
    model, size = teacher.model, teacher.model.config.vocab_size
    training = model.training
    model.eval()
    ids = torch.tensor([[1 % size, 2 % size, 3 % size], [1 % size, 2 % size, 4 % size]], device=teacher.device)
    first: Any = model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[:, 0].float()
    model.train(training)
    return bool(torch.allclose(first[0], first[1], atol=1e-6, rtol=1e-5))


@torch.inference_mode()
def token_table(teacher: Encoding, prompt: str | None = None) -> Tensor:
    """The vectors of all tokens after a prompt (default: of queries), float32 (vocabulary, dim), on the CPU."""
    encoder = TokenEncoder(teacher, () if prompt is None else (prompt,))
    rows = _CPU_ROWS if teacher.device.type == "cpu" else _GPU_ROWS
    parts = []
    for start in range(0, teacher.model.config.vocab_size, rows):
        tokens = torch.arange(start, min(start + rows, teacher.model.config.vocab_size))
        ids = torch.stack([torch.zeros_like(tokens), tokens], 1).to(teacher.device)
        parts.append(encoder(ids, torch.full_like(tokens, 2)).cpu())
    return torch.cat(parts)


def largest_difference(teacher: Encoding, table: Tensor, prompt: str | None = None) -> float:
    """The largest difference between a table's entries and the teacher's vectors of each token encoded alone."""
    before, after = teacher.special_ids(prompt)
    worst = 0.0
    for token, row in enumerate(table.numpy()):
        alone = teacher.encode_ids([[*before, token, *after]])[0]
        worst = max(worst, float(np.abs(alone - row).max()))
    return worst
