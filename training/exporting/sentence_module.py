"""A student as a module of sentence-transformers.

``python -m training.exporting.export sentence-transformers`` puts a copy of this file beside the weights, where the
library finds it (``trust_remote_code=True``). So the file needs nothing but that library. The classes have the same
weights, by the same names, as those of ``training/students``, and compute the same embeddings of whole texts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor, nn

try:
    from sentence_transformers.base.modules.input_module import InputModule
except ImportError:  # before version 6
    from sentence_transformers.models import InputModule

if TYPE_CHECKING:  # new in Python 3.11; the library runs on older ones
    from typing import Self

_SETTINGS, _WEIGHTS, _TOKENIZER = "student.json", "model.safetensors", "tokenizer.json"
_LEAST = 1e-30


def mean(values: Tensor, weights: Tensor) -> Tensor:
    """The mean of (n, length, d), weighted by (n, length, 1): (n, d). Zero if all weights are."""
    return (weights * values).sum(1) / weights.sum(1).clamp(min=_LEAST)


def turned(states: Tensor, angles: Tensor) -> Tensor:
    """Rotary positions: (n, heads, length, size) turned by ``angles`` (length, size / 2)."""
    one, other = states.chunk(2, dim=-1)
    cosine, sine = angles.cos(), angles.sin()
    return torch.cat([one * cosine - other * sine, other * cosine + one * sine], dim=-1)


class Layer(nn.Module):
    """One layer, with its norms after or before attention and the feed-forward network."""

    def __init__(self, sizes: Mapping[str, Any]) -> None:
        super().__init__()
        width, inner, epsilon = sizes["width"], sizes["inner"], sizes["epsilon"]
        self.heads = sizes["heads"]
        self.pre_norm, self.gated = sizes.get("pre_norm", False), sizes.get("gated", False)
        self.activation = sizes.get("activation", "gelu")
        self.qkv, self.attention = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 2 * inner if self.gated else inner), nn.Linear(inner, width)
        self.attention_norm: nn.Module = nn.LayerNorm(width, epsilon)
        self.down_norm = nn.LayerNorm(width, epsilon)

    def _attended(self, x: Tensor, mask: Tensor, angles: Tensor | None) -> Tensor:
        n, length, width = x.shape
        query, key, value = self.qkv(x).view(n, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        if angles is not None:
            query, key = turned(query, angles), turned(key, angles)
        seen = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        result: Tensor = self.attention(seen.transpose(1, 2).reshape(n, length, width))
        return result

    def _fed(self, x: Tensor) -> Tensor:
        inner = self.up(x)
        gate = None
        if self.gated:
            inner, gate = inner.chunk(2, dim=-1)
        if self.activation == "relu":
            inner = nn.functional.relu(inner)
        else:
            inner = nn.functional.gelu(inner, approximate="tanh" if self.activation == "gelu_tanh" else "none")
        result: Tensor = self.down(inner if gate is None else inner * gate)
        return result

    def forward(self, x: Tensor, mask: Tensor, angles: Tensor | None) -> Tensor:
        """float32 (n, length, width) to the same shape. ``mask`` is added to the scores of attention."""
        if self.pre_norm:
            x = x + self._attended(self.attention_norm(x), mask, angles)
            return x + self._fed(self.down_norm(x))
        x = self.attention_norm(x + self._attended(x, mask, angles))
        result: Tensor = self.down_norm(x + self._fed(x))
        return result


class Trunk(nn.Module):
    """Word embeddings, positions of one kind or another, and layers over them."""

    def __init__(self, sizes: Mapping[str, Any]) -> None:
        super().__init__()
        width, epsilon, layers, heads = sizes["width"], sizes["epsilon"], sizes["layers"], sizes["heads"]
        self.rotary, self.windows = sizes.get("rotary") or [0] * layers, sizes.get("windows") or [0] * layers
        self.size = width // heads
        self.words = nn.Embedding(sizes["vocabulary"], width)
        self.positions = None if any(self.rotary) else nn.Parameter(torch.zeros(sizes["positions"], width))
        self.relative = nn.Parameter(torch.zeros(heads, 257)) if sizes.get("relative") else None
        self.norm = nn.LayerNorm(width, epsilon)
        self.layers = nn.ModuleList(Layer(sizes) for _ in range(layers))
        if not sizes.get("first_norm", True):
            self.layers[0].attention_norm = nn.Identity()
        self.final_norm = nn.LayerNorm(width, epsilon) if sizes.get("pre_norm") else nn.Identity()

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """int64 (n, length) to float32 (n, length, width). ``mask`` bool (…, length) is true where tokens may look."""
        length, device = ids.shape[1], ids.device
        places = torch.arange(length, device=device)
        apart = places[None, :] - places[:, None]
        bias = torch.zeros(1, 1, device=device)
        if self.relative is not None:
            bias = self.relative[:, apart.clamp(-128, 128) + 128]
        x = self.words(ids)
        x = self.norm(x if self.positions is None else x + self.positions[:length])
        for layer, window, base in zip(self.layers, self.windows, self.rotary, strict=True):
            # Every token sees itself, or padding would see nothing.
            seen = mask & (apart.abs() <= window) | (apart == 0) if window else mask
            angles = None
            if base:
                shares = torch.arange(0, self.size, 2, dtype=torch.float32, device=device) / self.size
                angles = places[:, None].float() / base**shares
            x = layer(x, bias.masked_fill(~seen, torch.finfo(torch.float32).min), angles)
        result: Tensor = self.final_norm(x)
        return result


class FeedForward(nn.Module):
    """``LayerNorm(x + W₂ GELU(W₁ x + b₁) + b₂)``."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.up, self.down, self.norm = nn.Linear(width, inner), nn.Linear(inner, width), nn.LayerNorm(width, 1e-12)

    def forward(self, x: Tensor) -> Tensor:
        """float32 (…, width) to the same shape."""
        result: Tensor = self.norm(x + self.down(nn.functional.gelu(self.up(x))))
        return result


