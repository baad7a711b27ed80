"""A teacher, and the texts of a recipe with its vectors: what several runs over the same texts can share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from training.recipe import Recipe
from training.stage1.development import Development
from training.stage1.texts import Corpus
from training.teacher.cut_teacher import with_vocabulary
from training.teacher.torch_teacher import TorchTeacher
from training.teacher.vectors import VectorCache
from typeahead.progress import OnProgress

#: Texts of a shard of vectors whose progress is followed.
_WATCHED_SHARD = 1024


@dataclass(frozen=True)
class Prepared:
    """A teacher, and the texts of a recipe with its vectors."""

    teacher: TorchTeacher
    cache: VectorCache
    corpus: Corpus
    development: Development


def prepare(
    recipe: Recipe,
    accelerator: Accelerator,
    *,
    teacher: TorchTeacher | None = None,
    on_progress: OnProgress | None = None,
) -> Prepared:
    """Load the teacher of a recipe, unless it is given, and compute its vectors of all texts and tokens.

    ``on_progress`` is called while it does; without it, bars are drawn on a terminal.
    """
    teacher = teacher or TorchTeacher.of(recipe.teacher, device=accelerator.device)
    # Small shards where somebody waits: each is a step of the progress, and what a kill can cost.
    options: dict[str, Any] = {"shard_size": _WATCHED_SHARD, "on_progress": on_progress} if on_progress else {}
    cache = VectorCache(
        Path(recipe.cache),
        teacher,
        process=accelerator.process_index,
        processes=accelerator.num_processes,
        wait=accelerator.wait_for_everyone,
        **options,
    )
    # The cache holds the teacher's own vectors, whatever vocabulary the student has.
    teacher = with_vocabulary(teacher, recipe.student.vocabulary)
    corpus = Corpus(recipe, teacher, cache, quiet=not accelerator.is_main_process)
    if recipe.student.has_token_vectors:
        with accelerator.main_process_first():
            teacher.token_vectors(cache.folder)
    development = Development(typed=recipe.typed)
    for path, held_out in corpus.held_out.items():
        development.add(path.stem, held_out, corpus.beside(path), teacher, cache, recipe.student.max_tokens)
    return Prepared(teacher, cache, corpus, development)
