"""List the models that come with typeahead, show one's configuration, or verify its files."""

from __future__ import annotations

import argparse

from typeahead import models


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("name", nargs="?", metavar="MODEL", help="a model's name or folder (default: list all)")
    parser.add_argument("--verify", action="store_true", help="check every file's sha256 and the golden vectors")


def run(options: argparse.Namespace) -> None:
    """List, show or verify."""
    names = [options.name] if options.name else models.shipped_models()
    for name in names:
        folder = models.find(name)
        if options.verify:
            encoder = models.load(folder)
            print(
                f"{encoder.config.name}: {len(encoder.config.files)} files and the golden vectors are as they should be"
            )
            continue
        config = models.read_config(folder, verify=False)
        if options.name:
            print(config.to_json(), end="")
        else:
            size = sum(path.stat().st_size for path in folder.iterdir())
            print(
                f"{config.name:16} {config.role:8} {config.family:12} {config.dim:5} dimensions "
                f"{size / 1e6:6.1f} MB  teacher {config.teacher.name}"
            )
