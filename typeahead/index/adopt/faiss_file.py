"""Has a FAISS file inspected by :mod:`typeahead.index.adopt.inspection` in a separate process.

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
    """The report on a FAISS file, with its arrays by row; rows are sorted by label."""

    report: Report
    labels: NDArray[np.int64]
    #: Position in the file of each row's vector; the row itself if the file keeps no order.
    order: NDArray[np.int64]
    #: Vectors of the rows to compare with their documents, if FAISS can reconstruct them.
    sample: Vectors | None


def inspect_faiss(path: Path, folder: Path, *, cosine: bool, normalize: bool, nprobe: int | None) -> Inspected:
    """Check the FAISS file ``path`` and write the searchable files into ``folder``.

    Raises :class:`~typeahead.errors.SourceError`, also if FAISS crashes the process that inspects the file.
    """
    import_faiss()
    root = str(Path(typeahead.__file__).parents[1])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])}
    with tempfile.TemporaryDirectory(prefix="typeahead-") as temporary:
        task = Task(str(path.absolute()), str(folder.absolute()), temporary, cosine, normalize, nprobe)
        # -P: do not import a module of the same name from the current folder.
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
                f"FAISS crashed the process that inspected the file ({_end(finished)}): the file is damaged, or of a "
                "type that this FAISS cannot handle; adopt the vectors themselves as an array",
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
