"""Times a causal student's step after several numbers of tokens, with random weights of all-MiniLM-L6-v2's sizes.

    python -m benchmarks.causal_step [--layers 2 4 6] [--after 1 10 30 60]

Batch one, one thread, in a tree of prefixes, as a keystroke is stepped: compiled, and as ONNX Runtime's graph. The step
of ``minilm-gru`` is timed in the same run, all in turns. Needs ``typeahead[training]``; ``training`` is found as it
runs from the root of the checkout.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

import typeahead
from training.graphs import quantize_rows
from training.graphs_causal import CausalSizes, quantize_blocks, write_causal
from typeahead import models
from typeahead.encoders.causal import CausalEncoder
from typeahead.encoders.recurrent import RecurrentEncoder
from typeahead.states import States
from typeahead.tables import report

WIDTH, HEADS, INNER, VOCABULARY, CLS = 384, 12, 1536, 30_522, 101
ROUNDS, STEPS = 10, 200


def random_student(layers: int, folder: Path, *, compiled: bool) -> CausalEncoder:
    """A causal student that was never trained."""
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(0, shape[0] ** -0.5, shape).astype(np.float32)

    shipped = models.find("minilm-gru")
    config = models.read_config(shipped, verify=False)
    tensors = {"positions": normal(config.teacher.max_tokens, WIDTH)}
    tensors["token_weight"] = np.full((VOCABULARY, 1), 0.5, np.float32)
    for name in ("words", "table"):
        tensors[name], tensors[f"{name}.scale"] = quantize_rows(rng.normal(0, 1, (VOCABULARY, WIDTH)))
    dense = {"readout": (2 * WIDTH, WIDTH)}
    norms = ["words"]
    for number in range(layers):
        sizes = {"qkv": (WIDTH, 3 * WIDTH), "attention": (WIDTH, WIDTH), "up": (WIDTH, INNER), "down": (INNER, WIDTH)}
        dense |= {f"{number}.{name}": shape for name, shape in sizes.items()}
        norms += [f"{number}.attention", f"{number}.down"]
    for name, shape in dense.items():
        tensors[name], tensors[f"{name}.scale"] = quantize_blocks(normal(*shape))
        tensors[f"{name}.bias"] = np.zeros(shape[1], np.float32)
    for name in norms:
        tensors[f"{name}.norm"], tensors[f"{name}.norm.bias"] = np.ones(WIDTH, np.float32), np.zeros(WIDTH, np.float32)
    student = CausalSizes(layers, HEADS, WIDTH, WIDTH, 1e-12, normalize=True)
    write_causal(folder, tensors, student)
    shutil.copy(shipped / "tokenizer.json", folder)
    own = replace(config, name=f"causal, {layers} layers", family="causal", prefix_ids=(CLS,), shape=student.shape())
    return CausalEncoder(own, folder, compiled=compiled)


def path_of(encoder: CausalEncoder | RecurrentEncoder, tokens: int) -> States:
    """States after each of some tokens, in the slots of their numbers, with one slot to spare."""
    states = encoder.states(tokens + 2)
    for slot in range(tokens):
        states.step([slot], [2000 + slot], [slot + 1])
    return states


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, nargs="+", default=[2, 4, 6])
    parser.add_argument("--after", type=int, nargs="+", default=[1, 10, 30, 60], help="tokens of the text so far")
    options = parser.parse_args()
    encoders: list[CausalEncoder | RecurrentEncoder] = [typeahead.load("minilm-gru")]  # type: ignore[list-item]
    for layers in options.layers:
        for compiled in (True, False):
            with tempfile.TemporaryDirectory() as folder:
                encoders.append(random_student(layers, Path(folder), compiled=compiled))
    cases = [(encoder, after, path_of(encoder, after)) for encoder in encoders for after in options.after]
    spent: list[list[float]] = [[] for _ in cases]
    for _ in range(ROUNDS):
        for (_encoder, after, states), durations in zip(cases, spent, strict=True):
            for _ in range(STEPS):
                started = time.perf_counter_ns()
                states.step([after], [3000], [after + 1])
                durations.append((time.perf_counter_ns() - started) / 1000)
    table = []
    for (encoder, after, _states), durations in zip(cases, spent, strict=True):
        best, p50, p90 = np.percentile(durations, [1, 50, 90])
        row = {"encoder": encoder.config.name, "compiled": "yes" if encoder.compiled else "no", "after tokens": after}
        table.append(row | {"p1 µs": float(best), "p50 µs": float(p50), "p90 µs": float(p90)})
    report("Step", table)


if __name__ == "__main__":
    main()
