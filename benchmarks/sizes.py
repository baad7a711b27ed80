"""What a page pays for the search box, and a browser for an encoder: bytes, plain and gzipped.

    python -m benchmarks.sizes

Measures the single file that other pages load; the same modules one by one, with comments, as our own page loads them;
and the client alone. Of each shipped encoder of queries it measures the weights beside the tables: what a program needs
that has fetched the rows of the tokens that are typed.
"""

from __future__ import annotations

import argparse
import gzip
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from typeahead.encoders.weights import read_tensors
from typeahead.models.folder import find, open_config, shipped_models
from typeahead.paths import web_folder
from typeahead.tables import report

_IMPORT = re.compile(r'^(?:import|export) .*?"\./([^"]+)";$', re.MULTILINE | re.DOTALL)


def modules(entry: Path) -> list[Path]:
    """A module and everything that it imports, each once."""
    found = [entry]
    for module in found:
        for name in _IMPORT.findall(module.read_text(encoding="utf-8")):
            if (other := module.with_name(name)) not in found:
                found.append(other)
    return found


def row(what: str, files: Iterable[Path]) -> dict[str, object]:
    """Count, bytes and gzipped bytes. Each file is compressed on its own, as a browser receives it."""
    contents = [file.read_bytes() for file in files]
    return {
        "what": what,
        "files": len(contents),
        "bytes": sum(map(len, contents)),
        "gzipped": sum(len(gzip.compress(content)) for content in contents),
    }


def beside_tables(model: str) -> dict[str, object]:
    """The bytes of a model's weights without what it has for each token: the rows of its tables."""
    folder = find(model)
    count = Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab_size()
    tensors: dict[str, np.ndarray] = {}
    for path in sorted(folder.glob("*.safetensors")):
        tensors |= read_tensors(path)
    content = b"".join(tensor.tobytes() for _, tensor in sorted(tensors.items()) if len(tensor) != count)
    return {"what": f"{model}, beside its tables", "bytes": len(content), "gzipped": len(gzip.compress(content, 9))}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    web = web_folder()
    rows = [
        row("element and client, one file", [web / "typeahead-search.min.js"]),
        row("element and client, as modules with comments", modules(web / "search-box.js")),
        row("client alone, as modules with comments", modules(web / "client.js")),
    ]
    encoders = [name for name in shipped_models() if open_config(find(name))[0].role == "query"]
    rows += [beside_tables(name) for name in encoders]
    report("Sizes", rows, json_path=options.json)


if __name__ == "__main__":
    main()
