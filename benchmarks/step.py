"""The step of the recurrent student at several hidden sizes, with random weights, batch one, one thread.

    python -m benchmarks.step [--hidden 320 384 448 512] [--readout 1024]

``--readout`` gives the units of the layer that reads the embedding; by default, the read-out is linear.
Needs the extra ``training``. Run it from the root of the checkout, where Python finds the package ``training``.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from training.exporting.graphs import WeightsFile, quantize_columns
from training.exporting.graphs_recurrent import RecurrentSizes, write_step
from typeahead.encoders.onnx import open_graph
from typeahead.tables import report

DIM, VOCABULARY, STEPS = 384, 30_522, 5_000


def weights(hidden: int, readout: int, folder: Path) -> WeightsFile:
    """Write random weights for one hidden size."""
    rng = np.random.default_rng(0)
    shapes = {"recurrent": (hidden, 3 * hidden)}
    if readout:
        shapes |= {"inner": (DIM, readout), "inner.states": (2 * hidden, readout), "outer": (readout, DIM)}
    else:
        shapes["readout"] = (2 * hidden, DIM)
    tensors: dict[str, np.ndarray] = {}
    for name, shape in shapes.items():
        matrix = rng.normal(size=shape).astype(np.float32)
        tensors[name], tensors[f"{name}.scale"] = quantize_columns(matrix)
        tensors[f"{name}.bias"] = np.zeros(shape[1], np.float32)
    return WeightsFile(folder / "weights.safetensors", tensors)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hidden", type=int, nargs="+", default=[320, 384, 448, 512])
    parser.add_argument("--readout", type=int, default=0)
    options = parser.parse_args()
    table = []
    for hidden in options.hidden:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "step.onnx"
            sizes = RecurrentSizes(dim=DIM, hidden=hidden, layers=1, readout=options.readout, mean=True, normalize=True)
            write_step(path, weights(hidden, options.readout, path.parent), sizes, int8=True)
            run = open_graph(path).run
        rows = np.full((VOCABULARY, sizes.row), 0.1, np.float16)
        state = np.zeros((1, sizes.state), np.float32)
        spent = []
        for token in range(STEPS):
            started = time.perf_counter_ns()
            run(None, {"state": state, "token": np.array([token]), "rows": rows})
            spent.append((time.perf_counter_ns() - started) / 1000)
        best, p50, p90 = np.percentile(spent, [1, 50, 90])
        table.append({"hidden": hidden, "p1 µs": float(best), "p50 µs": float(p50), "p90 µs": float(p90)})
    report("Step", table)


if __name__ == "__main__":
    main()
