"""What a student is: token ids in, embeddings in the teacher's space out.

:class:`Student` is the interface that training, stage 2 and export rely on. :class:`TokenMean` adds the weighted mean
of token vectors, from which most families start. The families are in the siblings ``static``, ``recurrent`` and
``transformer``. Everywhere, ids are the tokens of the text alone, by the teacher's tokenizer, without special tokens
and without a prompt. A student that needs those adds them itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from training.students.rounding import RowRoundedLinear

if TYPE_CHECKING:
    from training.student_recipes import StudentRecipe
    from training.teacher.torch_teacher import TorchTeacher

#: Reads (…, 2 states) as (…, dim).
Reading = Callable[[Tensor], Tensor]
#: The a in a / (a + p(token)), a token's weight before training.
_SMOOTHING = 1e-3


class Student(nn.Module):
    """A query encoder under training.

    ``dim`` is the teacher's dimension. ``similarity`` is "cosine" (embeddings have length 1) or "dot" (they are as long
    as the teacher's). ``settings`` holds the constructor's arguments besides the weights, as JSON types, so a saved
    student can be loaded without its teacher.
    """

    #: The name of the family in a recipe: ``[student] family = "…"``.
    family: ClassVar[str]
    #: Whether the embedding after each token needs only a state and that token, so that :meth:`prefixes` is defined.
    folds: ClassVar[bool]

    dim: int
    similarity: str

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Encode int64 ``ids`` (n, longest), padded on the right, of ``lengths`` int64 (n,) to float32 (n, dim).

        Every length is at least 1. The padding may be any token id.
        """
        raise NotImplementedError

    def prefixes(self, ids: Tensor, lengths: Tensor) -> Tensor:  # noqa: ARG002
        """Return the embedding after each token: float32 (n, longest, dim).

        Position i holds :meth:`forward` of the first i + 1 tokens. Rows of the padding are undefined, but finite.

        Raises:
            TypeError: the family is not a fold.
        """
        raise TypeError(f"{self.family} is not a fold: it has no embedding after each token")

    def ahead(self, ids: Tensor, lengths: Tensor, *, alone: bool = False) -> Tensor:  # noqa: ARG002
        """Where unfinished texts are going: float32 (n, dim). The same as :meth:`forward` unless a family overrides it.

        ``alone`` stops gradients to the weights that :meth:`forward` uses, in families with separate weights for this.
        """
        vectors: Tensor = self(ids, lengths)
        return vectors

    def whole_and_ahead(self, ids: Tensor, lengths: Tensor, *, alone: bool = False) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        """The result of :meth:`forward`, and that of :meth:`ahead` after each token: (n, dim) and (n, longest, dim).

        Raises:
            TypeError: the family is not a fold.
        """
        after_each = self.prefixes(ids, lengths)
        return last_of(after_each, lengths), after_each

    def finish(self, vectors: Tensor) -> Tensor:
        """Return vectors (…, dim) as float32, normalised if the similarity is cosine."""
        vectors = vectors.float()
        return nn.functional.normalize(vectors, dim=-1) if self.similarity == "cosine" else vectors

    def sparse_parameters(self) -> list[nn.Parameter]:
        """Trained parameters with sparse gradients: tables, because a batch touches few of their rows."""
        sparse = {id(module.weight) for module in self.modules() if isinstance(module, nn.Embedding) and module.sparse}
        return [parameter for parameter in self.parameters() if id(parameter) in sparse and parameter.requires_grad]

    def dense_parameters(self) -> list[nn.Parameter]:
        """All other trained parameters."""
        sparse = {id(parameter) for parameter in self.sparse_parameters()}
        return [parameter for parameter in self.parameters() if id(parameter) not in sparse and parameter.requires_grad]

    def fresh_parameters(self) -> list[nn.Parameter]:
        """The dense parameters that start from nothing, where others start from the teacher's."""
        return self.dense_parameters()

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments of :meth:`empty`: JSON types by name."""
        raise NotImplementedError

    @classmethod
    def empty(cls, settings: Mapping[str, Any]) -> Self:
        """A student with these settings. Its weights are still to be loaded."""
        return cls(**settings)

    @classmethod
    def start(cls, recipe: StudentRecipe, teacher: TorchTeacher, counts: np.ndarray) -> Self:
        """A student before training. ``counts`` int64 (vocabulary,) counts each token in the training texts."""
        raise NotImplementedError


class TokenMean(Student):
    """A student with token vectors ``E`` and positive token weights ``w``, which keeps their running weighted mean.

    ``table`` float32 (vocabulary, dim) starts as the teacher's vector of each single token, with special tokens and
    prompt. ``log_weights`` (vocabulary, 1) starts as the logarithm of a / (a + p(token)), where a = 0.001 and p is
    counted in the training texts (*A simple but tough-to-beat baseline for sentence embeddings*, equation 1).
    """

    table: nn.Embedding | None
    log_weights: nn.Embedding
    #: The two products of a layer that reads the mean, in a student that has one.
    inner: nn.Linear
    outer: nn.Linear

    def set_tokens(self, table: Tensor | None, log_weights: Tensor, dim: int = 0) -> None:
        """Set the token vectors (vocabulary, dim) and the logarithms of their weights (vocabulary,).

        Without vectors, the mean is zero, and ``dim`` says how long the student's embeddings are.
        """
        count = len(log_weights)
        self.dim = dim if table is None else table.shape[1]
        self.table = None if table is None else nn.Embedding(count, self.dim, sparse=True, _weight=table.clone())
        self.log_weights = nn.Embedding(count, 1, sparse=True, _weight=log_weights.clone().reshape(-1, 1))

    def weigh(self, ids: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Token vectors (n, longest, dim) and their weights (n, longest, 1). Padding has a weight of zero.

        Without a table, the vectors are zeros (n, longest, 1): a mean of those can be added to anything.
        """
        present = torch.arange(ids.shape[1], device=ids.device) < lengths.unsqueeze(1)
        weights = self.log_weights(ids).exp() * present.unsqueeze(2)
        return torch.zeros_like(weights) if self.table is None else self.table(ids), weights

    def add_layer(self, units: int, *, states: int = 0, bits: int = 8) -> None:
        """Add a layer of GELU ``units`` that reads the mean, and ``states`` more entries; see :meth:`read_by_layer`.

        Weights of less than 8 ``bits`` are rounded in training (:mod:`~training.students.rounding`).
        """

        def product(inputs: int, outputs: int) -> nn.Linear:
            return nn.Linear(inputs, outputs) if bits == 8 else RowRoundedLinear(inputs, outputs, bits)

        self.inner, self.outer = product(self.dim + states, units), product(units, self.dim)
        # So that training starts from the mean alone.
        nn.init.zeros_(self.outer.weight)
        nn.init.zeros_(self.outer.bias)

    def read_by_layer(self, mean: Tensor, states: Tensor | None = None) -> Tensor:
        """``normalise( m + W2·GELU(W1·[√dim·m/|m| ; states] + b1) + b2 )``, of means m (…, dim) and states (…, n).

        If vectors are compared by cosine, m has length 1 in the sum as well.
        """
        unit = nn.functional.normalize(mean, dim=-1)
        read = unit * self.dim**0.5
        if states is not None:
            read = torch.cat([read, states], -1)
        # The tanh form, because the run-time encoders compute that one.
        inner = nn.functional.gelu(self.inner(read), approximate="tanh")
        return self.finish((unit if self.similarity == "cosine" else mean) + self.outer(inner))

    def means(self, tokens: Tensor, weights: Tensor, states: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """The mean of the token vectors, and [last state; weighted mean of the states]: (n, dim) and (n, 2 states)."""
        with exact(states):
            read = torch.cat([last_of(states, lengths), whole_mean(weights, states)], 1)
            return whole_mean(weights, tokens), read

    def means_of_prefixes(self, tokens: Tensor, weights: Tensor, states: Tensor) -> tuple[Tensor, Tensor]:
        """The same after each token: (n, longest, dim) and (n, longest, 2 states)."""
        with exact(states):
            read = torch.cat([states, running_mean(weights, states)], 2)
            return running_mean(weights, tokens), read

    def corrected(self, tokens: Tensor, weights: Tensor, states: Tensor, lengths: Tensor, readout: Reading) -> Tensor:
        """The mean of the token vectors, plus ``readout`` of [last state; weighted mean of the states]: (n, dim)."""
        mean, read = self.means(tokens, weights, states, lengths)
        return self.finish(mean + readout(read))

    def corrected_prefixes(self, tokens: Tensor, weights: Tensor, states: Tensor, readout: Reading) -> Tensor:
        """The same after each token: (n, longest, dim)."""
        mean, read = self.means_of_prefixes(tokens, weights, states)
        return self.finish(mean + readout(read))


def exact(tensor: Tensor) -> torch.autocast:
    """A context without mixed precision, for sums over tokens: they are cheap, and bfloat16 hurts them."""
    return torch.autocast(tensor.device.type, enabled=False)


def whole_mean(weights: Tensor, values: Tensor) -> Tensor:
    """The mean of ``values`` (n, longest, d), weighted by ``weights`` (n, longest, 1): (n, d)."""
    shares = weights / weights.sum(1, keepdim=True)
    return torch.bmm(shares.transpose(1, 2), values).squeeze(1)


def running_mean(weights: Tensor, values: Tensor) -> Tensor:
    """The weighted mean of ``values`` (n, longest, d) up to each position: (n, longest, d)."""
    return (weights * values).cumsum(1) / weights.cumsum(1)


def last_of(values: Tensor, lengths: Tensor) -> Tensor:
    """The entry of ``values`` (n, longest, d) at each row's last token: (n, d)."""
    return values[torch.arange(len(values), device=values.device), lengths - 1]


def start_weights(counts: np.ndarray) -> Tensor:
    """The logarithm of each token's weight before training, float32 (vocabulary,); see :class:`TokenMean`."""
    probability = counts / max(int(counts.sum()), 1)
    return torch.from_numpy(np.log(_SMOOTHING / (_SMOOTHING + probability)).astype(np.float32))
