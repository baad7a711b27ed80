"""The demo's index: the documentation of the running Python.

Every public module, class, function and method of the standard library becomes a document with its signature, the start
of its docstring and a link to docs.python.org. ``stdlib_docs`` reads them in a separate process, because a server
should not import every module of the standard library. ``stdlib_pages`` knows the modules and the pages that document
them.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from typeahead.core.encoder import Encoder
from typeahead.demo.stdlib_pages import documentation_url, public_modules
from typeahead.errors import IndexFolderError, TypeaheadError
from typeahead.index.build import build_index, encoder_sha256
from typeahead.index.manifest import Manifest
from typeahead.progress import OnProgress
from typeahead.text.document import Document

#: Increased when the documents change, so that an older index is not reused for this version.
_VERSION = 2
#: Words kept of a docstring. Docstrings start with what matters, and indexing must not take longer than a minute.
_WORDS = 100
#: Time limit in seconds for reading all modules (it takes two), and how many modules may hang or crash before giving
#: up.
_TIMEOUT, _ATTEMPTS = 60, 5


def ensure_demo_index(folder: Path, encoder: Encoder, progress: OnProgress | None = None) -> Path:
    """Return the folder of the demo's index below ``folder``; build the index first if it does not exist.

    Each version of Python and each passage encoder has its own index. An interrupted build is resumed, and a damaged
    index is rebuilt.

    Raises the errors of :func:`~typeahead.index.build.build_index`, and :class:`~typeahead.errors.TypeaheadError` if
    the standard library cannot be read.
    """
    version = ".".join(map(str, sys.version_info[:3]))
    out = folder / f"python-{version}-{encoder.config.name}-{encoder_sha256(encoder)[:12]}-{_VERSION}"
    try:
        Manifest.read(out).verify_files(out)
    except IndexFolderError:
        build_index(stdlib_documents(), out, encoder, progress=progress, source=f"Python {version} standard library")
    return out


def stdlib_documents() -> list[Document]:
    """Return the documents of the running Python's standard library, by name; the same list every time."""
    found: dict[str, Document] = {}
    for record in stdlib_records():
        document = _document(record)
        found.setdefault(document.id, document)
    return [found[key] for key in sorted(found)]


def stdlib_records() -> Iterator[dict[str, Any]]:
    """Run ``stdlib_docs`` and return its records; if it hangs or crashes at a module, the next attempt skips it.

    Raises :class:`~typeahead.errors.TypeaheadError` if the standard library cannot be read.
    """
    names = public_modules()
    for _ in range(_ATTEMPTS):
        with tempfile.TemporaryDirectory() as scratch:
            out = Path(scratch, "records.jsonl")
            failure = _read_modules(names, out)
            lines = out.read_text(encoding="utf-8").splitlines() if out.exists() else []
        if failure is None:
            yield from (record for line in lines if "kind" in (record := json.loads(line)))
            return
        marks = [line for line in lines if line.startswith('{"module":')]
        if not marks:
            break
        names.remove(json.loads(marks[-1])["module"])
    raise TypeaheadError(f"the documentation of {sys.executable} cannot be read: {failure}")


def _read_modules(names: list[str], out: Path) -> str | None:
    """Run the script; return a description of what went wrong, if anything."""
    script = Path(__file__).with_name("stdlib_docs.py")
    # Modules get no display and no browser to open, and run in a folder that is deleted afterwards.
    environment = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")}
    environment["BROWSER"] = "true"
    try:
        finished = subprocess.run(
            [sys.executable, "-I", "-X", "utf8", "-W", "ignore", str(script), str(out)],
            input=json.dumps(names),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_TIMEOUT,
            cwd=out.parent,
            env=environment,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it did not finish within {_TIMEOUT} seconds"
    except OSError as error:
        return str(error)
    if finished.returncode:
        return (finished.stderr.strip().splitlines() or [f"exit status {finished.returncode}"])[-1]
    return None


def qualified_name(record: Mapping[str, Any]) -> str:
    """Return the full name of a record's item, which is the id of its document: ``json.dumps``, or ``len``."""
    home, name = record["home"], record["name"]
    return name if home == "builtins" and name else f"{home}.{name}" if name else home


def _document(record: Mapping[str, Any]) -> Document:
    home, name, kind = record["home"], record["name"], record["kind"]
    qualified = qualified_name(record)
    text = shorten(record["doc"])
    if not text:
        parent = qualified.rpartition(".")[0]
        text = f"{kind} of class {parent} in module {home}" if kind in ("method", "attribute") else ""
        text = text or (f"{kind} in module {home}" if name else f"module {home}")
    # Docstrings may contain anything; unencodable characters are shown as a replacement character.
    # The title is the name alone, as people type it.
    title, text = (_encodable(part) for part in (qualified, f"{record['signature']} {text}".strip()))
    return Document(qualified, title, text, documentation_url(home, name, record["defined"]))


def _encodable(text: str) -> str:
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def shorten(doc: str) -> str:
    """Return the first 100 words of a docstring, without examples, rulers and list markup."""
    kept: list[str] = []
    example = False
    for line in doc.splitlines():
        stripped = line.strip()
        # As in doctest, an example ends at an empty line.
        example = stripped.startswith(">>>") or (example and bool(stripped))
        if not example and not re.fullmatch(r"[-=~^*#_+|]{3,}[-=~^*#_+| ]*", stripped):
            kept.append(stripped)
    words = " ".join(kept).replace("``", "").split()
    return " ".join(words[:_WORDS]) + (" …" if len(words) > _WORDS else "")
