"""MkDocs hook: brings the documents that live beside the code into the site, and makes links between all of them work.

In the repository a link names a file, relative to the document that holds it. ``docs/`` is the root of the site, so a
link out of it would lead nowhere. The documents of :data:`PAGES` become pages of the site, the pictures of
:data:`ASSETS` files of it. A link to any other file of the repository keeps its text and loses its target.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent

#: Documents outside ``docs/``, as patterns of their paths in the repository.
PAGES = (
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "ROADMAP.md",
    "SECURITY.md",
    "benchmarks/README.md",
    "benchmarks/data.md",
    "benchmarks/results/*.md",
    "deploy/README.md",
    "training/README.md",
    "web/embedding.md",
)
#: Pictures in them, as patterns.
ASSETS = ("web/screenshots/*.png", "benchmarks/results/*.svg")

#: Code, which is left alone, or a link with its text and target.
_LINK = re.compile(r"^(?:```|~~~).*?^(?:```|~~~)|`[^`]+`|(!?)\[([^\]]*)\]\(([^)\s]+)\)", re.MULTILINE | re.DOTALL)


def on_files(files: Files, config: Any) -> Files:
    """Add pages and pictures from outside ``docs/``."""
    for pattern in (*PAGES, *ASSETS):
        for path in sorted(ROOT.glob(pattern)):
            files.append(File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:  # noqa: ARG001 - MkDocs names them
    """Turn links between files of the repository into links between files of the site."""
    here = page.file.src_uri
    in_repository = Path(page.file.abs_src_path).relative_to(ROOT).as_posix()

    def rewrite(match: re.Match[str]) -> str:
        picture, text, target = match.groups()
        if target is None:
            return match[0]
        parts = urlsplit(target)
        if parts.scheme or parts.netloc or not parts.path:
            return match[0]
        found = posixpath.normpath(posixpath.join(posixpath.dirname(in_repository), parts.path))
        in_site = found.removeprefix("docs/")
        if files.get_file_from_path(in_site) is None:
            return match[0] if in_site != found else text
        anchor = f"#{parts.fragment}" if parts.fragment else ""
        return f"{picture}[{text}]({posixpath.relpath(in_site, posixpath.dirname(here) or '.')}{anchor})"

    return _LINK.sub(rewrite, markdown)
