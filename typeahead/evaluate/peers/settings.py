"""What a sentence-transformers folder says of the words before a text, and of how its vectors compare."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Names of the prompt for passages, as the library looks for them.
_PASSAGES = ("document", "passage", "corpus")


def prompts_of(prompts: Mapping[str, str | None], default: str | None) -> tuple[str, str]:
    """The words before a query and before a passage, from the named ``prompts`` and the name of the ``default`` one."""
    known = {name: prompt or "" for name, prompt in prompts.items()}
    usual = known.get(default or "", "")
    return known.get("query", usual), next((known[name] for name in _PASSAGES if name in known), usual)


def normalises(similarity: Any, modules: list[str]) -> bool:
    """Whether vectors have to be divided by their length: they compare by cosine, and no module does it."""
    return similarity == "cosine" and "Normalize" not in modules
