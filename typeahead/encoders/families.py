"""The families of encoders: one record for each, which is all that the package knows of it.

To add a family, write its module and add its record here; training has a table of its own. A record names its class by
a string, so that reading a configuration imports no ONNX Runtime.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from typeahead.models.config import ModelConfig


@dataclass(frozen=True, slots=True)
class Family:
    """What the package has to know of a family of encoders."""

    #: The name that ``config.json`` states.
    name: str
    #: ``module:Class`` of the encoder.
    encoder: str
    #: Graphs that a model folder must list, beside ``tokenizer.json``, ``golden.json`` and ``weights.safetensors``.
    graphs: tuple[str, ...]
    #: Whether it encodes what is typed, token by token.
    incremental: bool
    #: Whether its graphs come in a second variant, ``-float32``, for processors whose int8 products saturate.
    float32_variant: bool

    def open(self, config: ModelConfig, folder: Path, *, variant: str = "", threads: int = 1) -> Any:
        """Make the encoder of ``folder`` in one of its variants; ``threads`` are for encoders of whole texts."""
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
