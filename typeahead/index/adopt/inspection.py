"""Inspects a FAISS file, and writes what is to be searched into a folder: the program that ``faiss_file`` starts.

On a damaged file, or on a type that lacks an operation, FAISS may end its process without an exception. So it first
runs here (``python -m typeahead.index.adopt``) over everything it will be asked for: labels, vectors, searches.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
from typeahead.errors import SourceError
from typeahead.index.adopt.agreement import SAMPLE
from typeahead.index.adopt.lengths import EXACT, FAISS_REMEDY, check_lengths, store_matrix
from typeahead.index.adopt.recall import LOW, Neighbours, sample_rows
from typeahead.index.adopt.structure import Stored, look_into, own_lists
from typeahead.index.adopted import FaissVectors
from typeahead.index.approximate import import_faiss, read_faiss
from typeahead.index.vectors import ADOPTED, VECTORS

REPORT, LABELS_FOUND, ORDER, SAMPLED = "report.json", "labels.npy", "order.npy", "sample.npy"

_CHUNK = 8192


@dataclass(frozen=True)
class Task:
    """The file to inspect, and the results wanted."""

    source: str
    #: Receives ``vectors.npy`` for a flat index, otherwise the index itself.
    folder: str
    #: Receives the report and its arrays.
    results: str
    cosine: bool
    normalize: bool
    nprobe: int | None


@dataclass(frozen=True)
class Report:
    """The findings; beside the report are labels by row (ascending), each row's position in the file, and a sample."""

    count: int
    dim: int
    #: As in :class:`~typeahead.index.adopt.structure.Stored`.
    given: bool | None
    flat: bool
    exact: bool
    sampled: bool
    nprobe: int | None
    recall: float | None
    #: How to find more, if recall is low.
    advice: str = ""


def inspect(task: Task) -> Report:
    """Inspect the file and write what is to be searched; raises ``ValueError`` or ``SourceError`` with the reason."""
    faiss = import_faiss()
    index = read_faiss(Path(task.source))
    if index.metric_type not in (faiss.METRIC_INNER_PRODUCT, faiss.METRIC_L2):
        raise ValueError(f"the index uses FAISS metric {index.metric_type}, not inner product or L2")
    if index.metric_type == faiss.METRIC_L2 and not task.cosine:
        raise ValueError(
            "the index orders by L2 distance, which matches the teacher's order only for vectors of length 1: "
            "adopt the vectors themselves as an array"
        )
    copied = own_lists(faiss, index)
    stored = look_into(faiss, index, cosine=task.cosine)
    order = np.argsort(stored.labels, kind="stable")
    labels = stored.labels[order]
    if len(labels) and (labels[0] < 0 or (np.diff(labels) == 0).any()):
        raise ValueError("two vectors have the same FAISS label, or one is negative")
    results = Path(task.results)
    np.save(results / LABELS_FOUND, labels)
    # Inverted lists keep no order, so ids are assigned by ascending label.
    np.save(results / ORDER, order if stored.in_order else np.arange(len(order)))
    nprobe, recall, advice = task.nprobe, None, ""
    if stored.ivf is None and nprobe is not None:
        raise ValueError("--nprobe requires an index with inverted lists (IVF), and this one has none")
    if stored.ivf is not None and nprobe is not None and not 1 <= nprobe <= stored.ivf.nlist:
        raise ValueError(f"nprobe is {nprobe}; it must be from 1 to {stored.ivf.nlist}, the number of lists")
    if stored.flat:
        assert stored.decode is not None
        parts = (stored.decode(order[start : start + _CHUNK]) for start in range(0, len(order), _CHUNK))
        target = Path(task.folder) / VECTORS
        store_matrix(parts, target, index.d, names=labels, cosine=task.cosine, normalize=task.normalize, path=None)
    else:
        if task.normalize:
            raise ValueError(f"--normalize works for arrays and flat indexes only: {FAISS_REMEDY}")
        adopted = Path(task.folder) / ADOPTED
        if copied:
            faiss.write_index(index, str(adopted))
        else:
            shutil.copyfile(task.source, adopted)
        recall, advice = _try(faiss, index, stored, order, labels, adopted, task)
        if stored.decode is not None:
            np.save(results / SAMPLED, stored.decode(order[sample_rows(len(order), SAMPLE)]))
    return Report(
        count=index.ntotal,
        dim=index.d,
        given=stored.given,
        flat=stored.flat,
        exact=stored.tolerance == EXACT,
        sampled=stored.decode is not None,
        nprobe=nprobe,
        recall=recall,
        advice=advice,
    )


def _try(
    faiss: Any,
    index: Any,
    stored: Stored,
    order: NDArray[np.int64],
    labels: NDArray[np.int64],
    adopted: Path,
    task: Task,
) -> tuple[float | None, str]:
    """Check all vectors that FAISS reconstructs, and run test searches; return recall, and how to find more."""
    search = FaissVectors(adopted, labels, task.nprobe)
    decode = stored.decode
    if decode is None or not len(order):
        noise = np.random.default_rng(0).normal(size=(SAMPLE, index.d)).astype(np.float32)
        search.search(noise, SAMPLE)
        return None, f"FAISS cannot reconstruct the vectors of a {type(stored.ivf).__name__}" if len(order) else ""

    def parts() -> Iterator[Vectors]:
        for start in range(0, len(order), _CHUNK):
            part = decode(order[start : start + _CHUNK])
            check_lengths(
                part,
                labels[start : start + _CHUNK],
                cosine=task.cosine,
                path=None,
                tolerance=stored.tolerance,
                remedy=FAISS_REMEDY,
            )
            yield part

    queries = decode(order[sample_rows(len(order))])
    if task.cosine:
        queries /= np.maximum(np.linalg.norm(queries, axis=1, keepdims=True), np.float32(1e-30))
    coarse = stored.tolerance != EXACT and index.metric_type == faiss.METRIC_L2
    neighbours = Neighbours(queries, parts(), lambda rows: decode(order[rows]), distance=coarse)
    recall = neighbours.recall(search.search)
    if recall >= LOW:
        return recall, ""
    if stored.ivf is None:
        return recall, "an index with a larger efSearch, or vectors adopted as an array, would find more"
    # Double the number of lists each time; never all of them, which would be a full scan.
    now = task.nprobe or stored.ivf.nprobe
    nprobe, found = now, recall
    while found < LOW and 2 * nprobe <= stored.ivf.nlist:
        nprobe *= 2
        found = neighbours.recall(FaissVectors(adopted, labels, nprobe).search)
    if nprobe == now:
        return recall, "its codes are too coarse to find more"
    return recall, f"it probes {now} of {stored.ivf.nlist} lists, and --nprobe {nprobe} finds {found:.3f}"


def run(argument: str) -> None:
    """Run the task in the argument, in JSON, and write a report."""
    task = Task(**json.loads(argument))
    try:
        result: dict[str, Any] = asdict(inspect(task))
    except (ValueError, RuntimeError, MemoryError, SourceError) as error:
        result = {"error": " ".join(str(error).rsplit("Error: ", 1)[-1].split())[:400] or type(error).__name__}
    (Path(task.results) / REPORT).write_text(json.dumps(result), encoding="utf-8")
