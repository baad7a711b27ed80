"""One step of training on a batch that does not fit at once: gradient caching.

*Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup* (Gao et al. 2021, section 3): encode the batch
chunk by chunk without a graph; compute the loss and its gradient with respect to the vectors alone; encode each chunk
again, with a graph, and send its part of that gradient through it. The result is the gradient of the whole batch, not
an approximation as accumulation over small batches would be, since in-batch negatives see all of it.
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
    """An encoder under training and the token ids that it is to encode, ``chunk`` texts at a time (0: all at once)."""

    encoder: nn.Module
    ids: Sequence[Sequence[int]]
    chunk: int
    device: torch.device
    filler: int = 0

    def inputs(self) -> tuple[list[tuple[Tensor, Tensor]], Tensor]:
        """Padded ids and lengths of each chunk, of texts of like length, and where each text's vector is then found."""
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
        sides: what is encoded; ``loss_of`` gets the vectors of each side, float32 (n, dim), in the order of its texts.
        loss_of: the loss of the whole batch. It is called once.
        send: runs a backward pass from a scalar.
        precision: what the encoders run in, such as autocast; the loss is computed in float32.
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
    """The state of the random generators, so that dropout falls on the same units twice."""

    def __init__(self, device: torch.device) -> None:
        self._devices = [device] if device.type == "cuda" else []
        self._cpu = torch.get_rng_state()
        self._cuda = [torch.cuda.get_rng_state(one) for one in self._devices]

    @contextmanager
    def again(self) -> Iterator[None]:
        """Run with this state, and go on with the present one after it."""
        with torch.random.fork_rng(self._devices):
            torch.set_rng_state(self._cpu)
            for device, state in zip(self._devices, self._cuda, strict=True):
                torch.cuda.set_rng_state(state, device)
            yield
