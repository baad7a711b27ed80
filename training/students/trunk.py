"""Layers copied from a BERT teacher, with or without a causal mask.

They compute what transformers' ``BertModel`` does without its pooler. Queries, keys and values are one product. The
library's overhead at every layer is gone, which matters for texts of ten tokens on a CPU.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self, cast

import torch
from torch import Tensor, nn

from training.students.rounding import RoundedLinear

if TYPE_CHECKING:
    from training.teacher.torch_teacher import TorchTeacher


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    """Scaled dot-product attention over (n, heads, length, size).

    Written out for CPUs. PyTorch's own version is made for long sequences, and its backward pass in bfloat16 takes ten
    times as long for 128 texts of 12 tokens (145 ms against 15, one thread of an EPYC).
    """
    if query.device.type != "cpu":
        return nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    scores = ((query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)).float()
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    seen: Tensor = scores.softmax(-1).to(value.dtype) @ value
    return seen


class Layer(nn.Module):
    """One BERT layer: attention and feed-forward, each followed by its addition and LayerNorm."""

    def __init__(self, width: int, heads: int, inner: int, epsilon: float, *, feed_forward_bits: int = 8) -> None:
        super().__init__()
        self.heads = heads
        linear = RoundedLinear if feed_forward_bits == 4 else nn.Linear
        self.qkv, self.attention = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = linear(width, inner), linear(inner, width)
        self.attention_norm, self.down_norm = nn.LayerNorm(width, epsilon), nn.LayerNorm(width, epsilon)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Map float32 (n, length, width) to the same shape. ``mask`` bool (…, length) is true where tokens may look."""
        n, length, width = x.shape
        query, key, value = self.qkv(x).view(n, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        seen = attend(query, key, value, mask)
        x = self.attention_norm(x + self.attention(seen.transpose(1, 2).reshape(n, length, width)))
        result: Tensor = self.down_norm(x + self.down(nn.functional.gelu(self.up(x))))
        return result

    @torch.no_grad()
    def copy(self, source: Any) -> None:
        """Copy the weights of a ``transformers`` BertLayer."""
        attention = source.attention
        parts = [getattr(attention.self, name) for name in ("query", "key", "value")]
        self.qkv.weight.copy_(torch.cat([part.weight for part in parts]))
        self.qkv.bias.copy_(torch.cat([part.bias for part in parts]))
        for own, theirs in (
            (self.attention, attention.output.dense),
            (self.attention_norm, attention.output.LayerNorm),
            (self.up, source.intermediate.dense),
            (self.down, source.output.dense),
            (self.down_norm, source.output.LayerNorm),
        ):
            own.weight.copy_(theirs.weight)
            own.bias.copy_(theirs.bias)


class Trunk(nn.Module):
    """Word and position embeddings, and layers over them.

    ``words`` (vocabulary, width) is frozen unless ``train_words``. ``positions`` (positions, width) includes the
    embedding of token type 0. With 4 ``feed_forward_bits`` instead of 8, feed-forward weights are rounded in training
    (:mod:`~training.students.rounding`).
    """

    def __init__(
        self,
        *,
        vocabulary: int,
        width: int,
        layers: int,
        heads: int,
        inner: int,
        positions: int,
        epsilon: float,
        train_words: bool = False,
        feed_forward_bits: int = 8,
    ) -> None:
        super().__init__()
        self.settings: dict[str, Any] = {
            "vocabulary": vocabulary,
            "width": width,
            "layers": layers,
            "heads": heads,
            "inner": inner,
            "positions": positions,
            "epsilon": epsilon,
            "train_words": train_words,
            "feed_forward_bits": feed_forward_bits,
        }
        self.vocabulary, self.width = vocabulary, width
        self.words = nn.Embedding(vocabulary, width, sparse=train_words)
        self.words.weight.requires_grad_(train_words)
        self.positions = nn.Parameter(torch.zeros(positions, width))
        self.norm = nn.LayerNorm(width, epsilon)
        self.layers = nn.ModuleList(
            Layer(width, heads, inner, epsilon, feed_forward_bits=feed_forward_bits) for _ in range(layers)
        )

    def forward(self, ids: Tensor, lengths: Tensor | None = None, *, causal: bool = False) -> Tensor:
        """Run int64 ``ids`` (n, length) through all layers: float32 (n, length, width).

        Without ``causal``, ``lengths`` (n,) says how many ids of each row count. With it no lengths are needed, because
        no position sees the padding to its right.
        """
        length, mask = ids.shape[1], None
        if causal:
            mask = torch.ones(length, length, dtype=torch.bool, device=ids.device).tril()
        elif lengths is not None and not bool((lengths == length).all()):
            mask = (torch.arange(length, device=ids.device) < lengths.unsqueeze(1))[:, None, None, :]
        x = self.norm(self.words(ids) + self.positions[:length])
        for layer in self.layers:
            x = layer(x, mask)
        result: Tensor = x.float()
        return result

    @classmethod
    @torch.no_grad()
    def of_teacher(
        cls, teacher: TorchTeacher, picked: Sequence[int], *, train_words: bool, feed_forward_bits: int = 8
    ) -> Self:
        """Copy the teacher's layers with these numbers, in this order.

        Raises:
            ValueError: the teacher is not a BERT with GELU, or has no such layers.
        """
        config = teacher.model.config
        model = teacher.precise_model()
        if config.model_type != "bert" or config.hidden_act != "gelu":
            raise ValueError(
                f"a student can be cut from a bert teacher with gelu only, and this one is {config.model_type} with "
                f"{config.hidden_act}"
            )
        if not picked or not all(0 <= number < config.num_hidden_layers for number in picked):
            raise ValueError(f"the recipe asks for layers {list(picked)}; the teacher has {config.num_hidden_layers}")
        trunk = cls(
            vocabulary=config.vocab_size,
            width=config.hidden_size,
            layers=len(picked),
            heads=config.num_attention_heads,
            inner=config.intermediate_size,
            positions=config.max_position_embeddings,
            epsilon=config.layer_norm_eps,
            train_words=train_words,
            feed_forward_bits=feed_forward_bits,
        )
        embeddings = model.embeddings
        trunk.words.weight.copy_(embeddings.word_embeddings.weight)
        trunk.positions.copy_(
            embeddings.position_embeddings.weight.float() + embeddings.token_type_embeddings.weight[0].float()
        )
        trunk.norm.weight.copy_(embeddings.LayerNorm.weight)
        trunk.norm.bias.copy_(embeddings.LayerNorm.bias)
        for layer, number in zip(trunk.layers, picked, strict=True):
            cast("Layer", layer).copy(model.encoder.layer[number])
        return trunk
