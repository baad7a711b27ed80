"""Students with a recurrent state: the residual GRU that ships, and RNN(l, f) of the paper.

Both run PyTorch's GRU over all positions at once. Export turns them into one step for each token.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from training.student_recipes import ResidualGRURecipe, RNNRecipe, StudentRecipe
from training.students.base import Student, TokenMean, last_of, start_weights

if TYPE_CHECKING:
    from training.teacher.torch_teacher import TorchTeacher


class ResidualGRU(TokenMean):
    """The weighted mean of token vectors, plus a correction that is read from a GRU over them.

    With token vectors ``E``, positive token weights ``w``, and the states ``h₁…hₙ`` of the last of ``layers`` GRUs::

        embedding = normalise( m + U [hₙ ; Σ wᵢ hᵢ / Σ wᵢ] ),  where m = Σ wᵢ E[tᵢ] / Σ wᵢ

    With ``readout`` units, a layer reads the correction, from the mean as well::

        embedding = normalise( m/|m| + W2·GELU(W1·[√dim·m/|m| ; hₙ ; Σ wᵢ hᵢ / Σ wᵢ] + b1) + b2 )

    There, the first m keeps its length if vectors are compared by the dot product. ``U``, or ``W2`` and ``b2``, start
    at zero, so training starts from the weighted mean. All sums run from left to right, so the next token needs nothing
    but the state after the one before.
    """

    family = "residual-gru"
    folds = True

    def __init__(
        self,
        table: Tensor,
        log_weights: Tensor,
        *,
        hidden: int,
        layers: int = 1,
        readout: int = 0,
        similarity: str = "cosine",
    ) -> None:
        super().__init__()
        self.hidden, self.layers, self.units, self.similarity = hidden, layers, readout, similarity
        self.set_tokens(table, log_weights)
        self.gru = nn.GRU(self.dim, hidden, num_layers=layers, batch_first=True)
        if readout:
            self.add_layer(readout, states=2 * hidden)
        else:
            self.readout = nn.Linear(2 * hidden, self.dim, bias=False)
            nn.init.zeros_(self.readout.weight)
        with torch.no_grad():
            # A GRU is initialised for entries of about one. Rows of a normalised teacher's table are of length one.
            if (length := float(table.norm(dim=1).mean())) > 0:
                self.input_weight.mul_(self.dim**0.5 / length)

    @property
    def input_weight(self) -> Tensor:
        """The input weights of the first GRU, (3 hidden, dim)."""
        return self.gru.get_parameter("weight_ih_l0")

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """See :meth:`~training.students.base.Student.forward`."""
        tokens, weights = self.weigh(ids, lengths)
        return self._read(*self.means(tokens, weights, self.gru(tokens)[0].float(), lengths))

    def prefixes(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """See :meth:`~training.students.base.Student.prefixes`."""
        tokens, weights = self.weigh(ids, lengths)
        return self._read(*self.means_of_prefixes(tokens, weights, self.gru(tokens)[0].float()))

    def _read(self, mean: Tensor, states: Tensor) -> Tensor:
        """The embedding of means (…, dim) and of [last state; mean state] (…, 2 hidden)."""
        return self.read_by_layer(mean, states) if self.units else self.finish(mean + self.readout(states))

    @property
    def settings(self) -> dict[str, Any]:
        """See :attr:`~training.students.base.Student.settings`."""
        sizes = {
            "vocabulary": len(self.log_weights.weight),
            "dim": self.dim,
            "hidden": self.hidden,
            "layers": self.layers,
        }
        return {**sizes, "readout": self.units, "similarity": self.similarity}

    @classmethod
    def empty(cls, settings: Mapping[str, Any]) -> Self:
        """See :meth:`~training.students.base.Student.empty`."""
        others = dict(settings)
        vocabulary, dim = others.pop("vocabulary"), others.pop("dim")
        return cls(torch.zeros(vocabulary, dim), torch.zeros(vocabulary), **others)

    @classmethod
    def start(cls, recipe: StudentRecipe, teacher: TorchTeacher, counts: np.ndarray) -> Self:
        """The teacher's vectors of single tokens, weighted by token counts, and a GRU that adds nothing yet."""
        assert isinstance(recipe, ResidualGRURecipe)
        return cls(
            teacher.token_vectors(),
            start_weights(counts),
            hidden=recipe.hidden,
            layers=recipe.layers,
            readout=recipe.readout,
            similarity=teacher.similarity,
        )


