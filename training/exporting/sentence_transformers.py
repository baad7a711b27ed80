"""Writes a student as a folder of sentence-transformers: float32, safetensors only.

``SentenceTransformer(folder)`` loads ST(k) that pools as its teacher does, without any code of ours. Every other
student is a module of its own, and a copy of it lies in the folder: ``SentenceTransformer(folder,
trust_remote_code=True)``. The folder that typeahead itself runs is written by :mod:`training.exporting.export`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from training.exporting.card import student_card
from training.exporting.origin import check_origin
from training.exporting.replacing import EXPORTED, check_replaceable, files_of_sentences, replace
from training.exporting.sentence_folder import write_json
from training.exporting.writers.parts import Target
from training.families import family_of, resolve
from training.recipe import Recipe
from training.students import load_student
from training.teacher.about import about
from training.teacher.torch_teacher import TorchTeacher
from typeahead.models.golden import agreements

_LEAST = 0.9999

_USAGE = """\
    from sentence_transformers import SentenceTransformer
    vectors = SentenceTransformer({arguments}).encode(["how to boil an egg"])

Weights are float32. For queries only."""


def export_sentences(
    run: Path,
    recipe: Recipe,
    teacher: TorchTeacher,
    out: Path,
    texts: Sequence[str],
    reference: np.ndarray,
    max_tokens: int,
) -> None:
    """Write the student of a finished run to ``out``, if the library gives the ``reference`` (n, dim) for ``texts``.

    Raises:
        ImportError: sentence-transformers is not installed.
        ValueError: its vectors differ, another recipe or teacher made the run, ``out`` holds files of something else,
            or the family has no such folder.
    """
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise ImportError('sentence-transformers is not installed: pip install "sentence-transformers>=5.0"') from error
    check_replaceable(out, files_of_sentences)
    student = load_student(run)
    check_origin(run, student, recipe, teacher)
    family = family_of(student.family)
    if not family.sentences:
        raise ValueError(f"students of family {family.name!r} cannot be exported for sentence-transformers")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "student"
        folder.mkdir()
        trusted: bool = resolve(family.sentences)(student, Target(folder, teacher, max_tokens))
        # A student with code of its own puts the prompt's ids before the text itself.
        prompts = {"query": teacher.query_prompt} if not trusted and teacher.query_prompt else {}
        described = {
            "prompts": prompts,
            "default_prompt_name": "query" if prompts else None,
            "similarity_fn_name": student.similarity,
        }
        write_json(folder / "config_sentence_transformers.json", described)
        arguments = f'"{out.name}"' + (", trust_remote_code=True" if trusted else "")
        usage = _USAGE.format(arguments=arguments)
        card = student_card(recipe, run, (), teacher=about(recipe.teacher, teacher), usage=usage)
        (folder / "README.md").write_text(card, encoding="utf-8")
        loaded = SentenceTransformer(str(folder), trust_remote_code=trusted, device="cpu")
        worst = float(agreements(np.asarray(loaded.encode(list(texts)), np.float32), reference).min())
        print(f"sentence-transformers against the student, {len(texts)} texts: agreement {worst:.6f} at worst")
        if not worst >= _LEAST:
            raise ValueError(f"sentence-transformers gives other vectors: agreement {worst:.6f}, below {_LEAST}")
        files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
        write_json(folder / EXPORTED, {"files": files})
        replace(folder, out, files_of_sentences)
