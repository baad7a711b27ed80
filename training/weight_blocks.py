"""How many weights of a row share one scale, in training and in the exported graph alike."""

from __future__ import annotations

#: The largest block of activations, and of one output's weights, with a scale of its own, by bits of a weight.
BLOCK = {8: 128, 4: 64}
_SMALLEST_BLOCK = 16


def block_of(inputs: int, bits: int = 8) -> int:
    """Entries that share a scale in a row of ``inputs``: the largest power of two, up to the bound, that divides it."""
    block = BLOCK[bits]
    while block > _SMALLEST_BLOCK and inputs % block:
        block //= 2
    return block
