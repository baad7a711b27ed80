"""List the shipped models, show a model's configuration, verify its files, or import a static table.

`typeahead models import FOLDER --out DIR` imports a model2vec folder, or a StaticEmbedding of sentence-transformers.
The new model has its own embedding space, and encodes both queries and passages.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from typeahead.encoders.loading import load
from typeahead.models.folder import find, read_config, shipped_models

_IMPORT = "import"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.usage = "typeahead models [MODEL] [--verify]\n       typeahead models import FOLDER --out DIR [--name NAME]"
    parser.add_argument(
        "names", nargs="*", metavar="MODEL", help="a model's name or folder (default: list all), or: import FOLDER"
    )
    parser.add_argument("--verify", action="store_true", help="check every file's sha256 and the golden vectors")
    imported = parser.add_argument_group("importing a static table")
    imported.add_argument("--out", type=Path, metavar="DIR", help="folder of the new model")
    imported.add_argument("--name", metavar="NAME", help="the new model's name (default: the name of its folder)")
    parser.set_defaults(refuse=parser.error)


def run(options: argparse.Namespace) -> None:
    """List, show, verify or import."""
    importing = options.names[:1] == [_IMPORT]
    if importing:
        if len(options.names) != 2 or options.out is None or options.verify:
            options.refuse("import takes one FOLDER and --out DIR")
        _import(Path(options.names[1]), options.out, options.name)
        return
    if options.out or options.name or len(options.names) > 1:
        options.refuse("pass one MODEL at a time; --out and --name are for import only")
    names = options.names or shipped_models()
    if options.verify:
        _verify(names)
    elif options.names:
        print(read_config(find(options.names[0]), verify=False).to_json(), end="")
    else:
        _list(names)


def _import(folder: Path, out: Path, name: str | None) -> None:
    from typeahead.encoders.static_import import import_static

    encoder = import_static(folder, out, name=name)
    config = encoder.config
    print(f"{out}: {config.name}, {encoder.tokenizer.vocabulary_size:,} tokens, {config.dim} dimensions")


def _verify(names: Sequence[str]) -> None:
    for name in names:
        encoder = load(find(name))
        print(f"{encoder.config.name}: {len(encoder.config.files)} files and the golden vectors are correct")


def _list(names: Sequence[str]) -> None:
    for name in names:
        folder = find(name)
        config = read_config(folder, verify=False)
        size = sum(path.stat().st_size for path in folder.iterdir())
        print(
            f"{config.name:16} {config.role:8} {config.family:12} {config.dim:5} dimensions "
            f"{size / 1e6:6.1f} MB  teacher {config.teacher.name}"
        )
