"""Files of peers: a fingerprint of a folder, and files that are made once, whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from typeahead.errors import ModelCorrupt, ModelNotFound

#: Endings of files that decide what a model computes. Cards and scripts do not.
_DECIDING = {".json", ".safetensors", ".bin", ".txt", ".model", ".onnx"}


def folder_of(path: str, kind: str) -> Path:
    """The folder at ``path``; :class:`~typeahead.errors.ModelNotFound` if there is none."""
    folder = Path(path)
    if not folder.is_dir():
        raise ModelNotFound(f"{kind}:{path}: no folder of that name")
    return folder


def fingerprint(folder: Path) -> str:
    """sha256 in hex over the names and contents of all files that decide what a model computes."""
    total = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix in _DECIDING):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        total.update(f"{path.relative_to(folder).as_posix()}\0{digest}\n".encode())
    return total.hexdigest()


def read_json(path: Path) -> Any:
    """Read a JSON file, ``{}`` if it is missing; :class:`~typeahead.errors.ModelCorrupt` if it is no JSON."""
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelCorrupt(f"{path} is not JSON: {error}", folder=path.parent) from error


def made_once(path: Path, make: Callable[[Path], None]) -> Path:
    """Return ``path``. If it is missing, ``make`` writes it under another name, and it is renamed when complete."""
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.stem}-{os.getpid()}.partial{path.suffix}")
    try:
        make(partial)
        partial.replace(path)
    finally:
        if partial.is_dir():
            shutil.rmtree(partial)
        else:
            partial.unlink(missing_ok=True)
    return path
