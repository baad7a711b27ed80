"""Turns trained weights into folders that others load.

::

    python -m training.exporting.export student RECIPE RUN OUT                 a model folder of typeahead
    python -m training.exporting.export teacher RECIPE OUT                     the teacher as a passage encoder
    python -m training.exporting.export sentence-transformers RECIPE RUN OUT   a folder of sentence-transformers

A model folder holds quantised weights, the graphs of its family, golden vectors and the card. Export compares it with
PyTorch and prints how far int8 is from float32. ``OUT`` is touched only after that check has passed, and an export
replaces nothing but an earlier one. The teacher itself can be exported if :mod:`training.architectures` describes it.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training.commandline import run
from training.exporting.card import student_card, teacher_card
from training.exporting.model_folder import finish, passages_beside, save_tokenizer, teacher_info
from training.exporting.origin import check_origin
from training.exporting.replacing import check_replaceable, files_of_model
from training.exporting.writers.parts import Target, Written, as_array
from training.exporting.writers.transformer import write_teacher
from training.families import family_of, resolve
from training.recipe import Recipe, check_teacher, read_recipe
from training.students import Student, load_student
from training.teacher.about import about
from training.teacher.cut_teacher import with_vocabulary
from training.teacher.torch_teacher import TorchTeacher
from typeahead.core.encoder import Vectors
from typeahead.models.config import ModelConfig
from typeahead.models.golden import GOLDEN_TEXTS


def precise_teacher(recipe: Recipe) -> TorchTeacher:
    """The recipe's teacher in float32, whatever type it has in training: its weights are what ships.

    It has the student's vocabulary, if the recipe states one.
    """
    teacher = TorchTeacher(recipe.teacher.path(), **recipe.teacher.given())
    return with_vocabulary(teacher, recipe.student.vocabulary)


def max_tokens_of(teacher: TorchTeacher, prompt: str | None = None) -> int:
    """How many tokens of a text the teacher reads, besides special ones and the prompt's (default: a query's)."""
    before, after = teacher.special_ids(prompt)
    return teacher.max_length - len(before) - len(after)


@torch.inference_mode()
def encode_with_student(student: Student, teacher: TorchTeacher, texts: Sequence[str]) -> Vectors:
    """Encode texts one by one in PyTorch, cut where the teacher cuts: the reference for the exported model."""
    rows = []
    for text in texts:
        ids = torch.tensor([teacher.text_ids([text])[0][: max_tokens_of(teacher)]])
        rows.append(student(ids, torch.tensor([ids.shape[1]])))
    return as_array(torch.cat(rows))


def export_student(
    run: Path,
    recipe: Recipe,
    out: Path,
    figures: Sequence[Path],
    *,
    command: str = "",
    sources: Sequence[Mapping[str, Any]] | None = None,
) -> None:
    """Write the model folder of a finished run. ``command`` and ``sources`` are for the card.

    Raises:
        ValueError: the student's family is not known, another recipe or teacher made the run, or ``out`` holds
            something else than a model.
    """
    check_replaceable(out, files_of_model)
    student = load_student(run)
    family = family_of(student.family)
    teacher = precise_teacher(recipe)
    check_origin(run, student, recipe, teacher)
    reference = encode_with_student(student, teacher, GOLDEN_TEXTS)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        target = Target(folder, teacher, max_tokens_of(teacher))
        written: Written = resolve(family.writer)(student, target)
        save_tokenizer(teacher, folder, teacher.query_prompt)
        info = teacher_info(recipe, teacher)
        config = ModelConfig(
            name=recipe.name,
            family=family.runs_as,
            role="query",
            dim=student.dim,
            similarity=student.similarity,
            teacher=info,
            max_tokens=target.max_tokens,
            prefix_ids=written.prefix_ids,
            suffix_ids=written.suffix_ids,
            # A server that also has an encoder of whole texts gives longer texts to that one.
            shape={**written.shape, "trained_tokens": recipe.student.max_tokens},
            files={},
        )
        card = student_card(
            recipe,
            run,
            figures,
            teacher=about(recipe.teacher, teacher),
            passages=passages_beside(out, info),
            command=command,
            sources=sources,
        )
        finish(out, folder, config, reference, family.min_cosine, card)


def export_teacher(recipe: Recipe, name: str, out: Path, figures: Sequence[Path]) -> None:
    """Write the teacher itself as a passage encoder.

    Raises:
        ValueError: no trunk computes the teacher (:mod:`training.architectures`), or ``out`` holds something else than
            a model.
    """
    check_replaceable(out, files_of_model)
    teacher = precise_teacher(recipe)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        target = Target(folder, teacher, max_tokens_of(teacher, teacher.passage_prompt))
        written = write_teacher(target)
        save_tokenizer(teacher, folder, teacher.passage_prompt)
        config = ModelConfig(
            name=name,
            family="transformer",
            role="passage",
            dim=teacher.dim,
            similarity=teacher.similarity,
            teacher=teacher_info(recipe, teacher),
            max_tokens=target.max_tokens,
            prefix_ids=written.prefix_ids,
            suffix_ids=written.suffix_ids,
            shape=written.shape,
            files={},
        )
        reference = np.asarray(teacher.encode(GOLDEN_TEXTS, prompt=teacher.passage_prompt), np.float32)
        card = teacher_card(name, teacher, about(recipe.teacher, teacher), figures)
        finish(out, folder, config, reference, 0.99, card)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.exporting.export", description=__doc__.split("\n\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    student = commands.add_parser("student", help="write a finished run as a model folder")
    library = commands.add_parser("sentence-transformers", help="write a finished run as a folder of that library")
    for command in (student, library):
        command.add_argument("recipe", type=Path)
        command.add_argument("run", type=Path, help="folder of the run")
        command.add_argument("out", type=Path)
    teacher = commands.add_parser("teacher", help="write a recipe's teacher as a passage encoder")
    teacher.add_argument("recipe", type=Path)
    teacher.add_argument("out", type=Path)
    for command in (student, teacher):
        command.add_argument(
            "--figures",
            type=Path,
            nargs="*",
            default=[],
            help="JSON files of typeahead evaluate and bench, to print on the card",
        )
    options = parser.parse_args(arguments)
    recipe = read_recipe(options.recipe)
    check_teacher(recipe)
    if options.command == "student":
        export_student(options.run, recipe, options.out, options.figures)
    elif options.command == "sentence-transformers":
        # Imported here, because the other commands do without that library.
        from training.exporting.sentence_transformers import export_sentences

        source = precise_teacher(recipe)
        reference = encode_with_student(load_student(options.run), source, GOLDEN_TEXTS)
        export_sentences(options.run, recipe, source, options.out, GOLDEN_TEXTS, reference, max_tokens_of(source))
    else:
        export_teacher(recipe, options.out.name, options.out, options.figures)


if __name__ == "__main__":
    run(main)