class SentenceStudent(InputModule):  # type: ignore[misc]
    """A student of any family: texts in, ``sentence_embedding`` float32 (n, dim) out.

    ``settings`` are those of ``student.json``: the family, its sizes, and ``max_tokens``, after which texts are cut.
    """

    def __init__(self, settings: Mapping[str, Any], tokenizer: Tokenizer) -> None:
        super().__init__()
        self.settings, self.tokenizer = dict(settings), tokenizer
        # "[SEP]" in a text is ordinary text.
        tokenizer.encode_special_tokens = True
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self.family: str = settings["family"]
        self.max_seq_length: int = settings["max_tokens"]
        trunk: dict[str, Any] = settings.get("trunk") or {}
        self.dim: int = settings.get("dim") or trunk["width"]
        #: Ids before and after every text.
        self.prefix: list[int] = list(settings.get("start_ids") or settings.get("prefix_ids") or ())
        self.suffix: list[int] = list(settings.get("suffix_ids") or ())
        hidden, layers = settings.get("hidden", 0), settings.get("layers", 1)
        if self.family == "rnn":
            self.words = nn.Embedding(settings["vocabulary"], settings["width"])
            self.gru = nn.GRU(settings["width"], hidden, num_layers=layers, batch_first=True)
            inner = settings["inner"]
            self.layers = nn.ModuleList(FeedForward(hidden, inner) for _ in range(settings["feed_forward"]))
            self.projection = nn.Linear(hidden, self.dim) if hidden != self.dim else nn.Identity()
            return
        if self.family == "transformer" and not settings["residual"]:
            self.trunk = Trunk(trunk)
            return
        vocabulary = trunk["vocabulary"] if trunk else settings["vocabulary"]
        self.log_weights = nn.Embedding(vocabulary, 1)
        # A causal student may be without a mean of token vectors.
        self.table = nn.Embedding(vocabulary, self.dim) if settings.get("mean", True) else None
        if self.family == "residual-gru":
            self.gru = nn.GRU(self.dim, hidden, num_layers=layers, batch_first=True)
        elif self.family in ("causal", "transformer"):
            self.trunk, hidden = Trunk(trunk), trunk["width"]
        elif self.family != "static":
            raise ValueError(f"student family {self.family!r} is not known")
        # The units of a layer that reads the mean, and how much it reads besides.
        self.units: int = hidden if self.family == "static" else settings.get("readout", 0)
        read = 0 if self.family == "static" else 2 * hidden
        if self.units:
            self.inner, self.outer = nn.Linear(self.dim + read, self.units), nn.Linear(self.units, self.dim)
        elif read:
            self.readout = nn.Linear(read, self.dim, bias=False)

    def preprocess(self, inputs: Sequence[str], prompt: str | None = None, **_options: Any) -> dict[str, Tensor]:
        """Token ids (n, longest) of the texts alone, padded on the right, and ``lengths`` (n,)."""
        texts = [(prompt or "") + text for text in inputs]
        found = [one.ids[: self.max_seq_length] for one in self.tokenizer.encode_batch(texts, add_special_tokens=False)]
        ids = torch.zeros(len(found), max(1, *map(len, found)), dtype=torch.int64)
        for row, tokens in enumerate(found):
            ids[row, : len(tokens)] = torch.tensor(tokens, dtype=torch.int64)
        return {"input_ids": ids, "lengths": torch.tensor([len(tokens) for tokens in found])}

    # Its name before version 6 of the library.
    tokenize = preprocess

    def forward(self, features: dict[str, Tensor], **_options: Any) -> dict[str, Tensor]:
        """Add ``sentence_embedding``. It is zero for a text without tokens, unless special tokens are read."""
        ids, lengths = features["input_ids"], features["lengths"]
        vectors = self._vectors(ids, lengths).float()
        if self.family != "transformer":
            vectors = vectors * (lengths > 0).unsqueeze(1)
        if self.settings["similarity"] == "cosine":
            vectors = nn.functional.normalize(vectors, dim=1)
        return features | {"sentence_embedding": vectors}

    def _vectors(self, ids: Tensor, lengths: Tensor) -> Tensor:
        if self.family == "rnn":
            states = _last(self.gru(self.words(ids))[0], lengths)
            for layer in self.layers:
                states = layer(states)
            result: Tensor = self.projection(states)
            return result
        if self.family == "transformer" and not self.settings["residual"]:
            return self._pooled(ids, lengths)
        places = torch.arange(ids.shape[1], device=ids.device)
        weights = self.log_weights(ids).exp() * (places < lengths.unsqueeze(1)).unsqueeze(2)
        tokens = torch.zeros_like(weights) if self.table is None else self.table(ids)
        vectors = mean(tokens, weights)
        if self.family == "static":
            return self._by_layer(vectors, vectors[:, :0]) if self.units else vectors
        if self.family == "transformer":
            read = self._whole(ids, lengths)
        else:
            states = self.gru(tokens)[0] if self.family == "residual-gru" else self._causal(ids)
            read = torch.cat([_last(states, lengths), mean(states, weights)], 1)
        if self.units:
            return self._by_layer(vectors, read)
        corrected: Tensor = vectors + self.readout(read)
        return corrected

    def _by_layer(self, means: Tensor, read: Tensor) -> Tensor:
        """Means (n, dim), plus the output of the layer, which also reads (n, …)."""
        unit = nn.functional.normalize(means, dim=1)
        inner = self.inner(torch.cat([unit * self.dim**0.5, read], 1))
        added: Tensor = self.outer(nn.functional.gelu(inner, approximate="tanh"))
        return (unit if self.settings["similarity"] == "cosine" else means) + added

    def _causal(self, ids: Tensor) -> Tensor:
        """The trunk's outputs at the text's tokens. Each token only looks back."""
        start = torch.tensor(self.prefix, device=ids.device).expand(len(ids), -1)
        framed = torch.cat([start, ids], 1)
        mask = torch.ones(framed.shape[1], framed.shape[1], dtype=torch.bool, device=ids.device).tril()
        states: Tensor = self.trunk(framed, mask)
        return states[:, len(self.prefix) :]

    def _pooled(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """The trunk's outputs, special tokens included, pooled as the teacher does: (n, width)."""
        states, present = self._framed(ids, lengths)
        pooling = self.settings["pooling"]
        if pooling == "mean":
            return mean(states, present.unsqueeze(2).float())
        return states[:, 0] if pooling == "cls" else _last(states, present.sum(1))

    def _whole(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """The trunk's output of the first token and its mean output, special tokens included: (n, 2 width)."""
        states, present = self._framed(ids, lengths)
        return torch.cat([states[:, 0], mean(states, present.unsqueeze(2).float())], 1)

    def _framed(self, ids: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """The trunk's outputs for texts with special tokens around them, and where there are any: bool (n, length)."""
        before = len(self.prefix)
        framed = nn.functional.pad(ids, (before, len(self.suffix)))
        framed[:, :before] = torch.tensor(self.prefix, device=ids.device)
        rows = torch.arange(len(ids), device=ids.device)
        for place, token in enumerate(self.suffix):
            framed[rows, before + lengths + place] = token
        whole = lengths + before + len(self.suffix)
        present = torch.arange(framed.shape[1], device=ids.device) < whole.unsqueeze(1)
        states: Tensor = self.trunk(framed, present[:, None, None, :])
        return states, present

    def get_embedding_dimension(self) -> int:
        """Dimension of the embedding."""
        return self.dim

    get_sentence_embedding_dimension = get_embedding_dimension

    def save(self, output_path: str, *_arguments: Any, **_options: Any) -> None:
        """Write settings, weights and tokenizer into a folder, without a pickle."""
        folder = Path(output_path)
        (folder / _SETTINGS).write_text(json.dumps(self.settings, indent=2) + "\n", encoding="utf-8")
        save_file({name: tensor.contiguous() for name, tensor in self.state_dict().items()}, folder / _WEIGHTS)
        self.tokenizer.save(str(folder / _TOKENIZER))

    @classmethod
    def load(cls, model_name_or_path: str, **options: Any) -> Self:
        """Read what :meth:`save` wrote, from a folder or the hub."""
        names = ("subfolder", "token", "cache_folder", "revision", "local_files_only")
        where = {name: options[name] for name in names if name in options}
        settings, weights, tokenizer = (
            Path(cls.load_file_path(model_name_or_path, filename=name, **where))
            for name in (_SETTINGS, _WEIGHTS, _TOKENIZER)
        )
        student = cls(json.loads(settings.read_text(encoding="utf-8")), Tokenizer.from_file(str(tokenizer)))
        student.load_state_dict(load_file(weights))
        student.eval()
        return student


def _last(values: Tensor, lengths: Tensor) -> Tensor:
    """The entry of (n, length, d) at each row's last token: (n, d)."""
    return values[torch.arange(len(values), device=values.device), (lengths - 1).clamp(min=0)]
