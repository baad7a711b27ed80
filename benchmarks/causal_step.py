"""The step of a causal student after several numbers of tokens, with random weights of all-MiniLM-L6-v2's sizes.

    python -m benchmarks.causal_step [--layers 2 4 6] [--after 1 10 30 60] [--width 768] [--relative]

Runs on one thread, in a tree of prefixes, as a keystroke does: compiled, with weights of eight bits, with those of
feed-forward layers of four, and with all of four bits; and as ONNX Runtime's graph. ``--relative`` adds MPNet's biases
by distance. The shipped models take turns with them in the same run; ``minilm-causal`` also steps
four keystrokes at once, and encodes the whole text beside ``minilm-doc``. Needs the extra ``training``. Run it from the
root of the checkout, where Python finds the package ``training``.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

import typeahead
from training.exporting.graphs import quantize_rows
from training.exporting.graphs_causal import CausalSizes, quantize_blocks, write_causal
from typeahead.encoders.causal import CausalEncoder
from typeahead.encoders.recurrent import RecurrentEncoder
from typeahead.models.folder import find, read_config
from typeahead.tables import report

HEADS, VOCABULARY, CLS = 12, 30_522, 101
ROUNDS, STEPS = 10, 200


#: Bits of attention and of feed-forward layers, by the name of a row.
FORMS = {"eight bits": (8, 8), "eight and four bits": (8, 4), "four bits": (4, 4)}


def random_student(
    layers: int, folder: Path, *, compiled: bool, bits: tuple[int, int], width: int, relative: bool
) -> CausalEncoder:
    """A causal student with random weights."""
    inner = 4 * width
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(0, shape[0] ** -0.5, shape).astype(np.float32)

    shipped = find("minilm-gru")
    config = read_config(shipped, verify=False)
    tensors = {"positions": normal(config.teacher.max_tokens, width)}
    if relative:
        tensors["relative"] = normal(1, HEADS, 1, config.teacher.max_tokens)
    tensors["token_weight"] = np.full((VOCABULARY, 1), 0.5, np.float32)
    for name in ("words", "table"):
        tensors[name], tensors[f"{name}.scale"] = quantize_rows(rng.normal(0, 1, (VOCABULARY, width)))
    dense = {"readout": (2 * width, width)}
    norms = ["words"]
    for number in range(layers):
        sizes = {"qkv": (width, 3 * width), "attention": (width, width), "up": (width, inner), "down": (inner, width)}
        dense |= {f"{number}.{name}": shape for name, shape in sizes.items()}
        norms += [f"{number}.attention", f"{number}.down"]
    for name, shape in dense.items():
        own_bits = 8 if name == "readout" else bits[name.endswith((".up", ".down"))]
        tensors[name], tensors[f"{name}.scale"] = quantize_blocks(normal(*shape), own_bits)
        tensors[f"{name}.bias"] = np.zeros(shape[1], np.float32)
    for name in norms:
        tensors[f"{name}.norm"], tensors[f"{name}.norm.bias"] = np.ones(width, np.float32), np.zeros(width, np.float32)
    student = CausalSizes(
        layers, HEADS, width, width, 1e-12, normalize=True, attention_bits=bits[0], feed_forward_bits=bits[1]
    )
    write_causal(folder, tensors, student)
    shutil.copy(shipped / "tokenizer.json", folder)
    own = replace(config, name="causal", family="causal", dim=width, prefix_ids=(CLS,), shape=student.shape())
    return CausalEncoder(own, folder, compiled=compiled)


def step_after(encoder: CausalEncoder | RecurrentEncoder, tokens: int, *, count: int = 1) -> Callable[[], object]:
    """``count`` steps after ``tokens`` tokens, in a tree that holds nothing else."""
    states = encoder.states(tokens + 1 + count)
    for slot in range(tokens):
        states.step([slot], [2000 + slot], [slot + 1])
    new, children = ([first + row for row in range(count)] for first in (3000, tokens + 1))
    return lambda: states.step([tokens] * count, new, children)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, nargs="+", default=[2, 4, 6])
    parser.add_argument("--after", type=int, nargs="+", default=[1, 10, 30, 60], help="tokens of the text so far")
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--relative", action="store_true", help="with biases by distance")
    options = parser.parse_args()
    shipped: list[CausalEncoder | RecurrentEncoder] = [
        typeahead.load(name)  # type: ignore[misc]
        for name in ("minilm-gru", "minilm-causal")
    ]
    encoders = {f"{one.config.name}, {'compiled' if one.compiled else 'graph'}": one for one in shipped}
    for layers in options.layers:
        forms = [(f"compiled, {name}", True, bits) for name, bits in FORMS.items()]
        for how, compiled, bits in (*forms, ("graph, eight bits", False, (8, 8))):
            with tempfile.TemporaryDirectory() as folder:
                encoders[f"{layers} layers, {how}"] = random_student(
                    layers,
                    Path(folder),
                    compiled=compiled,
                    bits=bits,
                    width=options.width,
                    relative=options.relative,
                )
    timed = [(name, after, step_after(encoder, after)) for name, encoder in encoders.items() for after in options.after]
    timed += [("minilm-causal, four at once", after, step_after(shipped[1], after, count=4)) for after in options.after]
    timed += [
        (f"{one.config.name}, the whole text", after, partial(one.encode, [" ".join(["egg"] * (after + 1))]))
        for one in (shipped[1], typeahead.load("minilm-doc"))
        for after in options.after
    ]
    spent: list[list[float]] = [[] for _ in timed]
    for _ in range(ROUNDS):
        for (_name, _after, run), durations in zip(timed, spent, strict=True):
            for _ in range(STEPS):
                started = time.perf_counter_ns()
                run()
                durations.append((time.perf_counter_ns() - started) / 1000)
    table = []
    for (name, after, _run), durations in zip(timed, spent, strict=True):
        best, p50, p95 = np.percentile(durations, [1, 50, 95])
        row = {"encoder": name, "after tokens": after}
        table.append(row | {"p1 µs": float(best), "p50 µs": float(p50), "p95 µs": float(p95)})
    report("Step", table)


if __name__ == "__main__":
    main()
