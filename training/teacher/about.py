"""Who a teacher is: its weights' hash, its name, and what its own card says of licence and languages.

The hash identifies it. Names are only for people: the same weights may come from the hub or from any folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_hub import metadata_load, try_to_load_from_cache

from typeahead.storage.sums import file_sha256

if TYPE_CHECKING:
    from training.recipe import TeacherRecipe
    from training.teacher.torch_teacher import TorchTeacher

NOT_STATED = "not stated"


@dataclass(frozen=True)
class About:
    """What cards say of a teacher."""

    name: str
    #: Its hub id, or "" if it is known only as a folder.
    hub_id: str = ""
    #: As the teacher's own card states it.
    licence: str = NOT_STATED
    #: The codes of that card. Empty if it states none.
    languages: tuple[str, ...] = ()
    #: The model that it was trained from, by its card.
    base: str = ""
    #: Empty or 0 if the teacher was not loaded.
    similarity: str = ""
    dim: int = 0
    #: Tokens of the student's vocabulary, if it is a part of the teacher's.
    tokens: int = 0
    query_prompt: str = ""


def about(recipe: TeacherRecipe, teacher: TorchTeacher | None = None) -> About:
    """What is known of a recipe's teacher; ``teacher`` is the same, loaded."""
    card = _card(recipe.path())
    return About(
        name=recipe.called,
        hub_id="" if Path(recipe.id).expanduser().is_dir() or recipe.id.count("/") != 1 else recipe.id,
        licence=_text(card.get("license_name") or card.get("license")) or NOT_STATED,
        languages=_texts(card.get("language")),
        base=", ".join(_texts(card.get("base_model"))),
        similarity=teacher.similarity if teacher else "",
        dim=teacher.dim if teacher else 0,
        tokens=teacher.cut_to if teacher else 0,
        query_prompt=teacher.query_prompt if teacher else recipe.query_prompt or "",
    )


def revision_of(teacher: TorchTeacher) -> str:
    """The hash that identifies a teacher: sha256 of its weights file.

    A teacher whose weights are not in one ``model.safetensors`` has that of its tensors instead.
    """
    weights = local_file(teacher.path, "model.safetensors")
    return file_sha256(weights) if weights else teacher.weights_sha256()


def local_file(path: str, name: str) -> Path | None:
    """A file of a teacher's folder, or of a hub id's local copy. ``None`` if it is not there."""
    folder = Path(path)
    if folder.is_dir():
        return folder / name if (folder / name).is_file() else None
    found = try_to_load_from_cache(path, name)
    return Path(found) if isinstance(found, str) else None


def _card(path: str) -> Mapping[str, Any]:
    """The front matter of a teacher's card. Empty if there is none, or if it cannot be read."""
    card = local_file(path, "README.md")
    if card is None:
        return {}
    try:
        return metadata_load(card) or {}
    except Exception:  # the library passes on whatever the YAML parser raises, and a card is no reason to fail
        return {}


def _text(value: Any) -> str:
    return ", ".join(_texts(value))


def _texts(value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    # YAML reads the code of Norwegian as false.
    return tuple("no" if one is False else str(one) for one in values if one is not None)
