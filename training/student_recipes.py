"""The entries of ``[student]`` in a recipe: what every family has, and what each of ours adds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from training.checking import Count, Natural, OneOf, Share


@dataclass(frozen=True)
class StudentRecipe:
    """The entries that every family has. A family's own class adds the others, each with a default."""

    #: Its name in :data:`training.families.FAMILIES`.
    family: str
    #: Training texts with more word pieces are left out. Special tokens do not count.
    max_tokens: int = 96
    #: A folder of a vocabulary cut from the teacher's (:mod:`training.vocabulary`); "" for the teacher's own.
    vocabulary: str = ""

    @property
    def guesses(self) -> bool:
        """Whether the student has a second read-out, for where unfinished text is going."""
        return False

    @property
    def has_token_vectors(self) -> bool:
        """Whether the student starts from the teacher's vector of each token."""
        return True


@dataclass(frozen=True)
class StaticRecipe(StudentRecipe):
    """``static``: see :class:`training.students.static.Static`."""

    family: str = "static"
    #: Units of the hidden layer after the mean; 0 for the mean alone.
    readout: Natural = 0
    #: Bits of that layer's exported weights, 3 to 8. Fewer compress better: a file has a byte for each of them. A
    #: student of less than 8 is trained with its weights rounded.
    readout_bits: Count = 8

    def __post_init__(self) -> None:
        if self.readout_bits not in range(3, 9):
            raise ValueError(f"readout_bits = {self.readout_bits} is not between 3 and 8")


@dataclass(frozen=True)
class ResidualGRURecipe(StudentRecipe):
    """``residual-gru``: see :class:`training.students.recurrent.ResidualGRU`."""

    family: str = "residual-gru"
    #: Units of each GRU.
    hidden: Count = 512
    #: GRUs on top of one another.
    layers: Count = 1
    #: Units of a layer that reads the embedding from the mean and the states; 0 for a linear read-out of the states.
    readout: Natural = 0


@dataclass(frozen=True)
class RNNRecipe(StudentRecipe):
    """``rnn``, RNN(l, f): see :class:`training.students.recurrent.PaperRNN`."""

    family: str = "rnn"
    #: Units of each GRU; 0 for the teacher's dimension.
    hidden: Natural = 512
    #: GRUs on top of one another: l.
    layers: Count = 1
    #: Feed-forward layers: f.
    feed_forward: Natural = 0
    #: Inner width of the feed-forward layers; 0 for four times ``hidden``.
    inner: Natural = 0
    #: Input embeddings. "tied" starts as the passage encoder's and stays as it is. "trained" starts there and is
    #: trained. "free" starts at random and is trained.
    table: Annotated[str, OneOf("tied", "trained", "free")] = "tied"

    @property
    def has_token_vectors(self) -> bool:
        """See :attr:`StudentRecipe.has_token_vectors`."""
        return False


@dataclass(frozen=True)
class CausalRecipe(StudentRecipe):
    """``causal``, causal(k): see :class:`training.students.transformer.Causal`."""

    family: str = "causal"
    #: How many of the teacher's layers: the first ones, unless ``teacher_layers`` names others.
    layers: Count = 1
    teacher_layers: tuple[Natural, ...] = ()
    #: Input embeddings: "tied" to the teacher's, or "trained" from there. "shared" ones are a product of the token
    #: vectors, so that there is one table instead of two.
    table: Annotated[str, OneOf("tied", "trained", "shared")] = "tied"
    #: Units of each feed-forward layer, the strongest of the teacher's; 0 for all.
    units: Natural = 0
    #: Whether a weighted mean of token vectors is part of the embedding. Without it there is no table of those.
    mean: bool = True
    #: The share of the teacher's own pooling at the start, beside the mean of token vectors; 0 for none.
    pooled: Share = 0.0
    #: Whether there is a second read-out, for where unfinished text is going. The objective ``prefix`` trains it.
    ahead: bool = False
    #: Bits of the exported feed-forward weights: 8 or 4. A student of 4 is trained with its weights rounded.
    feed_forward_bits: int = 8
    #: The same for the weights of attention.
    attention_bits: int = 8

    def __post_init__(self) -> None:
        for name in ("feed_forward_bits", "attention_bits"):
            if getattr(self, name) not in (4, 8):
                raise ValueError(f"{name} = {getattr(self, name)} is neither 4 nor 8")
        if not self.mean and not self.pooled:
            raise ValueError("mean = false needs pooled, or the student would start from nothing: set pooled = 1.0")
        if not self.mean and self.table == "shared":
            raise ValueError('table = "shared" needs mean = true: there are no token vectors to share')

    @property
    def guesses(self) -> bool:
        """See :attr:`StudentRecipe.guesses`."""
        return self.ahead

    @property
    def has_token_vectors(self) -> bool:
        """See :attr:`StudentRecipe.has_token_vectors`."""
        return self.mean


@dataclass(frozen=True)
class TransformerRecipe(StudentRecipe):
    """``transformer``, ST(k): see :class:`training.students.transformer.TruncatedTransformer`."""

    family: str = "transformer"
    #: How many of the teacher's layers: the first ones, unless ``teacher_layers`` names others.
    layers: Count = 1
    teacher_layers: tuple[Natural, ...] = ()
    #: Input embeddings: "tied" to the teacher's, or "trained" from there.
    table: Annotated[str, OneOf("tied", "trained")] = "tied"
    #: Whether a read-out is added to the weighted mean of token vectors, instead of pooling.
    residual: bool = False

    @property
    def has_token_vectors(self) -> bool:
        """See :attr:`StudentRecipe.has_token_vectors`."""
        return self.residual
