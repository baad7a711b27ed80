"""The families of encoders: one record each, which holds everything that the package knows about a family.

To add a family, write its module and add its record here; training has its own table. Each record names its class by a
string, so reading a configuration does not import ONNX Runtime.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from typeahead.models.config import ModelConfig


@dataclass(frozen=True, slots=True)
class Family:
    """What the package needs to know about a family of encoders."""

    #: The name in ``config.json``.
    name: str
    #: ``module:Class`` of the encoder.
    encoder: str
    #: Graphs that a model folder must list, besides ``tokenizer.json``, ``golden.json`` and ``weights.safetensors``.
    graphs: tuple[str, ...]
    #: Whether it encodes text token by token while the user types.
    incremental: bool
    #: Whether its graphs have a second variant, ``-float32``, for processors whose int8 products saturate.
    float32_variant: bool

    def open(self, config: ModelConfig, folder: Path, *, variant: str = "", threads: int = 1) -> Any:
        """Make the encoder of ``folder`` in one of its variants; only whole-text encoders use ``threads``."""
        module, name = self.encoder.split(":")
        options: dict[str, Any] = {"variant": variant} if self.float32_variant else {}
        if not self.incremental:
            options["threads"] = threads
        return getattr(import_module(module), name)(config, folder, **options)


#: All families, by name.
FAMILIES = {
    family.name: family
    for family in (
        Family(
            "causal",
            "typeahead.encoders.causal:CausalEncoder",
            graphs=("step.onnx", "step-float32.onnx", "fold.onnx"),
            incremental=True,
            float32_variant=True,
        ),
        Family(
            "recurrent",
            "typeahead.encoders.recurrent:RecurrentEncoder",
            graphs=("step.onnx", "step-float32.onnx", "fold.onnx", "fold-float32.onnx"),
            incremental=True,
            float32_variant=True,
        ),
        Family(
            "static",
            "typeahead.encoders.static:StaticEncoder",
            graphs=(),
            incremental=True,
            float32_variant=False,
        ),
        Family(
            "transformer",
            "typeahead.encoders.transformer:TransformerEncoder",
            graphs=("encoder.onnx", "encoder-float32.onnx"),
            incremental=False,
            float32_variant=True,
        ),
    )
}
