"""A small causal student with random weights and the shipped tokenizer, and what it computes, in NumPy."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import erf
from pathlib import Path

import numpy as np

from typeahead.encoders.causal import CausalEncoder
from typeahead.models.config import ModelConfig
from typeahead.models.folder import find, read_config, write_config
from typeahead.models.golden import Golden

LAYERS, HEADS, WIDTH, INNER, DIM, MAX_TOKENS = 2, 4, 64, 128, 48, 254
EPSILON = 1e-12
_ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "gelu": lambda x: x * (1 + np.vectorize(erf)(x / 2**0.5)) / 2,
    "gelu_tanh": lambda x: x * (1 + np.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * x**3))) / 2,
    "relu": lambda x: np.maximum(x, 0),
}
GOLDEN_TEXTS = ("how to boil an egg", "x", "東京の天気 tomorrow")


@dataclass(frozen=True)
class Form:
    """What kind of layers a student has."""

    feed_forward_bits: int = 8
    attention_bits: int = 8
    activation: str = "gelu"
    #: Whether there are biases by distance.
    relative: bool = False

    def bits(self, name: str) -> int:
        """Bits of a product's weights."""
        if name.endswith((".up", ".down")):
            return self.feed_forward_bits
        return self.attention_bits if name.endswith((".qkv", ".attention")) else 8


PLAIN = Form()


def float_weights(vocabulary: int, *, dim: int = DIM, ahead: bool = False, form: Form = PLAIN) -> dict[str, np.ndarray]:
    """Random weights as float32, by the names that the graphs give them."""
    rng = np.random.default_rng(5)

    def normal(*shape: int, scale: float) -> np.ndarray:
        return rng.normal(0, scale, shape).astype(np.float32)

    weights = {
        "words": normal(vocabulary, WIDTH, scale=0.5),
        "table": normal(vocabulary, dim, scale=0.1),
        "token_weight": rng.uniform(0.01, 1, (vocabulary, 1)).astype(np.float32),
        "positions": normal(MAX_TOKENS + 2, WIDTH, scale=0.3),
        "readout": normal(2 * WIDTH, dim, scale=0.1),
    }
    if ahead:
        weights["ahead"] = normal(2 * WIDTH, dim, scale=0.1)
    norms = ["words"]
    for number in range(LAYERS):
        for name, inputs, outputs in (
            ("qkv", WIDTH, 3 * WIDTH),
            ("attention", WIDTH, WIDTH),
            ("up", WIDTH, INNER),
            ("down", INNER, WIDTH),
        ):
            weights[f"{number}.{name}"] = normal(inputs, outputs, scale=1.5 / inputs**0.5)
            weights[f"{number}.{name}.bias"] = normal(outputs, scale=0.2)
        norms += [f"{number}.attention", f"{number}.down"]
    for name in norms:
        weights[f"{name}.norm"] = 1 + normal(WIDTH, scale=0.2)
        weights[f"{name}.norm.bias"] = normal(WIDTH, scale=0.2)
    if form.relative:
        # In the order of keys, the token itself last.
        weights["relative"] = normal(1, HEADS, 1, MAX_TOKENS + 2, scale=1)
    return weights


def rounded_weights(weights: Mapping[str, np.ndarray], form: Form) -> dict[str, np.ndarray]:
    """The same weights, some of them as four bits keep them."""
    from training.exporting.graphs_causal import quantize_blocks

    kept = dict(weights)
    for name, weight in weights.items():
        if form.bits(name) == 4:
            packed, scale = quantize_blocks(weight, 4)
            levels = np.stack([packed & 15, packed >> 4], -1).reshape(*scale.shape, -1).astype(np.float32) - 8
            kept[name] = (levels * scale[:, :, None]).reshape(len(scale), -1).T
    return kept


