"""Layers copied from a teacher, with or without a causal mask.

A trunk computes what the teacher's ``transformers`` model does without its pooler. Its settings say what kind of layers
they are: :mod:`training.architectures` derives these from the teacher's ``config.json``, and
:mod:`training.students.copying` fills in the weights. Queries, keys and values are one product. The library's overhead
at every layer is gone, which matters for texts of ten tokens on a CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn

from training.architectures import architecture_of, trunk_settings
from training.students.copying import copy_weights
from training.students.rounding import RoundedLinear

if TYPE_CHECKING:
    from training.teacher.torch_teacher import TorchTeacher

#: Distances beyond this have the same relative bias. MPNet's are equal from 91 on.
FARTHEST = 128

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": nn.functional.gelu,
    "gelu_tanh": lambda x: nn.functional.gelu(x, approximate="tanh"),
    "relu": nn.functional.relu,
}


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, bias: Tensor | None = None) -> Tensor:
    """Scaled dot-product attention over (n, heads, length, size).

    ``mask`` bool (…, length) is true where tokens may look; every row needs such a place. ``bias`` (heads, length,
    length) is added to the scaled scores.

    Written out for CPUs. PyTorch's own version is made for long sequences, and its backward pass in bfloat16 takes ten
    times as long for 128 texts of 12 tokens (145 ms against 15, one thread of an EPYC).
    """
    lowest = torch.finfo(torch.float32).min
    if query.device.type != "cpu":
        added = mask
        if bias is not None:
            added = bias.to(query.dtype)
            if mask is not None:
                added = added.masked_fill(~mask, torch.finfo(query.dtype).min)
        return nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=added)
    scores = ((query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)).float()
    if bias is not None:
        scores = scores + bias
    if mask is not None:
        scores = scores.masked_fill(~mask, lowest)
    seen: Tensor = scores.softmax(-1).to(value.dtype) @ value
    return seen


def turned(states: Tensor, angles: Tensor) -> Tensor:
    """Rotary positions: turn (n, heads, length, size) by ``angles`` (length, size / 2).

    Entry k and entry k + size / 2 are a point in the plane (*RoFormer*, arXiv:2104.09864, section 3.2).
    """
    one, other = states.float().chunk(2, dim=-1)
    cosine, sine = angles.cos(), angles.sin()
    return torch.cat([one * cosine - other * sine, other * cosine + one * sine], dim=-1).to(states.dtype)


class Layer(nn.Module):
    """One layer: attention and a feed-forward network, each added to its input.

    As in BERT, a LayerNorm follows each addition. With ``pre_norm`` it is what attention and the network read; the
    first layer may have none before attention. With ``gated`` the network has twice the units, and the second half
    multiplies the first one's activations.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        inner: int,
        epsilon: float,
        *,
        activation: str = "gelu",
        pre_norm: bool = False,
        gated: bool = False,
        feed_forward_bits: int = 8,
        attention_bits: int = 8,
    ) -> None:
        super().__init__()
        self.heads, self.pre_norm, self.gated = heads, pre_norm, gated
        self.activation = ACTIVATIONS[activation]
        attention = RoundedLinear if attention_bits == 4 else nn.Linear
        feed_forward = RoundedLinear if feed_forward_bits == 4 else nn.Linear
        self.qkv, self.attention = attention(width, 3 * width), attention(width, width)
        self.up, self.down = feed_forward(width, 2 * inner if gated else inner), feed_forward(inner, width)
        self.attention_norm: nn.Module = nn.LayerNorm(width, epsilon)
        self.down_norm = nn.LayerNorm(width, epsilon)

    def _attended(self, x: Tensor, mask: Tensor | None, bias: Tensor | None, angles: Tensor | None) -> Tensor:
        n, length, width = x.shape
        query, key, value = self.qkv(x).view(n, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        if angles is not None:
            query, key = turned(query, angles), turned(key, angles)
        seen = attend(query, key, value, mask, bias)
        result: Tensor = self.attention(seen.transpose(1, 2).reshape(n, length, width))
        return result

    def _fed(self, x: Tensor) -> Tensor:
        inner = self.up(x)
        if self.gated:
            inner, gate = inner.chunk(2, dim=-1)
            inner = self.activation(inner) * gate
        else:
            inner = self.activation(inner)
        result: Tensor = self.down(inner)
        return result

    def forward(
        self, x: Tensor, mask: Tensor | None, bias: Tensor | None = None, angles: Tensor | None = None
    ) -> Tensor:
        """Map float32 (n, length, width) to the same shape.

        ``mask`` and ``bias`` are those of :func:`attend`, ``angles`` those of :func:`turned`.
        """
        if self.pre_norm:
            x = x + self._attended(self.attention_norm(x), mask, bias, angles)
            return x + self._fed(self.down_norm(x))
        x = self.attention_norm(x + self._attended(x, mask, bias, angles))
        result: Tensor = self.down_norm(x + self._fed(x))
        return result


class Trunk(nn.Module):
    """Word and position embeddings, and layers over them.

    ``words`` (vocabulary, width) is frozen unless ``train_words``. Without ``own_words`` there is none, and whoever
    calls the trunk brings the embeddings. ``positions`` (positions, width) starts at the first
    position that a text has, and includes the embedding of token type 0. With ``relative`` there is a bias
    ``relative`` float32 (heads, 257), shared by all layers: entry d + 128 is added to the scaled scores of the key d
    places to the right of the query (to its left for d below zero), where d is limited to -128 to 128.

    ``rotary`` has the base of each layer's rotary positions, which then replace embeddings of positions. ``windows``
    says how many tokens each layer sees to either side, 0 for all. With ``pre_norm``, a LayerNorm follows the last
    layer, and without ``first_norm`` the first one has none before attention. With 4 ``feed_forward_bits`` or
    ``attention_bits`` instead of 8, these weights are rounded in training (:mod:`~training.students.rounding`).
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
        activation: str = "gelu",
        relative: bool = False,
        rotary: Sequence[float] = (),
        windows: Sequence[int] = (),
        pre_norm: bool = False,
        first_norm: bool = True,
        gated: bool = False,
        own_words: bool = True,
        train_words: bool = False,
        feed_forward_bits: int = 8,
        attention_bits: int = 8,
    ) -> None:
        super().__init__()
        form: dict[str, Any] = {
            "activation": activation,
            "pre_norm": pre_norm,
            "gated": gated,
            "feed_forward_bits": feed_forward_bits,
            "attention_bits": attention_bits,
        }
        self.settings: dict[str, Any] = {
            "vocabulary": vocabulary,
            "width": width,
            "layers": layers,
            "heads": heads,
            "inner": inner,
            "positions": positions,
            "epsilon": epsilon,
            "relative": relative,
            "rotary": list(rotary),
            "windows": list(windows),
            "first_norm": first_norm,
            "own_words": own_words,
            "train_words": train_words,
            **form,
        }
        self.vocabulary, self.width = vocabulary, width
        self.rotary, self.windows = tuple(rotary) or (0.0,) * layers, tuple(windows) or (0,) * layers
        self._pairs = width // heads // 2
        self.words = nn.Embedding(vocabulary, width, sparse=train_words) if own_words else None
        if self.words is not None:
            self.words.weight.requires_grad_(train_words)
        self.positions = None if rotary else nn.Parameter(torch.zeros(positions, width))
        self.relative = nn.Parameter(torch.zeros(heads, 2 * FARTHEST + 1)) if relative else None
        self.norm = nn.LayerNorm(width, epsilon)
        self.layers = nn.ModuleList(Layer(width, heads, inner, epsilon, **form) for _ in range(layers))
        if not first_norm:
            self.layers[0].attention_norm = nn.Identity()
        self.final_norm = nn.LayerNorm(width, epsilon) if pre_norm else nn.Identity()

    def forward(
        self, ids: Tensor, lengths: Tensor | None = None, *, causal: bool = False, words: Tensor | None = None
    ) -> Tensor:
        """Run int64 ``ids`` (n, length) through all layers: float32 (n, length, width).

        ``words`` (n, length, width) are the embeddings of the ids, for a trunk that has none. Without ``causal``,
        ``lengths`` (n,) says how many ids of each row count. With it no lengths are needed, because no position sees
        the padding to its right.
        """
        length = ids.shape[1]
        masks = {window: self._mask(ids, lengths, window, causal=causal) for window in set(self.windows)}
        angles = {base: self._angles(length, base) for base in set(self.rotary)}
        bias = self._biases(length)
        x = words if self.words is None else self.words(ids)
        assert x is not None
        x = self.norm(x if self.positions is None else x + self.positions[:length])
        for layer, window, base in zip(self.layers, self.windows, self.rotary, strict=True):
            x = layer(x, masks[window], bias, angles[base])
        result: Tensor = self.final_norm(x).float()
        return result

    def _mask(self, ids: Tensor, lengths: Tensor | None, window: int, *, causal: bool) -> Tensor | None:
        """Where tokens may look, bool (…, length): None for everywhere."""
        length, mask = ids.shape[1], None
        places = torch.arange(length, device=ids.device)
        if causal:
            mask = places <= places[:, None]
        elif lengths is not None and not bool((lengths == length).all()):
            mask = (places < lengths.unsqueeze(1))[:, None, None, :]
        if window and window < length - 1:
            apart = (places - places[:, None]).abs()
            # Padding sees itself at least: a token that sees nothing would be NaN.
            mask = apart <= window if mask is None else (apart <= window) & mask | (apart == 0)
        return mask

    def _angles(self, length: int, base: float) -> Tensor | None:
        """The angles of rotary positions, float32 (length, size / 2)."""
        if not base:
            return None
        device = self.norm.weight.device
        shares = torch.arange(0, 2 * self._pairs, 2, dtype=torch.float32, device=device) / (2 * self._pairs)
        return torch.arange(length, dtype=torch.float32, device=device)[:, None] / base**shares

    def _biases(self, length: int) -> Tensor | None:
        """The biases by distance, float32 (heads, length, length): of each query's row and each key's column."""
        if self.relative is None:
            return None
        places = torch.arange(length, device=self.relative.device)
        distances = (places[None, :] - places[:, None]).clamp(-FARTHEST, FARTHEST) + FARTHEST
        return self.relative[:, distances]

    @classmethod
    def of_teacher(
        cls,
        teacher: TorchTeacher,
        picked: Sequence[int] | None = None,
        *,
        inner: int = 0,
        **options: Any,
    ) -> Self:
        """Copy the teacher's layers with these numbers, in this order (default: all).

        Of the units in each feed-forward layer, it copies the ``inner`` strongest (0: all). ``options`` are those of
        the class: ``own_words``, ``train_words`` and the bits.

        Raises:
            ValueError: the trunk cannot compute the teacher (:mod:`training.architectures`), or has no such layers.
        """
        config = teacher.model.config.to_dict()
        settings = trunk_settings(config, picked)
        if inner > settings["inner"]:
            raise ValueError(
                f"the recipe asks for {inner} units; the teacher's feed-forward layers have {settings['inner']}"
            )
        trunk = cls(**{**settings, "inner": inner or settings["inner"]}, **options)
        numbers = range(settings["layers"]) if picked is None else picked
        copy_weights(trunk, teacher.precise_model(), architecture_of(config), numbers)
        return trunk
