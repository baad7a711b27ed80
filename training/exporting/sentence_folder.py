"""The files of a sentence-transformers folder whose student is a module of its own.

A family's function for such folders is ``write(student, target) -> bool``: it writes the modules into the target's
folder, and says whether loading them runs code from the folder (``trust_remote_code=True``). :func:`write` serves the
families that ``sentence_module.py`` knows. Another family can call :func:`write_own` with a module of its own.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import nn

from training.exporting.model_folder import save_tokenizer
from training.exporting.writers.parts import Target
from training.students import Student
from training.students.rounding import rounded_state
from training.students.transformer import Causal

#: The name of the copied module in the folder.
_MODULE = "sentence_student"


def write(student: Student, target: Target) -> bool:
    """Write a student that ``sentence_module.py`` computes."""
    write_own(student, target, Path(__file__).with_name("sentence_module.py"), "SentenceStudent")
    return True


def write_own(student: Student, target: Target, source: Path, name: str) -> None:
    """Write a student with a copy of the Python file ``source``, whose class ``name`` computes its vectors.

    The class is a module of sentence-transformers. It needs nothing but that library, and loads what lies beside it:
    ``student.json``, ``model.safetensors`` and ``tokenizer.json``.
    """
    folder = target.folder
    # The library encodes whole texts, so what guesses where unfinished ones are going is left out.
    settings = {name: value for name, value in student.settings.items() if name != "ahead"}
    write_json(folder / "student.json", {"family": student.family, **settings, "max_tokens": target.max_tokens})
    state = rounded_state(student).items()
    tensors = {name: tensor.contiguous() for name, tensor in state if not name.startswith("guess.")}
    if isinstance(student, Causal) and student.projection is not None:
        # The library's module has input embeddings of its own.
        weight, bias = tensors.pop("projection.weight"), tensors.pop("projection.bias")
        tensors["trunk.words.weight"] = nn.functional.linear(tensors["table.weight"], weight, bias)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    save_tokenizer(target.teacher, folder, target.teacher.query_prompt)
    shutil.copy(source, folder / f"{_MODULE}.py")
    write_modules(folder, [("", f"{_MODULE}.{name}")])


def write_modules(folder: Path, kinds: Sequence[tuple[str, str]]) -> None:
    """Write ``modules.json``: the folder and type of each module."""
    modules = [
        {"idx": number, "name": str(number), "path": path, "type": kind} for number, (path, kind) in enumerate(kinds)
    ]
    write_json(folder / "modules.json", modules)


def write_json(path: Path, data: Any) -> None:
    """Write a JSON file, and its folder if that is missing."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