def by_numpy(
    weights: Mapping[str, np.ndarray],
    start: tuple[int, ...],
    tokens: tuple[int, ...],
    *,
    normalize: bool = True,
    readout: str = "readout",
    form: Form = PLAIN,
) -> np.ndarray:
    """The embedding of ``tokens`` in float64, from the formulas in the encoder's docstring, all tokens at once."""
    w = {name: tensor.astype(np.float64) for name, tensor in weights.items()}
    ids = [*start, *tokens]

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        centred = x - x.mean(1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(1, keepdims=True) + EPSILON)
        return np.asarray(scaled * w[f"{name}.norm"] + w[f"{name}.norm.bias"])

    def dense(x: np.ndarray, name: str) -> np.ndarray:
        return np.asarray(x @ w[name] + w[f"{name}.bias"])

    x = norm(w["words"][ids] + w["positions"][: len(ids)], "words")
    unseen = np.triu(np.full((len(ids), len(ids)), -np.inf), 1)
    for number in range(LAYERS):
        query, key, value = (
            part.reshape(len(ids), HEADS, -1).swapaxes(0, 1) for part in np.split(dense(x, f"{number}.qkv"), 3, 1)
        )
        scores = query @ key.swapaxes(1, 2) / (WIDTH // HEADS) ** 0.5 + unseen
        if form.relative:
            apart = np.maximum(np.arange(len(ids))[:, None] - np.arange(len(ids)), 0)
            scores += w["relative"][0, :, 0, ::-1][:, apart]
        shares = np.exp(scores - scores.max(2, keepdims=True))
        context = (shares / shares.sum(2, keepdims=True)) @ value
        x = norm(
            x + dense(context.swapaxes(0, 1).reshape(len(ids), WIDTH), f"{number}.attention"), f"{number}.attention"
        )
        inner = _ACTIVATIONS[form.activation](dense(x, f"{number}.up"))
        x = norm(x + dense(inner, f"{number}.down"), f"{number}.down")
    hidden, weight = x[len(start) :], w["token_weight"][list(tokens)]
    read = np.concatenate([hidden[-1], (weight * hidden).sum(0) / weight.sum()])
    embedding = (weight * w["table"][list(tokens)]).sum(0) / weight.sum() + read @ w[readout]
    return np.asarray(embedding / np.linalg.norm(embedding) if normalize else embedding)


def write_folder(
    folder: Path,
    *,
    normalize: bool = True,
    prefix_ids: tuple[int, ...] = (101,),
    dim: int = DIM,
    ahead: bool = False,
    form: Form = PLAIN,
) -> Path:
    """Write a model folder as the export writes it, golden vectors of its own included."""
    from training.exporting.graphs import quantize_rows
    from training.exporting.graphs_causal import CausalSizes, quantize_blocks, write_causal

    folder.mkdir(exist_ok=True)
    shipped = find("minilm-gru")
    shutil.copy(shipped / "tokenizer.json", folder)
    tensors: dict[str, np.ndarray] = {}
    for name, weight in float_weights(30_522, dim=dim, ahead=ahead, form=form).items():
        if name in ("words", "table"):
            tensors[name], tensors[f"{name}.scale"] = quantize_rows(weight)
        elif weight.ndim == 2 and name not in ("positions", "token_weight"):
            tensors[name], tensors[f"{name}.scale"] = quantize_blocks(weight, form.bits(name))
        else:
            tensors[name] = weight
    sizes = CausalSizes(
        *(LAYERS, HEADS, WIDTH, dim, EPSILON, normalize, ahead),
        feed_forward_bits=form.feed_forward_bits,
        attention_bits=form.attention_bits,
        activation=form.activation,
    )
    write_causal(folder, tensors, sizes)
    teacher = replace(read_config(shipped).teacher, normalized=normalize)
    similarity = "cosine" if normalize else "dot"
    config = ModelConfig(
        "random", "causal", "query", dim, similarity, teacher, MAX_TOKENS, prefix_ids, (), sizes.shape(), {}
    )
    vectors = CausalEncoder(config, folder).encode(GOLDEN_TEXTS)
    (folder / "golden.json").write_text(Golden(GOLDEN_TEXTS, vectors, 0.9995).to_json(), encoding="utf-8")
    write_config(folder, config)
    return folder