class FeedForward(nn.Module):
    """``LayerNorm(x + W₂ GELU(W₁ x + b₁) + b₂)``, the paper's feed-forward layer."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.up, self.down, self.norm = nn.Linear(width, inner), nn.Linear(inner, width), nn.LayerNorm(width, 1e-12)

    def forward(self, x: Tensor) -> Tensor:
        """float32 (…, width) to the same shape."""
        result: Tensor = self.norm(x + self.down(nn.functional.gelu(self.up(x))))
        return result


class PaperRNN(Student):
    """RNN(l, f) of the paper: ``layers`` GRUs, then ``feed_forward`` feed-forward layers over the last token's state.

    There is no [CLS] and no [SEP]. ``words`` is the table of input embeddings. A "tied" one starts as the passage
    encoder's word embeddings and is trained only together with that encoder. A "trained" one starts there and is
    trained. A "free" one starts at random and is trained. If ``hidden`` is not ``dim``, there is a ``projection``, a
    linear map at the end.
    """

    family = "rnn"
    folds = True

    def __init__(
        self,
        *,
        vocabulary: int,
        width: int,
        dim: int,
        hidden: int,
        layers: int,
        feed_forward: int,
        inner: int,
        table: str = "tied",
        similarity: str = "cosine",
    ) -> None:
        super().__init__()
        self.dim, self.similarity = dim, similarity
        self._settings: dict[str, Any] = {
            "vocabulary": vocabulary,
            "width": width,
            "dim": dim,
            "hidden": hidden,
            "layers": layers,
            "feed_forward": feed_forward,
            "inner": inner,
            "table": table,
            "similarity": similarity,
        }
        self.words = nn.Embedding(vocabulary, width, sparse=table != "tied")
        nn.init.normal_(self.words.weight, std=0.02)
        self.words.weight.requires_grad_(table != "tied")
        self.gru = nn.GRU(width, hidden, num_layers=layers, batch_first=True)
        self.layers = nn.ModuleList(FeedForward(hidden, inner) for _ in range(feed_forward))
        self.projection = nn.Linear(hidden, dim) if hidden != dim else nn.Identity()

    def _read(self, states: Tensor) -> Tensor:
        for layer in self.layers:
            states = layer(states)
        return self.finish(self.projection(states))

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """See :meth:`~training.students.base.Student.forward`."""
        return self._read(last_of(self.gru(self.words(ids))[0], lengths))

    def prefixes(self, ids: Tensor, lengths: Tensor) -> Tensor:  # noqa: ARG002
        """See :meth:`~training.students.base.Student.prefixes`."""
        return self._read(self.gru(self.words(ids))[0])

    @property
    def settings(self) -> dict[str, Any]:
        """See :attr:`~training.students.base.Student.settings`."""
        return dict(self._settings)

    @classmethod
    def start(cls, recipe: StudentRecipe, teacher: TorchTeacher, counts: np.ndarray) -> Self:  # noqa: ARG003
        """Random weights; the words' table is the teacher's unless it is free."""
        assert isinstance(recipe, RNNRecipe)
        words = teacher.word_embeddings()
        student = cls(
            vocabulary=words.shape[0],
            width=words.shape[1],
            dim=teacher.dim,
            hidden=recipe.hidden or teacher.dim,
            layers=recipe.layers,
            feed_forward=recipe.feed_forward,
            inner=recipe.inner or 4 * (recipe.hidden or teacher.dim),
            table=recipe.table,
            similarity=teacher.similarity,
        )
        if recipe.table != "free":
            with torch.no_grad():
                student.words.weight.copy_(words)
        return student
