"""The families of students: one record for each, and all that training, export and cards know of it.

To add a family, write its modules and add a record here; if no family of :mod:`typeahead.encoders.families` can run
what it exports, add one there too. A record names its parts by ``module:name`` strings, so reading a recipe imports no
PyTorch and this module stands below those it names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from training.entries import RecipeError, take
from training.student_recipes import StudentRecipe

#: The family of a recipe that states none.
_DEFAULT = "residual-gru"


@dataclass(frozen=True, slots=True)
class Family:
    """What training has to know of a family of students."""

    #: The name that a recipe states: ``[student] family = "…"``.
    name: str
    #: The family of :mod:`typeahead.encoders.families` that runs an exported student.
    runs_as: str
    #: The dataclass of its entries in ``[student]``, a subclass of :class:`~training.student_recipes.StudentRecipe`.
    recipe: str
    #: The class in PyTorch, a subclass of :class:`training.students.base.Student`.
    student: str
    #: Writes weights and graphs: ``(student, target) -> Written``; see :mod:`training.exporting.writers.parts`.
    writer: str
    #: Describes it on the model card: ``(recipe, teacher's name) -> Words``; see the same module.
    words: str
    #: Writes the files of a sentence-transformers folder: ``(student, target) -> bool``, true if loading the folder
    #: runs code from it. "" for a family that has no such folder. See :mod:`training.exporting.sentence_folder`.
    sentences: str = ""
    #: Whether a student starts from the teacher's layers, so that :mod:`training.architectures` must know the teacher.
    layers: bool = False
    #: The least cosine between the exported model and PyTorch that export accepts.
    min_cosine: float = 0.995


def resolve(reference: str) -> Any:
    """Import what a ``module:name`` string of a record names."""
    module, name = reference.split(":")
    return getattr(import_module(module), name)


def family_of(name: str) -> Family:
    """The record of a family.

    Raises:
        ValueError: there is no such family.
    """
    if name not in FAMILIES:
        raise RecipeError(f"student family {name!r} is not one of {', '.join(FAMILIES)}")
    return FAMILIES[name]


def student_recipe(entries: Mapping[str, Any], where: str = "[student]") -> StudentRecipe:
    """Make the recipe of a student from its entries.

    Raises:
        RecipeError: there is no such family, or it does not have one of the entries, or a value makes no sense.
    """
    if not isinstance(entries, Mapping):
        raise RecipeError(f"{where} is not a table")
    try:
        family = family_of(entries.get("family", _DEFAULT))
        recipe: StudentRecipe = take(resolve(family.recipe), dict(entries), f"family {family.name!r}")
    except ValueError as error:
        raise RecipeError(f"{where}: {error}") from None
    return recipe


#: All families, by name.
FAMILIES = {
    family.name: family
    for family in (
        Family(
            "static",
            runs_as="static",
            recipe="training.student_recipes:StaticRecipe",
            student="training.students.static:Static",
            writer="training.exporting.writers.static:write",
            words="training.exporting.writers.static:words",
            sentences="training.exporting.sentence_folder:write",
        ),
        Family(
            "residual-gru",
            runs_as="recurrent",
            recipe="training.student_recipes:ResidualGRURecipe",
            student="training.students.recurrent:ResidualGRU",
            writer="training.exporting.writers.recurrent:write",
            words="training.exporting.writers.recurrent:words_of_residual_gru",
            sentences="training.exporting.sentence_folder:write",
        ),
        Family(
            "rnn",
            runs_as="recurrent",
            recipe="training.student_recipes:RNNRecipe",
            student="training.students.recurrent:PaperRNN",
            writer="training.exporting.writers.recurrent:write",
            words="training.exporting.writers.recurrent:words_of_rnn",
            sentences="training.exporting.sentence_folder:write",
        ),
        Family(
            "causal",
            runs_as="causal",
            recipe="training.student_recipes:CausalRecipe",
            student="training.students.transformer:Causal",
            writer="training.exporting.writers.causal:write",
            words="training.exporting.writers.causal:words",
            sentences="training.exporting.sentence_folder:write",
            layers=True,
        ),
        Family(
            "transformer",
            runs_as="transformer",
            recipe="training.student_recipes:TransformerRecipe",
            student="training.students.transformer:TruncatedTransformer",
            writer="training.exporting.writers.transformer:write",
            words="training.exporting.writers.transformer:words",
            sentences="training.exporting.sentence_bert:write",
            layers=True,
            min_cosine=0.99,
        ),
    )
}
