"""Gradient caching: a training step on a batch that does not fit into memory at once.

From *Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup* (Gao et al. 2021, section 3). First the
batch is encoded chunk by chunk, without a graph. Then the loss and its gradient with respect to the vectors are
computed. Last, each chunk is encoded again, with a graph, and its part of that gradient is sent through. The result is
the exact gradient of the whole batch. Accumulating over small batches would only approximate it, because in-batch
negatives come from the whole batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from training.padding import pad

Loss = Callable[[list[Tensor]], Tensor]


@dataclass(frozen=True)
class Side:
    """An encoder under training, and the token ids for it to encode, ``chunk`` texts at a time (0: all at once)."""

    encoder: nn.Module
    ids: Sequence[Sequence[int]]
    chunk: int
    device: torch.device
    filler: int = 0

    def inputs(self) -> tuple[list[tuple[Tensor, Tensor]], Tensor]:
        """Padded ids and lengths of each chunk of similar length, and the place of each text's vector afterwards."""
        order = sorted(range(len(self.ids)), key=lambda row: len(self.ids[row]))
        size = self.chunk or len(order)
        chunks = []
        for start in range(0, len(order), size):
            ids, lengths = pad([self.ids[row] for row in order[start : start + size]], self.filler)
            chunks.append((ids.to(self.device), lengths.to(self.device)))
        return chunks, torch.tensor(order, device=self.device).argsort()


def backward(
    sides: Sequence[Side],
    loss_of: Loss,
    send: Callable[[Tensor], None],
    precision: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Tensor:
    """Add the gradient of a loss to the parameters of all encoders, and return the loss, detached.

    Args:
        sides: what to encode.
        loss_of: the loss of the whole batch. It is called once, with the vectors of each side, float32 (n, dim), in the
            order of its texts.
        send: runs a backward pass from a scalar.
        precision: the context in which the encoders run, such as autocast. The loss is computed in float32.
    """
    inputs = [side.inputs() for side in sides]
    if all(len(chunks) == 1 for chunks, _ in inputs):
        with precision():
            found = [side.encoder(*chunks[0]) for side, (chunks, _) in zip(sides, inputs, strict=True)]
        vectors = [part[where].float() for part, (_, where) in zip(found, inputs, strict=True)]
        loss = loss_of(vectors)
        send(loss)
        return loss.detach()
    states: list[list[_Random]] = []
    leaves = []
    for side, (chunks, where) in zip(sides, inputs, strict=True):
        states.append([])
        parts = []
        with torch.no_grad(), precision():
            for chunk in chunks:
                states[-1].append(_Random(side.device))
                parts.append(side.encoder(*chunk).float())
        leaves.append(torch.cat(parts)[where].requires_grad_())
    loss = loss_of(leaves)
    gradients = torch.autograd.grad(loss, leaves)
    for side, (chunks, where), random, gradient in zip(sides, inputs, states, gradients, strict=True):
        sorted_gradient = gradient[where.argsort()]
        start = 0
        for chunk, state in zip(chunks, random, strict=True):
            with state.again(), precision():
                part = side.encoder(*chunk)
            send((part.float() * sorted_gradient[start : start + len(part)]).sum())
            start += len(part)
    return loss.detach()


class _Random:
    """The state of the random generators, so dropout hits the same units both times."""

    def __init__(self, device: torch.device) -> None:
        self._devices = [device] if device.type == "cuda" else []
        self._cpu = torch.get_rng_state()
        self._cuda = [torch.cuda.get_rng_state(one) for one in self._devices]

    @contextmanager
    def again(self) -> Iterator[None]:
        """Run with this state, and restore the present one afterwards."""
        with torch.random.fork_rng(self._devices):
            torch.set_rng_state(self._cpu)
            for device, state in zip(self._devices, self._cuda, strict=True):
                torch.cuda.set_rng_state(state, device)
            yield
