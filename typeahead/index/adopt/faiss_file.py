"""Has a FAISS file inspected by :mod:`typeahead.index.adopt.inspection` in a process of its own.

``arrays`` reads NumPy files, in this process.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import typeahead
from typeahead.core.encoder import Vectors
from typeahead.errors import SourceError
from typeahead.index.adopt.inspection import LABELS_FOUND, ORDER, REPORT, SAMPLED, Report, Task
from typeahead.index.approximate import import_faiss


@dataclass(frozen=True)
class Inspected:
    """A FAISS file's report with its arrays, all by row: rows stand by ascending label."""

    report: Report
    labels: NDArray[np.int64]
    #: Place in the file of each row's vector; the row itself where the file keeps no order.
    order: NDArray[np.int64]
    #: Vectors of the rows that are compared with their documents, if FAISS gives them back.
    sample: Vectors | None


def inspect_faiss(path: Path, folder: Path, *, cosine: bool, normalize: bool, nprobe: int | None) -> Inspected:
    """Check the FAISS file ``path`` and put what is to be searched into ``folder``.

    Raises :class:`~typeahead.errors.SourceError`, also if FAISS ends the process that inspects the file.
    """
    import_faiss()
    root = str(Path(typeahead.__file__).parents[1])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])}
    with tempfile.TemporaryDirectory(prefix="typeahead-") as temporary:
        task = Task(str(path.absolute()), str(folder.absolute()), temporary, cosine, normalize, nprobe)
        # -P: a module of the same name in the current folder must not be imported.
        finished = subprocess.run(
            [sys.executable, "-P", "-m", "typeahead.index.adopt", json.dumps(asdict(task))],
            env=environment,
            capture_output=True,
            check=False,
        )
        results = Path(temporary)
        try:
            report = json.loads((results / REPORT).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise SourceError(
                f"FAISS ended the process that inspected the file ({_end(finished)}): it is damaged, or of a kind that "
                "this FAISS cannot handle; adopt the vectors themselves as an array",
                path=path,
            ) from None
        if "error" in report:
            raise SourceError(report["error"], path=path)
        found = Report(**report)
        sample = np.load(results / SAMPLED) if (results / SAMPLED).exists() else None
        return Inspected(found, np.load(results / LABELS_FOUND), np.load(results / ORDER), sample)


def _end(finished: subprocess.CompletedProcess[bytes]) -> str:
    if finished.returncode < 0:
        return signal.Signals(-finished.returncode).name
    last = finished.stderr.decode(errors="replace").strip().splitlines()[-1:]
    return " ".join([f"status {finished.returncode}", *last])[:200]
