"""The students, in PyTorch: what is trained here is exported as a fold by :mod:`training.export`."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ResidualGRU(nn.Module):
    """Weighted mean of token vectors, plus a correction read from a GRU over them.

    With token vectors ``E``, positive token weights ``w`` and GRU states ``h₁…hₙ``::

        embedding = normalise( Σ wᵢ E[tᵢ] / Σ wᵢ  +  U [hₙ ; Σ wᵢ hᵢ / Σ wᵢ] )

    ``table`` float32 (vocabulary, dim) starts as the teacher's output for each single token, ``log_weights``
    (vocabulary,) as the logarithm of the weights. ``U`` starts at zero, so that training starts from the weighted mean.
    Every sum runs from left to right: the state after each token is all that the next one needs.
    """

    def __init__(self, table: Tensor, log_weights: Tensor, *, hidden: int, similarity: str = "cosine") -> None:
        super().__init__()
        vocabulary, dim = table.shape
        self.dim, self.hidden, self.similarity = dim, hidden, similarity
        self.table = nn.Embedding(vocabulary, dim, sparse=True, _weight=table.clone())
        self.log_weights = nn.Embedding(vocabulary, 1, sparse=True, _weight=log_weights.clone().unsqueeze(1))
        self.gru = nn.GRU(dim, hidden, batch_first=True)
        self.readout = nn.Linear(2 * hidden, dim, bias=False)
        nn.init.zeros_(self.readout.weight)
        with torch.no_grad():
            # Rows of the table have length about one; the GRU's default start expects entries of about one.
            self.input_weight.mul_(dim**0.5)

    @property
    def input_weight(self) -> Tensor:
        """The GRU's input weights, (3 hidden, dim)."""
        return self.gru.get_parameter("weight_ih_l0")

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Encode int64 ``ids`` (n, longest), padded on the right, of ``lengths`` (n,) to float32 (n, dim)."""
        present = (torch.arange(ids.shape[1], device=ids.device) < lengths.unsqueeze(1)).unsqueeze(2)
        tokens = self.table(ids)
        weights = self.log_weights(ids).exp() * present
        weights = weights / weights.sum(1, keepdim=True)
        states, _ = self.gru(tokens)
        last = states[torch.arange(len(ids), device=ids.device), lengths - 1]
        correction = self.readout(torch.cat([last, (weights * states).sum(1)], 1))
        embedding = (weights * tokens).sum(1) + correction
        return nn.functional.normalize(embedding, dim=1) if self.similarity == "cosine" else embedding

    def sparse_parameters(self) -> list[nn.Parameter]:
        """Parameters of which a batch touches few rows."""
        return [self.table.get_parameter("weight"), self.log_weights.get_parameter("weight")]

    def dense_parameters(self) -> list[nn.Parameter]:
        """All others."""
        return [*self.gru.parameters(), *self.readout.parameters()]
