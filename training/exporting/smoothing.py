"""Moves large inputs of products into the weights before both are quantised (SmoothQuant, arXiv:2211.10438).

A row of activations is scaled by its largest entry. The outputs of BERT's LayerNorms are large in the same few entries
of every row, so all other entries share few levels. Here, each input of a product is divided by a number of its own,
and its weights are multiplied by it. The product stays the same, and both sides become more even.

How large the inputs are is measured on texts of random tokens. They serve as well as real texts, so export needs no
data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from training.teacher.torch_teacher import TorchTeacher

#: How much of the inputs' unevenness moves to the weights: the paper's alpha.
_SHARE = 0.7
#: The number of random texts, and of the tokens in each.
_TEXTS, _TOKENS = 128, 32
#: Inputs count as at least this share of the largest one.
_LEAST = 1e-3


def random_ids(teacher: TorchTeacher, before: Sequence[int], after: Sequence[int]) -> Tensor:
    """Texts of random tokens between special ones, always the same: int64 (128, length), with 32 tokens if they fit."""
    special = set(teacher.tokenizer.all_special_tokens)
    known = [
        number
        for token, number in sorted(teacher.tokenizer.get_vocab().items())
        if token not in special and not token.startswith("[unused")
    ]
    count = min(_TOKENS, teacher.max_length - len(before) - len(after))
    drawn = np.random.default_rng(0).choice(known, (_TEXTS, count))
    first, last = (np.tile(np.array(ids, np.int64), (_TEXTS, 1)) for ids in (before, after))
    return torch.from_numpy(np.concatenate([first, drawn, last], axis=1))


@torch.inference_mode()
def input_peaks(run: Callable[[], object], products: Mapping[str, nn.Module]) -> dict[str, np.ndarray]:
    """The largest magnitude of each input of some linear layers during ``run()``: float32 (in,) by name."""
    peaks: dict[str, Tensor] = {}

    def watch(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def look(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            seen = inputs[0].abs().flatten(0, -2).amax(0)
            peaks[name] = torch.maximum(peaks[name], seen) if name in peaks else seen

        return look

    hooks = [module.register_forward_pre_hook(watch(name)) for name, module in products.items()]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    return {name: peak.float().numpy() for name, peak in peaks.items()}


def divisors(peak: np.ndarray, *weights: np.ndarray) -> np.ndarray:
    """The number to divide each input by and to multiply its weights (out, in) with: float32 (in,), above zero."""
    met = np.max([np.abs(weight).max(0) for weight in weights], axis=0)
    peak, met = (np.maximum(side, max(_LEAST * side.max(), 1e-12)) for side in (peak, met))
    found: np.ndarray = (peak**_SHARE / met ** (1 - _SHARE)).astype(np.float32)
    return found
