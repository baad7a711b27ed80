"""A student stepped by PyTorch, as in the first paper's code, with the same weights, engine and cache.

:mod:`typeahead.encoders.recurrent` steps it by ONNX Runtime in int8.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
from typeahead.encoders.recurrent import RecurrentEncoder
from typeahead.errors import MissingExtra, ModelError
from typeahead.models.folder import read_config


class TorchStepEncoder(RecurrentEncoder):
    """A recurrent student; ``torch.nn.GRU`` runs each step in float32."""

    def __init__(self, folder: Path, *, threads: int) -> None:
        try:
            import torch
            from safetensors.numpy import load_file
        except ImportError as error:
            raise MissingExtra("torch", "peers") from error
        config = read_config(folder)
        hidden = config.shape.get("hidden", 0)
        if config.family != "recurrent" or not hidden or config.shape["state"] != config.dim + 1 + 2 * hidden:
            raise ModelError(
                f"{config.name} is a {config.family}: only a recurrent student of one residual GRU steps", folder=folder
            )
        super().__init__(config, folder)
        torch.set_num_threads(threads)
        self._torch = torch
        tensors = load_file(folder / "weights.safetensors")
        self._hidden = hidden

        def dense(name: str) -> torch.Tensor:
            return torch.from_numpy((tensors[name].astype(np.float32) * tensors[f"{name}.scale"]).T.copy())

        table = (tensors["table"].astype(np.float32) - 128) * tensors["table.scale"]
        self._table = torch.from_numpy(table)
        self._weights = torch.from_numpy(tensors["token_weight"])
        self._gru = torch.nn.GRU(self.dim, hidden, batch_first=True).eval()
        self._units = config.shape.get("readout", 0)
        with torch.no_grad():
            for name, value in (
                ("weight_ih_l0", dense("input")),
                ("weight_hh_l0", dense("recurrent")),
                ("bias_ih_l0", torch.from_numpy(tensors["input.bias"])),
                ("bias_hh_l0", torch.from_numpy(tensors["recurrent.bias"])),
            ):
                self._gru.get_parameter(name).copy_(value)
        if self._units:
            self._inner = torch.cat([dense("inner"), dense("inner.states")], 1)
            self._inner_bias, self._outer_bias = (
                torch.from_numpy(tensors[f"{one}.bias"]) for one in ("inner", "outer")
            )
        self._readout = dense("outer" if self._units else "readout")

    def _advance(self, states: Vectors, tokens: NDArray[np.int64]) -> tuple[Vectors, Vectors]:
        torch, dim, hidden = self._torch, self.dim, self._hidden
        with torch.inference_mode():
            # states comes from a cached, read-only array; nothing here writes to it.
            state = torch.from_numpy(states.copy())
            ids = torch.from_numpy(tokens)
            vector, weight = self._table[ids], self._weights[ids]
            total = state[:, :dim] + vector * weight
            weight_sum = state[:, dim : dim + 1] + weight
            previous = state[:, dim + 1 : dim + 1 + hidden].contiguous()
            _, last = self._gru(vector.unsqueeze(1), previous.unsqueeze(0))
            hidden_sum = state[:, dim + 1 + hidden :] + last[0] * weight
            mean, read = total / weight_sum, torch.cat([last[0], hidden_sum / weight_sum], 1)
            if self._units:
                unit = torch.nn.functional.normalize(total, dim=1)
                inner = torch.nn.functional.linear(torch.cat([unit * dim**0.5, read], 1), self._inner, self._inner_bias)
                inner = torch.nn.functional.gelu(inner, approximate="tanh")
                correction = torch.nn.functional.linear(inner, self._readout, self._outer_bias)
                embedding = (unit if self.config.unit else mean) + correction
            else:
                embedding = mean + torch.nn.functional.linear(read, self._readout)
            if self.config.unit:
                embedding = torch.nn.functional.normalize(embedding, dim=1)
            return torch.cat([total, weight_sum, last[0], hidden_sum], 1).numpy(), embedding.numpy()
