"""Students cut from the teacher's layers: ST(k), which reads whole texts, and causal(k), which is a fold.

Both start from a :class:`~training.students.trunk.Trunk`, a copy of some of the teacher's layers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from training.student_recipes import CausalRecipe, StudentRecipe, TransformerRecipe
from training.students.base import TokenMean, exact, last_of, start_weights, whole_mean
from training.students.trunk import Trunk

if TYPE_CHECKING:
    from training.teacher.torch_teacher import TorchTeacher


#: The least weight of a token in the fit of a shared table, and that of a token of the start. Others have up to 1.
_RARE, _STARTING = 0.01, 100.0
#: What is added to the squares of that fit, as a share of their mean.
_RIDGE = 1e-4


def _picked(recipe: CausalRecipe | TransformerRecipe) -> list[int]:
    """The numbers of the teacher's layers that a recipe asks for: those it names, or else the first ones."""
    return list(recipe.teacher_layers) or list(range(recipe.layers))


class Causal(TokenMean):
    """causal(k): teacher layers under a causal mask. A key-value cache makes it a fold.

    Every text has the same start, ``start_ids``: the teacher's [CLS] and its prompt, if any. The trunk's outputs
    ``h₁…hₙ`` at the text's tokens see only the start and earlier tokens::

        embedding = normalise( Σ wᵢ E[tᵢ] / Σ wᵢ  +  U [hₙ ; Σ wᵢ hᵢ / Σ wᵢ] )

    ``U`` starts at zero, so training starts from the weighted mean of the teacher's single-token vectors. With the
    recipe's ``pooled``, ``U`` starts as that multiple of the teacher's pooling. With all layers this is the teacher
    itself, except that its tokens do not see what follows.

    ``ahead`` adds a second read-out, which starts as the first one: where a text that is still being typed is going. It
    can learn to guess, so the first one does not have to.

    Without a ``table`` there is no mean of token vectors, and the embedding is the read-out alone.

    A trunk without words of its own reads a product of the token vectors, ``P E[t] + b``. It starts as the closest one
    to the teacher's input embeddings.
    """

    family = "causal"
    folds = True

    def __init__(
        self,
        trunk: Trunk,
        table: Tensor | None,
        log_weights: Tensor,
        *,
        dim: int,
        start_ids: Sequence[int],
        similarity: str = "cosine",
        ahead: bool = False,
    ) -> None:
        super().__init__()
        self.trunk, self.start_ids, self.similarity = trunk, tuple(start_ids), similarity
        self.set_tokens(table, log_weights, dim)
        self.readout = nn.Linear(2 * trunk.width, self.dim, bias=False)
        nn.init.zeros_(self.readout.weight)
        #: What the second read-out adds to the first.
        self.guess = nn.Linear(2 * trunk.width, self.dim, bias=False) if ahead else None
        if self.guess is not None:
            nn.init.zeros_(self.guess.weight)
        self.projection = nn.Linear(self.dim, trunk.width) if trunk.words is None else None

    def _states(self, ids: Tensor) -> Tensor:
        """The trunk's outputs at the text's tokens: float32 (n, longest, width)."""
        start = torch.tensor(self.start_ids, device=ids.device).expand(len(ids), -1)
        whole = torch.cat([start, ids], 1)
        words = None
        if self.projection is not None and self.table is not None:
            words = self.projection(self.table(whole))
        states: Tensor = self.trunk(whole, causal=True, words=words)
        return states[:, len(self.start_ids) :]

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """See :meth:`~training.students.base.Student.forward`."""
        tokens, weights = self.weigh(ids, lengths)
        return self.corrected(tokens, weights, self._states(ids), lengths, self.readout)

    def prefixes(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """See :meth:`~training.students.base.Student.prefixes`."""
        tokens, weights = self.weigh(ids, lengths)
        return self.corrected_prefixes(tokens, weights, self._states(ids), self.readout)

    def ahead(self, ids: Tensor, lengths: Tensor, *, alone: bool = False) -> Tensor:
        """See :meth:`~training.students.base.Student.ahead`."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not alone):
            tokens, weights = self.weigh(ids, lengths)
            states = self._states(ids)
        return self.corrected(tokens, weights, states, lengths, self._guessed)

    def whole_and_ahead(self, ids: Tensor, lengths: Tensor, *, alone: bool = False) -> tuple[Tensor, Tensor]:
        """See :meth:`~training.students.base.Student.whole_and_ahead`."""
        tokens, weights = self.weigh(ids, lengths)
        states = self._states(ids)
        whole = self.corrected(tokens, weights, states, lengths, self.readout)
        if alone:
            tokens, weights, states = tokens.detach(), weights.detach(), states.detach()
        return whole, self.corrected_prefixes(tokens, weights, states, self._guessed)

    def _guessed(self, read: Tensor) -> Tensor:
        """The second read-out, or the first one if there is no second."""
        if self.guess is None:
            known: Tensor = self.readout(read)
            return known
        # Detached: what the second read-out learns must not change the first.
        guessed: Tensor = nn.functional.linear(read, self.readout.weight.detach()) + self.guess(read)
        return guessed

    def fresh_parameters(self) -> list[nn.Parameter]:
        """The read-outs. Everything else starts from the teacher."""
        return [*self.readout.parameters(), *(() if self.guess is None else self.guess.parameters())]

    @property
    def settings(self) -> dict[str, Any]:
        """See :attr:`~training.students.base.Student.settings`."""
        own = {"dim": self.dim, "start_ids": list(self.start_ids), "similarity": self.similarity}
        tables = {"ahead": self.guess is not None, "mean": self.table is not None}
        return {"trunk": self.trunk.settings, **own, **tables}

    @classmethod
    def empty(cls, settings: Mapping[str, Any]) -> Self:
        """See :meth:`~training.students.base.Student.empty`."""
        trunk = Trunk(**settings["trunk"])
        # Students of earlier versions have a mean.
        table = torch.zeros(trunk.vocabulary, settings["dim"]) if settings.get("mean", True) else None
        own = {name: settings[name] for name in ("dim", "start_ids", "similarity", "ahead")}
        return cls(trunk, table, torch.zeros(trunk.vocabulary), **own)

    @torch.no_grad()
    def _project(self, projection: nn.Linear, table: Tensor, words: Tensor) -> None:
        """Set the product of ``table`` (vocabulary, dim) that is closest to ``words`` (vocabulary, width)."""
        # Rare tokens count less: those of training texts are what the layers will read.
        weights = (1 - self.log_weights.weight.exp()).clamp(min=_RARE)
        # Every text has those of the start.
        weights[list(self.start_ids)] = _STARTING
        vectors = torch.cat([table, torch.ones(len(words), 1)], 1).double()
        squares = (weights * vectors).T @ vectors
        # A little less exact, and finite where vectors do not span their space.
        squares += _RIDGE * squares.diagonal().mean() * torch.eye(len(squares))
        found = torch.linalg.solve(squares, (weights * vectors).T @ words.double()).float()
        projection.weight.copy_(found[:-1].T)
        projection.bias.copy_(found[-1])

    @classmethod
    def start(cls, recipe: StudentRecipe, teacher: TorchTeacher, counts: np.ndarray) -> Self:
        """The teacher's layers and single-token vectors, and a read-out that adds its pooling, or nothing yet.

        Raises:
            ValueError: ``pooled`` with a teacher that pools [CLS], which sees no other token under a causal mask.
        """
        assert isinstance(recipe, CausalRecipe)
        student = cls(
            Trunk.of_teacher(
                teacher,
                _picked(recipe),
                inner=recipe.units,
                own_words=recipe.table != "shared",
                train_words=recipe.table == "trained",
                feed_forward_bits=recipe.feed_forward_bits,
                attention_bits=recipe.attention_bits,
            ),
            teacher.token_vectors() if recipe.mean else None,
            start_weights(counts),
            dim=teacher.dim,
            start_ids=teacher.special_ids()[0],
            similarity=teacher.similarity,
            ahead=recipe.ahead,
        )
        if student.projection is not None:
            student._project(student.projection, teacher.token_vectors(), teacher.word_embeddings())
        if recipe.pooled:
            if teacher.pooling == "cls":
                raise ValueError(
                    "pooled needs a teacher that does not pool [CLS]: under a causal mask, [CLS] sees no other token"
                )
            last, mean = student.readout.weight.detach().chunk(2, dim=1)
            (mean if teacher.pooling == "mean" else last).fill_diagonal_(recipe.pooled)
        return student


class TruncatedTransformer(TokenMean):
    """ST(k): the teacher's first k layers, or given ones, with its special tokens, prompt and pooling.

    With all layers it is the teacher. With the recipe's ``residual``, it does not pool. Its embedding is then the
    weighted mean of token vectors, plus a read-out of [output of the first token; mean output] that starts at zero.
    """

    family = "transformer"
    folds = False

    def __init__(
        self,
        trunk: Trunk,
        *,
        prefix_ids: Sequence[int],
        suffix_ids: Sequence[int],
        pooling: str,
        similarity: str = "cosine",
        table: Tensor | None = None,
        log_weights: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.trunk, self.similarity, self.pooling = trunk, similarity, pooling
        self.prefix_ids, self.suffix_ids = tuple(prefix_ids), tuple(suffix_ids)
        self.dim = trunk.width
        self.residual = table is not None
        if table is not None and log_weights is not None:
            self.set_tokens(table, log_weights)
            self.readout = nn.Linear(2 * trunk.width, self.dim, bias=False)
            nn.init.zeros_(self.readout.weight)

    def _framed(self, ids: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """The ids with special tokens around them, and the length of each row."""
        before, after = len(self.prefix_ids), len(self.suffix_ids)
        framed = nn.functional.pad(ids, (before, after))
        framed[:, :before] = torch.tensor(self.prefix_ids, device=ids.device)
        rows = torch.arange(len(ids), device=ids.device)
        for place, token in enumerate(self.suffix_ids):
            framed[rows, before + lengths + place] = token
        return framed, lengths + before + after

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """See :meth:`~training.students.base.Student.forward`."""
        framed, whole = self._framed(ids, lengths)
        states = self.trunk(framed, whole)
        with exact(states):
            if self.pooling != "mean" and not self.residual:
                return self.finish(states[:, 0] if self.pooling == "cls" else last_of(states, whole))
            present = torch.arange(framed.shape[1], device=ids.device) < whole.unsqueeze(1)
            mean = whole_mean(present.unsqueeze(2).float(), states)
            if not self.residual:
                return self.finish(mean)
            tokens, weights = self.weigh(ids, lengths)
            return self.finish(whole_mean(weights, tokens) + self.readout(torch.cat([states[:, 0], mean], 1)))

    def fresh_parameters(self) -> list[nn.Parameter]:
        """The read-out, if there is one. Everything else starts from the teacher."""
        return list(self.readout.parameters()) if self.residual else []

    @property
    def settings(self) -> dict[str, Any]:
        """See :attr:`~training.students.base.Student.settings`."""
        return {
            "trunk": self.trunk.settings,
            "prefix_ids": list(self.prefix_ids),
            "suffix_ids": list(self.suffix_ids),
            "pooling": self.pooling,
            "similarity": self.similarity,
            "residual": self.residual,
        }

    @classmethod
    def empty(cls, settings: Mapping[str, Any]) -> Self:
        """See :meth:`~training.students.base.Student.empty`."""
        others = dict(settings)
        trunk = Trunk(**others.pop("trunk"))
        if others.pop("residual"):
            others["table"] = torch.zeros(trunk.vocabulary, trunk.width)
            others["log_weights"] = torch.zeros(trunk.vocabulary)
        return cls(trunk, **others)

    @classmethod
    def start(cls, recipe: StudentRecipe, teacher: TorchTeacher, counts: np.ndarray) -> Self:
        """The teacher without its other layers."""
        assert isinstance(recipe, TransformerRecipe)
        before, after = teacher.special_ids()
        return cls(
            Trunk.of_teacher(teacher, _picked(recipe), train_words=recipe.table == "trained"),
            prefix_ids=before,
            suffix_ids=after,
            pooling=teacher.pooling,
            similarity=teacher.similarity,
            table=teacher.token_vectors() if recipe.residual else None,
            log_weights=start_weights(counts) if recipe.residual else None,
        )
