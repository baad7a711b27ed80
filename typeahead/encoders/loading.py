"""Loads an encoder from a model folder, and checks it against the folder's golden vectors."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from typeahead.encoders.families import FAMILIES
from typeahead.errors import ModelCorrupt, ModelError, ModelTooNew, VariableError
from typeahead.models.config import CONFIG
from typeahead.models.folder import find, read_config
from typeahead.models.golden import GOLDEN, Golden

#: Encoders of typed text that come with the package: of the best quality, and of the least time and memory.
BEST: Final = "minilm-causal"
LIGHT: Final = "minilm-gru"

#: What the float32 graph must agree with golden vectors, which are those of the int8 graph: rounding is between them.
#: Other weights agree far less.
_PRECISE: Final = 0.99

if TYPE_CHECKING:
    from typeahead.encoders.causal import CausalEncoder
    from typeahead.encoders.recurrent import RecurrentEncoder
    from typeahead.encoders.static import StaticEncoder
    from typeahead.encoders.transformer import TransformerEncoder

    Loaded: TypeAlias = CausalEncoder | RecurrentEncoder | StaticEncoder | TransformerEncoder


def load(name_or_path: str | Path, *, threads: int = 1) -> Loaded:
    """Load an encoder: a shipped model by its name, any other by its folder.

    ``threads`` applies to whole texts; a step of an incremental encoder always runs on the caller's thread. Raises
    :class:`~typeahead.errors.ModelNotFound`, :class:`~typeahead.errors.ModelCorrupt` or
    :class:`~typeahead.errors.ModelTooNew`.
    """
    folder = find(name_or_path)
    config = read_config(folder)
    family = FAMILIES.get(config.family)
    if family is None:
        raise ModelTooNew(
            f"{folder}: this typeahead does not know the family {config.family!r}: upgrade typeahead", folder=folder
        )
    for needed in ("tokenizer.json", GOLDEN, "weights.safetensors", *family.graphs):
        if needed not in config.files:
            raise ModelCorrupt(f"{folder / CONFIG} does not list {needed}", folder=folder)

    def make(variant: str) -> Loaded:
        encoder: Loaded = family.open(config, folder, variant=variant, threads=threads)
        return encoder

    golden = Golden.read(folder)
    if config.unit:
        # Some folders of version 0.1 hold vectors of other lengths.
        golden = golden.scaled()
    encoder, agreement = _try(make, "", golden, folder)
    if agreement < golden.min_cosine:
        precise, precise_agreement = _try(make, "-float32", golden, folder)
        if precise_agreement < min(golden.min_cosine, _PRECISE):
            raise ModelCorrupt(
                f"{folder}: the model misses its golden vectors in int8 (agreement {agreement:.4f}) and in float32 "
                f"({precise_agreement:.4f}): these are not the weights that the model card describes",
                folder=folder,
            )
        warnings.warn(
            f"{config.name}: int8 products on this processor miss the golden vectors (agreement {agreement:.4f}, "
            f"expected {golden.min_cosine}); running in float32, which is slower",
            RuntimeWarning,
            stacklevel=2,
        )
        return precise
    return encoder


def load_default() -> Loaded:
    """Load the encoder of typed text that is best on this machine: :data:`BEST` where its steps are compiled.

    Elsewhere ONNX Runtime would run its six layers token by token, and the ways to finish a half-typed word would take
    far longer than a key may (``python -m benchmarks.causal_step``), so it is :data:`LIGHT`.
    """
    encoder = load(BEST)
    return encoder if getattr(encoder, "compiled", False) else load(LIGHT)


def _try(make: Callable[[str], Loaded], variant: str, golden: Golden, folder: Path) -> tuple[Loaded, float]:
    """Make an encoder and compare it with the golden vectors."""
    try:
        encoder = make(variant)
        return encoder, golden.agreement(encoder.encode(golden.texts))
    except (ModelError, VariableError):
        raise
    except Exception as error:  # a mismatch of sizes and weights fails in ONNX Runtime or NumPy, each in its own way
        raise ModelCorrupt(f"{folder}: the configuration does not fit the weights: {error}", folder=folder) from error
