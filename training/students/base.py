"""What a student is: token ids in, embeddings in the teacher's space out.

:class:`Student` is the interface that training, stage 2 and export rely on; :class:`TokenMean` adds the weighted mean
of token vectors that most families start from. The families themselves are the siblings: ``static``, ``recurrent`` and
``transformer``. What they share with the teacher's tokenization is said once, here: ids are the tokens of the text
alone, without special tokens and without prompt; a student that needs those adds them itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from training.student_recipes import StudentRecipe
    from training.teacher.torch_teacher import TorchTeacher

#: Reads (…, 2 states) as (…, dim).
Reading = Callable[[Tensor], Tensor]
#: Smoothing of the weights' start: a / (a + p(token)).
_SMOOTHING = 1e-3


class Student(nn.Module):
    """A query encoder under training.

    ``dim`` is the teacher's dimension. ``similarity`` is "cosine" (embeddings have length 1) or "dot" (they have the
    length that the teacher's have). ``settings`` holds what the constructor needs beside the weights, as JSON types, so
    that a saved student can be made again without its teacher.
    """

    #: The name of the family in a recipe: ``[student] family = "…"``.
    family: ClassVar[str]
    #: Whether the embedding after each token needs only a state and that token, so that :meth:`prefixes` is defined.
    folds: ClassVar[bool]

    dim: int
    similarity: str

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Encode int64 ``ids`` (n, longest), padded on the right, of ``lengths`` int64 (n,) to float32 (n, dim).

        Every length is at least 1. What stands in the padding does not matter, as long as it is a token id.
        """
        raise NotImplementedError

    def prefixes(self, ids: Tensor, lengths: Tensor) -> Tensor:  # noqa: ARG002
        """Return the embedding after each token: float32 (n, longest, dim).

        Position i holds what :meth:`forward` gives for the first i + 1 tokens. Rows of the padding are undefined, but
        finite. ``TypeError`` for a family that is no fold.
        """
        raise TypeError(f"{self.family} is no fold: it has no embedding after each token")

    def ahead(self, ids: Tensor, lengths: Tensor, *, alone: bool = False) -> Tensor:  # noqa: ARG002
        """Where unfinished texts are going: float32 (n, dim). What :meth:`forward` gives, unless a family says more.

        ``alone`` lets no gradient through to what :meth:`forward` needs, for families with weights of their own here.
        """
        vectors: Tensor = self(ids, lengths)
        return vectors

    def whole_and_ahead(self, ids: Tensor, lengths: Tensor, *, alone: bool = False) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        """What :meth:`forward` gives, and after each token what :meth:`ahead` gives: (n, dim), (n, longest, dim).

        ``TypeError`` for a family that is no fold.
        """
        after_each = self.prefixes(ids, lengths)
        return last_of(after_each, lengths), after_each

    def finish(self, vectors: Tensor) -> Tensor:
        """Normalise (…, dim) where the similarity is cosine: float32."""
        vectors = vectors.float()
        return nn.functional.normalize(vectors, dim=-1) if self.similarity == "cosine" else vectors

    def sparse_parameters(self) -> list[nn.Parameter]:
        """Trained parameters whose gradients are sparse: tables, of which a batch touches few rows."""
        sparse = {id(module.weight) for module in self.modules() if isinstance(module, nn.Embedding) and module.sparse}
        return [parameter for parameter in self.parameters() if id(parameter) in sparse and parameter.requires_grad]

    def dense_parameters(self) -> list[nn.Parameter]:
        """All other trained parameters."""
        sparse = {id(parameter) for parameter in self.sparse_parameters()}
        return [parameter for parameter in self.parameters() if id(parameter) not in sparse and parameter.requires_grad]

    def fresh_parameters(self) -> list[nn.Parameter]:
        """Those dense parameters that start from nothing, beside others that start from the teacher's."""
        return self.dense_parameters()

    @property
    def settings(self) -> dict[str, Any]:
        """What :meth:`empty` needs: JSON types by name."""
        raise NotImplementedError

    @classmethod
    def empty(cls, settings: Mapping[str, Any]) -> Self:
        """A student of these settings whose weights are still to be loaded."""
        return cls(**settings)

    @classmethod
    def start(cls, recipe: StudentRecipe, teacher: TorchTeacher, counts: np.ndarray) -> Self:
        """A student before training; ``counts`` int64 (vocabulary,) says how often each token is in the texts."""
        raise NotImplementedError


