"""Times a causal student's step after several numbers of tokens, with random weights of all-MiniLM-L6-v2's sizes.

    python -m benchmarks.causal_step [--layers 1 2 3] [--after 1 10 30 60]

Batch one, one thread. The step of ``minilm-gru`` is timed in the same run, all in turns. Needs
``typeahead[training]``; ``training`` is found as it runs from the root of the checkout.
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
from typeahead.encoders.base import State
from typeahead.encoders.causal import CausalEncoder
from typeahead.encoders.fold import FoldEncoder
from typeahead.tables import report

WIDTH, HEADS, INNER, VOCABULARY, CLS = 384, 12, 1536, 30_522, 101
ROUNDS, STEPS = 10, 200


def random_student(layers: int, folder: Path) -> CausalEncoder:
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
    return CausalEncoder(own, folder)


def state_after(encoder: FoldEncoder, tokens: int) -> State:
    """The state after some tokens."""
    state = encoder.start()
    for token in range(2000, 2000 + tokens):
        state = encoder.step((state,), np.array((token,)))[0][0]
    return state


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--after", type=int, nargs="+", default=[1, 10, 30, 60], help="tokens of the text so far")
    options = parser.parse_args()
    encoders: list[FoldEncoder] = [typeahead.load("minilm-gru")]  # type: ignore[list-item]
    for layers in options.layers:
        with tempfile.TemporaryDirectory() as folder:
            encoders.append(random_student(layers, Path(folder)))
    cases = [(encoder, after, state_after(encoder, after)) for encoder in encoders for after in options.after]
    spent: list[list[float]] = [[] for _ in cases]
    token = np.array((3000,))
    for _ in range(ROUNDS):
        for (encoder, _after, state), durations in zip(cases, spent, strict=True):
            for _ in range(STEPS):
                started = time.perf_counter_ns()
                encoder.step((state,), token)
                durations.append((time.perf_counter_ns() - started) / 1000)
    table = []
    for (encoder, after, _state), durations in zip(cases, spent, strict=True):
        best, p50, p90 = np.percentile(durations, [1, 50, 90])
        row = {"encoder": encoder.config.name, "after tokens": after}
        table.append(row | {"p1 µs": float(best), "p50 µs": float(p50), "p90 µs": float(p90)})
    report("Step", table)


if __name__ == "__main__":
    main()
