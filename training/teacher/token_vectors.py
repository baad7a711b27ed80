"""``python -m training.teacher.token_vectors RECIPE.toml RUN``: each token's vector, as the whole teacher makes it.

LightRetriever's E[t] = Enc(prompt; t) (arXiv:2505.12260, section 3 and appendix A.5): what the teacher gives for a text
of one token behind a prompt, special tokens included, so that a query is the mean of its tokens' vectors and needs no
model any more. All of a vocabulary takes one pass over it. :class:`TokenEncoder` gives the vectors with their graph,
too, so that the teacher can be trained through them (:mod:`training.light.train`).

In a *decoder* a token sees only what stands before it, so that all tokens share what is computed of the prompt: they
stand in one sequence, prompt first, each with the special tokens behind it, at the positions that it would have alone,
under a mask by which it sees the prompt and itself and no other token. In an *encoder* the prompt sees the token, too:
there is nothing to share, and each token is a row of a batch. Either way the vectors are those of each token alone.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from training.teacher.teacher import Teacher

#: Tokens that share a prompt in one sequence: attention grows with the square of it.
_BLOCKS = 256
#: Rows of a batch, without gradients.
_CPU_ROWS, _GPU_ROWS = 512, 8192


class TokenEncoder(nn.Module):
    """The teacher on single tokens, for a token behind each of several prompts: by default that of queries."""

    #: A row without a token: none is ever padded.
    filler = 0

    def __init__(self, teacher: Teacher, prompts: Sequence[str] = ()) -> None:
        super().__init__()
        self.model: nn.Module = teacher.model
        self._teacher = teacher
        self._around = [teacher.special_ids(prompt) for prompt in prompts or (teacher.query_prompt,)]
        self.causal = reads_leftwards(teacher)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:  # noqa: ARG002
        """Encode int64 ``ids`` (n, 2), the number of a prompt and a token, to float32 (n, dim)."""
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
        """Outputs (n, length, width) of each token in a row of its own."""
        left, right = (torch.tensor(side, dtype=torch.int64, device=tokens.device) for side in (before, after))
        count = len(tokens)
        ids = torch.cat([left.expand(count, -1), tokens[:, None], right.expand(count, -1)], 1)
        hidden: Tensor = self.model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
        return hidden

    def _blocks(self, tokens: Tensor, before: Sequence[int], after: Sequence[int]) -> Tensor:
        """The same of tokens in one sequence, behind one prompt."""
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
    """Which position sees which: bool (n, n) for a prompt of ``shared`` tokens and ``count`` blocks of ``width``.

    All of it is causal; a block sees the prompt and itself, and no other block.
    """
    block = torch.cat([torch.full((shared,), -1), torch.arange(count).repeat_interleave(width)]).to(device)
    causal = torch.ones(len(block), len(block), dtype=torch.bool, device=device).tril()
    return causal & ((block[None] == block[:, None]) | (block[None] == -1))


@torch.inference_mode()
def reads_leftwards(teacher: Teacher) -> bool:
    """Whether a token's output does not depend on what follows it: a decoder, as no configuration reliably says."""
    model, size = teacher.model, teacher.model.config.vocab_size
    training = model.training
    model.eval()
    ids = torch.tensor([[1 % size, 2 % size, 3 % size], [1 % size, 2 % size, 4 % size]], device=teacher.device)
    first: Any = model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[:, 0].float()
    model.train(training)
    return bool(torch.allclose(first[0], first[1], atol=1e-6, rtol=1e-5))


@torch.inference_mode()
def token_table(teacher: Teacher, prompt: str | None = None) -> Tensor:
    """The vectors of all tokens behind a prompt, by default that of queries: float32 (vocabulary, dim), on the CPU."""
    encoder = TokenEncoder(teacher, () if prompt is None else (prompt,))
    rows = _CPU_ROWS if teacher.device.type == "cpu" else _GPU_ROWS
    parts = []
    for start in range(0, teacher.model.config.vocab_size, rows):
        tokens = torch.arange(start, min(start + rows, teacher.model.config.vocab_size))
        ids = torch.stack([torch.zeros_like(tokens), tokens], 1).to(teacher.device)
        parts.append(encoder(ids, torch.full_like(tokens, 2)).cpu())
    return torch.cat(parts)


def largest_difference(teacher: Teacher, table: Tensor, prompt: str | None = None) -> float:
    """How far a table's entries are from what the teacher gives for each token alone, one after the other."""
    before, after = teacher.special_ids(prompt)
    worst = 0.0
    for token, row in enumerate(table.numpy()):
        alone = teacher.encode_ids([[*before, token, *after]])[0]
        worst = max(worst, float(np.abs(alone - row).max()))
    return worst


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    # Here, since students start from these vectors.
    from training.ranking.round_folders import STUDENT
    from training.recipe import read_recipe
    from training.students import Static, save_student
    from training.teacher.teacher import Teacher

    parser = argparse.ArgumentParser(
        prog="python -m training.teacher.token_vectors", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument("recipe", type=Path, help="whose teacher, in float32")
    parser.add_argument("run", type=Path, help="folder that a static student of these vectors is written to")
    parser.add_argument("--prompt", help="what stands before the token (default: the teacher's for queries)")
    parser.add_argument("--check", action="store_true", help="encode each token alone, too, and print the difference")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    recipe = read_recipe(options.recipe)
    teacher = Teacher(recipe.teacher.path(), **recipe.teacher.given())
    started = time.monotonic()
    table = token_table(teacher, options.prompt)
    print(f"{len(table):,} tokens of {teacher.name} in {time.monotonic() - started:.1f} s, {options.threads} threads")
    if options.check:
        print(f"largest difference from each token alone: {largest_difference(teacher, table, options.prompt):.1e}")
    options.run.mkdir(parents=True, exist_ok=True)
    save_student(Static(table, torch.zeros(len(table)), similarity=teacher.similarity), options.run / STUDENT)


if __name__ == "__main__":
    main()