class TokenMean(Student):
    """A student that holds token vectors ``E`` and positive token weights ``w``, and their running weighted mean.

    ``table`` float32 (vocabulary, dim) starts as the teacher's output for each single token, special tokens and prompt
    included; ``log_weights`` (vocabulary, 1) as the logarithm of a / (a + p(token)), a = 0.001 and p counted in the
    training texts (*A simple but tough-to-beat baseline for sentence embeddings*, equation 1).
    """

    table: nn.Embedding
    log_weights: nn.Embedding

    def set_tokens(self, table: Tensor, log_weights: Tensor) -> None:
        """Take token vectors (vocabulary, dim) and the logarithms of their weights (vocabulary,)."""
        self.dim = table.shape[1]
        self.table = nn.Embedding(len(table), self.dim, sparse=True, _weight=table.clone())
        self.log_weights = nn.Embedding(len(table), 1, sparse=True, _weight=log_weights.clone().reshape(-1, 1))

    def weigh(self, ids: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Token vectors (n, longest, dim) and their weights (n, longest, 1), which are zero in the padding."""
        present = torch.arange(ids.shape[1], device=ids.device) < lengths.unsqueeze(1)
        return self.table(ids), self.log_weights(ids).exp() * present.unsqueeze(2)

    def corrected(self, tokens: Tensor, weights: Tensor, states: Tensor, lengths: Tensor, readout: Reading) -> Tensor:
        """Mean of the token vectors, plus ``readout`` of [last state; weighted mean of the states]: (n, dim)."""
        with exact(states):
            read = torch.cat([last_of(states, lengths), whole_mean(weights, states)], 1)
            mean = whole_mean(weights, tokens)
        return self.finish(mean + readout(read))

    def corrected_prefixes(self, tokens: Tensor, weights: Tensor, states: Tensor, readout: Reading) -> Tensor:
        """The same after each token: (n, longest, dim)."""
        with exact(states):
            read = torch.cat([states, running_mean(weights, states)], 2)
            mean = running_mean(weights, tokens)
        return self.finish(mean + readout(read))


def exact(tensor: Tensor) -> torch.autocast:
    """A context without mixed precision: sums over tokens are cheap, and lose by it."""
    return torch.autocast(tensor.device.type, enabled=False)


def whole_mean(weights: Tensor, values: Tensor) -> Tensor:
    """Weighted mean of ``values`` (n, longest, d) under ``weights`` (n, longest, 1): (n, d)."""
    shares = weights / weights.sum(1, keepdim=True)
    return torch.bmm(shares.transpose(1, 2), values).squeeze(1)


def running_mean(weights: Tensor, values: Tensor) -> Tensor:
    """Weighted mean of ``values`` (n, longest, d) up to each position: (n, longest, d)."""
    return (weights * values).cumsum(1) / weights.cumsum(1)


def last_of(values: Tensor, lengths: Tensor) -> Tensor:
    """The entry of ``values`` (n, longest, d) at each row's last token: (n, d)."""
    return values[torch.arange(len(values), device=values.device), lengths - 1]


def start_weights(counts: np.ndarray) -> Tensor:
    """The logarithm of each token's weight before training, float32 (vocabulary,); see :class:`TokenMean`."""
    probability = counts / max(int(counts.sum()), 1)
    return torch.from_numpy(np.log(_SMOOTHING / (_SMOOTHING + probability)).astype(np.float32))
