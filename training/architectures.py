"""Architectures of teachers whose layers a student can have: one record for each.

A record says which ``config.json`` it describes, which trunk computes the same
(:class:`training.students.trunk.Trunk`), and where ``transformers`` keeps the weights. Students, the passage encoder,
and the graphs and kernels that run them, all start from the trunk, so none of them knows an architecture by name. To
add one that a trunk can compute, add a record.

Nothing here imports PyTorch, so a plan can be checked from ``config.json`` alone, within milliseconds. Families that
need none of the teacher's layers, such as ``static``, work with any model that ``transformers`` itself has code for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from training.families import family_of

#: Activations of feed-forward layers: the names in ``config.json``, and the trunk's.
_ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
}

#: What models with code of their own would need, by a part of the code's name.
_FOREIGN = {
    "nomic": "rotary positions with SwiGLU layers",
    "jina": "attention with ALiBi",
    "new": "rotary positions with gated layers and scaled frequencies",
    "gte": "rotary positions with gated layers and scaled frequencies",
}

Config = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Architecture:
    """What students need to know of an architecture. Names of modules are those of its ``transformers`` model."""

    name: str
    #: Values of ``model_type`` in ``config.json``.
    model_types: tuple[str, ...]
    #: Makes the settings of a trunk with all layers from ``config.json``; see :func:`trunk_settings`.
    settings: Callable[[Config], dict[str, Any]]
    #: The modules with the word embeddings and with the LayerNorm after them.
    words: str
    norm: str
    #: The modules of layer n, after ``layers.n.``, by the trunk's names. The rows of several are put together.
    layers: str
    parts: Mapping[str, tuple[str, ...]]
    #: The modules with the embeddings of positions and of token types; "" if there are none.
    positions: str = ""
    token_types: str = ""
    #: The module whose ``compute_position_bias`` gives biases by distance, and the LayerNorm after all layers; or "".
    relative: str = ""
    final_norm: str = ""
    #: The first row of the positions that a token can have.
    first_position: Callable[[Config], int] = lambda _config: 0


def architecture_of(config: Config) -> Architecture:
    """The architecture of a teacher's ``config.json``.

    Raises:
        ValueError: the teacher's code is not part of ``transformers``, no record describes its model type, or it is of
            a kind that no trunk computes. The message says which families work with it.
    """
    check_code(config)
    kind = config.get("model_type")
    found = next((one for one in ARCHITECTURES if kind in one.model_types), None)
    if found is None:
        known = ", ".join(one.name for one in ARCHITECTURES)
        raise ValueError(
            f"the teacher's model type is {kind!r}; layers can be taken from {known} only. Choose the family static or "
            "residual-gru, which need none"
        )
    found.settings(config)
    return found


def trunk_settings(config: Config, picked: Sequence[int] | None = None) -> dict[str, Any]:
    """The settings of a trunk with the teacher's layers of these numbers, in this order (default: all).

    Raises:
        ValueError: see :func:`architecture_of`; or the teacher has no such layers.
    """
    settings = architecture_of(config).settings(config)
    count = settings["layers"]
    numbers = list(range(count) if picked is None else picked)
    if not numbers or not all(0 <= number < count for number in numbers):
        raise ValueError(f"the recipe asks for layers {numbers}; the teacher has {count}")
    settings["layers"] = len(numbers)
    for name in ("rotary", "windows"):
        if name in settings:
            settings[name] = [settings[name][number] for number in numbers]
    if "first_norm" in settings:
        if 0 in numbers[1:]:
            raise ValueError(
                f"the recipe asks for layers {numbers}; the teacher's layer 0 has no norm of its own and must be first"
            )
        settings["first_norm"] = numbers[0] != 0
    return settings


def check_family(family: str, config: Config) -> None:
    """Check that a family of students can be trained and exported for a teacher with this ``config.json``.

    Raises:
        ValueError: it cannot; the message says why, and what can.
    """
    if family_of(family).layers:
        architecture_of(config)
    else:
        check_code(config)


def check_passages(config: Config) -> None:
    """Check that a teacher with this ``config.json`` can be exported as a passage encoder.

    Raises:
        ValueError: see :func:`architecture_of`.
    """
    architecture_of(config)


def check_code(config: Config) -> None:
    """Check that ``transformers`` itself has the code of the teacher.

    Raises:
        ValueError: the code is in the model's own repository. It would be run by ``trust_remote_code``, which is never
            set here.
    """
    code = config.get("auto_map") or {}
    classes = [str(code[name]) for name in ("AutoModel", "AutoConfig") if name in code]
    if not classes:
        return
    kind = config.get("model_type", "unknown")
    where = classes[0].lower()
    needed = next((text for part, text in _FOREIGN.items() if part in where), "")
    raise ValueError(
        f"the teacher (model type {kind!r}) is computed by code of its own on the hub, {classes[0]}, and no code is "
        "run from there. Choose a teacher that transformers has code for; to support this one, "
        + (f"the trunk would need {needed}, and " if needed else "")
        + "training/architectures.py a record"
    )


def positions_of(config: Config) -> int | None:
    """The largest number of tokens that the teacher can read, special ones included; None if that is not known."""
    kind = config.get("model_type")
    found = next((one for one in ARCHITECTURES if kind in one.model_types), None)
    most = config.get("max_position_embeddings")
    if not isinstance(most, int):
        return None
    return most - found.first_position(config) if found else most


def _bert_like(config: Config, *, first: int = 0) -> dict[str, Any]:
    """The settings of a trunk, from the entries that BERT and its relatives share."""
    if (kind := config.get("position_embedding_type", "absolute")) != "absolute":
        raise ValueError(f"the teacher's positions are {kind!r}; only a BERT with absolute ones can be computed")
    if config.get("is_decoder"):
        raise ValueError("the teacher is a decoder (is_decoder in its config.json), not an encoder")
    return {
        **_sizes(config),
        "positions": _size(config, "max_position_embeddings") - first,
        "epsilon": config.get("layer_norm_eps", 1e-12),
        "activation": _activation(config.get("hidden_act", "gelu")),
    }


def _after_padding(config: Config) -> int:
    """RoBERTa counts positions from the row after that of the padding."""
    return int(config.get("pad_token_id", 1)) + 1


def _roberta(config: Config) -> dict[str, Any]:
    return _bert_like(config, first=_after_padding(config))


#: The padding of MPNet has the id 1, whatever its configuration says.
_MPNET_FIRST = 2


def _mpnet(config: Config) -> dict[str, Any]:
    return _bert_like(config, first=_MPNET_FIRST) | {"relative": True}


#: DistilBERT's names of what BERT's ``config.json`` has.
_DISTILBERT_NAMES = {
    "hidden_size": "dim",
    "num_hidden_layers": "n_layers",
    "num_attention_heads": "n_heads",
    "intermediate_size": "hidden_dim",
    "hidden_act": "activation",
}


def _distilbert(config: Config) -> dict[str, Any]:
    return _bert_like({**config, **{ours: config.get(theirs) for ours, theirs in _DISTILBERT_NAMES.items()}})


def _modernbert(config: Config) -> dict[str, Any]:
    """The settings of a trunk for ModernBERT, from a file of any version of ``transformers``."""
    sizes = _sizes(config)
    every = config.get("global_attn_every_n_layers", 3)
    kinds = config.get("layer_types") or [
        "sliding_attention" if number % every else "full_attention" for number in range(sizes["layers"])
    ]
    frequencies = config.get("rope_parameters") or {}
    scaled = {str(one.get("rope_type")) for one in frequencies.values() if one} - {"default", "None"}
    if scaled or config.get("rope_scaling"):
        raise ValueError("the teacher's rotary positions are scaled (rope_scaling), which no trunk computes")
    older = {"full_attention": ("global_rope_theta", 160_000.0), "sliding_attention": ("local_rope_theta", 10_000.0)}
    bases = {
        kind: (frequencies.get(kind) or {}).get("rope_theta") or config.get(name) or default
        for kind, (name, default) in older.items()
    }
    half = config.get("local_attention", 128) // 2
    return {
        **sizes,
        "positions": _size(config, "max_position_embeddings"),
        "epsilon": config.get("norm_eps", 1e-5),
        "activation": _activation(config.get("hidden_activation", "gelu")),
        "rotary": [float(bases[kind]) for kind in kinds],
        "windows": [half if kind == "sliding_attention" else 0 for kind in kinds],
        "pre_norm": True,
        "first_norm": False,
        "gated": True,
    }


def _sizes(config: Config) -> dict[str, int]:
    width, heads = _size(config, "hidden_size"), _size(config, "num_attention_heads")
    if width % heads:
        raise ValueError(f"the teacher's hidden_size {width} is not a multiple of its {heads} attention heads")
    return {
        "vocabulary": _size(config, "vocab_size"),
        "width": width,
        "layers": _size(config, "num_hidden_layers"),
        "heads": heads,
        "inner": _size(config, "intermediate_size"),
    }


def _size(config: Config, name: str) -> int:
    value = config.get(name)
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"the teacher's config.json states no valid {name}: {value!r}")
    return value


def _activation(name: Any) -> str:
    if name not in _ACTIVATIONS:
        raise ValueError(f"the teacher's activation {name!r} is not one of {', '.join(_ACTIVATIONS)}")
    return _ACTIVATIONS[name]


_BERT = Architecture(
    "BERT",
    ("bert",),
    _bert_like,
    words="embeddings.word_embeddings",
    norm="embeddings.LayerNorm",
    layers="encoder.layer",
    parts={
        "qkv": ("attention.self.query", "attention.self.key", "attention.self.value"),
        "attention": ("attention.output.dense",),
        "attention_norm": ("attention.output.LayerNorm",),
        "up": ("intermediate.dense",),
        "down": ("output.dense",),
        "down_norm": ("output.LayerNorm",),
    },
    positions="embeddings.position_embeddings",
    token_types="embeddings.token_type_embeddings",
)
_ROBERTA = replace(
    _BERT,
    name="RoBERTa and XLM-R",
    model_types=("roberta", "xlm-roberta", "camembert"),
    settings=_roberta,
    first_position=_after_padding,
)
_MPNET = replace(
    _BERT,
    name="MPNet",
    model_types=("mpnet",),
    settings=_mpnet,
    parts={
        **_BERT.parts,
        "qkv": ("attention.attn.q", "attention.attn.k", "attention.attn.v"),
        "attention": ("attention.attn.o",),
        "attention_norm": ("attention.LayerNorm",),
    },
    token_types="",
    relative="encoder",
    first_position=lambda _config: _MPNET_FIRST,
)

_DISTILBERT = replace(
    _BERT,
    name="DistilBERT",
    model_types=("distilbert",),
    settings=_distilbert,
    layers="transformer.layer",
    parts={
        "qkv": ("attention.q_lin", "attention.k_lin", "attention.v_lin"),
        "attention": ("attention.out_lin",),
        "attention_norm": ("sa_layer_norm",),
        "up": ("ffn.lin1",),
        "down": ("ffn.lin2",),
        "down_norm": ("output_layer_norm",),
    },
    token_types="",
)
_MODERNBERT = Architecture(
    "ModernBERT",
    ("modernbert",),
    _modernbert,
    words="embeddings.tok_embeddings",
    norm="embeddings.norm",
    layers="layers",
    parts={
        "qkv": ("attn.Wqkv",),
        "attention": ("attn.Wo",),
        "attention_norm": ("attn_norm",),
        "up": ("mlp.Wi",),
        "down": ("mlp.Wo",),
        "down_norm": ("mlp_norm",),
    },
    final_norm="final_norm",
)

#: All architectures.
ARCHITECTURES = (_BERT, _DISTILBERT, _ROBERTA, _MPNET, _MODERNBERT)
