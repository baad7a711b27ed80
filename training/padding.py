"""Token id sequences as one padded tensor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def pad(sequences: Sequence[Sequence[int]], filler: int = 0) -> tuple[Tensor, Tensor]:
    """Pad sequences on the right with ``filler``: ids int64 (n, longest), and lengths int64 (n,)."""
    lengths = np.array([len(sequence) for sequence in sequences], np.int64)
    ids = np.full((len(sequences), lengths.max()), filler, np.int64)
    ids[np.arange(ids.shape[1]) < lengths[:, None]] = np.concatenate([np.asarray(one, np.int64) for one in sequences])
    return torch.from_numpy(ids), torch.from_numpy(lengths)
